/** What was drawn, chosen or taken back: one line to see, one sentence to hear. */

import { spoken, tokenSpan } from "./tokens.js";
import { count, oneIn, percent, t } from "./words.js";

/** `line` is for the eye (white space shown), `status` for screen readers. */
export function makeResult(line, status) {
  const tell = (verb, token, more = "", className = "token") => {
    line.replaceChildren(`${verb} `, tokenSpan(token, className), ` ${more}`);
    status.textContent = `${verb} ${spoken(token)}. ${more}`;
  };
  return {
    say(text) {
      if (text && !line.textContent) status.textContent = text; // once: nobody wants to hear every second
      line.textContent = text;
    },
    tookBack: (token) => tell(t("took_back"), token),
    appended(token, vocabularySize) {
      const verb = t(token.draw ? (token.sampled_from_other ? "verb.drawn_from_other" : "verb.drawn") : "verb.chosen");
      const likely = token.probability > 0 ? `${percent(token.probability)}, ${oneIn(token.probability)}` : percent(0);
      const rank = t("rank_of", { rank: count(token.rank), count: count(vocabularySize) });
      tell(verb, token, `${likely} · ${rank}`, "token outstanding");
    },
  };
}
