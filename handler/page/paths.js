/** The greedy path beside the sampled one: the same prompt continued by the likeliest token every time, and as it was here. */

import { send } from "./api.js";
import { make } from "./dom.js";
import { tinted, tooltip } from "./story.js";
import { compact, count, decimal, t } from "./words.js";

const SHORTEST = 8;
const LONGEST = 64;

/** Show both paths inside `panel`, over as many tokens as the session has. */
export async function showPaths(panel, session) {
  const turns = session.turns.slice(0, LONGEST);
  const { tokens: greedy } = await send(session.greedyPath(Math.max(SHORTEST, turns.length)));
  const same = turns.findIndex((turn, index) => turn.token_id !== greedy[index]?.token_id);
  const compared = greedy.slice(0, turns.length || greedy.length);
  panel.replaceChildren(
    ...path(t("paths.greedy"), session.prompt, compared), ...path(t("paths.sampled"), session.prompt, turns),
    make("p", { className: "note", textContent: verdict(compared, turns, same) }),
  );
}

function path(title, prompt, tokens) {
  const text = make("p", { className: "path", dir: "auto" }, prompt, ...tinted(tokens, tooltip, (token) => token.model_probability));
  const sum = t("paths.sum", { number: tokens.length, count: count(tokens.length), log: decimal(logProbability(tokens), 2), one: compact(Math.exp(-logProbability(tokens))) });
  return [make("h3", { textContent: title }), text, make("p", { className: "note", textContent: tokens.length ? sum : t("paths.none") })];
}

function verdict(greedy, turns, parting) {
  if (!turns.length) return t("paths.note");
  if (parting < 0) return t("paths.same");
  const gain = logProbability(greedy) - logProbability(turns);
  const times = t(gain >= 0 ? "paths.likelier" : "paths.unlikelier", { ratio: compact(Math.exp(Math.abs(gain))) });
  return `${t("paths.part", { count: count(parting + 1) })} ${times}`;
}

/** Natural, by the model's own probabilities: temperature 1 and no filter. */
const logProbability = (tokens) => tokens.reduce((sum, token) => sum + Math.log(token.model_probability), 0);
