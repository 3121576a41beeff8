/** Every turn of the session: what was appended, how likely it was, and how it came. */

import { make, tableRow } from "./dom.js";
import { tokenSpan } from "./tokens.js";
import { count, decimal, percent, t } from "./words.js";

/** Fill the rows, the latest turn first. `onFork` is told how many turns a second column is to start with. */
export function showHistory(body, turns, onFork) {
  body.replaceChildren(...turns.map((turn, index) => row(turn, index + 1, onFork)).reverse());
}

function row(turn, number, onFork) {
  const how = turn.draw ? t("drawn_at", { angle: decimal(turn.draw.target_angle, 1) }) : t("chosen");
  const seed = turn.draw?.seed ? ` · ${t("seed")} ${turn.draw.seed}` : "";
  const fork = make("button", { type: "button", textContent: t("fork"), title: t("fork_at", { number }), onclick: () => onFork(number) });
  const cells = [count(number), tokenSpan(turn), percent(turn.probability), percent(turn.model_probability), count(turn.rank), how + seed, fork];
  return tableRow("", ...cells);
}
