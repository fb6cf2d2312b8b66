// The parts of a job on this page: their files, names, selection and visibility; the list, the view and the edits share it.
import { reason, service } from "./service.js";
import { notice } from "./elements.js";
import { colourOf } from "./viewer/solids.js";
import { words } from "./words.js";

/** @typedef {import("./service.js").Artifact} Artifact */
/** @typedef {{file: string, index: number, name: string, faces: number | null, sha256: string}} Part */
/** @typedef {{index: number, seed: number, candidate: number, file: string, taken: boolean}} Candidate */

const PART = /^mesh_(\d{3,})\.glb$/;
const AT_A_TIME = 6; // as many connections as browsers open to one place

/** @param {{name: string}} artifact */
export const isPart = ({ name }) => PART.test(name);

/** Where it stands among the parts. @param {string} file */
export const indexOf = (file) => Number(PART.exec(file)?.[1] ?? -1);

export class Parts {
  /** @param {string} job @param {AbortSignal} signal */
  constructor(job, signal) {
    this.job = job;
    this.signal = signal;
    /** @type {import("./viewer/viewer.js").Viewer | null} */
    this.viewer = null;
    /** @type {Map<string, Part>} */
    this.all = new Map();
    /** @type {string[]} */
    this.order = [];
    /** @type {Candidate[]} */
    this.candidates = [];
    /** @type {string[]} */
    this.warnings = [];
    /** @type {Set<string>} */
    this.selected = new Set();
    /** @type {Set<string>} */
    this.hidden = new Set();
    /** @type {(() => void)[]} */
    this.listeners = [];
    /** @type {Artifact[]} */
    this.waiting = [];
    this.loading = 0;
    this.telling = false;
  }

  /** In their order. */
  get list() {
    return [...this.all.values()].sort((one, other) => this.#place(one) - this.#place(other));
  }

  /** As the manifest has them, once there is one. @param {Part} part */
  #place({ file, index }) {
    const place = this.order.indexOf(file);
    return place < 0 ? index : place;
  }

  /** The selected ones, in their order. */
  get chosen() {
    return this.list.filter(({ file }) => this.selected.has(file));
  }

  /** Take over what a job lists; parts that it does not list any more go. @param {{artifacts: Artifact[]}} job @param {boolean} ended */
  take(job, ended) {
    const listed = job.artifacts.filter(isPart);
    for (const artifact of listed) this.put(artifact);
    if (!ended) return;
    const names = new Set(listed.map(({ name }) => name));
    for (const file of this.all.keys()) if (!names.has(file)) this.#drop(file);
    if (job.artifacts.some(({ name }) => name === "manifest.json")) this.#readManifest();
  }

  /** A part's file is there, or is another now. @param {Artifact} artifact */
  put(artifact) {
    if (!isPart(artifact)) return;
    const known = this.all.get(artifact.name);
    if (known?.sha256 === artifact.sha256) return;
    const index = indexOf(artifact.name);
    this.all.set(artifact.name, { file: artifact.name, index, name: known?.name ?? words.parts.name(index), faces: known?.faces ?? null, sha256: artifact.sha256 });
    this.waiting = this.waiting.filter(({ name }) => name !== artifact.name);
    this.waiting.push(artifact);
    if (this.viewer) this.viewer.expected = this.all.size;
    this.changed();
    this.#load();
  }

  #load() {
    while (this.loading < AT_A_TIME && this.waiting.length) {
      const artifact = /** @type {Artifact} */ (this.waiting.shift());
      this.loading += 1;
      if (this.viewer) this.viewer.loading = this.loading + this.waiting.length > 1;
      this.#show(artifact)
        .catch((error) => this.signal.aborted || notice(`${artifact.name}: ${reason(error)}`, "bad"))
        .finally(() => {
          this.loading -= 1;
          if (this.viewer && !this.loading) this.viewer.loading = false;
          this.#load();
        });
    }
  }

  /** @param {Artifact} artifact */
  async #show({ name, sha256 }) {
    if (!this.viewer) return;
    const content = await service.file(this.job, name, this.signal);
    const part = this.all.get(name);
    if (!part || part.sha256 !== sha256) return; // there is a newer one
    const solid = await this.viewer.add(name, await content.arrayBuffer(), colourOf(part.index));
    part.faces = solid.faces;
    this.changed();
  }

  /** @param {string} file */
  #drop(file) {
    this.all.delete(file);
    this.selected.delete(file);
    this.hidden.delete(file);
    this.viewer?.remove(file);
    this.changed();
  }

  async #readManifest() {
    try {
      const manifest = JSON.parse(await (await service.file(this.job, "manifest.json", this.signal)).text());
      for (const { file, name } of manifest.parts) {
        const part = this.all.get(file);
        if (part && name) part.name = name;
      }
      this.order = manifest.parts.map((/** @type {{file: string}} */ { file }) => file);
      this.warnings = manifest.warnings;
      /** @param {Candidate} one */
      const taken = ({ index, seed }) => manifest.parts.some((/** @type {Candidate} */ part) => part.index === index && part.seed === seed);
      this.candidates = (manifest.candidates ?? []).map((/** @type {Candidate} */ one) => ({ ...one, taken: taken(one) }));
      this.changed();
    } catch (error) {
      if (!this.signal.aborted) notice(reason(error), "bad");
    }
  }

  /** @param {string} file @param {boolean} more beside those that are selected */
  select(file, more) {
    const was = this.selected.has(file);
    if (!more) this.selected.clear();
    if (was && more) this.selected.delete(file);
    else this.selected.add(file);
    this.changed();
  }

  selectNone() {
    this.selected.clear();
    this.changed();
  }

  selectAll() {
    this.selected = new Set(this.all.keys());
    this.changed();
  }

  /** @param {string} file @param {boolean} on */
  hide(file, on) {
    if (on) this.hidden.add(file);
    else this.hidden.delete(file);
    this.changed();
  }

  /** Only this one, or all again where it is the only one already. @param {string} file */
  isolate(file) {
    const others = [...this.all.keys()].filter((one) => one !== file);
    const alone = !this.hidden.has(file) && others.every((one) => this.hidden.has(one));
    this.hidden = new Set(alone ? [] : others);
    this.changed();
  }

  showAll() {
    this.hidden.clear();
    this.changed();
  }

  /** @param {string} file a part that is pointed at; empty for none */
  point(file) {
    if (!this.viewer || this.viewer.pointed === file) return;
    this.viewer.pointed = file;
    this.viewer.changed();
  }

  /** Tell everyone, once for all that has changed at a time. */
  changed() {
    if (this.telling) return;
    this.telling = true;
    queueMicrotask(() => {
      this.telling = false;
      if (!this.signal.aborted) this.#tell();
    });
  }

  #tell() {
    if (this.viewer) {
      this.viewer.selected = this.selected;
      this.viewer.hidden = this.hidden;
      this.viewer.changed();
    }
    for (const listener of this.listeners) listener();
  }
}
