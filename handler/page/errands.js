/** Requests that change a session: one at a time, with words while they take long or fail. */

import { pause, send } from "./api.js";
import { Waiting } from "./waiting.js";

export class Errands {
  busy = false;
  running = Promise.resolve(true);
  #tell;

  /** `tell.busy` is told when work begins and ends, `tell.say` words to wait by, `tell.failed` an error and how to try again. */
  constructor(tell) {
    this.#tell = tell;
  }

  /**
   * Send a request and go on with its answer. Resolves to whether all went well; with others under way nothing is done.
   * "Try again" sends the very same request: its key keeps it from counting twice.
   */
  run(request, then, again = () => this.run(request, then, again)) {
    if (this.busy) return Promise.resolve(false);
    this.running = this.#alone(request, then, again);
    return this.running;
  }

  async #alone(request, then, again) {
    this.#set(true);
    const waiting = new Waiting(this.#tell);
    try {
      const answer = await send(request, (error, waitMs) => waiting.pause(error, waitMs));
      waiting.end();
      await then(answer);
      return true;
    } catch (error) {
      waiting.end();
      this.#tell.failed(error, again);
      return false;
    } finally {
      this.#set(false);
    }
  }

  #set(busy) {
    this.busy = busy;
    this.#tell.busy(busy);
  }
}

/** Something done for every step, `restMs` between them, until none is left, one fails, or it is paused. */
export class Autoplay {
  running = false;
  #steps = [];
  #paused = false;
  #finish = () => {};
  #onChange;
  #restMs;

  /** `onChange` is told how many steps are left and whether they are paused. */
  constructor(onChange, restMs = 150) {
    this.#onChange = onChange;
    this.#restMs = restMs;
  }

  get left() {
    return this.#steps.length;
  }

  /** Take these steps: functions that resolve to whether they went well. Resolves when none is left. */
  play(steps) {
    this.#steps = steps;
    const done = new Promise((resolve) => { this.#finish = resolve; });
    this.#go();
    return done;
  }

  toggle() {
    this.#paused = !this.#paused;
    this.#onChange(this.left, this.#paused);
    this.#go();
  }

  /** Forget the steps that are left. */
  stop() {
    this.#steps = [];
    this.#paused = false;
    this.#onChange(0, false);
    this.#finish();
  }

  async #go() {
    if (this.running || this.#paused) return;
    this.running = true;
    while (this.#steps.length && !this.#paused) {
      this.#onChange(this.left, false);
      const step = this.#steps.shift();
      if (!(await step())) this.stop();
      if (this.#steps.length) await pause(this.#restMs);
    }
    this.running = false;
    this.#onChange(this.left, this.#paused);
    if (!this.left) this.#finish();
  }
}
