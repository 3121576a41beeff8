/** Room statistics: one wheel spun a thousand times, how often each slice came beside how likely it is, with error bars. */

import { send } from "./api.js";
import { make, makeSvg, tableRow } from "./dom.js";
import { tokenSpan } from "./tokens.js";
import { briefPercent, count, percent, t } from "./words.js";

const MOST_ROWS = 24;
const WIDTH = 400;
const HEIGHT = 28;

/** Spin the session's wheel so often and show the counts inside `panel`'s body and note. */
export async function showRoom({ body, note }, session, spins) {
  const { slices } = await send(session.room(spins));
  const shown = slices.length > MOST_ROWS ? [...slices.slice(0, MOST_ROWS - 1), slices.at(-1)] : slices;
  const scale = Math.max(...shown.map((slice) => Math.max(slice.high, slice.probability)));
  const held = slices.filter(({ low, high, probability }) => low <= probability && probability <= high).length;
  body.replaceChildren(...shown.map((slice) => row(slice, scale)));
  note.textContent = t("room.held", { spins: count(spins), held: count(held), count: count(slices.length) });
}

function row(slice, scale) {
  const name = slice.token ? tokenSpan(slice.token) : make("em", { textContent: t("other") });
  const interval = t("room.interval", { low: briefPercent(slice.low), high: briefPercent(slice.high) });
  const frequency = make("span", { title: interval, textContent: `${count(slice.count)} · ${briefPercent(slice.frequency)}` });
  return tableRow("", name, percent(slice.probability), frequency, plot(slice, scale));
}

/** A bar as long as the frequency, a whisker over the interval, and a diamond at the probability. */
function plot({ frequency, low, high, probability }, scale) {
  const [bar, left, right, x] = [frequency, low, high, probability].map((share) => (share / scale) * (WIDTH - 12) + 6);
  const middle = HEIGHT / 2;
  return makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", "aria-hidden": "true" },
    makeSvg("rect", { x: 6, y: 5, width: bar - 6, height: HEIGHT - 10 }),
    makeSvg("path", { class: "whisker", d: `M${left} ${middle - 6}V${middle + 6}M${left} ${middle}H${right}M${right} ${middle - 6}V${middle + 6}` }),
    makeSvg("path", { class: "diamond", d: `M${x} ${middle - 7}l6 7l-6 7l-6 -7Z` }));
}
