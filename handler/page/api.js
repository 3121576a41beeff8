/** Requests to the server. A write carries one Idempotency-Key however often it is sent, so that no spin is lost or made twice. */

const ATTEMPTS = 5;
const TIMEOUT_MS = 35_000;
const FIRST_PAUSE_MS = 700;
const OFFLINE_LOOK_MS = 10_000;
const TEMPORARY = new Set([429, 502, 503, 504]);

/** An answer that is not the wanted one. `code` is the server's, or "unreachable" when there was no answer at all. */
export class ApiError extends Error {
  constructor({ status = 0, code = "unreachable", detail = "the server cannot be reached", retryAfterMs = 0 }) {
    super(detail);
    Object.assign(this, { status, code, retryAfterMs, temporary: status === 0 || TEMPORARY.has(status) });
  }
}

/** A write that can be sent again and again: its key is made here, once. */
export const write = (method, path, body) => ({ method, path, body, key: newKey() });
export const read = (path, query) => ({ method: "GET", path: query ? `${path}?${new URLSearchParams(query)}` : path });
export const address = (path) => new URL(path, document.baseURI).href;

/**
 * The answer to a request. Temporary failures are tried again, with growing pauses; `onPause` is told of each and how long it is.
 * Offline does not count as a try: it goes on once the browser is online again. Throws ApiError.
 */
export async function send(request, onPause = () => {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await sendOnce(request);
    } catch (error) {
      if (!error.temporary || attempt === ATTEMPTS) throw error;
      const waitMs = Math.max(error.retryAfterMs, FIRST_PAUSE_MS * 2 ** (attempt - 1));
      onPause(error, waitMs);
      if (navigator.onLine) await pause(waitMs);
      else { attempt = 0; await online(); }
    }
  }
}

async function sendOnce({ method, path, body, key }) {
  const headers = { ...(key && { "Idempotency-Key": key }), ...(body && { "Content-Type": "application/json" }) };
  const options = { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS) };
  let response, answer;
  try {
    response = await fetch(address(path), options);
    answer = await response.json();
  } catch {
    throw new ApiError(response && !response.ok ? { status: response.status, code: "no_detail", detail: response.statusText } : {});
  }
  if (response.ok) return answer;
  const retryAfterMs = 1000 * (Number(response.headers.get("Retry-After")) || 0);
  const detail = answer.correlation_id ? `${answer.detail} (${answer.correlation_id})` : answer.detail;
  throw new ApiError({ status: response.status, code: answer.code, detail, retryAfterMs });
}

// crypto.randomUUID is missing where a classroom opens the page by plain http from another machine.
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// A server on this very machine can come back while the browser still thinks that it is offline.
const online = () => Promise.race([pause(OFFLINE_LOOK_MS), new Promise((resolve) => { addEventListener("online", resolve, { once: true }); })]);
