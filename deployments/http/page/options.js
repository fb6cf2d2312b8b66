// The form of the options, made from the published description: what there is, its limits, its preset's defaults.
import { element } from "./elements.js";
import { words } from "./words.js";

/** @typedef {import("./service.js").Option} Option */
/**
 * @typedef {{
 *   type?: string, anyOf?: Schema[], enum?: Option[], items?: Schema, minimum?: number, maximum?: number,
 *   description?: string, default?: Option, $ref?: string, "x-several-of"?: string[]
 * }} Schema
 */

/** The ten that matter first, in this order. */
export const FIRST = [
  "seed", "max_parts", "best_of", "num_inference_steps", "grid_size", "fit_to_mesh", "remove_background",
  "image_cfg_scale", "geometry_cfg_scale", "formats",
];
/** Of no use in the page: what a terminal shows; the pictures of history, which are wanted always; files that it could not show. */
const LEFT_OUT = new Set(["show_progress", "preview", "compress"]);
const LARGEST_RANDOM_SEED = 2 ** 31;

/** The form, and what in it was changed. */
export class OptionForm {
  /** @param {{components: {schemas: Record<string, any>}}} description @param {Record<string, Option>} defaults of a preset */
  constructor(description, defaults) {
    const { schemas } = description.components;
    /** @type {Record<string, Schema>} */
    const options = schemas.GenerationOptions.properties;
    /** @type {Map<string, {field: Field, row: HTMLElement, note: HTMLElement}>} */
    this.fields = new Map();
    const names = Object.keys(options).filter((name) => !LEFT_OUT.has(name));
    for (const name of names) this.#add(name, { ...plain(options[name], schemas), default: defaults[name] });
    const first = FIRST.filter((name) => this.fields.has(name));
    const rest = names.filter((name) => !FIRST.includes(name));
    /** @param {string[]} some */
    const rows = (some) => some.map((name) => /** @type {HTMLElement} */ (this.fields.get(name)?.row));
    this.folded = element("details", {}, element("summary", {}, words.options.rest(rest.length)),
      element("div", { class: "options" }, ...rows(rest)));
    this.element = element("form", { class: "option-form", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      element("div", { class: "options" }, ...rows(first)), this.folded);
  }

  /** @param {string} name @param {Schema} schema */
  #add(name, schema) {
    const field = fieldOf(name, schema);
    const note = element("p", { class: "help", id: `about-${name}` }, ...withCode(schema.description ?? ""));
    const label = element("label", { for: `option-${name}` }, words.options.names[name] ?? spoken(name));
    const row = element("div", { class: `option ${field.kind}` }, label, field.element, note);
    const mark = () => row.classList.toggle("changed", !same(field.read(), schema.default));
    field.element.addEventListener("input", mark);
    if (name === "seed") row.append(diced(field, mark));
    this.fields.set(name, { field, row, note });
  }

  /** Those that are not as the preset has them. @returns {Record<string, Option>} */
  get changed() {
    const changed = /** @type {Record<string, Option>} */ ({});
    for (const [name, { field }] of this.fields) {
      const value = field.read();
      if (value !== undefined && !same(value, field.preset)) changed[name] = value;
    }
    return changed;
  }

  /** Set some, by name. @param {Record<string, Option>} values */
  fill(values) {
    for (const [name, value] of Object.entries(values)) {
      const entry = this.fields.get(name);
      if (!entry) continue;
      entry.field.write(value);
      entry.field.element.dispatchEvent(new Event("input"));
    }
  }

  /** Whether the browser finds no fault with it; shows the fault otherwise. */
  get isValid() {
    const bad = [...this.fields.values()].find(({ field }) => !field.control.checkValidity());
    if (bad && this.folded.contains(bad.row)) this.folded.open = true;
    return this.element.reportValidity();
  }

  /** Show a refusal at its option. @param {string} name @param {string} text @returns {boolean} whether it is one of these */
  refuse(name, text) {
    const entry = this.fields.get(name);
    if (!entry) return false;
    if (this.folded.contains(entry.row)) this.folded.open = true;
    const { control } = entry.field;
    control.setCustomValidity(text);
    control.reportValidity();
    control.addEventListener("input", () => control.setCustomValidity(""), { once: true });
    return true;
  }
}

/**
 * @typedef {{
 *   kind: string, element: HTMLElement, control: HTMLInputElement | HTMLSelectElement, preset: Option | undefined,
 *   read: () => Option | undefined, write: (value: Option) => void
 * }} Field
 */

/** One control for an option of this schema. @param {string} name @param {Schema} schema @returns {Field} */
function fieldOf(name, schema) {
  const shared = { id: `option-${name}`, name, "aria-describedby": `about-${name}` };
  const preset = schema.default;
  if (schema.type === "boolean") {
    const control = element("input", { ...shared, type: "checkbox", class: "switch", checked: preset === true });
    return { kind: "truth", element: control, control, preset, read: () => control.checked, write: (value) => (control.checked = value === true) };
  }
  if (schema["x-several-of"]) return choices(name, schema["x-several-of"], preset);
  if (schema.enum) {
    const empty = preset === null || preset === undefined ? [element("option", { value: "" }, words.options.preset)] : [];
    const control = element("select", shared, ...empty, ...schema.enum.map((one) => element("option", { value: String(one) }, String(one))));
    control.value = String(preset ?? "");
    const read = () => (control.value === "" ? preset : control.value);
    return { kind: "choice", element: control, control, preset, read, write: (value) => (control.value = String(value ?? "")) };
  }
  const isNumber = schema.type === "number" || schema.type === "integer";
  const control = element("input", {
    ...shared, type: isNumber ? "number" : "text", inputmode: isNumber ? "decimal" : undefined,
    min: schema.minimum, max: schema.maximum, step: schema.type === "integer" ? 1 : isNumber ? "any" : undefined,
    placeholder: preset === null || preset === undefined ? words.options.preset : String(preset), value: preset ?? "",
  });
  const read = () => (control.value === "" ? preset : isNumber ? Number(control.value) : control.value);
  return { kind: "value", element: control, control, preset, read, write: (value) => (control.value = value === null ? "" : String(value)) };
}

/** Any of several, as one text with commas; those of the preset always. @param {string} name @param {string[]} all @param {Option | undefined} preset @returns {Field} */
function choices(name, all, preset) {
  const always = String(preset ?? "").split(",");
  const boxes = all.map((one) => {
    const fixed = always.includes(one);
    return element("input", { type: "checkbox", value: one, checked: fixed, disabled: fixed });
  });
  const group = element("fieldset", { class: "choices", name, id: `option-${name}`, "aria-describedby": `about-${name}`, "aria-label": spoken(name) },
    ...boxes.map((box) => element("label", {}, box, box.value)));
  return {
    kind: "several", element: group, control: boxes[boxes.length - 1], preset,
    read: () => boxes.filter((box) => box.checked).map((box) => box.value).join(","),
    write: (value) => {
      const chosen = [...always, ...String(value ?? "").split(",")];
      for (const box of boxes) box.checked = chosen.includes(box.value);
    },
  };
}

/** A text with what stands between backticks as code. @param {string} text */
const withCode = (text) => text.split("`").map((piece, place) => (place % 2 ? element("code", {}, piece) : piece));

/** A button that draws a seed. @param {Field} field @param {() => void} changed */
function diced(field, changed) {
  const act = () => {
    field.write(Math.floor(Math.random() * LARGEST_RANDOM_SEED));
    changed();
  };
  return element("button", { type: "button", class: "bare dice", title: words.options.dice, "aria-label": words.options.dice, onclick: act }, "⚄");
}

/**
 * A schema without references and without its `null`, which an empty field stands for.
 * @param {Schema} schema
 * @param {Record<string, any>} schemas
 * @returns {Schema}
 */
export function plain(schema, schemas) {
  const { anyOf, $ref, ...rest } = schema;
  if ($ref) return { ...plain(schemas[$ref.split("/").pop() ?? ""], schemas), ...rest };
  const meant = anyOf?.find((one) => one.type !== "null");
  return meant ? { ...plain(meant, schemas), ...rest } : rest;
}

/** @param {unknown} one @param {unknown} other */
const same = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

/** An option's name as words. @param {string} name */
export const spoken = (name) => {
  const text = name.replaceAll("_", " ").replace(/\biou\b/, "IoU").replace(/\bcfg scale\b/, "guidance");
  return text[0].toUpperCase() + text.slice(1);
};
