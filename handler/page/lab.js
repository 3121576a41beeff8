/** The lab: judge texts, revise them, fine-tune a model, compare it with its base, and report. */

import { read, send } from "./api.js";
import { comparing } from "./comparing.js";
import { part } from "./dom.js";
import { Errands } from "./errands.js";
import { evaluating, principles, revising, showPrinciples } from "./judging.js";
import { showPause, showProblem, wordsFor } from "./problems.js";
import { showReport } from "./report.js";
import { Tabs } from "./tabs.js";
import { Training } from "./training.js";
import { fill, loadWords, offerLanguages, t } from "./words.js";

const $ = (name) => part(document, name);
const panels = [...document.querySelectorAll("[data-tab]")];
const panelOf = (name) => panels.find((panel) => panel.dataset.tab === name);
let tabs;
let training;
let finished = "";
let tuned = [];
let shownReport;

/** Errands of one form: its button rests while they are under way. */
function errandsOf(form) {
  return new Errands({
    busy: (busy) => { for (const button of form.querySelectorAll("button")) button.disabled = busy; },
    say: (text) => { $("announcement").textContent = text; },
    paused: (...words) => showPause($("problem"), ...words),
    failed: (error, again) => {
      showProblem($("problem"), wordsFor(error), error.temporary ? [[t("try_again"), again]] : [[t("close"), () => {}]]);
      if (!error.code) throw error; // a fault of this page: the console should have it too
    },
  });
}

async function open() {
  await loadWords();
  fill(document);
  document.title = t("lab.title");
  offerLanguages($("language"));
  wire();
  tabs = new Tabs($("tabs"), panels, opened);
  await errandsOf($("train")).run(principles(), async (answer) => {
    showPrinciples($("principles"), answer);
    await listChoices();
    await training.look();
  });
}

function opened({ dataset: { tab } }) {
  if (tab === "train") training.watch();
  else training.rest();
  if (tab === "report" && $("reported").value && !$("report").childElementCount) report($("reported").value);
}

function wire() {
  for (const [name, act, result] of [["evaluate", evaluating, "evaluated"], ["revise", revising, "revised"], ["compare", comparing, "compared"]]) {
    act($(name), $(result), errandsOf($(name)));
  }
  training = new Training(panelOf("train"), errandsOf($("train")), { listed, lost, report, compare });
  $("reported").addEventListener("change", ({ target }) => report(target.value));
}

async function listChoices() {
  const [{ models }, { plans }] = await Promise.all(["models", "constitution/plans"].map((path) => send(read(`api/${path}`))));
  for (const select of [$("base"), part($("revise"), "model"), $("before"), $("after")]) {
    const names = [...new Set([...models.map(({ id }) => id), ...tuned])]; // the list of models may be some seconds old
    const chosen = names.includes(select.value) ? select.value : models.find((model) => model.default).id;
    select.replaceChildren(...names.map((id) => new Option(id, id, false, id === chosen)));
  }
  if (!$("plan").length) $("plan").replaceChildren(...plans.map(({ name, prompts, epochs }) => new Option(t("train.plan_of", { name: t(`plan.${name}`), prompts, epochs }), name)));
}

/** Say that the server does not answer, with the words of the error; or, given none, no longer. */
function lost(error) {
  $("announcement").textContent = error ? wordsFor(error) : "";
}

/** Keep what can be reported and compared in step with the runs that have succeeded. */
async function listed(runs) {
  const done = runs.filter(({ status }) => status === "succeeded");
  const names = done.map(({ run_id: id }) => id).join();
  if (names === finished) return;
  tuned = done.map(({ model_name: name }) => name);
  const chosen = $("reported").value;
  $("reported").replaceChildren(...done.map(({ run_id: id, model_name: name }) => new Option(name, id, false, id === chosen)));
  if (!done.some(({ run_id: id }) => id === shownReport)) $("report").replaceChildren();
  await listChoices();
  finished = names;
}

async function report(runId) {
  $("reported").value = runId;
  if (panelOf("report").hidden) tabs.open(panels.indexOf(panelOf("report")));
  shownReport = runId;
  const isShown = () => runId === shownReport;
  await errandsOf($("reported").form).run(read(`api/constitution/runs/${runId}`), () => showReport($("report"), runId, isShown));
}

function compare(run) {
  tabs.open(panels.indexOf(panelOf("compare")));
  [$("before").value, $("after").value] = [run.base, run.model_name];
  $("compare").requestSubmit();
}

open();
