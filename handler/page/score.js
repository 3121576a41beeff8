/** Any text as the model sees it: every token tinted by how surprising it was. */

import { send, write } from "./api.js";
import { make } from "./dom.js";
import { tinted, tooltip } from "./story.js";
import { count, decimal, rounded, t } from "./words.js";

/** Score `text` by the model and show it inside `panel`. */
export async function showScore(panel, text, model) {
  const answer = await send(write("POST", "api/score", { text, model_name: model }));
  const numbers = [
    t("score.tokens", { number: answer.token_count, count: count(answer.token_count) }),
    t("score.log", { log: decimal(answer.total_log_probability, 2) }),
    answer.perplexity === null ? "" : t("score.perplexity", { perplexity: rounded(answer.perplexity) }),
    answer.bits_per_character === null ? "" : t("score.bits", { bits: rounded(answer.bits_per_character) }),
  ];
  panel.replaceChildren(
    make("p", { className: "path", dir: "auto" }, ...tinted(answer.tokens, tooltip)),
    make("p", { className: "note", textContent: numbers.filter(Boolean).join(" · ") }),
  );
}
