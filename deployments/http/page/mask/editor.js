// The mask editor: a suggestion to begin with, then merge, split, paint, erase, pick colours; the result is an indexed PNG.
import { button, element, notice } from "../elements.js";
import { call, reason, service } from "../service.js";
import { words } from "../words.js";
import { indexedPng } from "./png.js";
import { Regions, colourOfRegion } from "./regions.js";

/** @typedef {"merge" | "split" | "paint" | "erase"} Tool */
/** @typedef {import("./regions.js").Rgb} Rgb */

const text = words.mask;
const LONGEST = 768; // as the service's suggestions
const MOST_SUGGESTED = 40;

/**
 * Let the person make a mask of a picture.
 * @param {File} image
 * @param {File | null} mask one to begin with
 * @returns {Promise<File | null>} null where it was given up
 */
export async function openMaskEditor(image, mask) {
  const picture = await createImageBitmap(image);
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  const regions = new Regions(Math.max(1, Math.round(picture.width * scale)), Math.max(1, Math.round(picture.height * scale)));
  if (mask) regions.read(await pixelsOf(mask, regions));
  return new Promise((resolve) => new MaskEditor(image, picture, regions, resolve));
}

/** @param {File} file @param {{width: number, height: number}} size */
async function pixelsOf(file, { width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingEnabled = false;
  context.drawImage(await createImageBitmap(file), 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** A mask as it is seen best: each region in a colour of its own. @param {File} mask @returns {Promise<Blob>} */
export async function pictureOfMask(mask) {
  const { width, height } = await createImageBitmap(mask);
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const regions = new Regions(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  regions.read(await pixelsOf(mask, regions));
  return indexedPng(regions.labels, regions.width, regions.height, regions.palette);
}

class MaskEditor {
  /** @param {File} image @param {ImageBitmap} picture @param {Regions} regions @param {(made: File | null) => void} done */
  constructor(image, picture, regions, done) {
    this.image = image;
    this.picture = picture;
    this.regions = regions;
    this.tool = /** @type {Tool} */ (regions.present.length ? "merge" : "paint");
    this.label = regions.present[0] ?? regions.fresh();
    this.first = 0; // of two that are to be merged
    this.canvas = element("canvas", { width: regions.width, height: regions.height, role: "img", "aria-label": text.canvas });
    this.under = element("canvas", { width: regions.width, height: regions.height, "aria-hidden": "true" });
    /** @type {CanvasRenderingContext2D} */ (this.under.getContext("2d")).drawImage(picture, 0, 0, regions.width, regions.height);
    this.list = element("ul", { class: "region-list", "aria-label": text.labels });
    this.about = element("p", { class: "muted", role: "status" });
    this.count = element("input", { type: "range", id: "regions", min: 1, max: MOST_SUGGESTED, step: 1, value: 6, disabled: true, oninput: () => this.#divide() });
    this.counted = element("output", { for: "regions" });
    this.brush = element("input", { type: "range", id: "brush", min: 2, max: 60, value: 14 });
    this.strength = element("input", { type: "range", id: "strength", min: 0.2, max: 1, step: 0.05, value: 0.62, oninput: () => this.#draw() });
    this.useButton = element("button", { type: "button", class: "primary", onclick: () => this.#use() }, text.use);
    /** @type {HTMLDialogElement} */
    this.dialog = element("dialog", { class: "mask-editor", "aria-labelledby": "mask-title" }, this.#layout());
    /** @type {File | null} */
    this.made = null;
    this.dialog.addEventListener("close", () => {
      this.dialog.remove();
      picture.close();
      done(this.made);
    });
    this.#listen();
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.#choose(this.tool);
    this.#changed();
  }

  #layout() {
    const tools = /** @type {[Tool, keyof typeof import("../elements.js").SHAPES][]} */ ([["merge", "join"], ["split", "split"], ["paint", "brush"], ["erase", "erase"]]);
    this.tools = tools.map(([tool, icon]) => button(text[tool], () => this.#choose(tool), { icon, kind: "small", pressed: false }));
    this.toolNames = tools.map(([tool]) => tool);
    return element("div", { class: "mask-layout" },
      element("header", { class: "row" }, element("div", {}, element("h2", { id: "mask-title" }, text.title), element("p", { class: "muted" }, text.lead)),
        element("div", { class: "row tight" }, button(words.cancel, () => this.dialog.close()), this.useButton)),
      element("div", { class: "easel" }, this.#sheet()),
      element("aside", { class: "mask-side" },
        this.#offered(button(text.suggest, () => this.#suggest(), { icon: "wand", kind: "wide" }),
          element("label", { for: "regions" }, element("span", { class: "row tight" }, text.regions, this.counted), this.count)),
        element("section", { role: "group", "aria-label": text.tools }, element("div", { class: "grid-of-two" }, ...this.tools), this.about,
          element("label", { for: "brush" }, text.size, this.brush), element("label", { for: "strength" }, text.opacity, this.strength)),
        element("section", {}, this.list,
          element("div", { class: "row tight" }, button(text.add, () => this.#add(), { icon: "add", kind: "small" }),
            button(text.undo, () => this.#undo(), { icon: "undo", kind: "small" }), button(text.clear, () => this.#clear(), { kind: "small" })))));
  }

  /** What the service suggests by, shown where it does. @param {...HTMLElement} children */
  #offered(...children) {
    const section = element("section", { hidden: true }, ...children);
    service.description().then(({ paths }) => (section.hidden = !("/v1/masks" in paths))).catch(() => {});
    return section;
  }

  #sheet() {
    const sheet = element("div", { class: "sheet" }, this.under, this.canvas);
    sheet.style.setProperty("--ratio", String(this.regions.width / this.regions.height));
    return sheet;
  }

  #listen() {
    /** @type {[number, number] | null} */
    let last = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      const at = this.#at(event);
      if (this.tool === "merge" || this.tool === "split") return this.#click(at);
      this.canvas.setPointerCapture(event.pointerId);
      this.regions.mark();
      last = at;
      return this.#stroke(at, at);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      const at = this.#at(event);
      this.#stroke(last, at);
      last = at;
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(name, () => {
        if (last) this.#changed();
        last = null;
      });
    }
    this.dialog.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "z") this.#undo();
    });
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  #at(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * this.regions.width, ((event.clientY - top) / height) * this.regions.height];
  }

  /** @param {[number, number]} from @param {[number, number]} to */
  #stroke(from, to) {
    this.regions.stroke(from, to, this.brush.valueAsNumber / 2, this.tool === "erase" ? 0 : this.label);
    this.#draw();
  }

  /** @param {[number, number]} at */
  #click([x, y]) {
    const label = this.regions.labels[Math.floor(y) * this.regions.width + Math.floor(x)];
    if (!label) return;
    if (this.tool === "split") this.#split(label);
    else if (!this.first || this.first === label) {
      this.first = this.label = label;
      this.#changed();
    } else this.#merge(this.first, label);
  }

  /** @param {number} one @param {number} other */
  #merge(one, other) {
    this.regions.mark();
    this.regions.merge(one, other);
    this.first = 0;
    this.label = one;
    this.#changed();
  }

  /** @param {number} label */
  async #split(label) {
    if (!this.regions.suggested && !(await this.#ask())) return;
    this.regions.mark();
    const made = this.regions.split(label);
    if (!made) {
      this.regions.undone.pop();
      notice(text.noSplit, "bad");
    }
    this.#changed();
  }

  async #suggest() {
    this.regions.mark();
    if (!(await this.#ask(true))) return;
    this.#choose("merge");
    this.#changed();
  }

  /** Ask the service for its suggestion. @param {boolean} [use] take its regions, too @returns {Promise<boolean>} whether there is one */
  async #ask(use = false) {
    try {
      const form = new FormData();
      form.append("image", this.image, this.image.name);
      const suggestion = await (await call("v1/masks", { method: "POST", body: form })).json();
      const labels = this.regions.labels.slice();
      this.regions.suggest(suggestion);
      this.count.max = String(Math.min(MOST_SUGGESTED, suggestion.parents.length - 1));
      this.count.value = String(suggestion.regions);
      this.count.disabled = false;
      if (!use) this.regions.labels = labels;
      return true;
    } catch (error) {
      this.about.textContent = `${text.noSuggestion} ${reason(error)}`;
      return false;
    }
  }

  #divide() {
    this.regions.divide(this.count.valueAsNumber);
    this.#changed();
  }

  #add() {
    this.label = this.regions.fresh();
    this.#choose("paint");
    this.#changed();
  }

  #undo() {
    this.regions.undo();
    this.#changed();
  }

  #clear() {
    this.regions.mark();
    this.regions.clear();
    this.#changed();
  }

  /** @param {Tool} tool */
  #choose(tool) {
    this.tool = tool;
    this.first = 0;
    this.about.textContent = { merge: text.mergeAbout, split: text.splitAbout, paint: text.paintAbout, erase: text.eraseAbout }[tool];
    this.tools?.forEach((one, place) => one.setAttribute("aria-pressed", String(this.toolNames?.[place] === tool)));
    this.canvas.classList.toggle("painting", tool === "paint" || tool === "erase");
  }

  #changed() {
    const { present } = this.regions;
    this.counted.textContent = String(present.length);
    this.useButton.disabled = present.length === 0;
    const rows = present.includes(this.label) || !this.label ? present : [...present, this.label];
    const hadFocus = this.list.contains(document.activeElement);
    this.list.replaceChildren(...rows.map((label) => this.#row(label)));
    if (hadFocus) /** @type {HTMLElement | null} */ (this.list.querySelector("input:checked") ?? this.list.querySelector("input"))?.focus(); // keys go on reaching the dialog
    this.#draw();
  }

  /** @param {number} label */
  #row(label) {
    const colour = this.regions.palette[label] ?? colourOfRegion(label);
    const picked = element("input", { type: "radio", name: "region", checked: label === this.label, onchange: () => (this.label = label), "aria-label": text.region(label) });
    const well = element("input", {
      type: "color", value: hex(colour), "aria-label": text.colour(label),
      oninput: () => {
        this.regions.palette[label] = unhex(well.value);
        this.#draw();
      },
    });
    const merge = button(`${text.merge}: ${text.region(this.label)} + ${label}`, () => this.#merge(this.label, label), { icon: "join", bare: true, disabled: label === this.label });
    return element("li", { class: label === this.first ? "selected" : "" }, element("label", {}, picked, text.region(label)), well, merge,
      button(`${text.split}: ${text.region(label)}`, () => this.#split(label), { icon: "split", bare: true }));
  }

  #draw() {
    const { labels, palette, width, height } = this.regions;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    const shown = context.createImageData(width, height);
    const pixels = new Uint32Array(shown.data.buffer);
    const alpha = Math.round(255 * this.strength.valueAsNumber);
    const colours = palette.map((colour, label) => {
      const [red, green, blue] = colour ?? [0, 0, 0];
      const strength = label === this.first && this.first ? 255 : alpha;
      return ((strength << 24) | (blue << 16) | (green << 8) | red) >>> 0;
    });
    for (let pixel = 0; pixel < labels.length; pixel++) if (labels[pixel]) pixels[pixel] = colours[labels[pixel]];
    context.putImageData(shown, 0, 0);
  }

  async #use() {
    const { labels, width, height } = this.regions;
    const palette = Array.from({ length: Math.max(...this.regions.present) + 1 }, (_, label) => this.regions.palette[label] ?? colourOfRegion(label));
    const content = await indexedPng(labels, width, height, /** @type {Rgb[]} */ (palette));
    this.made = new File([content], "mask.png", { type: "image/png" });
    this.dialog.close();
  }
}

/** @param {Rgb} colour */
const hex = (colour) => `#${colour.map((part) => part.toString(16).padStart(2, "0")).join("")}`;

/** @param {string} text @returns {Rgb} */
const unhex = (text) => /** @type {Rgb} */ ([1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
