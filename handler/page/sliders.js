/** The wheel's settings as sliders. Each moves over a list of useful values, finer where a small change shows. */

const SLIDERS = [
  { name: "temperature", label: "Temperature", note: "flatter above 1, sharper below",
    stops: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2, 2.5, 3, 5, 10], shown: String },
  { name: "threshold", label: "Threshold", note: "less likely tokens share Other",
    stops: [0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5], shown: asPercent },
  { name: "top_k", label: "Top-k", note: "keep the k likeliest",
    stops: [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 75, 100, 200, 500, 1000, 0], shown: (k) => (k === 0 ? "all" : String(k)) },
  { name: "top_p", label: "Top-p", note: "keep the smallest set of this mass",
    stops: [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99, 1], shown: (p) => (p === 1 ? "all" : asPercent(p)) },
];
const NAMES = [...SLIDERS.map((slider) => slider.name), "min_p", "other_top_k"];

/** The settings of a wheel, wherever an answer has them. */
export const settingsOf = (answer) => Object.fromEntries(NAMES.map((name) => [name, (answer.settings ?? answer)[name]]));

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

function makeSlider(parent, { name, label, note, stops, shown }, onInput) {
  const row = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "range", id: name, min: 0, max: stops.length - 1 });
  const title = Object.assign(document.createElement("span"), { textContent: label });
  const small = Object.assign(document.createElement("small"), { textContent: note });
  row.append(title, document.createElement("output"), input, small);
  parent.append(row);
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

function asPercent(share) {
  return `${Number((share * 100).toPrecision(3))} %`;
}
