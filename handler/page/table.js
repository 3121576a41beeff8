/** The wheel as a table: every slice, then Other with its count and its likeliest tokens. */

import { count, percent, tokenSpan } from "./tokens.js";

/** Fill the rows; `onChoose` is told the slice, or for a token of Other one like it, whose button was pressed. */
export function showTable(body, { slices, other_category: other }, onChoose) {
  const widest = Math.max(...slices.map((slice) => slice.probability));
  const rows = slices.map((slice) => (slice.token ? tokenRow(slice.token, widest, onChoose) : otherRow(slice, other, widest, onChoose)));
  const tail = other.sample_tokens.map((token) => tokenRow(token, widest, onChoose, "tail"));
  const unlisted = other.token_count - tail.length;
  if (unlisted > 0) tail.push(row("tail", "", `and ${count(unlisted)} more`, ""));
  body.replaceChildren(...rows, ...tail);
}

function tokenRow(token, widest, onChoose, className = "") {
  const choice = button(tokenSpan(token.token_text), () => onChoose({ token, probability: token.probability }));
  return row(className, token.rank, choice, share(token.probability, widest));
}

function otherRow(slice, other, widest, onChoose) {
  const choice = button(`Other: ${count(other.token_count)} more`, () => onChoose(slice));
  return row("other", "", choice, share(slice.probability, widest));
}

function row(className, ...cells) {
  const made = Object.assign(document.createElement("tr"), { className });
  made.append(...cells.map((content) => { const cell = document.createElement("td"); cell.append(content); return cell; }));
  return made;
}

function button(content, onClick) {
  const made = Object.assign(document.createElement("button"), { type: "button", title: "Choose" });
  made.append(content);
  made.addEventListener("click", onClick);
  return made;
}

function share(probability, widest) {
  const made = Object.assign(document.createElement("span"), { className: "share", title: String(probability), textContent: percent(probability) });
  made.style.setProperty("--share", probability / widest);
  return made;
}
