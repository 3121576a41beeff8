/** Words by which to wait: what is going on, how long it has taken, and when the next try is. */

import { offline } from "./problems.js";
import { count, t } from "./words.js";

const QUIET_MS = 1200; // an answer that takes longer gets words
const COLD_MS = 5000; // so slow is only a server that starts
const TICK_MS = 500;
const PAUSE_WORDS = { 429: "waiting.too_many", 0: "waiting.unreachable" };

export class Waiting {
  #tell;
  #began = performance.now();
  #tick;

  /** `tell.say` gets the words of a slow answer, `tell.paused` those of a pause and the countdown. Both get "" at the end. */
  constructor(tell) {
    this.#tell = tell;
    this.#tick = setInterval(() => this.#slow(), TICK_MS);
  }

  /** Count down to the next try. */
  pause(error, waitMs) {
    const until = performance.now() + waitMs;
    this.#every(() => {
      const seconds = Math.max(0, Math.ceil((until - performance.now()) / 1000));
      if (offline()) this.#tell.paused(t("waiting.offline"));
      else this.#tell.paused(t(PAUSE_WORDS[error.status] ?? "waiting.busy"), t("seconds", { seconds: count(seconds) }));
      if (performance.now() > until && !offline()) this.#every(() => this.#slow());
    });
  }

  end() {
    clearInterval(this.#tick);
    this.#tell.say("");
    this.#tell.paused("");
  }

  #slow() {
    const ms = performance.now() - this.#began;
    if (ms > QUIET_MS) this.#tell.say(t(ms > COLD_MS ? "waiting.cold" : "waiting.model", { seconds: count(Math.round(ms / 1000)) }));
  }

  #every(action) {
    clearInterval(this.#tick);
    this.#tick = setInterval(action, TICK_MS);
    action();
  }
}
