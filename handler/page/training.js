/** Training runs: started, watched with a live loss curve, taken up again, removed. */

import { pause, read, send, write } from "./api.js";
import { lineChart, losses } from "./charts.js";
import { make, part } from "./dom.js";
import { count, rounded, t } from "./words.js";

const POLL_MS = 1500;
const SECOND_CLICK_MS = 2000; // a start so soon after another one is the same start
const PATH = "api/constitution/runs";

export class Training {
  #form;
  #list;
  #panel;
  #errands;
  #page;
  #shown; // the id of the run whose details are open
  #curve = [];
  #rounds = 0;
  #drawn = {}; // what the list and the buttons say: they are made anew only when that changes, so that focus stays
  #start = {};

  /** `page` is told of runs: `listed(runs)` and `lost(error or null)` after a look, `report(id)`, `compare(run)` when that is asked for. */
  constructor(root, errands, page) {
    [this.#form, this.#list, this.#panel] = ["train", "runs", "run"].map((name) => part(root, name));
    [this.#errands, this.#page] = [errands, page];
    this.#form.addEventListener("submit", (event) => { event.preventDefault(); this.#begin(); });
  }

  /** Look at the runs again and again while this is to be seen. */
  async watch() {
    const mine = (this.#rounds += 1);
    while (mine === this.#rounds) {
      await this.look();
      await pause(POLL_MS);
    }
  }

  rest() {
    this.#rounds += 1;
  }

  /** Start a run; by a double click, once: the same key is sent again. */
  #begin() {
    const body = Object.fromEntries(["base", "plan"].map((name) => [name, part(this.#form, name).value]));
    const same = this.#start.until > performance.now() && JSON.stringify(body) === JSON.stringify(this.#start.request.body);
    if (!same) this.#start = { request: write("POST", PATH, body), until: performance.now() + SECOND_CLICK_MS };
    this.#errands.run(this.#start.request, (run) => this.#open(run.run_id));
  }

  #open(id) {
    [this.#shown, this.#curve] = [id, []];
    return this.look();
  }

  async look() {
    try {
      const { runs } = await send(read(PATH), (error) => this.#page.lost(error));
      this.#page.lost(null);
      this.#page.listed(runs);
      this.#shown = runs.some(({ run_id: id }) => id === this.#shown) ? this.#shown : runs[0]?.run_id;
      this.#draw("list", this.#list, runs.map((run) => [run.run_id, run.model_name, stateOf(run), run.run_id === this.#shown]), () => runs.map((run) => this.#choice(run)));
      this.#panel.hidden = !this.#shown;
      if (this.#shown) await this.#follow(this.#shown);
    } catch (error) {
      if (!error.code) throw error;
      this.#page.lost(error);
    }
  }

  async #follow(id) {
    const run = await send(read(`${PATH}/${id}`, { after: this.#curve.at(-1)?.step ?? 0 }));
    if (id !== this.#shown) return;
    if (run.curve.length) this.#curve = [...this.#curve.filter(({ step }) => step < run.curve[0].step), ...run.curve];
    part(this.#panel, "name").textContent = run.model_name;
    part(this.#panel, "state").textContent = stateOf(run);
    Object.assign(part(this.#panel, "progress"), { max: run.steps ?? 1, value: run.step });
    part(this.#panel, "charts").replaceChildren(...this.#charts());
    this.#draw("ways", part(this.#panel, "ways"), [run.run_id, run.status, run.stalled], () => this.#ways(run));
  }

  /** Make the children of an element anew if what they say has changed; the one with the focus has it again. */
  #draw(name, element, says, children) {
    const key = JSON.stringify(says);
    if (this.#drawn[name] === key) return;
    this.#drawn[name] = key;
    const focused = [...element.children].indexOf(document.activeElement);
    element.replaceChildren(...children());
    element.children[focused]?.focus();
  }

  #choice(run) {
    return make("button", { type: "button", "aria-pressed": String(run.run_id === this.#shown), onclick: () => this.#open(run.run_id) },
      make("span", { textContent: run.model_name }), make("span", { textContent: stateOf(run) }));
  }

  #charts() {
    const margins = this.#curve.filter(({ margin }) => margin !== null).map(({ step, margin }) => [step, margin]);
    const last = this.#curve.at(-1);
    return [...(last ? [chart("train.loss", losses(this.#curve), rounded(last.loss))] : []),
      ...(margins.length ? [chart("train.margin", [{ name: "DPO", points: margins }], rounded(margins.at(-1)[1]))] : [])];
  }

  #ways(run) {
    const way = (key, onclick) => make("button", { type: "button", textContent: t(key), onclick });
    const again = () => this.look();
    const remove = () => { if (confirm(t("train.sure", { name: run.model_name }))) this.#errands.run(write("DELETE", `${PATH}/${run.run_id}`), again); };
    const ways = [way("train.remove", remove)];
    if (run.stalled || run.status === "queued") ways.unshift(way("train.resume", () => this.#errands.run(write("POST", `${PATH}/${run.run_id}/resume`), again)));
    if (run.status === "succeeded") ways.unshift(way("train.report", () => this.#page.report(run.run_id)), way("train.compare", () => this.#page.compare(run)));
    return ways;
  }
}

const chart = (key, series, value) => make("figure", {}, make("figcaption", { className: "note", textContent: t(key, { value }) }),
  lineChart(series, t(key, { value })));

function stateOf(run) {
  const parts = [t(run.stalled ? "status.stalled" : `status.${run.status}`)];
  if (run.status === "running" && !run.stalled) parts.push(t(`activity.${run.activity}`));
  if (run.steps) parts.push(t("train.step", { step: count(run.step), steps: count(run.steps) }));
  if (run.status === "running" && run.activity === "training" && run.eta_s !== null) parts.push(t("train.eta", { seconds: count(Math.ceil(run.eta_s)) }));
  if (run.problem) parts.push(run.problem);
  return parts.join(" · ");
}
