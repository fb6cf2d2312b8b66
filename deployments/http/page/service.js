// Calls of the service: what a client of `/openapi.json` would do, with the key where one is wanted.
import { askForKey, credentials } from "./keys.js";
import { words } from "./words.js";

/**
 * @typedef {{name: string, media_type: string, bytes: number, sha256: string, url: string}} Artifact
 * @typedef {{type: string, title: string, status: number, detail: string, code: string, field: string | null}} Problem
 * @typedef {"queued" | "running" | "succeeded" | "failed" | "cancelled" | "expired"} JobStatus
 * @typedef {string | number | boolean | null | string[]} Option
 * @typedef {{
 *   id: string, status: JobStatus, stage: string | null, progress: number, parts_done: number,
 *   parts_total: number | null, queue_position: number | null, created_at: string, started_at: string | null,
 *   finished_at: string | null, attempt: number, seed: number, mode: string, options: Record<string, Option>,
 *   inputs: Record<string, {name: string, sha256: string}>, stop_reason: string | null, artifacts: Artifact[],
 *   error: Problem | null, preset?: string, parent?: string | null, edit?: Record<string, unknown> | null
 * }} Job
 * @typedef {{
 *   id: number, type: "progress" | "part" | "succeeded" | "failed" | "cancelled", job_id: string, at: string,
 *   stage: string | null, progress: number, parts_done: number, parts_total: number | null, part: Artifact | null,
 *   stop_reason: string | null, error: Problem | null
 * }} JobEvent
 * @typedef {{
 *   name: string, description: string, loaded: boolean, defaults: Record<string, Option>
 * }} Model
 */

/** A refusal or failure that the service has told the reason of. */
export class ProblemError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** The service could not be reached. */
export class UnreachableError extends Error {}

/** Where a path of the service is, whatever it is served under. @param {string} path */
export const address = (path) => new URL(path.replace(/^\//, ""), new URL(".", document.baseURI)).href;

/**
 * One request; asks for the key where there must be one.
 * @param {string} path
 * @param {RequestInit & {headers?: Record<string, string>}} [request]
 * @returns {Promise<Response>} a good one
 */
export async function call(path, request = {}) {
  for (;;) {
    const said = credentials();
    const answer = await reach(address(path), { ...request, headers: { ...request.headers, ...said } });
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (answer.status !== 401 || !(await askForKey(said))) throw new ProblemError(problem);
  }
}

/** @param {string} url @param {RequestInit} request */
async function reach(url, request) {
  try {
    return await fetch(url, request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new UnreachableError(words.unreachable);
  }
}

/** @param {Response} answer @returns {Promise<Problem>} */
async function problemOf(answer) {
  if (answer.headers.get("content-type")?.startsWith("application/problem+json")) return answer.json();
  const { status } = answer;
  return { type: "about:blank", title: answer.statusText, status, detail: words.refused(status), code: "http", field: null };
}

/** What went wrong, for people. @param {unknown} error */
export const reason = (error) => (error instanceof Error ? error.message : String(error));

/** @template T @param {string} path @param {RequestInit & {headers?: Record<string, string>}} [request] @returns {Promise<T>} */
const json = async (path, request) => (await call(path, request)).json();

/** @param {string} path @param {string} key @param {unknown} body @returns {Promise<Job>} */
const post = (path, key, body) =>
  json(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": key },
    body: JSON.stringify(body),
  });

/** A name for a request, so that sending it twice does it once. */
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const service = {
  /**
   * @param {Partial<Record<string, File>>} files @param {Record<string, Option>} options @param {string} key
   * @param {string | undefined} preset
   * @returns {Promise<Job>}
   */
  submit(files, options, key, preset) {
    const form = new FormData();
    for (const [field, file] of Object.entries(files)) if (file) form.append(field, file, file.name);
    form.append("options", JSON.stringify(options));
    if (preset) form.append("preset", preset);
    return json("v1/jobs", { method: "POST", body: form, headers: { "Idempotency-Key": key } });
  },
  /** @param {string} id @returns {Promise<Job>} */
  job: (id) => json(`v1/jobs/${id}`),
  /** @param {string | null} cursor @returns {Promise<{jobs: Job[], next_cursor: string | null}>} */
  jobs: (cursor = null) => json(`v1/jobs?limit=24${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`),
  /** @param {string} id @returns {Promise<Job>} */
  cancel: (id) => json(`v1/jobs/${id}/cancel`, { method: "POST" }),
  /** @param {string} id */
  delete: (id) => call(`v1/jobs/${id}`, { method: "DELETE" }),
  /** @param {string} id @param {Record<string, unknown>} edit @returns {Promise<Job>} */
  edit: (id, edit) => post(`v1/jobs/${id}/edits`, newKey(), edit),
  /** @param {string} id @param {string} name @param {AbortSignal} [signal] @returns {Promise<Blob>} */
  file: async (id, name, signal) => (await call(`v1/jobs/${id}/artifacts/${name}`, { signal })).blob(),
  /** @returns {Promise<{models: Model[], limits: Record<string, number>}>} */
  models: () => json("v1/models"),
  /** @returns {Promise<any>} */
  description: () => json("openapi.json"),
};

/** The presets that run here, asked for once. @type {Promise<Model[]> | null} */
let loaded = null;

/** The presets that run here; the first is that of a job that names none. @returns {Promise<Model[]>} */
export function loadedModels() {
  loaded ??= service.models().then(({ models }) => {
    const running = models.filter((model) => model.loaded);
    return running.length ? running : models.slice(0, 1);
  });
  loaded.catch(() => (loaded = null));
  return loaded;
}

/** The preset of a job. @param {Job} job @returns {Promise<Model>} */
export async function modelOf(job) {
  const models = await loadedModels();
  return models.find((model) => model.name === job.preset) ?? models[0];
}
