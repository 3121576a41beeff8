/** One session on the page: look, spin, choose, undo. The server draws and remembers; this shows what it answered. */

import { pause, send } from "./api.js";
import { ColumnView } from "./column_view.js";
import { Autoplay, Errands } from "./errands.js";
import { ranked, wheelOf } from "./preview.js";
import { ending, showPause, showProblem, wordsFor } from "./problems.js";
import { Session, creation } from "./session.js";
import { t } from "./words.js";

const HOLD_MS = 1100; // how long the drawn wedge stays to be seen
const SLIDE_PAUSE_MS = 150;
const AUTOMATIC_PACE = 2.5;

export class Column {
  session = new Session();
  autoplay;
  #view;
  #errands;
  #page;
  #ranked = {}; // all logits, and the session and version that they are of
  #slides = 0;
  #redrawn;
  #endHold;

  /** `page` has the element `problem` and is told of `forked(session id)` and `changed(column)`; `name` is unique on the page. */
  constructor(root, name, page) {
    this.#page = page;
    this.#view = new ColumnView(root, name, this);
    this.autoplay = new Autoplay((left, paused) => this.#view.showAutoplay(left, paused));
    this.#errands = new Errands({
      busy: () => this.#view.showState(this.session, this.busy),
      say: (text) => this.#view.result.say(text),
      paused: (words, seconds) => showPause(page.problem, words, seconds),
      failed: (error, again) => this.#explain(error, again),
    });
  }

  get busy() {
    return this.#errands.busy;
  }

  /** A new session at a prompt. Resolves to whether there is one. */
  async start(prompt, model = this.session.model, settings = this.session.wheel ? this.#view.sliders.values() : {}) {
    this.#interrupt();
    await this.#errands.running;
    return this.#errands.run(creation(prompt, model, settings), (answer) => {
      this.session.begin(answer);
      this.#show(answer);
    });
  }

  /** Show the session as the server has it: after a reload of the page, or a change from elsewhere. */
  restore(id = this.session.id) {
    this.session.id = id;
    return this.#errands.run(this.session.whole(), async (whole) => {
      this.session.begin(whole, await this.session.allTurns());
      this.#show({ ...whole, wheel: whole.finished ? null : await send(this.session.look()) });
    });
  }

  /** Redraw at once from the logits, then have the server confirm the wheel when the sliders rest. */
  slide(values) {
    if (!this.session.wheel || this.session.finished) return;
    const mine = (this.#slides += 1);
    const isLatest = () => mine === this.#slides;
    this.#redrawn = this.#redraw({ ...this.session.settings, ...values }, isLatest, () => this.slide(values));
  }

  /** Show the wheel of other settings. Resolves to whether that went well. */
  look(settings) {
    return this.#errands.run(this.session.look(settings), (wheel) => this.#showWheel(wheel));
  }

  async spin(seed = this.#view.seed) {
    await this.#redrawn;
    if (!this.session.wheel || this.session.finished) return false;
    return this.#errands.run(this.session.spin(seed), (answer) => this.#land(answer));
  }

  /** Append the token of a slice; without a token draw one from Other. */
  async choose(slice, seed = this.#view.seed) {
    await this.#redrawn;
    if (this.session.finished) return false;
    return this.#errands.run(this.session.choice(slice, seed), (answer) => this.#land(answer));
  }

  /** Append a recorded turn by `request`; an answer that is not right is taken back. Resolves to whether that went well. */
  repeat(request, isRight, looks) {
    return this.#errands.run(request, async (answer) => {
      if (isRight(answer)) { await this.#land(answer, looks); return; }
      this.session.take(answer);
      await this.#takeBack(await send(this.session.undo()));
    });
  }

  undo() {
    if (!this.session.turns.length) return;
    this.autoplay.stop();
    this.#errands.run(this.session.undo(), (answer) => this.#takeBack(answer));
  }

  /** Start a second column that shares the first `turns` turns. */
  fork(turns = this.session.turns.length) {
    this.autoplay.stop();
    this.#errands.run(this.session.fork(turns), (answer) => this.#page.forked(answer.session_id));
  }

  reset() {
    return this.start(this.session.prompt);
  }

  /** Spin so often by itself; while that goes on, pause it or go on with it. */
  spinOften(times) {
    if (this.autoplay.left || this.autoplay.running) return this.autoplay.toggle();
    return this.autoplay.play(Array.from({ length: times }, () => () => this.spin()));
  }

  /** Make the wheel rest and the next one come at once. */
  skip() {
    this.#view.wheel.skip();
    this.#endHold?.();
  }

  /** Spin; while the wheel turns or waits, skip that. */
  spinOrSkip() {
    if (this.busy) this.skip();
    else this.spin();
  }

  /** All logits of the wheel on the screen, asked for once. */
  logits() {
    const { id, version } = this.session;
    if (this.#ranked.id !== id || this.#ranked.version !== version) {
      this.#ranked = { id, version, answer: send(this.session.logits()).then(ranked) };
      this.#ranked.answer.catch(() => { this.#ranked = {}; });
    }
    return this.#ranked.answer;
  }

  /** Have the logits at hand before a slider moves. */
  prepare() {
    if (this.session.wheel && !this.session.finished) this.logits().catch(() => {}); // the slider will say so
  }

  async #redraw(settings, isLatest, again) {
    await this.#errands.running;
    const { id, version, wheel } = this.session;
    const current = () => isLatest() && id === this.session.id && version === this.session.version;
    try {
      const logits = await this.logits();
      if (current()) this.#view.showWheel(wheelOf(logits, settings), this.session);
      await pause(SLIDE_PAUSE_MS);
      const answer = current() && await send(this.session.look(settings));
      if (answer && current()) this.#showWheel(answer);
    } catch (error) {
      this.#view.showWheel(wheel, this.session);
      this.#explain(error, again);
    }
  }

  /** Turn the wheel to what was drawn, let it be seen, then show the next wheel. `animated: false` does without. */
  async #land(answer, { angle = answer.draw?.target_angle, animated = true } = {}) {
    const pace = this.autoplay.running ? AUTOMATIC_PACE : 1;
    const turn = { ...answer.appended_token, draw: answer.draw, settings: answer.settings };
    if (animated && angle !== undefined) await this.#view.wheel.spinTo(angle, pace);
    this.session.turns.push(turn);
    this.session.text = answer.current_text;
    this.#view.showText(this.session);
    this.#view.landed(turn, this.session.wheel);
    if (animated) await Promise.race([pause(HOLD_MS / pace), new Promise((resolve) => { this.#endHold = resolve; })]);
    this.#show(answer);
  }

  async #takeBack(answer) {
    this.session.turns.length = answer.generation_count;
    this.#view.result.tookBack(answer.removed_token);
    this.#show({ ...answer, wheel: await send(this.session.look()) });
  }

  /** Show what an answer says of the session, and its wheel if it has one. */
  #show(answer) {
    this.session.take(answer);
    this.#view.showText(this.session);
    if (answer.wheel) this.#showWheel(answer.wheel);
    if (answer.finished) showProblem(this.#page.problem, ending(answer.finish_reason), [[t("undo"), () => this.undo()], [t("start_anew"), () => this.reset()]]);
    this.#page.changed(this);
  }

  #showWheel(answer) {
    this.session.show(answer);
    this.#view.showWheel(answer, this.session);
  }

  #interrupt() {
    this.autoplay.stop();
    this.skip();
  }

  #explain(error, again) {
    const { session } = this;
    const restart = [t("start_anew"), () => this.start(session.prompt || this.#page.prompt())];
    if (error.code === "session_not_found" && !session.text) { restart[1](); return; }
    const refresh = [[t("show_now"), () => this.restore()]];
    const ways = {
      session_not_found: [[t("go_on"), () => this.start(session.text)], restart],
      version_conflict: refresh,
      session_finished: refresh,
    };
    showProblem(this.#page.problem, wordsFor(error), ways[error.code] ?? (error.temporary ? [[t("try_again"), again]] : [restart]));
    if (!error.code) throw error; // a fault of this page: the console should have it too
  }
}
