/** The choice of the model, with what is known of each. */

import { count, t } from "./words.js";

let models = [];

/** Fill the select with the models of `/api/models`, the default one chosen. */
export function listModels(select, note, answer) {
  models = answer.models;
  select.replaceChildren(...models.map((model) => new Option(`${model.name} (${model.parameters})`, model.id, model.default, model.default)));
  describeModel(select, note);
}

export function describeModel(select, note) {
  const model = models.find(({ id }) => id === select.value);
  note.textContent = model ? [model.description, t("vocabulary", { count: count(model.vocabulary_size) }), model.license, model.precision.dtype].join(" · ") : "";
  note.title = model ? model.precision.summary : "";
}
