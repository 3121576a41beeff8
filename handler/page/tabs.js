/** Tabs: one panel of several is to be seen. Arrows move between them, as https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ says. */

import { make } from "./dom.js";
import { t } from "./words.js";

export class Tabs {
  #tabs;
  #panels;
  #onOpen;

  /** Make a tab in `list` for each panel, called by the panel's `data-tab`. `onOpen` is told the panel that is to be seen. */
  constructor(list, panels, onOpen) {
    [this.#panels, this.#onOpen] = [panels, onOpen];
    this.#tabs = panels.map((panel, place) => make("button", {
      type: "button", role: "tab", id: `${panel.id}-tab`, textContent: t(`tab.${panel.dataset.tab}`), onclick: () => this.open(place),
    }));
    this.#tabs.forEach((tab, place) => { tab.setAttribute("aria-controls", panels[place].id); panels[place].setAttribute("aria-labelledby", tab.id); });
    list.append(...this.#tabs);
    list.addEventListener("keydown", (event) => this.#onKey(event, getComputedStyle(list).direction === "rtl" ? -1 : 1));
    this.open(0);
  }

  open(place) {
    this.#tabs.forEach((tab, index) => { tab.ariaSelected = index === place; tab.tabIndex = index === place ? 0 : -1; });
    this.#panels.forEach((panel, index) => { panel.hidden = index !== place; });
    this.refresh();
  }

  /** Tell of the open panel again: what it shows has changed. */
  refresh() {
    this.#onOpen(this.#panels.find((panel) => !panel.hidden));
  }

  #onKey(event, forwards) {
    const step = { ArrowRight: forwards, ArrowLeft: -forwards }[event.key];
    if (!step) return;
    event.preventDefault();
    const place = (this.#tabs.indexOf(document.activeElement) + step + this.#tabs.length) % this.#tabs.length;
    this.open(place);
    this.#tabs[place].focus();
  }
}
