// Elements of the page, made in code: no markup in strings, so that nothing that comes from a file can become one.
import { words } from "./words.js";

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * An element with these properties and children. `on...` are listeners; names with a dash, and a few others,
 * are attributes; all else are properties.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (name.includes("-") || ATTRIBUTES.has(name)) made.setAttribute(name, String(value));
    else Reflect.set(made, name, value);
  }
  made.append(...present(children));
  return made;
}

const ATTRIBUTES = new Set(["class", "for", "role", "list", "colspan", "inputmode"]);

/** @param {Child[]} children */
export const present = (children) => children.filter((child) => child || child === "").map((child) => child || "");

/**
 * A button; with an icon alone its words are what a screen reader says, and its tip.
 * @param {string} text
 * @param {() => unknown} act
 * @param {{icon?: keyof typeof SHAPES, kind?: string, bare?: boolean, pressed?: boolean, disabled?: boolean}} [look]
 */
export function button(text, act, { icon: shape, kind = "", bare = false, pressed, disabled = false } = {}) {
  const made = element("button", { type: "button", class: `${bare ? "bare" : ""} ${kind}`.trim(), disabled });
  if (shape) made.append(icon(shape));
  if (bare) {
    made.setAttribute("aria-label", text);
    made.title = text;
  } else made.append(element("span", {}, text));
  if (pressed !== undefined) made.setAttribute("aria-pressed", String(pressed));
  made.addEventListener("click", act);
  return made;
}

/**
 * A button that is on or off.
 * @param {string} text
 * @param {boolean} on
 * @param {(on: boolean) => void} change
 * @param {{icon?: keyof typeof SHAPES, kind?: string, bare?: boolean}} [look]
 */
export function toggle(text, on, change, look = {}) {
  const made = button(text, () => {
    const now = made.getAttribute("aria-pressed") !== "true";
    made.setAttribute("aria-pressed", String(now));
    change(now);
  }, { bare: true, ...look, pressed: on });
  return made;
}

/** Outlines of the icons, on a field of 24 by 24. */
export const SHAPES = {
  add: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  brush: "M20 4c-5 3-8 6-10 9l3 3c3-2 6-5 7-12ZM9 14c-3 0-3 3-5 5 3 1 7 1 8-2",
  camera: "M4 8h4l2-3h4l2 3h4v11H4ZM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7Z",
  check: "M5 13l4 4L19 7",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h11v11H9ZM5 15H4V4h11v1",
  cube: "M12 3l8 4.5v9L12 21l-8-4.5v-9ZM12 12l8-4.5M12 12L4 7.5M12 12v9",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  down: "M6 9l6 6 6-6",
  erase: "M8 19h12M5 13l8-8 7 7-7 7H9l-4-4ZM9 9l7 7",
  eye: "M2 12c3-5 6-7 10-7s7 2 10 7c-3 5-6 7-10 7s-7-2-10-7ZM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  ghost: "M5 20V11a7 7 0 0 1 14 0v9l-2.5-2-2.2 2-2.3-2-2.3 2-2.2-2ZM9.5 11v.01M14.5 11v.01",
  hidden: "M4 4l16 16M9 6c1-.6 2-1 3-1 4 0 7 2 10 7-1 1.5-2 2.8-3 3.800M6 8c-1.5 1-2.8 2.3-4 4 3 5 6 7 10 7 1.5 0 3-.4 4.3-1",
  image: "M4 5h16v14H4ZM4 16l5-5 4 4 3-3 4 4M15 9v.01",
  join: "M9 5a5 5 0 1 0 0 10M15 9a5 5 0 1 1 0 10M9 15h3M12 9h3",
  key: "M14 4a6 6 0 1 1-4.5 10L4 19.500V21H8v-2h2v-2l1.5-1.500M15.5 8.500v.01",
  layers: "M12 3l9 5-9 5-9-5ZM3 12.500l9 5 9-5M3 17l9 5 9-5",
  list: "M8 6h12M8 12h12M8 18h12M4 6v.01M4 12v.01M4 18v.01",
  mask: "M4 4h16v16H4ZM4 13c4-3 7 1 16-4M12 10.500V20",
  moreover: "M5 12h.01M12 12h.01M19 12h.01",
  only: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2v3M12 19v3M2 12h3M19 12h3",
  palette: "M12 3a9 9 0 1 0 0 18c1.5 0 2-1 2-2 0-2 1-3 3-3h2c1.5 0 2-1.5 2-4a9 9 0 0 0-9-9ZM8 9v.01M12 7v.01M16 9v.01M7 13v.01",
  pencil: "M4 20l1-4L16 5l3 3L8 19ZM14 7l3 3",
  play: "M7 5l12 7-12 7Z",
  retry: "M19 8a8 8 0 1 0 1 6M20 4v5h-5",
  shadow: "M12 4a6 6 0 1 0 0 12 6 6 0 0 0 0-12ZM4 20h16",
  split: "M12 3v4M12 10v4M12 17v4M9 7l-5 5 5 5M15 7l5 5-5 5",
  stop: "M7 7h10v10H7Z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  undo: "M9 7H15a5 5 0 0 1 0 10H8M9 7l3-3M9 7l3 3",
  wand: "M5 19L15 9M17 4v3M17 10v3M12.5 7.500h3M18.5 7.500h3",
  wire: "M12 3l8 4.500v9L12 21l-8-4.500v-9ZM4 7.500l16 9M20 7.500l-16 9M12 3v18",
};

/** @param {keyof typeof SHAPES} shape */
export function icon(shape) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("aria-hidden", "true");
  made.classList.add("icon");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[shape]);
  made.append(path);
  return made;
}

/**
 * Tell it for a while at the edge of the page; a failure stays until it is closed.
 * @param {string} text
 * @param {"good" | "bad"} [kind]
 */
export function notice(text, kind = "good") {
  const host = /** @type {HTMLElement} */ (document.querySelector(".notices"));
  const made = element("div", { class: `notice ${kind}` }, element("p", {}, text));
  made.append(button(words.close, () => made.remove(), { icon: "close", bare: true }));
  host.append(made);
  if (kind === "good") setTimeout(() => made.remove(), NOTICE_MS);
}

const NOTICE_MS = 5000;

/**
 * Save bytes as a file of the person's.
 * @param {Blob} content
 * @param {string} name
 */
export function save(content, name) {
  const address = URL.createObjectURL(content);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/**
 * Panels of which one is shown, as tabs that the arrow keys walk.
 * @param {string} label
 * @param {{name: string, title: string, panel: HTMLElement}[]} tabs
 * @returns {{strip: HTMLElement, show: (name: string) => void}}
 */
export function tabbed(label, tabs) {
  const strip = element("div", { role: "tablist", class: "tabs", "aria-label": label });
  const heads = tabs.map(({ name, title, panel }) => {
    const head = element("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}` });
    head.append(title);
    head.addEventListener("click", () => show(name));
    panel.id = `panel-${name}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", head.id);
    return head;
  });
  /** @param {string} wanted */
  function show(wanted) {
    tabs.forEach(({ name, panel }, place) => {
      panel.hidden = name !== wanted;
      heads[place].setAttribute("aria-selected", String(name === wanted));
      heads[place].tabIndex = name === wanted ? 0 : -1;
    });
  }
  strip.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = heads.findIndex((head) => head === document.activeElement);
    if (!step || at < 0) return;
    const next = (at + step + heads.length) % heads.length;
    show(tabs[next].name);
    heads[next].focus();
  });
  strip.append(...heads);
  show(tabs[0].name);
  return { strip, show };
}
