// The jobs of this key, newest first: look again, delete, compare two.
import { button, element, icon, notice } from "./elements.js";
import { reason, service } from "./service.js";
import { words } from "./words.js";

/** @typedef {import("./service.js").Job} Job */

const text = words.history;
/** How long after its end a job's preview may still come, and how often to look for it. */
const PREVIEW_MS = 20_000, LOOK_MS = 1_000;

export class HistoryView {
  title = text.title;

  constructor() {
    this.away = new AbortController();
    /** @type {string[]} */
    this.chosen = [];
    /** @type {string | null} */
    this.cursor = null;
    /** @type {string[]} */
    this.addresses = [];
    this.grid = element("ul", { class: "jobs" });
    this.more = button(text.more, () => this.#load());
    this.more.hidden = true;
    this.compare = button(text.compare, () => (location.hash = `#/compare/${this.chosen.join("/")}`), { kind: "primary", icon: "layers" });
    this.note = element("p", { role: "status" });
    this.tray = element("div", { class: "tray card", hidden: true }, this.note, this.compare);
    this.none = element("p", { class: "muted", hidden: true }, text.none);
    this.element = element("div", { class: "page" }, element("h1", {}, text.title), element("p", { class: "lead" }, text.lead), this.none, this.grid, this.more, this.tray);
    this.#load();
  }

  leave() {
    this.away.abort();
    for (const one of this.addresses) URL.revokeObjectURL(one);
  }

  async #load() {
    try {
      const page = await service.jobs(this.cursor);
      this.cursor = page.next_cursor;
      this.grid.append(...page.jobs.map((job) => this.#card(job)));
      this.more.hidden = this.cursor === null;
      this.none.hidden = this.grid.children.length > 0;
    } catch (error) {
      notice(reason(error), "bad");
    }
  }

  /** @param {Job} job */
  #card(job) {
    const name = `${Object.values(job.inputs).map((input) => input.name).join(", ") || job.mode}`;
    const picture = element("div", { class: "picture" }, icon("cube"));
    this.#picture(job, picture);
    const box = element("input", { type: "checkbox", onchange: () => this.#choose(job.id, box.checked) });
    /** @type {HTMLLIElement} */
    const card = element("li", { class: "job card" },
      element("a", { href: `#/jobs/${job.id}`, "aria-label": text.open(name) }, picture),
      element("div", { class: "about" },
        element("div", { class: "row tight" }, element("span", { class: `chip ${job.status}` }, words.statuses[job.status]), element("small", {}, words.time.when(job.created_at))),
        element("strong", { class: "clip" }, name),
        element("small", {}, [job.edit ? words.edit.done[String(job.edit.operation)] : words.modes[job.mode], words.job.parts(job.parts_done)].filter(Boolean).join(" · ")),
        element("div", { class: "row tight" },
          element("label", { class: "compare-box" }, box, text.choose),
          button(text.delete, () => this.#delete(job, card), { icon: "trash", bare: true }))));
    return card;
  }

  /** @param {Job} job @param {HTMLElement} host */
  async #picture(job, host) {
    try {
      if (!await this.#drawn(job)) return;
      const picture = URL.createObjectURL(await service.file(job.id, "preview.png", this.away.signal));
      this.addresses.push(picture);
      host.replaceChildren(element("img", { src: picture, alt: "", loading: "lazy" }));
    } catch (error) {
      if (!this.away.signal.aborted) console.info(error);
    }
  }

  /**
   * Whether there is a preview: a job has ended before its picture is drawn, which takes seconds.
   * @param {Job} job
   */
  async #drawn(job) {
    for (let waited = 0; !job.artifacts.some(({ name }) => name === "preview.png"); waited += LOOK_MS) {
      const coming = job.status === "succeeded" && job.parts_done > 0 && job.options.preview === true;
      const late = waited >= PREVIEW_MS || Date.now() - Date.parse(job.finished_at ?? "") > PREVIEW_MS;
      if (!coming || late || this.away.signal.aborted) return false;
      await new Promise((done) => setTimeout(done, LOOK_MS));
      job = await service.job(job.id);
    }
    return true;
  }

  /** @param {string} id @param {boolean} on */
  #choose(id, on) {
    this.chosen = on ? [...this.chosen, id] : this.chosen.filter((one) => one !== id);
    this.tray.hidden = this.chosen.length === 0;
    this.note.textContent = this.chosen.length === 1 ? text.one : "";
    this.compare.disabled = this.chosen.length !== 2;
  }

  /** @param {Job} job @param {HTMLElement} card */
  #delete(job, card) {
    /** @type {HTMLDialogElement} */
    const dialog = element("dialog", { class: "card", "aria-labelledby": "sure" }, element("p", { id: "sure" }, text.sure),
      element("div", { class: "row end" },
        button(text.keep, () => dialog.close()),
        button(text.delete, async () => {
          dialog.close();
          try {
            await service.delete(job.id);
            card.remove();
            this.#choose(job.id, false);
            this.none.hidden = this.grid.children.length > 0;
            notice(text.deleted);
          } catch (error) {
            notice(reason(error), "bad");
          }
        }, { kind: "danger" })));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }
}
