// Where a job begins: files, examples, options.
import { button, element, icon, notice } from "./elements.js";
import { EXAMPLES, filesOf, pictureOf } from "./examples.js";
import { ENDINGS, keep, kindOf, modeOf } from "./files.js";
import { openMaskEditor, pictureOfMask } from "./mask/editor.js";
import { OptionForm } from "./options.js";
import { ProblemError, loadedModels, newKey, reason, service } from "./service.js";
import { pictureOfMesh } from "./viewer/thumbnail.js";
import { words } from "./words.js";

/** @typedef {import("./files.js").Kind} Kind */

const KINDS = /** @type {Kind[]} */ (["image", "mesh", "mask"]);
const text = words.start;

/** What is handed from a job to the next start. @type {{files: Partial<Record<Kind, File>>, options: Record<string, import("./service.js").Option>} | null} */
let handed = null;

/** Begin with these. @param {NonNullable<typeof handed>} given */
export function beginWith(given) {
  handed = given;
  location.hash = "#/";
}

export class StartView {
  title = text.title;

  constructor() {
    /** @type {Partial<Record<Kind, File>>} */
    this.files = handed?.files ?? {};
    this.wanted = handed?.options ?? {};
    handed = null;
    /** @type {OptionForm | null} */
    this.form = null;
    this.key = newKey();
    /** @type {string | undefined} */
    this.chosen = undefined;
    this.cards = element("div", { class: "inputs" });
    this.mode = element("p", { class: "mode", role: "status" });
    this.go = element("button", { type: "button", class: "primary large", id: "go", onclick: () => this.#submit() }, icon("play"), element("span", {}, text.go));
    this.trouble = element("p", { class: "problem", role: "alert", hidden: true });
    this.options = element("div", { class: "option-host" });
    this.preset = element("p", { class: "muted" });
    this.element = element("div", { class: "start" },
      element("div", { class: "give" },
        element("h1", {}, text.title), element("p", { class: "lead" }, text.lead),
        element("section", { "aria-label": text.inputs }, this.cards),
        element("section", { "aria-labelledby": "examples" }, element("h2", { id: "examples" }, text.examples), examples((files) => this.#take(files)))),
      element("aside", { class: "card choose", "aria-labelledby": "options" },
        element("div", { class: "scroll" },
          element("h2", { id: "options" }, words.options.title), this.preset, this.options),
        element("div", { class: "send" }, this.mode, this.trouble, this.go)));
    this.away = new AbortController();
    this.#listen();
    this.#show();
    this.#describe();
  }

  leave() {
    this.away.abort();
  }

  #listen() {
    const { signal } = this.away;
    let depth = 0;
    /** @param {number} change */
    const over = (change) => {
      depth = Math.max(0, depth + change);
      document.body.classList.toggle("dropping", depth > 0);
    };
    addEventListener("dragenter", () => over(1), { signal });
    addEventListener("dragleave", () => over(-1), { signal });
    addEventListener("dragover", (event) => event.preventDefault(), { signal });
    addEventListener("drop", (event) => {
      event.preventDefault();
      over(-depth);
      const card = event.target instanceof Element ? event.target.closest("[data-kind]") : null;
      this.#give([...(event.dataTransfer?.files ?? [])], /** @type {Kind | undefined} */ (card?.getAttribute("data-kind") ?? undefined));
    }, { signal });
    addEventListener("paste", (event) => this.#give([...(event.clipboardData?.files ?? [])]), { signal });
  }

  /** Files that came in, sorted by what they are; a card of its own kind takes what it can. @param {File[]} files @param {Kind} [meant] */
  #give(files, meant) {
    const given = { ...this.files };
    for (const file of files) {
      const guess = kindOf(file, given);
      const fits = meant && files.length === 1 && ENDINGS[meant].some((ending) => file.name.toLowerCase().endsWith(ending));
      const kind = fits ? meant : guess;
      if (kind) given[kind] = file;
      else notice(text.unknown(file.name), "bad");
    }
    this.#take(given);
  }

  /** @param {Partial<Record<Kind, File>>} files */
  #take(files) {
    this.files = files;
    this.key = newKey();
    this.trouble.hidden = true;
    this.#show();
  }

  #show() {
    this.cards.replaceChildren(...KINDS.map((kind) => this.#card(kind)));
    const mode = modeOf(this.files);
    this.mode.textContent = mode ? words.modes[mode] : this.files.mask ? text.maskNeedsImage : text.nothing;
    this.go.disabled = !mode;
  }

  /** @param {Kind} kind */
  #card(kind) {
    const { name, about } = text.kinds[kind];
    const file = this.files[kind];
    const picker = element("input", {
      type: "file", class: "unseen", id: `file-${kind}`, accept: ENDINGS[kind].join(","), "aria-label": text.chooseA(name),
      onchange: () => picker.files?.[0] && this.#take({ ...this.files, [kind]: picker.files[0] }),
    });
    const card = element("div", { class: `input ${file ? "given" : ""}`, "data-kind": kind });
    const label = element("label", { for: picker.id, class: "well" });
    card.append(picker, label);
    if (file) {
      label.append(preview(kind, file), element("span", { class: "file-name" }, file.name), element("small", {}, words.size(file.size)));
      card.append(button(text.remove(name), () => this.#take({ ...this.files, [kind]: undefined }), { icon: "close", bare: true, kind: "corner" }));
    } else {
      label.append(icon(kind === "mesh" ? "cube" : kind), element("strong", {}, name), element("small", {}, about), element("span", { class: "hint" }, kind === "mask" ? "" : text.drop));
    }
    if (kind === "mask") card.append(this.#drawing());
    return card;
  }

  #drawing() {
    const { image, mask } = this.files;
    const made = button(mask ? text.edit : text.draw, async () => {
      const drawn = await openMaskEditor(/** @type {File} */ (image), mask ?? null);
      if (drawn) this.#take({ ...this.files, mask: drawn });
    }, { icon: "brush", kind: "small", disabled: !image });
    if (!image) made.title = text.needsImage;
    return made;
  }

  async #describe() {
    try {
      this.#offer(await service.description(), await loadedModels());
    } catch (error) {
      this.options.replaceChildren(element("p", { class: "problem" }, reason(error)));
    }
  }

  /** The options as a preset has them, with what was changed already. @param {any} description @param {import("./service.js").Model[]} models */
  #offer(description, models) {
    const choice = element("select", { id: "preset", "aria-label": words.options.choose_preset, hidden: models.length < 2, onchange: () => show() },
      ...models.map(({ name }) => element("option", { value: name }, name)));
    const about = element("span", {});
    const show = () => {
      const model = models[choice.selectedIndex];
      const wanted = this.form?.changed ?? this.wanted;
      this.form = new OptionForm(description, model.defaults);
      this.form.fill(wanted);
      this.key = newKey();
      this.chosen = model === models[0] ? undefined : model.name;
      this.options.replaceChildren(this.form.element);
      about.textContent = words.options.preset_is(model.name);
    };
    this.preset.replaceChildren(choice, about);
    show();
  }

  async #submit() {
    if (this.form && !this.form.isValid) return;
    this.go.disabled = true;
    this.trouble.hidden = true;
    const label = /** @type {HTMLElement} */ (this.go.querySelector("span"));
    label.textContent = text.going;
    try {
      const job = await service.submit(this.files, this.form?.changed ?? {}, this.key, this.chosen);
      await keep(this.files, job.inputs);
      location.hash = `#/jobs/${job.id}`;
    } catch (error) {
      this.#refused(error);
    }
    label.textContent = text.go;
    this.go.disabled = false;
  }

  /** @param {unknown} error */
  #refused(error) {
    this.key = newKey();
    const field = error instanceof ProblemError ? error.problem.field : null;
    this.trouble.textContent = reason(error);
    this.trouble.hidden = false;
    if (field && this.form?.refuse(field, reason(error))) return;
    this.cards.querySelector(`[data-kind="${field}"]`)?.classList.add("refused");
  }
}

/** What a given file looks like. @param {Kind} kind @param {File} file */
function preview(kind, file) {
  const picture = element("img", { alt: "", class: kind === "mask" ? "pixels" : "" });
  const put = (/** @type {Blob} */ content) => {
    picture.src = URL.createObjectURL(content);
    picture.onload = () => URL.revokeObjectURL(picture.src);
  };
  if (kind === "image") put(file);
  else if (kind === "mask") pictureOfMask(file).then(put);
  else pictureOfMesh(file).then((drawn) => (drawn ? put(drawn) : picture.replaceWith(icon("cube"))));
  return picture;
}

/** @param {(files: Partial<Record<Kind, File>>) => void} take */
function examples(take) {
  return element("ul", { class: "examples" }, ...EXAMPLES.map((example) => {
    const name = text.exampleNames[example.name];
    const choose = async () => {
      try {
        take(await filesOf(example));
        document.querySelector("#go")?.scrollIntoView({ block: "nearest" });
      } catch (error) {
        notice(reason(error), "bad");
      }
    };
    return element("li", {}, element("button", { type: "button", class: "example", title: text.tryExample(name), onclick: choose },
      element("img", { src: pictureOf(example), alt: "", loading: "lazy" }), element("strong", {}, name), element("small", {}, text.exampleModes[example.name])));
  }));
}
