/** Other, opened: how many tokens share how much, the likeliest of them, and a draw among them. */

import { make, part, tableRow, withShare } from "./dom.js";
import { tokenButton } from "./token_table.js";
import { count, oneIn, percent, t } from "./words.js";

/** Open `dialog` on the Other of `wheel`. `onChoose` is told the token's or Other's slice that was decided for. */
export function openOther(dialog, wheel, onChoose) {
  const { total_probability: total, token_count: tokens, sample_tokens: samples } = wheel.other_category;
  const choose = (slice) => { dialog.close(); onChoose(slice); };
  part(dialog, "sum").textContent = t("other_sum", { number: tokens, count: count(tokens), share: percent(total) });
  part(dialog, "listed").textContent = t("other_listed", { number: samples.length, count: count(samples.length) });
  part(dialog, "rows").replaceChildren(...samples.map((token) => row(token, samples[0].probability, choose)));
  part(dialog, "draw").onclick = () => choose({ token: null });
  dialog.showModal();
  part(dialog, "draw").focus();
}

function row(token, widest, choose) {
  const share = make("span", { className: "share", title: oneIn(token.probability), textContent: percent(token.probability) });
  return tableRow("", count(token.rank), tokenButton(token, choose), withShare(share, token.probability / widest));
}
