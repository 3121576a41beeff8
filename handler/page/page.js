/** The flow of the page: start, look, spin, choose, undo. The server draws and remembers; this shows what it answered. */

import { address, read, send, write } from "./api.js";
import { describeModel, listModels } from "./models.js";
import { PAUSED, ending, showProblem, wordsFor } from "./problems.js";
import { makeResult } from "./result.js";
import { makeSliders, settingsOf } from "./sliders.js";
import { showStory } from "./story.js";
import { showTable } from "./table.js";
import { count } from "./tokens.js";
import { Wheel } from "./wheel.js";

const HOLD_MS = 1100; // how long the drawn wedge stays to be seen
const SLIDE_PAUSE_MS = 90;
const WAIT_MS = 1200; // an answer that takes longer gets words
const KEPT = "token-wheel-session";
const TYPING = "input:not([type=range]), textarea, select";

const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const state = { id: null, version: 0, prompt: "", text: "", turns: [], wheel: null, finished: false, busy: false, slides: 0 };
const wheel = new Wheel($("wheel"), (slice) => (state.busy ? skip() : choose(slice)));
const sliders = makeSliders($("settings"), slide);
const result = makeResult($("result"), $("announcement"));

/** Send a request and go on with its answer, one at a time. "Try again" sends the very same one: its key keeps it from counting twice. */
function perform(request, then, again = () => perform(request, then)) {
  if (!state.busy) state.running = performAlone(request, then, again);
  return state.running;
}

async function performAlone(request, then, again) {
  setBusy(true);
  const waiting = setTimeout(() => result.say("Waiting for the model …"), WAIT_MS);
  try {
    const answer = await send(request, () => showProblem($("problem"), PAUSED));
    clearTimeout(waiting);
    showProblem($("problem"));
    await then(answer);
  } catch (error) {
    result.say("");
    explain(error, again);
  } finally {
    clearTimeout(waiting);
    setBusy(false);
  }
}

function explain(error, again) {
  const restart = ["Start anew", () => start(state.prompt || $("prompt").value)];
  if (error.code === "session_not_found" && !state.text) { restart[1](); return; }
  const ways = {
    session_not_found: [["Go on from this text", () => start(state.text)], restart],
    version_conflict: [["Show how it is now", restore]],
    session_finished: [["Show how it is now", restore]],
  };
  showProblem($("problem"), wordsFor(error), ways[error.code] ?? (error.temporary ? [["Try again", again]] : [restart]));
  if (!error.code) throw error; // a fault of this page: the console should have it too
}

async function open() {
  await perform(read("api/models"), (answer) => listModels($("model"), $("about-model"), answer), open);
  if (!$("model").length) return;
  state.id = sessionStorage.getItem(KEPT);
  await (state.id ? restore() : start($("prompt").value));
}

async function start(prompt) {
  skip();
  await state.running;
  $("prompt").value = prompt;
  const body = { prompt, model_name: $("model").value || undefined, settings: state.wheel ? sliders.values() : {} };
  await perform(write("POST", "api/sessions", body), (answer) => {
    sessionStorage.setItem(KEPT, answer.session_id);
    Object.assign(state, { id: answer.session_id, prompt: answer.initial_prompt, turns: [] });
    result.say("");
    show(answer);
  });
}

/** Show the session as the server has it: after a reload of the page, or a change from elsewhere. */
function restore() {
  return perform(read(`api/sessions/${state.id}`), async (session) => {
    Object.assign(state, { prompt: session.initial_prompt, turns: await allTurns() });
    [$("prompt").value, $("model").value] = [session.initial_prompt, session.model_name];
    describeModel($("model"), $("about-model"));
    result.say("");
    show({ ...session, wheel: await wheelWith(settingsOf(session)) });
  });
}

/** The session's wheel. The settings are always given: without them it would have those that the session began with. */
const wheelWith = (settings) => send(read(`api/sessions/${state.id}/next-token-probs`, settings));

async function allTurns() {
  const turns = [];
  for (let after = -1; after !== null;) {
    const page = await send(read(`api/sessions/${state.id}/turns`, { after }));
    turns.push(...page.turns);
    after = page.next_after;
  }
  return turns;
}

function slide(values) {
  const mine = (state.slides += 1);
  state.redrawn = redraw(values, () => mine === state.slides);
}

/** Redraw with the sliders' values once they rest. A late answer to earlier values is not shown. */
async function redraw(values, isLatest) {
  await pause(SLIDE_PAUSE_MS);
  await state.running;
  if (!isLatest() || !state.wheel) return;
  try {
    const answer = await wheelWith({ ...settingsOf(state.wheel), ...values });
    if (isLatest() && answer.session_id === state.id && answer.version === state.version) showWheel(answer);
  } catch (error) {
    sliders.show(settingsOf(state.wheel));
    explain(error, () => slide(values));
  }
}

/** What a spin or choice is meant for: exactly the wheel on the screen. */
const meant = () => ({ ...settingsOf(state.wheel), expected_version: state.version, ...($("seed").value && { seed: $("seed").value }) });

async function spin() {
  await state.redrawn;
  if (state.wheel && !state.finished) await perform(write("POST", `api/sessions/${state.id}/spin`, meant()), land);
}

async function choose({ token }) {
  await state.redrawn;
  const choice = token ? { token_id: token.token_id } : { category: "other" };
  if (!state.finished) await perform(write("POST", `api/sessions/${state.id}/append-token`, { ...meant(), ...choice }), land);
}

/** Turn the wheel to what was drawn, let it be seen, then show the next wheel. */
async function land(answer) {
  const turn = { ...answer.appended_token, draw: answer.draw };
  result.say("");
  if (turn.draw) await wheel.spinTo(turn.draw.target_angle);
  wheel.mark(turn.token_id);
  state.turns.push(turn);
  result.appended(turn, state.wheel.vocabulary_size);
  showText(answer);
  await Promise.race([pause(HOLD_MS), new Promise((resolve) => { state.endHold = resolve; })]);
  show(answer);
}

function skip() {
  wheel.skip();
  state.endHold?.();
}

function undo() {
  if (!state.turns.length) return;
  perform(write("POST", `api/sessions/${state.id}/undo`, { expected_version: state.version }), async (answer) => {
    state.turns.length = answer.generation_count;
    result.tookBack(answer.removed_token);
    show({ ...answer, wheel: await wheelWith(settingsOf(state.wheel)) });
  });
}

/** Show what an answer says of the session, and its wheel if it has one. */
function show(answer) {
  Object.assign(state, { version: answer.version, finished: answer.finished });
  showText(answer);
  if (answer.wheel) showWheel(answer.wheel);
  if (answer.finished) showProblem($("problem"), ending(answer.finish_reason), [["Undo", undo], ["Start anew", () => start(state.prompt)]]);
  for (const format of ["json", "csv"]) $(format).href = address(`api/sessions/${state.id}/export?format=${format}`);
}

function showText(answer) {
  state.text = answer.current_text;
  showStory($("story"), state.prompt, state.turns);
}

function showWheel(answer) {
  state.wheel = answer;
  wheel.draw(answer);
  sliders.show(settingsOf(answer));
  showTable($("rows"), answer, choose);
  const perplexity = count(Number(answer.perplexity.toPrecision(3)));
  $("entropy").textContent = `Entropy ${answer.entropy.toFixed(2)} bits · perplexity ${perplexity}: as open as ${perplexity} equal wedges`;
}

function setBusy(busy) {
  state.busy = busy;
  $("spin").textContent = busy ? "…" : "Spin";
  $("spin").disabled = !busy && (!state.wheel || state.finished);
  $("undo").disabled = busy || !state.turns.length;
  $("model").disabled = busy;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(TYPING)) return;
  if (event.key === " " && !event.target.closest("button, a")) { event.preventDefault(); spinOrSkip(); }
  if (event.key.toLowerCase() === "z") undo();
}

const spinOrSkip = () => (state.busy ? skip() : spin());

document.addEventListener("keydown", onKey);
$("start").addEventListener("submit", (event) => { event.preventDefault(); start($("prompt").value); });
$("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); $("start").requestSubmit(); }
});
$("quick").addEventListener("click", ({ target }) => { if (target.matches("button")) start(target.textContent); });
$("model").addEventListener("change", () => { describeModel($("model"), $("about-model")); start($("prompt").value); });
$("spin").addEventListener("click", spinOrSkip);
$("undo").addEventListener("click", undo);
open();
