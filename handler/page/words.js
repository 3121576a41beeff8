/** The page's words in the reader's language, and its numbers as that language writes them. */

import { address } from "./api.js";
import { make } from "./dom.js";

const LANGUAGES = { en: "English", de: "Deutsch", es: "Español", zh: "中文", ar: "العربية" };
const RIGHT_TO_LEFT = new Set(["ar"]);
const KEPT = "token-wheel-language";

let messages = {};
let plurals;
export let language = "en";

/** Fetch the words: of `?lang=`, else of the last choice, else of the browser's languages, else English. */
export async function loadWords() {
  language = [new URLSearchParams(location.search).get("lang"), localStorage.getItem(KEPT), ...navigator.languages]
    .map((tag) => tag?.split("-")[0]).find((tag) => tag in LANGUAGES) ?? "en";
  plurals = new Intl.PluralRules(language);
  Object.assign(document.documentElement, { lang: language, dir: RIGHT_TO_LEFT.has(language) ? "rtl" : "ltr" });
  messages = await (await fetch(address(`messages/${language}.json`))).json();
}

/** Fill the choice of languages; another one shows the page in it. */
export function offerLanguages(select) {
  select.append(...Object.entries(LANGUAGES).map(([tag, name]) => make("option", { value: tag, lang: tag, textContent: name, selected: tag === language })));
  select.addEventListener("change", ({ target }) => speak(target.value));
}

/** Show the page in another language: sessions are kept on the server, so it is simply loaded anew. */
function speak(tag) {
  localStorage.setItem(KEPT, tag);
  const target = new URL(location.href);
  target.searchParams.delete("lang");
  if (target.href === location.href) location.reload();
  else location.replace(target);
}

/** The message of a key, each {name} replaced by its value. `values.number` chooses among `key.one`, `key.few`, ... */
export function t(key, values = {}) {
  const form = "number" in values ? messages[`${key}.${plurals.select(values.number)}`] : undefined;
  return (form ?? messages[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export const has = (key) => key in messages;

/** Write the words into every element below `root` that names a message: as its text, label, hint or tooltip. */
export function fill(root) {
  const places = { text: "textContent", label: "ariaLabel", hint: "placeholder", tip: "title" };
  for (const [name, property] of Object.entries(places)) {
    for (const element of root.querySelectorAll(`[data-${name}]`)) element[property] = t(element.dataset[name]);
  }
}

export const count = (number) => number.toLocaleString(language);
export const rounded = (number, digits = 3) => number.toLocaleString(language, { maximumSignificantDigits: digits });
export const decimal = (number, places) => number.toLocaleString(language, { minimumFractionDigits: places, maximumFractionDigits: places });
export const compact = (number) => number.toLocaleString(language, { notation: "compact", maximumSignificantDigits: 3 });
export const oneIn = (probability) => t("one_in", { count: rounded(1 / probability) });

/** A probability with four digits, small ones with three; 0 and 1 are said plainly. */
export function percent(probability) {
  const exact = probability === 0 || probability >= 0.99995;
  const digits = probability >= 0.001 ? 4 : 3;
  const options = exact ? { maximumFractionDigits: 0 } : { minimumSignificantDigits: digits, maximumSignificantDigits: digits };
  return probability.toLocaleString(language, { style: "percent", ...options });
}

export const briefPercent = (probability) => probability.toLocaleString(language, { style: "percent", maximumSignificantDigits: 3 });
