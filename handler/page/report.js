/** The report of a run: what training changed, with intervals and judges, and its files to take along. */

import { address, read, send } from "./api.js";
import { intervalChart, lineChart, losses } from "./charts.js";
import { make, table, tableRow } from "./dom.js";
import { principleName } from "./judgement.js";
import { briefPercent, count, decimal, rounded, t } from "./words.js";

const PATH = "api/constitution/runs";

/** Show the report of a run inside `panel`, unless it is no longer wanted by then. */
export async function showReport(panel, runId, isWanted) {
  const [report, { files }] = await Promise.all([send(read(`${PATH}/${runId}/report`)), send(read(`${PATH}/${runId}/files`))]);
  if (isWanted()) panel.replaceChildren(head(report, files), violations(report), judges(report), others(report), curve(report), examples(report));
}

const card = (key, ...content) => make("section", { className: "card" }, make("h2", { textContent: t(key) }), ...content);
const note = (text) => make("p", { className: "note", textContent: text });

function head({ run_id: id, model_name: name, base, plan, pairs, training }, files) {
  const figures = { base, plan, pairs: count(pairs), steps: count(training.steps), minutes: rounded(training.seconds / 60), memory: count(Math.round(training.peak_memory_mb)) };
  const link = (text, path) => make("a", { href: address(path), download: "", textContent: text });
  const downloads = files.map((file) => link(`${file.name} (${rounded(file.bytes / 1e6, 2)} MB)`, `${PATH}/${id}/files/${file.name}`));
  return make("section", { className: "card" }, make("h2", { textContent: name }), make("p", { textContent: t("report.training", figures) }),
    make("p", { className: "links start-row" }, t("export"), " ", link("JSON", `${PATH}/${id}/report`), " ", link("CSV", `${PATH}/${id}/report?format=csv`)),
    make("details", {}, make("summary", { textContent: t("report.files") }), make("p", { className: "links start-row" }, ...downloads)));
}

function violations({ impact }) {
  const rows = impact.violations.map(({ principle, judge, rate }) => ({ label: `${principleName(principle)} · ${t(`judge.${judge}`)}`, format: briefPercent, ...rate }));
  return card("report.violations", note(t("report.violations.note", { count: count(impact.examples.length) })), key(),
    intervalChart(rows, t("report.violations"), briefPercent), note(t("report.violations.judges")), changes("report.violations", rows));
}

const key = () => make("p", { className: "note" }, ...["before", "after"].flatMap((name) => [make("span", { className: `key ${name}` }), `${t(`compare.${name}`)}  `]));

function changes(key, rows) {
  const names = ["report.measure", "compare.before", "compare.after", "compare.difference"].map((one) => t(one));
  const body = rows.map(({ label, format, before, after, difference }) => tableRow("", label, ...[before, after, difference].map((one) => interval(one, format))));
  return table(t(key), names, body);
}

const interval = ({ value, low, high }, format) => t("report.interval", { value: format(value), low: format(low), high: format(high) });

function judges({ judges: all }) {
  const rows = Object.entries(all).flatMap(([principle, by]) => Object.entries(by).map(([judge, one]) =>
    tableRow("", principleName(principle), t(`judge.${judge}`), briefPercent(one.held_out_precision), briefPercent(one.held_out_recall), count(one.held_out_sentences))));
  const names = ["judged.principle", "report.judge", "report.precision", "report.recall", "report.sentences"].map((one) => t(one));
  return card("report.judges", note(t("report.judges.note")), table(t("report.judges"), names, rows));
}

function others({ impact }) {
  const figures = { alignment: briefPercent, sentences: (value) => decimal(value, 2), preference_accuracy: briefPercent, preference_margin: (value) => decimal(value, 2), perplexity: rounded };
  const rows = Object.entries(figures).filter(([name]) => impact[name]);
  return card("report.others", changes("report.others", rows.map(([name, format]) => ({ label: t(`measure.${name}`), format, ...impact[name] }))));
}

function curve({ curve: points }) {
  return card("report.curve", lineChart(losses(points), t("report.curve")));
}

function examples({ impact }) {
  return card("report.examples", note(t("report.examples.note")), ...impact.examples.map((one) => make("details", {},
    make("summary", { lang: "en", dir: "ltr" }, `${one.prompt} … `, make("span", { className: "note", textContent: flags(one) })),
    make("p", { lang: "en", dir: "ltr" }, make("b", { textContent: `${t("compare.before")}: ` }), one.before),
    make("p", { lang: "en", dir: "ltr" }, make("b", { textContent: `${t("compare.after")}: ` }), one.after))));
}

function flags({ principle, before_flagged_by: before, after_flagged_by: after }) {
  const said = (judges) => (judges.length ? judges.map((judge) => t(`judge.${judge}`)).join(", ") : t("judged.clean"));
  return `${principleName(principle)}: ${said(before)} → ${said(after)}`;
}
