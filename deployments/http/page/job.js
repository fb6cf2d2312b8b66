// One job: its parts in 3D as they come, and what can be done with them.
import { EditPanel } from "./edits.js";
import { element, notice, save, tabbed } from "./elements.js";
import { factsOf } from "./facts.js";
import { kept } from "./files.js";
import { filesOf } from "./takeaway.js";
import { follow } from "./follow.js";
import { PartList } from "./partlist.js";
import { Progress } from "./progress.js";
import { Parts, isPart } from "./parts.js";
import { ProblemError, reason, service } from "./service.js";
import { beginWith } from "./start.js";
import { readGhost } from "./viewer/reading.js";
import { Toolbar } from "./viewer/toolbar.js";
import { Viewer } from "./viewer/viewer.js";
import { words } from "./words.js";

/** @typedef {import("./service.js").Job} Job */

const QUEUE_MS = 3000;
const TOOLBAR_PIXELS = 62;
const NARROW = "(max-width: 900px)";

export class JobView {
  title = words.job.title;

  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.away = new AbortController();
    /** @type {Job | null} */
    this.job = null;
    this.parts = new Parts(id, this.away.signal);
    this.stage = element("div", { class: "stage" });
    this.progress = new Progress(() => this.#cancel());
    this.list = new PartList(this.parts);
    this.edits = new EditPanel(this.parts);
    this.files = element("div", { class: "panel" });
    this.facts = element("div", { class: "panel" });
    this.hint = element("p", { class: "first-hint" }, words.job.waiting);
    this.stage.append(this.progress.element, this.hint);
    this.viewer = this.#view();
    this.parts.listeners.push(() => this.progress.warn(this.parts.warnings));
    this.edits.onoffer = () => tabs.show("edit");
    const tabs = tabbed(words.job.tabs.label, [
      { name: "parts", title: words.job.tabs.parts, panel: this.list.element },
      { name: "edit", title: words.job.tabs.edit, panel: this.edits.element },
      { name: "files", title: words.job.tabs.files, panel: this.files },
      { name: "facts", title: words.job.tabs.facts, panel: this.facts },
    ]);
    this.side = element("aside", { class: "side card", "aria-label": words.job.tabs.label },
      tabs.strip, this.list.element, this.edits.element, this.files, this.facts);
    this.element = element("div", { class: "studio" }, element("h1", { class: "unseen" }, `${words.job.title} ${id.slice(0, 8)}`), this.stage, this.side);
    this.#run();
  }

  leave() {
    this.away.abort();
    this.progress.stop();
    this.viewer?.dispose();
  }

  #view() {
    let viewer;
    try {
      viewer = new Viewer(this.stage);
    } catch (error) {
      this.hint.textContent = words.viewer.noWebGL;
      console.info(error);
      return null;
    }
    viewer.onpick = (name, more) => (name ? this.parts.select(name, more) : this.parts.selectNone());
    this.parts.viewer = viewer;
    this.toolbar = new Toolbar(viewer, async () => save(await viewer.picture(), `${this.id.slice(0, 8)}.png`));
    this.stage.append(this.toolbar.element);
    viewer.raised = matchMedia(NARROW).matches ? 0 : TOOLBAR_PIXELS / 2; // there, the canvas ends above the tools
    return viewer;
  }

  async #run() {
    try {
      this.#take(await service.job(this.id));
      this.#haunt();
      if (!this.#ended) await this.#follow();
    } catch (error) {
      if (this.away.signal.aborted) return;
      const gone = error instanceof ProblemError && error.problem.status === 404;
      this.progress.trouble(gone ? words.job.gone : reason(error));
      this.hint.hidden = true;
    }
  }

  get #ended() {
    return this.job !== null && this.job.status !== "queued" && this.job.status !== "running";
  }

  /** Show a job as it is now. @param {Job} job */
  #take(job) {
    this.job = job;
    this.progress.show(job);
    this.parts.take(job, this.#ended);
    this.hint.hidden = this.#ended || job.artifacts.some(isPart);
    this.list.ended = this.#ended;
    this.edits.take(job, this.#ended);
    this.files.replaceChildren(filesOf(job));
    this.facts.replaceChildren(factsOf(job, () => this.#again()));
  }

  async #follow() {
    const asking = setInterval(() => this.job?.status === "queued" && this.#look(), QUEUE_MS);
    this.away.signal.addEventListener("abort", () => clearInterval(asking));
    try {
      for await (const event of follow(this.id, this.away.signal, (connected) => this.progress.connected(connected))) {
        this.progress.heard(event);
        if (event.part) {
          this.hint.hidden = true;
          this.parts.put(event.part);
          if (this.job && !this.job.artifacts.some(({ name }) => name === event.part?.name)) this.job.artifacts.push(event.part);
          if (this.job) this.files.replaceChildren(filesOf(this.job));
        }
        if (event.type !== "part" && event.type !== "progress") {
          await this.#look();
          this.toolbar?.complete();
        }
        else if (this.job?.status === "queued") await this.#look();
      }
    } finally {
      clearInterval(asking);
    }
  }

  async #look() {
    for (;;) {
      try {
        this.#take(await service.job(this.id));
        return;
      } catch (error) {
        if (error instanceof ProblemError && error.problem.status < 500) throw error;
        if (this.away.signal.aborted || !this.#ended) return; // the stream tells when it is there again
      }
    }
  }

  /** The given mesh around its parts, where this browser still has it, or else the whole that the job left. */
  async #haunt() {
    if (!this.viewer || !this.job) return;
    let file = await kept(this.job.inputs.mesh?.sha256);
    if (!file && this.job.artifacts.some(({ name }) => name === "whole.glb")) {
      file = new File([await service.file(this.id, "whole.glb", this.away.signal)], "whole.glb");
    }
    const ghost = file && (await readGhost(file, this.job.options.frame === "input" || file.name === "whole.glb"));
    if (ghost && !this.away.signal.aborted) this.toolbar?.offer(ghost, !this.#ended);
  }

  async #cancel() {
    try {
      this.#take(await service.cancel(this.id));
    } catch (error) {
      notice(reason(error), "bad");
    }
  }

  /** The same inputs and options on the start page, to be changed. */
  async #again() {
    const { job } = this;
    if (!job) return;
    /** @type {Record<string, File>} */
    const files = {};
    for (const [field, { sha256 }] of Object.entries(job.inputs)) {
      const file = await kept(sha256);
      if (file) files[field] = file;
    }
    beginWith({ files, options: job.options });
  }
}

