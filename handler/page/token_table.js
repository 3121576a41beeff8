/** The wheel as a table, for each token its probability before temperature and filters and after: slices, Other, what was ruled out. */

import { make, tableRow, withShare } from "./dom.js";
import { named, tokenSpan } from "./tokens.js";
import { count, percent, t } from "./words.js";

const LISTED_OF_OTHER = 10;
const LISTED_RULED_OUT = 10;

/** Fill the rows. `onChoose` is told the slice whose button was pressed. `tokens` are the first by rank, [] while unknown. */
export function showTokens(body, wheel, tokens, onChoose) {
  const { slices, other_category: other } = wheel;
  const ruledOut = tokens.slice(possible(wheel), possible(wheel) + LISTED_RULED_OUT);
  const widest = Math.max(...slices.map(({ probability, token }) => Math.max(probability, token?.model_probability ?? 0)));
  const rows = slices.map((slice) => (slice.token ? tokenRow(slice.token, widest, onChoose) : otherRow(slice, other, widest, onChoose)));
  const tail = other.sample_tokens.slice(0, LISTED_OF_OTHER).map((token) => tokenRow(token, widest, onChoose, "tail"));
  const unlisted = other.token_count - tail.length;
  if (unlisted > 0) tail.push(tableRow("tail", "", t("and_more", { number: unlisted, count: count(unlisted) }), ""));
  const out = ruledOut.map((token) => tokenRow({ ...token, probability: 0 }, widest, onChoose, "ruled-out"));
  body.replaceChildren(...rows, ...tail, ...out);
}

/** How many tokens the filters leave. */
export const possible = ({ slices, other_category: other }) => slices.filter(({ token }) => token).length + other.token_count;

/** A button that chooses a token. */
export function tokenButton(token, onChoose) {
  const label = t("choose_token", { token: named(token), share: percent(token.probability) });
  return make("button", { type: "button", title: t("choose"), ariaLabel: label, onclick: () => onChoose({ token }) }, tokenSpan(token));
}

function tokenRow(token, widest, onChoose, className = "") {
  return tableRow(className, count(token.rank), tokenButton(token, onChoose), bars(token.model_probability, token.probability, widest));
}

function otherRow(slice, other, widest, onChoose) {
  const words = t("other_tokens", { number: other.token_count, count: count(other.token_count) });
  return tableRow("other", "", make("button", { type: "button", textContent: words, onclick: () => onChoose(slice) }), bars(null, slice.probability, widest));
}

/** The thin bar is the model's own probability, the wide one that of this wheel. */
function bars(before, after, widest) {
  const title = before === null ? String(after) : t("before_after", { before: percent(before), after: percent(after) });
  const bar = withShare(make("span", { className: "share", title, textContent: percent(after) }), after / widest);
  return before === null ? bar : withShare(bar, before / widest, "--before");
}
