/** The wheel: wedges at exactly the server's angles, the spin, and the choice of a wedge by pointer or keys. */

import { labelPlace, wedgePath } from "./geometry.js";
import { makeSvg } from "./dom.js";
import { named, parts } from "./tokens.js";
import { count, percent, t } from "./words.js";

const HUES = 8;
const CROWDED = 40; // from so many wedges on, full separators would hide the thin ones
const TURNS = 4;
const SPIN_MS = 3200;
const EASE_OUT = "cubic-bezier(0.12, 0.65, 0.08, 1)";
const LABEL_PX = [30, 24, 20, 17, 14, 12, 10.5];

export class Wheel {
  #svg;
  #name;
  #wedges;
  #slices = [];
  #active = 0;
  #animation = null;
  #widths = new Map(); // of labels at font size 1: measuring is slow

  /** `onChoose` is told the slice that was clicked or entered. `name` tells this wheel's wedges from those of another. */
  constructor(svg, name, onChoose) {
    this.#svg = svg;
    this.#name = name;
    this.#wedges = svg.querySelector(".wedges");
    svg.addEventListener("click", (event) => this.#chooseAt(event.target, onChoose));
    svg.addEventListener("pointerover", ({ target }) => { svg.parentElement.title = wedgeAt(target)?.getAttribute("aria-label") ?? ""; });
    svg.addEventListener("keydown", (event) => this.#onKey(event, onChoose));
    new ResizeObserver(() => { if (!this.#animation) this.#label(); }).observe(svg);
  }

  draw({ slices, other_category: other }) {
    this.#slices = slices;
    this.#active = 0;
    this.#wedges.replaceChildren(...slices.map((slice) => wedge(slice, slices.length, other, this.#name)));
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

  /** Spin clockwise until `angle` is under the pointer, `pace` times as fast. Resolves when it rests; `skip` makes that now. */
  async spinTo(angle, pace = 1) {
    const frames = [0, 360 * TURNS - angle].map((degrees) => ({ transform: `rotate(${degrees}deg)` }));
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#animation = this.#wedges.animate(frames, { duration: still ? 0 : SPIN_MS / pace, easing: EASE_OUT });
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
    const index = own >= 0 ? own : this.#slices.findIndex(({ token }) => !token);
    this.#svg.classList.add("landed");
    this.#wedges.children[index]?.classList.add("drawn"); // a token that the filters ruled out has no wedge
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
    this.#slices.forEach((slice, index) => this.#labelWedge(this.#wedges.children[index], slice, sizes));
  }

  #labelWedge(group, { token, start_angle: start, end_angle: end }, sizes) {
    group.querySelector("text")?.remove();
    const text = label(token);
    const place = labelPlace({ start, end, widthPerSize: this.#widthOf(group, text), sizes });
    if (!place) return;
    text.setAttribute("font-size", place.size);
    text.setAttribute("transform", `translate(${place.x} ${place.y}) rotate(${place.rotation})`);
    group.append(text);
  }

  #widthOf(group, text) {
    const words = text.textContent;
    if (!this.#widths.has(words)) {
      text.setAttribute("font-size", 100);
      group.append(text);
      this.#widths.set(words, text.getComputedTextLength() / 100);
      text.remove();
    }
    return this.#widths.get(words);
  }
}

function wedge(slice, slices, other, wheelName) {
  const name = slice.token ? named(slice.token) : t("other_tokens", { number: other.token_count, count: count(other.token_count) });
  return makeSvg("g", {
    id: `${wheelName}-wedge-${slice.index}`, role: "option", class: slice.token ? `hue-${hue(slice.index, slices)}` : "other",
    "aria-label": `${name}, ${percent(slice.probability)}`,
  }, makeSvg("path", { d: wedgePath(slice.start_angle, slice.end_angle) }));
}

const wedgeAt = (target) => target.closest(".wedges > g");

// The last wedge lies beside the first: it must not get the first one's colour.
function hue(index, slices) {
  return index > 0 && index === slices - 1 && index % HUES === 0 ? 1 : index % HUES;
}

function label(token) {
  const shown = token ? parts(token) : [{ shown: t("other"), sign: false }];
  const spans = shown.map((part) => makeSvg("tspan", part.sign ? { class: "sign" } : {}, part.shown));
  return makeSvg("text", { "aria-hidden": "true", direction: "ltr" }, ...spans);
}
