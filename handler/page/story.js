/** The text so far: the prompt, then every appended token tinted by how surprising it was. */

import { oneIn, percent, visible } from "./tokens.js";

const MOST_BITS = 12; // a token of 1 in 4,096 has the full tint

/** Show the prompt and the turns inside `element`. Characters whose bytes lie in several tokens appear with the last of them. */
export function showStory(element, prompt, turns) {
  const decoder = new TextDecoder();
  element.replaceChildren(prompt, ...turns.map((turn) => tokenOfStory(turn, decoder.decode(new Uint8Array(turn.token_bytes), { stream: true }))));
  element.scrollTop = element.scrollHeight;
}

function tokenOfStory(turn, text) {
  const span = Object.assign(document.createElement("span"), { textContent: text, title: tooltip(turn) });
  span.style.setProperty("--surprise", Math.min(1, -Math.log2(turn.probability) / MOST_BITS));
  return span;
}

function tooltip({ token_text: text, probability, rank, draw }) {
  const likely = probability > 0 ? `${percent(probability)} (${oneIn(probability)})` : "0 %: the filters had ruled it out";
  return `“${visible(text)}” ${likely}, rank ${rank}, ${draw ? "drawn" : "chosen"}`;
}
