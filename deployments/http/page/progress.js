// What a job is doing: its stage, part, share, time, place in the queue; and the button that stops it.
import { button, element } from "./elements.js";
import { words } from "./words.js";

/** @typedef {import("./service.js").Job} Job */
/** @typedef {import("./service.js").JobEvent} JobEvent */

export class Progress {
  /** @param {() => void} cancel */
  constructor(cancel) {
    this.chip = element("span", { class: "chip" });
    this.doing = element("p", { class: "doing", role: "status" });
    this.time = element("span", { class: "time" });
    this.lost = element("p", { class: "lost", role: "status", hidden: true }, words.job.lost);
    this.warnings = element("ul", { class: "warnings", "aria-label": words.job.warnings, hidden: true });
    this.parent = element("a", { hidden: true, class: "parent" }, words.job.parent);
    this.bar = element("progress", { max: 1, value: 0, "aria-label": words.job.progress });
    this.stopButton = button(words.job.stop, () => {
      this.stopButton.disabled = true;
      cancel();
    }, { icon: "stop", kind: "small" });
    this.element = element("section", { class: "progress card", "aria-label": words.job.progress },
      element("div", { class: "row tight" }, this.chip, this.time, this.parent, this.stopButton), this.doing, this.bar, this.lost, this.warnings);
    /** @type {Job | null} */
    this.job = null;
    this.clock = setInterval(() => this.#tick(), 1000);
  }

  stop() {
    clearInterval(this.clock);
  }

  /** @param {Job} job */
  show(job) {
    this.job = job;
    const over = job.status !== "queued" && job.status !== "running";
    this.chip.textContent = words.statuses[job.status];
    this.chip.className = `chip ${job.status}`;
    this.bar.hidden = over;
    this.stopButton.hidden = over;
    if (over) this.lost.hidden = true;
    this.#tell({ stage: job.stage, done: job.parts_done, total: job.parts_total, progress: job.progress });
    this.#tick();
  }

  /** @param {JobEvent} event */
  heard(event) {
    if (!this.job || (this.job.status !== "queued" && this.job.status !== "running")) return;
    this.#tell({ stage: event.stage, done: event.parts_done, total: event.parts_total, progress: event.progress });
  }

  /** @param {{stage: string | null, done: number, total: number | null, progress: number}} now */
  #tell({ stage, done, total, progress }) {
    const job = /** @type {Job} */ (this.job);
    this.bar.value = progress;
    if (job.status === "queued") this.doing.textContent = words.job.ahead(job.queue_position ?? 0);
    else if (job.status === "running") {
      const partly = stage !== null && ["part", "agreement", "mesh", "overlap", "cleanup", "export"].includes(stage);
      const what = stage === null ? "" : words.stages[stage] ?? stage;
      this.doing.textContent = partly ? `${what} · ${words.job.part(done + 1, total)}` : what;
    } else if (job.error) this.doing.textContent = job.error.detail;
    else if (!done && job.status === "succeeded") this.doing.textContent = words.job.none;
    else {
      const done_to = job.edit && words.edit.done[String(job.edit.operation)];
      this.doing.textContent = [words.job.parts(done), done_to || words.endings[job.stop_reason ?? ""]].filter(Boolean).join(" · ");
    }
    if (job.parent && !this.parent.href) this.parent.href = `#/jobs/${job.parent}`;
    this.parent.hidden = !job.parent;
  }

  #tick() {
    const { job } = this;
    if (!job) return;
    const begun = job.started_at ?? job.created_at;
    const end = job.finished_at ? Date.parse(job.finished_at) : Date.now();
    this.time.textContent = words.time.short(Math.max(0, (end - Date.parse(begun)) / 1000));
  }

  /** What the service says of the result beside. @param {string[]} said */
  warn(said) {
    if (this.warnings.childElementCount === said.length) return;
    this.warnings.replaceChildren(...said.map((one) => element("li", {}, one)));
    this.warnings.hidden = said.length === 0;
  }

  /** @param {boolean} connected */
  connected(connected) {
    this.lost.hidden = connected;
  }

  /** Say that nothing can be shown. @param {string} text */
  trouble(text) {
    this.element.classList.add("bad");
    this.chip.hidden = this.bar.hidden = this.stopButton.hidden = this.lost.hidden = true;
    this.doing.textContent = text;
  }
}
