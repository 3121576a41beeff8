/** A session as a link: all that it takes to repeat it, in the part of the address that no server is ever sent. */

import { settingsOf } from "./session.js";

const FORMAT = 1;

/** The address that opens this session, `kind` being "replay" (turn by turn, as it was) or "share" (as it is now). */
export async function linkTo(session, kind) {
  return `${location.origin}${location.pathname}#${kind}=${await packed(recordingOf(session))}`;
}

/** The kind and the recording of the page's address, or null when it has none that can be read. */
export async function linked() {
  const [kind, code] = location.hash.slice(1).split("=");
  if (!["replay", "share"].includes(kind)) return null;
  try {
    const { format, ...recording } = await unpacked(code);
    return format === FORMAT ? { kind, recording } : null;
  } catch {
    return null;
  }
}

/** Settings are kept once and named by their place, as most turns have those of the turn before. */
function recordingOf({ model, prompt, turns, settings: last }) {
  const all = [...turns.map(settingsOf), last].map((settings) => JSON.stringify(settings));
  const distinct = [...new Set(all)];
  const places = all.map((settings) => distinct.indexOf(settings));
  const steps = turns.map(({ token_id: token, draw, sampled_from_other: fromOther }, index) =>
    [token, places[index], draw?.target_angle ?? null, draw?.seed ?? null, Number(fromOther)]);
  return { format: FORMAT, model, prompt, settings: distinct.map((text) => JSON.parse(text)), steps, last: places.at(-1) };
}

async function packed(value) {
  const bytes = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(JSON.stringify(value)));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function unpacked(code) {
  const bytes = Uint8Array.from(atob(code.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), bytes)));
}

async function through(stream, bytes) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}
