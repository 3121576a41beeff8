/** How tokens and numbers are put in words: white space shown, small probabilities exact. */

const SIGNS = { " ": "␣", "\n": "↵", "\t": "⇥" };
const NAMES = { " ": "space", "\n": "new line", "\t": "tab" };
const UNSEEN = /[\p{Cc}\p{Cf}\p{Z}]/gu;

/** The token's text in parts, each with what to show and whether it stands for white space. */
export function parts(text) {
  return text.split(/([ \n\t])/).filter(Boolean).map((part) =>
    part in SIGNS ? { shown: SIGNS[part], blank: true } : { shown: part.replace(UNSEEN, escaped), blank: false });
}

export const visible = (text) => parts(text).map((part) => part.shown).join("");

/** For screen readers, which say nothing for white space. */
export const spoken = (text) => (text.trim() ? visible(text.trim()) : [...text].map((character) => NAMES[character] ?? escaped(character)).join(", "));

export function percent(probability) {
  const value = probability * 100;
  return `${value === 0 || value >= 99.995 ? Math.round(value) : value.toPrecision(value >= 0.1 ? 4 : 3)} %`;
}

export const count = (number) => number.toLocaleString("en");
export const oneIn = (probability) => `1 in ${count(Number((1 / probability).toPrecision(3)))}`;

/** A span with the token, its white space paler than the rest. */
export function tokenSpan(text, className = "token") {
  const span = Object.assign(document.createElement("span"), { className, dir: "auto" });
  span.append(...parts(text).map(({ shown, blank }) => (blank ? Object.assign(document.createElement("i"), { textContent: shown }) : shown)));
  return span;
}

const escaped = (character) => `\\u{${character.codePointAt(0).toString(16)}}`;
