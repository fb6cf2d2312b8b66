// Two jobs side by side, turned together.
import { element } from "./elements.js";
import { Parts } from "./parts.js";
import { reason, service } from "./service.js";
import { Viewer } from "./viewer/viewer.js";
import { words } from "./words.js";

const text = words.compare;

export class CompareView {
  title = text.title;

  /** @param {string} one @param {string} other */
  constructor(one, other) {
    this.away = new AbortController();
    /** @type {Viewer[]} */
    this.viewers = [];
    const slider = element("input", {
      type: "range", id: "explode", min: 0, max: 1.2, step: 0.01, value: 0,
      oninput: () => this.viewers.forEach((viewer) => viewer.explode(slider.valueAsNumber)),
    });
    this.element = element("div", { class: "compare" },
      element("div", { class: "row" }, element("h1", {}, text.title), element("label", { for: "explode", class: "explode" }, words.viewer.explode, slider), element("a", { href: "#/history" }, text.back)),
      element("div", { class: "pair" }, this.#side(one, text.first), this.#side(other, text.second)));
  }

  leave() {
    this.away.abort();
    for (const viewer of this.viewers) viewer.dispose();
  }

  /** @param {string} id @param {string} name */
  #side(id, name) {
    const host = element("div", { class: "stage" });
    const about = element("p", { class: "muted" });
    const side = element("section", { class: "card", "aria-label": name }, host, element("a", { href: `#/jobs/${id}` }, id.slice(0, 8)), about);
    this.#fill(id, host, about);
    return side;
  }

  /** @param {string} id @param {HTMLElement} host @param {HTMLElement} about */
  async #fill(id, host, about) {
    try {
      const job = await service.job(id);
      if (this.away.signal.aborted) return;
      about.textContent = [words.job.parts(job.parts_done), words.time.when(job.created_at)].join(" · ");
      const viewer = new Viewer(host);
      this.viewers.push(viewer);
      viewer.onmove = (pose) => this.#turn(viewer, pose);
      const parts = new Parts(id, this.away.signal);
      parts.viewer = viewer;
      parts.take(job, true);
    } catch (error) {
      if (!this.away.signal.aborted) about.textContent = reason(error);
    }
  }

  /** @param {Viewer} from @param {import("./viewer/viewer.js").Pose} pose */
  #turn(from, pose) {
    if (!from.touched) return;
    for (const viewer of this.viewers) if (viewer !== from) viewer.follow(pose);
  }
}
