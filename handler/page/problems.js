/** What went wrong, in words for students, each with a way on. */

import { make, part } from "./dom.js";
import { has, t } from "./words.js";

export const offline = () => !navigator.onLine;

/** The words for an error: of its code, else the server's own, which name the field and its limit. */
export function wordsFor(error) {
  if (has(`problem.${error.code}`)) return t(`problem.${error.code}`);
  if (error.status === 429) return t("problem.too_many");
  return t(error.status ? "problem.refused" : "problem.fault", { detail: error.message });
}

export const ending = (reason) => `${t(has(`ending.${reason}`) ? `ending.${reason}` : "ending.any")} ${t("ending.ways")}`;

/** Show words and buttons, given as [label, action]; an action also closes the message. Without words, close it. */
export function showProblem(section, words = "", ways = []) {
  showPause(section, words);
  part(section, "ways").replaceChildren(...ways.map(([label, action]) =>
    make("button", { type: "button", textContent: label, onclick: () => { showProblem(section); action(); } })));
}

/** Show words and a countdown, which is not read aloud at every tick. */
export function showPause(section, words = "", countdown = "") {
  section.hidden = !words;
  if (part(section, "words").textContent !== words) part(section, "words").textContent = words;
  part(section, "countdown").textContent = countdown;
  part(section, "ways").replaceChildren();
}
