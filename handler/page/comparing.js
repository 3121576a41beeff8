/** One prompt and seed through two models: their texts, their wheels, and the tokens that moved most. */

import { send, write } from "./api.js";
import { make, makeSvg, part, table, tableRow } from "./dom.js";
import { side } from "./judging.js";
import { tokenSpan } from "./tokens.js";
import { Wheel } from "./wheel.js";
import { percent, rounded, t } from "./words.js";

const CHOICES = ["before", "after"];

/** Compare by what the form holds, and show it in `panel`. */
export function comparing(form, panel, errands) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [prompt, seed, before, after] = ["prompt", "seed", "before", "after"].map((name) => part(form, name).value);
    errands.run(write("POST", "api/constitution/compare", { prompt, seed, before, after }), async (answer) => {
      const wheels = await Promise.all([before, after].map((model) => send(write("POST", "api/wheel", { prompt, model_name: model }))));
      show(panel, prompt, answer, wheels);
    });
  });
}

function show(panel, prompt, answer, wheels) {
  const discs = CHOICES.map((name) => makeSvg("svg", { class: "wheel", viewBox: "-500 -500 1000 1000", role: "listbox", tabindex: "0", "aria-label": `${t("wheel")}: ${answer[name]}` },
    makeSvg("g", { class: "wedges", role: "presentation" }), makeSvg("path", { class: "pointer", d: "M-22 -500H22L0 -448Z", "aria-hidden": "true" })));
  const sides = CHOICES.map((name, index) => side(`compare.${name}`, prompt, answer[`text_${name}`], answer[`evaluation_${name}`],
    make("p", { className: "note", textContent: answer[name] }), make("div", {}, discs[index])));
  panel.replaceChildren(make("div", { className: "two-sides" }, ...sides), moved(answer));
  discs.forEach((disc, index) => new Wheel(disc, CHOICES[index], () => {}).draw(wheels[index].wheels[0]));
}

function moved({ kl, total_variation: distance, moved: tokens }) {
  const names = ["token", "compare.before", "compare.after", "compare.difference"].map((key) => t(key));
  const rows = tokens.filter((token) => token.before !== token.after).map((token) => tableRow("", tokenSpan(token), percent(token.before), percent(token.after), points(token.after - token.before)));
  return make("article", { className: "card" }, make("h2", { textContent: t("compare.moved") }),
    make("p", { className: "note", textContent: t("compare.distance", { kl: rounded(kl), distance: percent(distance) }) }),
    table(t("compare.moved"), names, rows));
}

const points = (difference) => `${difference < 0 ? "−" : "+"}${percent(Math.abs(difference))}`;
