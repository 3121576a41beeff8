/** A recorded session, repeated: what had a seed is drawn again and compared, what had none is appended as it was. */

import { count, t } from "./words.js";

const SURE = 1e-9; // degrees

/** Repeat a recording in `column`, with the spins to be seen or not. Resolves to words about how it went, or null when it broke off. */
export async function replay(column, { model, prompt, settings, steps, last }, animated) {
  if (!(await column.start(prompt, model, settings[steps[0]?.[1] ?? last]))) return null;
  const outcome = { again: 0, differing: 0 };
  const actions = steps.map((step, index) => () => repeat(column, step, settings, { index, outcome, animated }));
  await column.autoplay.play(actions);
  if (column.session.turns.length < steps.length) return null;
  await column.look(settings[last]);
  return report(steps, outcome);
}

async function repeat(column, [token, place, angle, seed, fromOther], settings, { index, outcome, animated }) {
  if (column.session.turns.length !== index || !(await column.look(settings[place]))) return false;
  const looks = { animated, angle: angle ?? undefined };
  for (const draw of drawsAgain(seed, fromOther)) {
    const isRight = ({ appended_token: { token_id: drawn }, draw: { target_angle: stop } }) => drawn === token && Math.abs(stop - angle) < SURE;
    if (!(await column.repeat(draw(column.session), isRight, looks))) return false;
    if (column.session.turns.length > index) { outcome.again += 1; return true; }
  }
  if (seed !== null) outcome.differing += 1;
  return column.repeat(column.session.choice({ token: { token_id: token } }), () => true, looks);
}

/** What may have drawn the turn: a spin, or a draw from Other. Each is made when it is sent, for the session as it is then. */
function drawsAgain(seed, fromOther) {
  if (seed === null) return [];
  const draws = [(session) => session.spin(seed), (session) => session.choice({ token: null }, seed)];
  return fromOther ? draws : draws.slice(0, 1);
}

function report(steps, { again, differing }) {
  const recorded = steps.length - again - differing;
  const parts = Object.entries({ done: steps.length, again, recorded, differing }).filter(([name, number]) => number || name === "done");
  return parts.map(([name, number]) => t(`replay.${name}`, { number, count: count(number) })).join(" ");
}
