/** Training runs: started, watched with a live loss curve, taken up again, removed. */

import { pause, read, send, write } from "./api.js";
import { lineChart } from "./charts.js";
import { make, part } from "./dom.js";
import { count, rounded, t } from "./words.js";

const POLL_MS = 1500;
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

  /** `page` is told of runs: `listed(runs)` after each look, `report(id)` and `compare(run)` when that is asked for. */
  constructor(root, errands, page) {
    [this.#form, this.#list, this.#panel] = ["train", "runs", "run"].map((name) => part(root, name));
    [this.#errands, this.#page] = [errands, page];
    this.#form.addEventListener("submit", (event) => { event.preventDefault(); this.#start(); });
  }

  /** Look at the runs again and again while this is to be seen. */
  async watch() {
    const mine = (this.#rounds += 1);
    while (mine === this.#rounds) {
      await this.#look();
      await pause(POLL_MS);
    }
  }

  rest() {
    this.#rounds += 1;
  }

  #start() {
    const [base, plan] = ["base", "plan"].map((name) => part(this.#form, name).value);
    this.#errands.run(write("POST", PATH, { base, plan }), (run) => this.#open(run.run_id));
  }

  #open(id) {
    [this.#shown, this.#curve] = [id, []];
    return this.#look();
  }

  async #look() {
    try {
      const { runs } = await send(read(PATH));
      this.#page.listed(runs);
      this.#shown = runs.some(({ run_id: id }) => id === this.#shown) ? this.#shown : runs[0]?.run_id;
      this.#list.replaceChildren(...runs.map((run) => this.#choice(run)));
      this.#panel.hidden = !this.#shown;
      if (this.#shown) await this.#follow(this.#shown);
    } catch (error) {
      if (!error.code) throw error; // the server's failures are told by the next look that works
    }
  }

  async #follow(id) {
    const run = await send(read(`${PATH}/${id}`, { after: this.#curve.at(-1)?.step ?? 0 }));
    if (id !== this.#shown) return;
    if (this.#curve.length && run.curve.length && run.curve[0].step <= this.#curve.at(-1).step) this.#curve = [];
    this.#curve.push(...run.curve);
    this.#panel.replaceChildren(...this.#details(run));
  }

  #choice(run) {
    return make("button", { type: "button", "aria-pressed": String(run.run_id === this.#shown), onclick: () => this.#open(run.run_id) },
      make("span", { textContent: run.model_name }), make("span", { textContent: stateOf(run) }));
  }

  #details(run) {
    const losses = ["sft", "dpo"].map((phase) => ({ name: phase.toUpperCase(), points: this.#curve.filter((point) => point.phase === phase).map(({ step, loss }) => [step, loss]) }));
    const margins = this.#curve.filter(({ margin }) => margin !== null).map(({ step, margin }) => [step, margin]);
    const last = this.#curve.at(-1);
    return [make("h2", { textContent: run.model_name }), make("p", { textContent: stateOf(run) }),
      make("progress", { max: run.steps ?? 1, value: run.step, ariaLabel: t("train.progress") }),
      ...(last ? [chart("train.loss", losses, rounded(last.loss))] : []),
      ...(margins.length ? [chart("train.margin", [{ name: "DPO", points: margins }], rounded(margins.at(-1)[1]))] : []),
      make("div", { className: "row start-row" }, ...this.#ways(run))];
  }

  #ways(run) {
    const way = (key, onclick) => make("button", { type: "button", textContent: t(key), onclick });
    const again = () => this.#look();
    const ways = [way("train.remove", () => this.#errands.run(write("DELETE", `${PATH}/${run.run_id}`), again))];
    if (run.stalled || run.status === "queued") ways.unshift(way("train.resume", () => this.#errands.run(write("POST", `${PATH}/${run.run_id}/resume`), again)));
    if (run.status === "succeeded") ways.unshift(way("train.report", () => this.#page.report(run.run_id)), way("train.compare", () => this.#page.compare(run)));
    return ways;
  }
}

const chart = (key, series, value) => make("figure", {}, make("figcaption", { className: "note", textContent: t(key, { value }) }),
  lineChart(series, t(key, { value }), ""));

function stateOf(run) {
  const parts = [t(run.stalled ? "status.stalled" : `status.${run.status}`)];
  if (run.status === "running" && !run.stalled) parts.push(t(`activity.${run.activity}`));
  if (run.steps) parts.push(t("train.step", { step: count(run.step), steps: count(run.steps) }));
  if (run.status === "running" && run.activity === "training" && run.eta_s !== null) parts.push(t("train.eta", { seconds: count(Math.ceil(run.eta_s)) }));
  if (run.problem) parts.push(run.problem);
  return parts.join(" · ");
}
