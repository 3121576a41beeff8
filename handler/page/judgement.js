/** An evaluation on the page: the text with what counts against it, and what each judge says of each principle. */

import { make, table, tableRow } from "./dom.js";
import { briefPercent, decimal, has, t } from "./words.js";

export const principleName = (name) => (has(`principle.${name}`) ? t(`principle.${name}`) : name);

/** The text with its places marked: rules in colour, the model's sentences dotted. What is before `given` is shown paler. */
export function judgedText(text, evaluation, given = 0) {
  const characters = [...text]; // spans count code points
  const marks = evaluation.results.flatMap(({ principle, verdicts }) => verdicts.filter(({ flagged }) => flagged).flatMap(({ method, spans }) =>
    spans.map((span) => ({ ...span, method, why: `${principleName(principle)}: ${span.reason}` }))));
  const borders = [...new Set([0, given, characters.length, ...marks.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
  const pieces = borders.slice(1).map((end, index) => piece(characters, borders[index], end, marks, given));
  return make("p", { className: "judged", dir: "auto", lang: "en" }, ...pieces);
}

function piece(characters, start, end, marks, given) {
  const text = characters.slice(start, end).join("");
  const over = marks.filter((mark) => mark.start <= start && end <= mark.end);
  if (!over.length) return end <= given ? make("span", { className: "given", textContent: text }) : text;
  const byRules = over.some(({ method }) => method === "rules");
  return make("mark", { className: byRules ? "rules" : "model", title: over.map(({ why }) => why).join("\n"), textContent: text });
}

/** A line of totals and a table of principles. */
export function judgement(evaluation) {
  const { results, weighted_score: score, alignment } = evaluation;
  const sum = t("judged.sum", { score: decimal(score, 1), most: decimal(results.reduce((all, { weight }) => all + weight, 0), 1), alignment: briefPercent(alignment) });
  const names = [t("judged.principle"), t("judged.weight"), t("judged.verdict"), t("judged.why")];
  return [make("p", { className: "note" }, sum), table(t("evaluate.result"), names, results.map(row))];
}

function row({ principle, weight, flagged, judges_disagree: disagree, verdicts }) {
  const verdict = make("span", { className: flagged ? "flag" : "", textContent: t(flagged ? "judged.flagged" : "judged.clean") });
  const why = verdicts.map(({ method, reasoning }) => make("div", { textContent: `${t(`judge.${method}`)}: ${reasoning}` }));
  if (disagree) why.push(make("div", { className: "note", textContent: t("judged.disagree") }));
  return tableRow("", principleName(principle), decimal(weight, 1), verdict, make("div", {}, ...why));
}
