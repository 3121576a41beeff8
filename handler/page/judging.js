/** The lab's first tables: the principles, a text that is judged, a draft that is revised. */

import { read, write } from "./api.js";
import { make, part } from "./dom.js";
import { judgedText, judgement, principleName } from "./judgement.js";
import { decimal, t } from "./words.js";

/** A card for each principle. */
export function showPrinciples(panel, { principles }) {
  panel.replaceChildren(...principles.map((one) => make("article", { className: "card" },
    make("h2", {}, principleName(one.name), make("span", { className: "weight", textContent: t("weight", { weight: decimal(one.weight, 1) }) })),
    make("p", { lang: "en", textContent: one.definition }),
    examples("principles.violating", one.violating_examples),
    examples("principles.clean", one.clean_examples))));
}

const examples = (key, texts) => make("details", {}, make("summary", { textContent: t(key) }),
  make("ul", { lang: "en", dir: "ltr" }, ...texts.map((textContent) => make("li", { textContent }))));

export const principles = () => read("api/constitution/principles");

/** Judge what the form holds, and show it in `panel`. */
export function evaluating(form, panel, errands) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = part(form, "text").value;
    errands.run(write("POST", "api/constitution/evaluate", { text, mode: part(form, "mode").value }), ({ evaluations: [evaluation] }) => {
      panel.replaceChildren(judgedText(text, evaluation), ...judgement(evaluation));
      panel.hidden = false;
    });
  });
}

/** Draft, criticism and revision of what the form holds, side by side in `panel`. */
export function revising(form, panel, errands) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = (name) => part(form, name).value;
    const body = { prompt: value("prompt"), reviser: value("reviser"), model_name: value("model"), seed: value("seed"), ...(value("draft") && { draft: value("draft") }) };
    errands.run(write("POST", "api/constitution/revise", body), (answer) => panel.replaceChildren(...revised(body.prompt, answer)));
  });
}

function revised(prompt, { draft, before, revision, after }) {
  const first = side("revise.the_draft", prompt, draft, before);
  if (revision !== null) return [first, side("revise.the_revision", prompt, revision, after)];
  const words = t(before.weighted_score > 0 ? "revise.none_better" : "revise.nothing_wrong");
  return [first, make("article", { className: "card" }, make("h2", { textContent: t("revise.the_revision") }), make("p", { textContent: words }))];
}

/** A card with what follows a prompt, and its judgement. */
export function side(title, prompt, text, evaluation, ...more) {
  return make("article", { className: "card" }, make("h2", { textContent: t(title) }), ...more,
    judgedText(prompt + text, evaluation, [...prompt].length), ...judgement(evaluation));
}
