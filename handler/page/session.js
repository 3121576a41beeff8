/** What the page knows of a session on the server, and the requests that concern it. */

import { address, read, send, write } from "./api.js";

const SETTINGS = ["temperature", "threshold", "top_k", "top_p", "min_p", "other_top_k"];
const LISTED_IN_OTHER = 50;

/** The settings of a wheel, wherever an answer has them. */
export const settingsOf = (answer) => Object.fromEntries(SETTINGS.map((name) => [name, (answer.settings ?? answer)[name]]));

/** The request for a new session. */
export function creation(prompt, model, settings) {
  return write("POST", "api/sessions", { prompt, model_name: model || undefined, settings: { other_top_k: LISTED_IN_OTHER, ...settings } });
}

export class Session {
  id = null;
  version = 0;
  model = "";
  prompt = "";
  text = "";
  turns = [];
  wheel = null;
  settings = {}; // those of the wheel last shown: a finished session has settings, but no wheel
  finished = false;

  /** Take over another session: a new one, a fork, or one of before. */
  begin(answer, turns = []) {
    const { session_id: id, model_name: model, initial_prompt: prompt } = answer;
    Object.assign(this, { id, model, prompt, turns, settings: { ...this.settings, ...(answer.settings && settingsOf(answer)) } });
  }

  /** Take over what an answer says of this session. */
  take(answer) {
    Object.assign(this, { version: answer.version, finished: answer.finished, text: answer.current_text ?? this.text });
    if (answer.wheel) this.show(answer.wheel);
  }

  /** Take over a wheel of this session. */
  show(wheel) {
    Object.assign(this, { wheel, settings: settingsOf(wheel) });
  }

  path = (rest = "") => `api/sessions/${this.id}${rest}`;
  whole = () => read(this.path());
  /** The wheel. The settings are always given: without them it would have those that the session began with. */
  look = (settings = this.settings) => read(this.path("/next-token-probs"), settings);
  logits = () => read(this.path("/logits"));
  greedyPath = (tokens) => read(this.path("/greedy-path"), { tokens });
  room = (spins) => read(this.path("/room"), { spins, ...this.settings });
  exported = (format) => address(this.path(`/export?format=${format}`));

  spin = (seed) => write("POST", this.path("/spin"), this.#meant(seed));
  choice = ({ token }, seed) =>
    write("POST", this.path("/append-token"), { ...this.#meant(seed), ...(token ? { token_id: token.token_id } : { category: "other" }) });
  undo = () => write("POST", this.path("/undo"), { expected_version: this.version });
  fork = (turns) => write("POST", this.path("/fork"), { at_turn: turns });

  /** All turns of the session, however many. */
  async allTurns() {
    const turns = [];
    for (let after = -1; after !== null;) {
      const page = await send(read(this.path("/turns"), { after }));
      turns.push(...page.turns);
      after = page.next_after;
    }
    return turns;
  }

  /** What a spin or choice is meant for: exactly the wheel on the screen. */
  #meant(seed) {
    return { ...this.settings, expected_version: this.version, ...(seed && { seed }) };
  }
}
