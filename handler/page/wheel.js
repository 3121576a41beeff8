/** The wheel: wedges at exactly the server's angles, the spin, and the choice of a wedge by pointer or keys. */

import { labelPlace, wedgePath } from "./geometry.js";
import { count, parts, percent, spoken, visible } from "./tokens.js";

const SVG = "http://www.w3.org/2000/svg";
const HUES = 8;
const CROWDED = 40; // from so many wedges on, full separators would hide the thin ones
const TURNS = 4;
const SPIN_MS = 3200;
const EASE_OUT = "cubic-bezier(0.12, 0.65, 0.08, 1)";
const LABEL_PX = [30, 24, 20, 17, 14, 12, 10.5];

export class Wheel {
  #svg;
  #wedges;
  #slices = [];
  #active = 0;
  #animation = null;

  /** `onChoose` is told the slice that was clicked or entered. */
  constructor(svg, onChoose) {
    this.#svg = svg;
    this.#wedges = svg.querySelector("#wedges");
    svg.addEventListener("click", (event) => this.#chooseAt(event.target, onChoose));
    svg.addEventListener("pointerover", ({ target }) => { svg.parentElement.title = wedgeAt(target)?.getAttribute("aria-label") ?? ""; });
    svg.addEventListener("keydown", (event) => this.#onKey(event, onChoose));
    new ResizeObserver(() => { if (!this.#animation) this.#label(); }).observe(svg);
  }

  draw({ slices, other_category: other }) {
    this.#slices = slices;
    this.#active = 0;
    this.#wedges.replaceChildren(...slices.map((slice) => wedge(slice, slices.length, other)));
    this.turnTo(0);
    this.#label();
    this.#activate(0);
    this.#svg.classList.remove("landed");
    this.#svg.classList.toggle("crowded", slices.length > CROWDED);
  }

  /** Put this angle of the wheel under the pointer. */
  turnTo(angle) {
    this.#wedges.setAttribute("transform", `rotate(${-angle})`);
  }

  /** Spin clockwise until `angle` is under the pointer. Resolves when the wheel rests; `skip` makes that now. */
  async spinTo(angle) {
    const frames = [0, 360 * TURNS - angle].map((degrees) => ({ transform: `rotate(${degrees}deg)` }));
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#animation = this.#wedges.animate(frames, { duration: still ? 0 : SPIN_MS, easing: EASE_OUT });
    this.turnTo(angle);
    await this.#animation.finished;
    this.#animation = null;
  }

  skip() {
    this.#animation?.finish();
  }

  /** Make a token's wedge stand out from the others: its own, else Other. */
  mark(tokenId) {
    const own = this.#slices.findIndex(({ token }) => token?.token_id === tokenId);
    this.#svg.classList.add("landed");
    [...this.#wedges.children].at(own).classList.add("drawn");
  }

  #chooseAt(target, onChoose) {
    const index = [...this.#wedges.children].indexOf(wedgeAt(target));
    if (index >= 0) { this.#activate(index); onChoose(this.#slices[index]); }
  }

  #onKey(event, onChoose) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -this.#active, End: -1 - this.#active };
    if (event.key === "Enter") onChoose(this.#slices[this.#active]);
    else if (event.key in steps) this.#activate((this.#active + steps[event.key] + this.#slices.length) % this.#slices.length);
    else return;
    event.preventDefault();
  }

  #activate(index) {
    this.#active = index;
    [...this.#wedges.children].forEach((group, place) => group.setAttribute("aria-selected", place === index));
    this.#svg.setAttribute("aria-activedescendant", this.#wedges.children[index].id);
  }

  /** Write the labels anew: how large they may be depends on how large the wheel is on the screen. */
  #label() {
    const unitsPerPx = 1000 / (this.#svg.clientWidth || 500);
    const sizes = LABEL_PX.filter((px) => px * unitsPerPx <= 62).map((px) => px * unitsPerPx);
    this.#slices.forEach((slice, index) => {
      const group = this.#wedges.children[index];
      group.querySelector("text")?.remove();
      const text = label(slice);
      group.append(text);
      text.setAttribute("font-size", 100);
      const place = labelPlace({ start: slice.start_angle, end: slice.end_angle, widthPerSize: text.getComputedTextLength() / 100, sizes });
      if (!place) { text.remove(); return; }
      text.setAttribute("font-size", place.size);
      text.setAttribute("transform", `translate(${place.x} ${place.y}) rotate(${place.rotation})`);
    });
  }
}

function wedge(slice, slices, other) {
  const group = element("g", { id: `wedge-${slice.index}`, role: "option", class: slice.token ? `hue-${hue(slice.index, slices)}` : "other" });
  const name = slice.token ? named(slice.token.token_text) : `Other: ${count(other.token_count)} tokens`;
  group.setAttribute("aria-label", `${name}, ${percent(slice.probability)}`);
  group.append(element("path", { d: wedgePath(slice.start_angle, slice.end_angle) }));
  return group;
}

const wedgeAt = (target) => target.closest("#wedges > g");
const named = (text) => (text.trim() ? visible(text) : `${visible(text)} (${spoken(text)})`);

// The last wedge lies beside the first: it must not get the first one's colour.
function hue(index, slices) {
  return index > 0 && index === slices - 1 && index % HUES === 0 ? 1 : index % HUES;
}

function label({ token }) {
  const text = element("text", { "aria-hidden": "true" });
  for (const { shown, blank } of token ? parts(token.token_text) : [{ shown: "Other", blank: false }]) {
    const part = element("tspan", blank ? { class: "blank" } : {});
    part.textContent = shown;
    text.append(part);
  }
  return text;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
