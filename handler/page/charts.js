/** Plots: lines over steps, and estimates with their intervals. */

import { makeSvg } from "./dom.js";
import { rounded } from "./words.js";

const WIDTH = 720;
const NAMES = 270; // room for what stands before an interval
const HEIGHT = 240;
const MARGIN = { left: 56, right: 16, top: 14, bottom: 30 };

/** Lines over a common x. `series` are {name, points: [[x, y]]}; `label` is what a screen reader says. */
export function lineChart(series, label) {
  const all = series.flatMap(({ points }) => points);
  const x = scale(all.map(([at]) => at), MARGIN.left, WIDTH - MARGIN.right);
  const y = scale(all.map(([, value]) => value), HEIGHT - MARGIN.bottom, MARGIN.top);
  const lines = series.filter(({ points }) => points.length).map(({ name, points }) =>
    makeSvg("path", { class: `line ${name.toLowerCase()}`, d: `M${points.map(([at, value]) => `${x.of(at).toFixed(1)} ${y.of(value).toFixed(1)}`).join("L")}` }));
  const names = series.filter(({ points }) => points.length).map(({ name, points }) => {
    const [at] = points[Math.floor(points.length / 2)];
    return makeSvg("text", { x: x.of(at), y: MARGIN.top + 4, "text-anchor": "middle" }, name);
  });
  return makeSvg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, direction: "ltr" },
    ...xAxis(x, HEIGHT - MARGIN.bottom), ...yAxis(y), ...lines, ...names);
}

/** The series of a run's losses, by phase. */
export const losses = (curve) => ["sft", "dpo"].map((phase) =>
  ({ name: phase.toUpperCase(), points: curve.filter((point) => point.phase === phase).map(({ step, loss }) => [step, loss]) }));

/** Rows of estimates {label, before, after}, each {value, low, high}, on one axis from 0 or below to the largest. */
export function intervalChart(rows, label, format) {
  const rowHeight = 44;
  const height = rows.length * rowHeight + MARGIN.bottom;
  const ends = rows.flatMap(({ before, after }) => [before.low, before.high, after.low, after.high]);
  const x = scale([0, ...ends], NAMES, WIDTH - MARGIN.right);
  const drawn = rows.flatMap((row, index) => {
    const middle = index * rowHeight + rowHeight / 2;
    return [makeSvg("text", { x: NAMES - 12, y: middle + 4, "text-anchor": "end" }, row.label),
      ...estimate(row.before, "before", x, middle - 7), ...estimate(row.after, "after", x, middle + 7)];
  });
  return makeSvg("svg", { class: "chart tall", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label, direction: "ltr" },
    ...xAxis(x, height - MARGIN.bottom, format), ...drawn);
}

function estimate({ value, low, high }, name, x, y) {
  const [left, right] = [x.of(low).toFixed(1), x.of(high).toFixed(1)];
  return [makeSvg("path", { class: `whisker ${name}`, d: `M${left} ${y - 4}v8M${left} ${y}H${right}M${right} ${y - 4}v8` }),
    makeSvg("circle", { class: name, cx: x.of(value).toFixed(1), cy: y, r: 4.5 })];
}

function scale(values, from, to) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low || Math.abs(high) || 1;
  const [start, end] = high === low ? [low - span / 2, low + span / 2] : [low, high];
  return { start, end, of: (value) => from + ((value - start) / (end - start)) * (to - from) };
}

/** Round numbers between the ends, five or so. */
function ticks({ start, end }) {
  const rough = (end - start) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const first = Math.ceil(start / step - 1e-9);
  return Array.from({ length: Math.floor(end / step + 1e-9) - first + 1 }, (_, index) => (first + index) * step);
}

const xAxis = (x, bottom, format = rounded) => ticks(x).flatMap((value) => [
  makeSvg("path", { class: "axis", d: `M${x.of(value).toFixed(1)} ${MARGIN.top / 2}V${bottom}` }),
  makeSvg("text", { x: x.of(value), y: bottom + 18, "text-anchor": "middle" }, format(value))]);

const yAxis = (y) => ticks(y).flatMap((value) => [
  makeSvg("path", { class: "axis", d: `M${MARGIN.left} ${y.of(value).toFixed(1)}H${WIDTH - MARGIN.right}` }),
  makeSvg("text", { x: MARGIN.left - 6, y: y.of(value) + 4, "text-anchor": "end" }, rounded(value))]);
