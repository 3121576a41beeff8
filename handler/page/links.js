/** The links to a session, to be copied. */

import { part } from "./dom.js";
import { linkTo } from "./link.js";
import { t } from "./words.js";

/** Open `dialog` with the replay and the share link of a session. */
export async function openLinks(dialog, session) {
  for (const kind of ["replay", "share"]) {
    const field = part(dialog, kind);
    field.value = await linkTo(session, kind);
    field.onfocus = () => field.select();
    part(dialog, `copy-${kind}`).onclick = (event) => copy(field, event.target);
  }
  dialog.showModal();
}

// The clipboard is only for pages of a safe origin; elsewhere the link is at least marked, to be copied by hand.
async function copy(field, button) {
  field.select();
  await navigator.clipboard?.writeText(field.value);
  if (navigator.clipboard) button.textContent = t("copied");
}
