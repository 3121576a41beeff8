/** Elements of the page, made and found. */

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties (`onclick` and the like included), attributes for what is no property, and children. */
export function make(tag, properties = {}, ...children) {
  return completed(document.createElement(tag), properties, children);
}

/** The same for SVG, where everything is an attribute. */
export function makeSvg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A row of a table, a cell for each content. */
export const tableRow = (className, ...cells) => make("tr", { className }, ...cells.map((content) => make("td", {}, content)));

/** A table with a head, which scrolls sideways where it is too wide. */
export function table(label, names, rows) {
  const head = make("thead", {}, make("tr", {}, ...names.map((textContent) => make("th", { scope: "col", textContent }))));
  return make("div", { className: "sideways", role: "region", ariaLabel: label, tabIndex: 0 }, make("table", {}, head, make("tbody", {}, ...rows)));
}

/** A share between 0 and 1, for the style sheet to draw. */
export function withShare(element, share, name = "--share") {
  element.style.setProperty(name, share);
  return element;
}

/** The element that a page or a column calls by this name. */
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

function completed(made, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
