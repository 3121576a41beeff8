/** How tokens are shown: white space as signs, bytes that are only a part of a character in hexadecimal. */

import { make } from "./dom.js";
import { t } from "./words.js";

const SIGNS = { " ": "␣", "\n": "↵", "\t": "⇥" };
const NAMES = { " ": "space", "\n": "new_line", "\t": "tab" };
const UNSEEN = /[\p{Cc}\p{Cf}\p{Z}]/gu;
const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ESCAPED_BYTE = /(\\x[0-9a-f]{2})/;

/** The token in parts, each with what to show and whether it is a sign for what cannot be seen. */
export function parts(token) {
  return isText(token.token_bytes) ? partsOfText(token.token_text) : partsOfBytes(token.token_text);
}

export const visible = (token) => parts(token).map((part) => part.shown).join("");

/** For screen readers, which say nothing for white space. */
export function spoken(token) {
  if (!isText(token.token_bytes)) return t("bytes", { bytes: visible(token) });
  const text = token.token_text;
  return text.trim() ? text.trim() : [...text].map((character) => (character in NAMES ? t(NAMES[character]) : escaped(character))).join(", ");
}

/** What a wedge or button is called: as it looks, white space alone also by name. */
export const named = (token) => (token.token_text.trim() ? visible(token) : `${visible(token)} (${spoken(token)})`);

/** A span with the token, its signs paler than the rest. */
export function tokenSpan(token, className = "token") {
  const shown = parts(token).map((part) => (part.sign ? make("i", { textContent: part.shown }) : part.shown));
  return make("bdi", { className }, ...shown);
}

function isText(bytes) {
  try {
    STRICT.decode(new Uint8Array(bytes));
    return true;
  } catch {
    return false;
  }
}

function partsOfText(text) {
  return text.split(/([ \n\t])/).filter(Boolean).map((part) =>
    part in SIGNS ? { shown: SIGNS[part], sign: true } : { shown: part.replace(UNSEEN, escaped), sign: false });
}

// The server writes such bytes as \xc3.
function partsOfBytes(text) {
  return text.split(ESCAPED_BYTE).filter(Boolean).flatMap((part) =>
    ESCAPED_BYTE.test(part) ? [{ shown: `‹${part.slice(2).toUpperCase()}›`, sign: true }] : partsOfText(part));
}

const escaped = (character) => `\\u{${character.codePointAt(0).toString(16)}}`;
