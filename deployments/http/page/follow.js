// Following a job: its events as they come, across lost connections and restarts of the service.
// A stream of `fetch`, because EventSource can send no key.
import { ProblemError, call } from "./service.js";

/** @typedef {import("./service.js").JobEvent} JobEvent */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const SILENCE_MS = 45_000; // three of the service's heartbeats

/**
 * All events of a job, each once, until it has ended.
 * @param {string} id
 * @param {AbortSignal} signal
 * @param {(connected: boolean) => void} connection told when the connection is lost, and when it is there again
 * @returns {AsyncGenerator<JobEvent>}
 */
export async function* follow(id, signal, connection) {
  let after = 0;
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      for await (const event of stream(id, after, signal, connection)) {
        wait = FIRST_WAIT_MS;
        after = event.id;
        yield event;
        if (["succeeded", "failed", "cancelled"].includes(event.type)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ProblemError && error.problem.status < 500) throw error;
    }
    connection(false);
    await pause(wait, signal);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

/**
 * @param {string} id
 * @param {number} after
 * @param {AbortSignal} signal
 * @param {(connected: boolean) => void} connection
 * @returns {AsyncGenerator<JobEvent>}
 */
async function* stream(id, after, signal, connection) {
  const silent = new AbortController();
  const headers = { Accept: "text/event-stream", "Last-Event-ID": String(after) };
  const answer = await call(`v1/jobs/${id}/events`, { headers, signal: AbortSignal.any([signal, silent.signal]) });
  connection(true);
  const body = /** @type {ReadableStream<Uint8Array>} */ (answer.body);
  let watch = setTimeout(() => silent.abort(), SILENCE_MS);
  try {
    for await (const block of blocks(body, () => {
      clearTimeout(watch);
      watch = setTimeout(() => silent.abort(), SILENCE_MS);
    })) {
      const data = dataOf(block);
      if (data) yield JSON.parse(data);
    }
  } finally {
    clearTimeout(watch);
  }
}

/**
 * Blocks of a stream, which empty lines part.
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} heard
 * @returns {AsyncGenerator<string>}
 */
async function* blocks(body, heard) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      text = (text + value).replaceAll("\r\n", "\n");
      const whole = text.split("\n\n");
      text = whole.pop() ?? "";
      yield* whole;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** What the `data` lines of a block say; empty for a heartbeat. @param {string} block */
export const dataOf = (block) =>
  block
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trimStart())
    .join("\n");

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
const pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
