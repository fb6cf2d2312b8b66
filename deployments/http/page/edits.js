// Changes to a job that has ended: each makes a new job, whose parent it is.
import { button, element, notice } from "./elements.js";
import { reason, service } from "./service.js";
import { pictureOfMesh } from "./viewer/thumbnail.js";
import { colourOf } from "./viewer/solids.js";
import { words } from "./words.js";

/** @typedef {import("./service.js").Job} Job */
/** @typedef {import("./parts.js").Candidate} Candidate */

const text = words.edit;
const MOST_CANDIDATES = 8;

export class EditPanel {
  /** @param {import("./parts.js").Parts} parts */
  constructor(parts) {
    this.parts = parts;
    /** @type {Job | null} */
    this.job = null;
    this.ended = false;
    this.busy = false;
    this.shownCandidates = "";
    /** Told when there are candidates to choose from. */
    this.onoffer = () => {};
    this.seed = element("input", { type: "number", id: "edit-seed", min: 0, step: 1, placeholder: text.auto });
    this.candidates = element("input", { type: "number", id: "edit-candidates", min: 1, max: MOST_CANDIDATES, step: 1, value: 1, "aria-describedby": "about-candidates" });
    this.most = element("input", { type: "number", id: "edit-most", min: 1, step: 1, placeholder: text.auto });
    this.names = element("p", { class: "chosen-parts", role: "status" });
    this.buttons = {
      resample: this.#act("resample", "retry", () => this.#resample()),
      merge: this.#act("merge", "join", () => this.#edit({ operation: "merge", parts: this.#chosen() })),
      split: this.#act("split", "split", () => this.#edit({ operation: "split", part: this.#chosen()[0] })),
      remove: this.#act("remove", "trash", () => this.#edit({ operation: "remove", parts: this.#chosen() })),
      continue: this.#act("continue", "play", () => this.#continue()),
    };
    this.up = button(text.up, () => this.#move(-1), { kind: "small" });
    this.down = button(text.down, () => this.#move(1), { kind: "small" });
    this.wait = element("p", { class: "muted" }, text.wait);
    this.choice = element("section", { class: "candidates", hidden: true });
    this.trouble = element("p", { class: "problem", role: "alert", hidden: true });
    this.body = element("div", {}, ...this.#fields());
    this.element = element("div", { class: "panel edits" }, this.wait, this.choice, this.body, this.trouble);
    parts.listeners.push(() => this.#show());
  }

  #fields() {
    const { resample, merge, split, remove, continue: go } = this.buttons;
    return [
      element("p", { class: "muted" }, text.lead),
      element("section", { "aria-label": text.selected }, element("h2", {}, text.selected), this.names,
        element("div", { class: "pair-of-fields" },
          element("label", { for: "edit-seed" }, text.seed, this.seed),
          element("label", { for: "edit-candidates", title: text.hints.candidates }, text.candidates, this.candidates)),
        element("p", { class: "help unseen", id: "about-candidates" }, text.hints.candidates),
        resample, element("div", { class: "grid-of-two" }, merge, split, remove, element("div", { class: "grid-of-two" }, this.up, this.down))),
      element("section", { "aria-label": text.whole }, element("h2", {}, text.whole),
        element("div", { class: "pair-of-fields" }, element("label", { for: "edit-most" }, text.more, this.most), go)),
    ];
  }

  /** @param {"resample" | "merge" | "split" | "remove" | "continue"} name @param {"retry" | "join" | "split" | "trash" | "play"} icon @param {() => void} act */
  #act(name, icon, act) {
    const made = button(text[name], act, { icon, kind: name === "resample" ? "primary wide" : "" });
    made.title = text.hints[name];
    return made;
  }

  /** @param {Job} job @param {boolean} ended */
  take(job, ended) {
    this.job = job;
    this.ended = ended;
    this.#show();
  }

  #chosen() {
    return this.parts.chosen.map(({ index }) => index);
  }

  #show() {
    const can = this.ended && this.job?.status !== "expired";
    this.wait.hidden = can;
    this.body.hidden = !can;
    const { chosen, all } = this.parts;
    this.names.replaceChildren(...(chosen.length ? chosen.map(({ name, index }) => {
      const swatch = element("span", { class: "swatch" });
      swatch.style.background = colourOf(index);
      return element("span", { class: "chip part" }, swatch, name);
    }) : [text.none]));
    const count = chosen.length;
    const { resample, merge, split, remove, continue: go } = this.buttons;
    resample.disabled = this.busy || count === 0;
    merge.disabled = this.busy || count < 2;
    split.disabled = this.busy || count !== 1;
    remove.disabled = this.busy || count === 0 || count === all.size;
    go.disabled = this.busy;
    this.candidates.disabled = count > 1;
    const place = count === 1 ? this.parts.list.findIndex(({ file }) => file === chosen[0].file) : -1;
    this.up.disabled = this.busy || place < 1;
    this.down.disabled = this.busy || place < 0 || place === all.size - 1;
    this.#offer();
  }

  #resample() {
    const parts = this.#chosen();
    const options = this.seed.value === "" ? {} : { seed: this.seed.valueAsNumber };
    const candidates = parts.length === 1 ? this.candidates.valueAsNumber || 1 : 1;
    this.#edit({ operation: "resample", parts, options, ...(candidates > 1 ? { candidates } : {}) });
  }

  #continue() {
    const options = this.most.value === "" ? {} : { max_parts: this.most.valueAsNumber };
    this.#edit({ operation: "continue", options });
  }

  /** The selected part one place on. @param {number} step */
  #move(step) {
    const order = this.parts.list.map(({ index }) => index);
    const place = order.indexOf(this.#chosen()[0]);
    [order[place], order[place + step]] = [order[place + step], order[place]];
    this.#edit({ operation: "reorder", order });
  }

  /** @param {Record<string, unknown>} edit */
  async #edit(edit) {
    const { job } = this;
    if (!job) return;
    this.busy = true;
    this.trouble.hidden = true;
    this.#show();
    try {
      const made = await service.edit(job.id, edit);
      location.hash = `#/jobs/${made.id}`;
    } catch (error) {
      this.trouble.textContent = `${text.failed} ${reason(error)}`;
      this.trouble.hidden = false;
      notice(`${text.failed} ${reason(error)}`, "bad");
    }
    this.busy = false;
    this.#show();
  }

  /** Candidates of a part, side by side, once it is known that there are some. */
  #offer() {
    const { candidates } = this.parts;
    const known = candidates.map(({ file }) => file).join();
    if (known === this.shownCandidates || !this.ended) return;
    this.shownCandidates = known;
    this.choice.hidden = candidates.length === 0;
    if (!candidates.length) return;
    this.onoffer();
    const part = this.parts.list.find(({ index }) => index === candidates[0].index);
    /** @type {HTMLElement[]} */
    const cards = candidates.map((one) => this.#candidate(one, part?.file ?? "", () => cards));
    this.choice.replaceChildren(element("h2", {}, text.choose(part?.name ?? words.parts.name(candidates[0].index))),
      element("ul", { class: "candidate-list" }, ...cards));
  }

  /** @param {Candidate} candidate @param {string} file the part's @param {() => HTMLElement[]} cards */
  #candidate({ candidate, file: its, index, taken }, file, cards) {
    const picture = element("div", { class: "picture" });
    /** @type {File | null} */
    let content = null;
    const show = async () => {
      content ??= new File([await service.file(this.parts.job, its, this.parts.signal)], its);
      if (this.parts.viewer) await this.parts.viewer.add(file, await content.arrayBuffer(), colourOf(index));
      for (const one of cards()) one.classList.toggle("shown", one === card);
    };
    const look = element("button", { type: "button", class: "bare look", "aria-label": text.candidate(candidate), onclick: show }, picture);
    const card = element("li", { class: taken ? "shown" : "" }, look, element("strong", {}, text.candidate(candidate)),
      taken ? element("small", {}, text.taken) : button(text.pick, () => this.#edit({ operation: "pick", candidate }), { kind: "small primary" }));
    service.file(this.parts.job, its, this.parts.signal)
      .then(async (blob) => {
        content = new File([blob], its);
        const drawn = await pictureOfMesh(content, colourOf(index));
        if (drawn) picture.append(element("img", { src: URL.createObjectURL(drawn), alt: "" }));
      })
      .catch((error) => this.parts.signal.aborted || notice(reason(error), "bad"));
    return card;
  }
}
