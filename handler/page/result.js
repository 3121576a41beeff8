/** What was drawn, chosen or taken back: one line to see, one sentence to hear. */

import { count, oneIn, percent, spoken, tokenSpan } from "./tokens.js";

/** `line` is for the eye (white space shown), `status` for screen readers. */
export function makeResult(line, status) {
  const tell = (verb, text, more = "", className = "token") => {
    line.replaceChildren(`${verb} `, tokenSpan(text, className), ` ${more}`);
    status.textContent = `${verb} ${spoken(text)}. ${more}`;
  };
  return {
    say: (text) => { line.textContent = text; },
    tookBack: (token) => tell("Took back", token.token_text),
    appended(token, vocabularySize) {
      const verb = token.draw ? (token.sampled_from_other ? "Drawn from Other:" : "Drawn:") : "Chosen:";
      const likely = token.probability > 0 ? `${percent(token.probability)}, ${oneIn(token.probability)}` : "0 %";
      tell(verb, token.token_text, `${likely} · rank ${count(token.rank)} of ${count(vocabularySize)}`, "token outstanding");
    },
  };
}
