/** A text, every token of it tinted by how surprising it was. */

import { make, withShare } from "./dom.js";
import { visible } from "./tokens.js";
import { count, oneIn, percent, t } from "./words.js";

const MOST_BITS = 12; // a token of 1 in 4,096 has the full tint

/** Show the prompt and the turns inside `element`. Characters whose bytes lie in several tokens appear with the last of them. */
export function showStory(element, prompt, turns) {
  element.replaceChildren(prompt, ...tinted(turns, tooltip));
  element.scrollTop = element.scrollHeight;
}

/** Spans for tokens with a probability, or null for none: `tip` says what the tooltip of each is. */
export function tinted(tokens, tip, share = (token) => token.probability) {
  const decoder = new TextDecoder();
  return tokens.map((token) => {
    const text = decoder.decode(new Uint8Array(token.token_bytes), { stream: true });
    const surprise = share(token) === null ? 0 : Math.min(1, -Math.log2(share(token)) / MOST_BITS);
    return withShare(make("span", { textContent: text, title: tip(token) }), surprise, "--surprise");
  });
}

/** What a token says of itself when it is pointed at. */
export function tooltip(token) {
  const { probability, rank } = token;
  if (probability === null) return t("tip.first", { token: visible(token) });
  const likely = probability > 0 ? `${percent(probability)} (${oneIn(probability)})` : t("ruled_out_0");
  const how = "draw" in token ? t(token.draw ? "drawn" : "chosen") : "";
  return [t("tip.token", { token: visible(token), likely, rank: count(rank) }), how].filter(Boolean).join(", ");
}
