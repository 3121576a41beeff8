/** The wheel's settings as sliders. Each moves over a list of useful values, finer where a small change shows. */

import { make } from "./dom.js";
import { briefPercent, rounded, t } from "./words.js";

const SLIDERS = [
  { name: "temperature", shown: rounded,
    stops: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2, 2.5, 3, 5, 10] },
  { name: "threshold", shown: briefPercent,
    stops: [0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5] },
  { name: "top_k", shown: (k) => (k === 0 ? t("all") : rounded(k)),
    stops: [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 75, 100, 200, 500, 1000, 0] },
  { name: "top_p", shown: (p) => (p === 1 ? t("all") : briefPercent(p)),
    stops: [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99, 1] },
];

/** Build the sliders inside `parent`; `onChange` is told all values when one moves. */
export function makeSliders(parent, onChange) {
  const inputs = SLIDERS.map((slider) => makeSlider(parent, slider, () => onChange(values())));
  const values = () => Object.fromEntries(SLIDERS.map(({ name, stops }, place) => [name, stops[inputs[place].value]]));
  /** Show exactly these settings, also ones that lie between the stops. */
  const show = (settings) => SLIDERS.forEach((slider, place) => {
    inputs[place].value = nearest(slider.stops, settings[slider.name]);
    tell(inputs[place], slider.shown(settings[slider.name]));
  });
  return { values, show };
}

function makeSlider(parent, { name, stops, shown }, onInput) {
  const input = make("input", { type: "range", name, ariaLabel: t(name), min: 0, max: stops.length - 1 });
  const words = [make("span", { textContent: t(name) }), make("output"), input, make("small", { textContent: t(`${name}.note`) })];
  parent.append(make("label", {}, ...words));
  input.addEventListener("input", () => { tell(input, shown(stops[input.value])); onInput(); });
  return input;
}

function tell(input, text) {
  input.parentElement.querySelector("output").value = text;
  input.setAttribute("aria-valuetext", text);
}

function nearest(stops, value) {
  const distances = stops.map((stop) => Math.abs(stop - value));
  return distances.indexOf(Math.min(...distances));
}
