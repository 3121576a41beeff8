/** What a column looks like: its wheel, text, sliders, buttons and tabs. */

import { part } from "./dom.js";
import { showHistory } from "./history.js";
import { openLinks } from "./links.js";
import { openOther } from "./other.js";
import { showPaths } from "./paths.js";
import { savePicture } from "./picture.js";
import { wordsFor } from "./problems.js";
import { makeResult } from "./result.js";
import { showRoom } from "./room.js";
import { showScore } from "./score.js";
import { makeSliders } from "./sliders.js";
import { showStory } from "./story.js";
import { Tabs } from "./tabs.js";
import { showTokens } from "./token_table.js";
import { Wheel } from "./wheel.js";
import { count, decimal, fill, rounded, t } from "./words.js";

const FORMATS = ["json", "csv"];

export class ColumnView {
  wheel;
  sliders;
  result;
  #root;
  #column;
  #tabs;
  #shown = null; // the wheel on the screen, perhaps a preview

  constructor(root, name, column) {
    [this.#root, this.#column] = [root, column];
    fill(root);
    this.wheel = new Wheel(this.#part("wheel"), name, (slice) => this.#decide(slice));
    this.sliders = makeSliders(this.#part("settings"), (values) => column.slide(values));
    this.result = makeResult(this.#part("result"), this.#part("announcement"));
    const panels = [...root.querySelectorAll("[data-tab]")];
    for (const panel of panels) panel.id = `${name}-${panel.dataset.tab}`;
    this.#tabs = new Tabs(this.#part("tabs"), panels, (panel) => this.#attempt(() => this.#showPanel(panel.dataset.tab)));
    this.#listen();
  }

  get seed() {
    return this.#part("seed").value;
  }

  showText(session) {
    showStory(this.#part("story"), session.prompt, session.turns);
    for (const format of FORMATS) this.#part(format).href = session.exported(format);
  }

  showWheel(wheel, session) {
    this.#shown = wheel;
    this.wheel.draw(wheel);
    this.sliders.show(wheel.settings ?? wheel);
    const perplexity = rounded(wheel.perplexity);
    this.#part("entropy").textContent = t("entropy", { entropy: decimal(wheel.entropy, 2), perplexity });
    this.showState(session, this.#column.busy);
    this.#tabs.refresh();
  }

  /** A turn has been appended: its wedge stands out, and its token is named. */
  landed(turn, wheel) {
    this.wheel.mark(turn.token_id);
    this.result.appended(turn, wheel.vocabulary_size);
  }

  showState(session, busy) {
    this.#part("spin").textContent = busy ? "…" : t("spin");
    this.#part("spin").disabled = !busy && (!session.wheel || session.finished);
    this.#part("undo").disabled = busy || !session.turns.length;
    for (const name of ["fork", "reset"]) this.#part(name).disabled = busy || !session.id;
    this.#root.classList.toggle("busy", busy);
  }

  showAutoplay(left, paused) {
    const label = left ? t(paused ? "auto.go_on" : "auto.pause", { number: left, count: count(left) }) : t("auto.spin");
    this.#part("auto").textContent = label;
  }

  #part(name) {
    return part(this.#root, name);
  }

  #decide(slice) {
    if (this.#column.busy) this.#column.skip();
    else if (slice.token) this.#column.choose(slice);
    else openOther(this.#part("other"), this.#shown, (chosen) => this.#column.choose(chosen));
  }

  #listen() {
    const column = this.#column;
    const onClick = {
      spin: () => column.spinOrSkip(),
      undo: () => column.undo(),
      fork: () => column.fork(),
      reset: () => column.reset(),
      auto: () => column.spinOften(Number(this.#part("times").value) || 1),
      link: () => this.#attempt(() => openLinks(this.#part("links"), column.session)),
      png: () => this.#attempt(() => this.#savePicture()),
      room: () => this.#attempt(() => this.#spinRoom()),
    };
    for (const [name, action] of Object.entries(onClick)) this.#part(name).addEventListener("click", action);
    this.#part("score").addEventListener("submit", (event) => { event.preventDefault(); this.#attempt(() => this.#score()); });
    this.#part("settings").addEventListener("pointerenter", () => column.prepare());
    for (const dialog of this.#root.querySelectorAll("dialog")) {
      dialog.addEventListener("click", ({ target }) => { if (target === dialog || target.closest("[data-close]")) dialog.close(); });
    }
  }

  /** Show what a tab is for. Its panel is filled only while it is to be seen. */
  async #showPanel(tab) {
    const { session } = this.#column;
    if (!this.#shown) return;
    const fillers = {
      tokens: () => this.#showTokens(),
      history: () => showHistory(this.#part("turns"), session.turns, (turns) => this.#column.fork(turns)),
      paths: () => showPaths(this.#part("paths"), session),
    };
    await fillers[tab]?.();
  }

  async #showTokens() {
    const wheel = this.#shown;
    const show = (tokens) => showTokens(this.#part("rows"), wheel, tokens, (slice) => this.#decide(slice));
    show([]);
    if (this.#column.session.finished || !filters(wheel.settings ?? wheel)) return;
    const { tokens } = await this.#column.logits();
    if (wheel === this.#shown) show(tokens);
  }

  #spinRoom() {
    return showRoom({ body: this.#part("room-rows"), note: this.#part("room-note") }, this.#column.session, Number(this.#part("spins").value));
  }

  #score() {
    return showScore(this.#part("scored"), this.#part("text").value, this.#column.session.model);
  }

  #savePicture() {
    const { temperature, top_k: topK, top_p: topP } = this.#shown.settings ?? this.#shown;
    const settings = [`T = ${rounded(temperature)}`, topK && `top-k ${count(topK)}`, topP < 1 && `top-p ${rounded(topP)}`, this.#part("entropy").textContent];
    return savePicture(this.#part("wheel"), [this.#column.session.text.slice(-70), settings.filter(Boolean).join(" · ")], "wheel.png");
  }

  /** What only shows something changes no session: when it fails, its own place says so. */
  async #attempt(action) {
    const failure = this.#part("failure");
    failure.textContent = "";
    try {
      await action();
    } catch (error) {
      failure.textContent = wordsFor(error);
      if (!error.code) throw error;
    }
  }
}

const filters = ({ top_k: topK, top_p: topP, min_p: minP }) => topK > 0 || topP < 1 || minP > 0;
