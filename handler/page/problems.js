/** What went wrong, in words for students, each with a way on. */

const WORDS = {
  unreachable: "The server does not answer. Nothing is lost: try again, and the same request is sent once more.",
  session_not_found: "This session has expired. Your text is still here: go on from it, or start anew.",
  version_conflict: "This session was changed somewhere else, perhaps in another window.",
  store_unavailable: "The place where sessions are kept does not answer just now.",
  session_busy: "Too many changes of this session at once.",
  model_not_loadable: "The model cannot be loaded just now.",
};
const ENDINGS = {
  end_of_text: "The model ended its text here.",
  context_window: "The text fills the model's context window.",
  turn_limit: "The session has reached its last turn.",
};

export const PAUSED = "The server is busy or waking up; trying again …";

export function wordsFor(error) {
  return WORDS[error.code] ?? (error.status ? `That did not work: ${error.message}.` : `Something went wrong on this page: ${error.message}`);
}

export const ending = (reason) => `${ENDINGS[reason] ?? "The text is finished."} Undo a token, or start anew.`;

/** Show words and buttons, given as [label, action]; an action also closes the message. Without words, close it. */
export function showProblem(section, words = "", ways = []) {
  section.hidden = !words;
  section.querySelector("p").textContent = words;
  section.querySelector("div").replaceChildren(...ways.map(([label, action]) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    button.addEventListener("click", () => { showProblem(section); action(); });
    return button;
  }));
}
