// The list of parts: select, hide, isolate, rename, download.
import { button, element, icon, notice, save, toggle } from "./elements.js";
import { reason, service } from "./service.js";
import { colourOf } from "./viewer/solids.js";
import { words } from "./words.js";

/** @typedef {import("./parts.js").Part} Part */
/** @typedef {{row: HTMLElement, box: HTMLInputElement, name: HTMLElement, faces: HTMLElement, eye: HTMLElement, pencil: HTMLButtonElement}} Row */

const text = words.parts;

export class PartList {
  /** @param {import("./parts.js").Parts} parts */
  constructor(parts) {
    this.parts = parts;
    this.ended = false;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    this.rowsHost = element("ul", { class: "part-list", "aria-label": text.list });
    this.none = element("p", { class: "muted" }, text.none);
    this.count = element("p", { class: "muted", role: "status" });
    const tools = element("div", { class: "row tight" },
      this.count,
      button(text.selectAll, () => parts.selectAll(), { kind: "small quiet" }),
      button(text.all, () => parts.showAll(), { kind: "small quiet" }));
    this.element = element("div", { class: "panel" }, tools, this.none, this.rowsHost);
    parts.listeners.push(() => this.#show());
    this.#show();
  }

  #show() {
    const { list, selected, hidden } = this.parts;
    this.none.hidden = list.length > 0;
    this.count.textContent = text.chosen(selected.size);
    for (const [file, { row }] of this.rows) {
      if (this.parts.all.has(file)) continue;
      row.remove();
      this.rows.delete(file);
    }
    if (list.some(({ file }, place) => this.rowsHost.children[place] !== this.rows.get(file)?.row)) {
      this.rowsHost.append(...list.map((part) => (this.rows.get(part.file) ?? this.#add(part)).row));
    }
    for (const part of list) {
      const row = this.rows.get(part.file) ?? this.#add(part);
      row.name.textContent = part.name;
      row.box.setAttribute("aria-label", text.select(part.name));
      row.faces.textContent = part.faces === null ? "…" : text.faces(part.faces);
      row.box.checked = selected.has(part.file);
      row.row.classList.toggle("selected", selected.has(part.file));
      row.row.classList.toggle("hidden-part", hidden.has(part.file));
      row.eye.setAttribute("aria-pressed", String(hidden.has(part.file)));
      row.eye.replaceChildren(icon(hidden.has(part.file) ? "hidden" : "eye"));
      row.pencil.disabled = !this.ended;
    }
  }

  /** @param {Part} part @returns {Row} */
  #add(part) {
    const { file } = part;
    const box = element("input", { type: "checkbox", onchange: () => this.parts.select(file, true) });
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = colourOf(part.index);
    const name = element("span", { class: "part-name" }, part.name);
    const faces = element("small", {});
    const eye = toggle(text.hide(part.name), false, (on) => this.parts.hide(file, on), { icon: "eye" });
    const pencil = button(text.rename(part.name), () => this.#rename(file), { icon: "pencil", bare: true });
    const label = element("label", {}, box, swatch, element("span", { class: "names" }, name, faces));
    const row = element("li", {
      onpointerenter: () => this.parts.point(file), onpointerleave: () => this.parts.point(""),
    }, label, pencil, eye,
      button(text.only(part.name), () => this.parts.isolate(file), { icon: "only", bare: true }),
      button(text.download(part.name), () => this.#download(part), { icon: "download", bare: true }));
    const after = [...this.rows.entries()].filter(([one]) => one < file).map(([, one]) => one.row).pop();
    if (after) after.after(row);
    else this.rowsHost.prepend(row);
    const made = { row, box, name, faces, eye, pencil };
    this.rows.set(file, made);
    return made;
  }

  /** @param {Part} part */
  async #download({ file }) {
    try {
      save(await service.file(this.parts.job, file), file);
    } catch (error) {
      notice(reason(error), "bad");
    }
  }

  /** @param {string} file */
  #rename(file) {
    const part = /** @type {Part} */ (this.parts.all.get(file));
    const field = element("input", { type: "text", value: part.name, maxLength: 60, "aria-label": text.nameOf });
    const row = /** @type {Row} */ (this.rows.get(file));
    const form = element("form", { class: "rename" }, field, element("button", { type: "submit", class: "small primary" }, text.save));
    const close = () => {
      form.remove();
      row.row.classList.remove("renaming");
      row.pencil.focus();
    };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const name = field.value.trim();
      close();
      if (name === part.name) return;
      try {
        const job = await service.edit(this.parts.job, { operation: "rename", names: { [part.index]: name } });
        location.hash = `#/jobs/${job.id}`;
      } catch (error) {
        notice(reason(error), "bad");
      }
    });
    field.addEventListener("keydown", (event) => event.key === "Escape" && close());
    row.row.classList.add("renaming");
    row.row.append(form);
    field.select();
  }
}
