/** A wheel made in the browser from all logits, as the server makes it: for redrawing while a slider moves. */

const MAX_SLICES = 128;

/** The answer of `…/logits`, its logits as numbers. */
export function ranked({ tokens, logits }) {
  const bytes = Uint8Array.from(atob(logits), (character) => character.charCodeAt(0));
  return { tokens, logits: new Float32Array(bytes.buffer) };
}

/** The wheel of these settings in the form of the server's answers, from the tokens and logits by rank. */
export function wheelOf({ tokens, logits }, settings) {
  const { p, possible } = filtered(logits, settings);
  const below = p.findIndex((share) => share < settings.threshold);
  const named = Math.min(below < 0 ? p.length : below, possible, MAX_SLICES, tokens.length);
  const after = massAfter(p); // after[i] is what comes after rank i + 1
  const ends = Array.from({ length: named }, (_, index) => 360 * (1 - after[index]));
  const share = (index) => ({ ...tokens[index], probability: p[index] });
  const slices = ends.map((end, index) => slice(index, ends[index - 1] ?? 0, end, share(index)));
  const total = named ? after[named - 1] : 1;
  const listed = Math.min(named + settings.other_top_k, possible, tokens.length);
  const samples = Array.from({ length: Math.max(0, listed - named) }, (_, offset) => share(named + offset));
  if (possible > named) slices.push({ index: named, start_angle: ends.at(-1) ?? 0, end_angle: 360, probability: total, token: null });
  const entropy = entropyOf(p);
  return {
    settings, slices, entropy, perplexity: 2 ** entropy, vocabulary_size: p.length,
    other_category: { total_probability: total, token_count: possible - named, sample_tokens: samples },
  };
}

/** The distribution by rank after temperature, top-k, top-p and min-p, and how many tokens it leaves possible. */
function filtered(logits, { temperature, top_k: topK, top_p: topP, min_p: minP }) {
  const p = temperature === 0 ? Float64Array.from(logits, (_, index) => Number(index === 0)) : softmax(logits, temperature);
  const kept = topP < 1 ? nucleusSize(p, topK || p.length, topP) : topK || p.length;
  p.fill(0, kept);
  const floor = minP * p[0];
  const possible = p.findIndex((share) => share === 0 || share < floor);
  if (possible >= 0) p.fill(0, possible);
  const sum = p.reduce((total, share) => total + share, 0);
  return { p: p.map((share) => share / sum), possible: possible < 0 ? p.length : possible };
}

function softmax(logits, temperature) {
  const p = Float64Array.from(logits, (logit) => Math.exp((logit - logits[0]) / temperature));
  const sum = p.reduce((total, share) => total + share, 0);
  return p.map((share) => share / sum);
}

function nucleusSize(p, topK, topP) {
  const mass = p.subarray(0, topK).reduce((total, share) => total + share, 0);
  let sum = 0;
  const last = p.subarray(0, topK).findIndex((share) => (sum += share) / mass >= topP);
  return last < 0 ? Math.min(topK, p.length) : last + 1;
}

/** Summed from the least on, so that rounding falls on the likeliest. */
function massAfter(p) {
  const after = new Float64Array(p.length);
  for (let index = p.length - 2; index >= 0; index -= 1) after[index] = after[index + 1] + p[index + 1];
  return after;
}

const slice = (index, start, end, token) => ({ index, start_angle: start, end_angle: end, probability: token.probability, token });
const entropyOf = (p) => p.reduce((sum, share) => (share > 0 ? sum - share * Math.log2(share) : sum), 0);
