/** The page: its language, the choice of prompt and model, one column or two, links to sessions, and keys. */

import { read } from "./api.js";
import { Column } from "./column.js";
import { part } from "./dom.js";
import { Errands } from "./errands.js";
import { linked } from "./link.js";
import { describeModel, listModels } from "./models.js";
import { showPause, showProblem, wordsFor } from "./problems.js";
import { replay } from "./replay.js";
import { fill, loadWords, offerLanguages, t } from "./words.js";

const KEPT = "token-wheel-sessions";
const TYPING = "input:not([type=range]), textarea, select, dialog";

const $ = (name) => part(document, name);
const columns = [];
let active; // the column that keys are meant for

function addColumn() {
  const root = $("column").content.firstElementChild.cloneNode(true);
  const page = { problem: $("problem"), prompt: () => $("prompt").value, forked: (id) => openSecond().restore(id), changed: remember };
  $("columns").append(root);
  const column = new Column(root, `column${columns.length + 1}`, page);
  columns.push(column);
  active = column;
  for (const event of ["pointerdown", "focusin"]) root.addEventListener(event, () => { active = column; }, { capture: true });
  part(root, "close").addEventListener("click", () => closeSecond());
  return column;
}

/** The second column, made anew: what it showed before is left to its own. */
function openSecond() {
  closeSecond();
  document.body.classList.add("two");
  return addColumn();
}

function closeSecond() {
  if (columns.length < 2) return;
  columns.pop().autoplay.stop();
  $("columns").lastElementChild.remove();
  document.body.classList.remove("two");
  active = columns[0];
  remember(active);
}

/** The sessions on the screen are shown again after a reload of this tab. */
function remember({ session }) {
  sessionStorage.setItem(KEPT, JSON.stringify(columns.map((column) => column.session.id).filter(Boolean)));
  if (session !== columns[0].session) return;
  [$("prompt").value, $("model").value] = [session.prompt, session.model];
  describeModel($("model"), $("about-model"));
}

function start(prompt) {
  closeSecond();
  $("prompt").value = prompt;
  return columns[0].start(prompt, $("model").value);
}

async function open() {
  await loadWords();
  fill(document);
  document.title = t("title");
  offerLanguages($("language"));
  addColumn();
  listen();
  await begin();
}

/** Ask for the models, then show the sessions of a link or of before, or a new one. */
async function begin() {
  const tell = { busy: () => {}, say: () => {}, paused: (...words) => showPause($("problem"), ...words) };
  const failed = (error, again) => showProblem($("problem"), wordsFor(error), [[t("try_again"), again]]);
  await new Errands({ ...tell, failed }).run(read("api/models"), (answer) => {
    listModels($("model"), $("about-model"), answer);
    showFirst();
  });
}

async function showFirst() {
  const link = await linked();
  if (link) { await showLinked(link); return; }
  const [first, second] = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  await (first ? columns[0].restore(first) : start($("prompt").value));
  if (second) await openSecond().restore(second);
}

/** Repeat the session of a link. Its address has done its work: a reload then shows the session itself. */
async function showLinked({ kind, recording }) {
  history.replaceState(null, "", location.pathname + location.search);
  const outcome = await replay(columns[0], recording, kind === "replay");
  if (outcome && kind === "replay") $("replayed").textContent = outcome;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(TYPING)) return;
  if (event.key === " " && !event.target.closest("button, a, summary")) { event.preventDefault(); active.spinOrSkip(); }
  if (event.key.toLowerCase() === "z") active.undo();
}

function onPromptKey(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("start").requestSubmit();
}

function listen() {
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", async () => { const link = await linked(); if (link) { closeSecond(); await showLinked(link); } });
  $("start").addEventListener("submit", (event) => { event.preventDefault(); start($("prompt").value); });
  $("prompt").addEventListener("keydown", onPromptKey);
  $("quick").addEventListener("click", ({ target }) => { if (target.matches("button")) start(target.textContent); });
  $("model").addEventListener("change", () => { describeModel($("model"), $("about-model")); start($("prompt").value); });
}

open();
