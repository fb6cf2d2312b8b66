// The page: its bar, and which view is shown, as the address after `#` says.
import { CompareView } from "./compare.js";
import { button, element, icon } from "./elements.js";
import { HistoryView } from "./history.js";
import { JobView } from "./job.js";
import { forgetKey, hasKey } from "./keys.js";
import { StartView } from "./start.js";
import { words } from "./words.js";

/** @typedef {{element: HTMLElement, title: string, leave?: () => void}} View */

const content = /** @type {HTMLElement} */ (document.querySelector("#content"));

/** @type {View | null} */
let shown = null;

/** The view of an address. @param {string} hash @returns {View} */
function viewOf(hash) {
  const [place, ...rest] = hash.replace(/^#\/?/, "").split("/");
  if (place === "jobs" && /^[0-9a-f]{32}$/.test(rest[0] ?? "")) return new JobView(rest[0]);
  if (place === "history") return new HistoryView();
  if (place === "compare" && rest.length === 2) return new CompareView(rest[0], rest[1]);
  return new StartView();
}

function show() {
  shown?.leave?.();
  shown = viewOf(location.hash);
  content.replaceChildren(shown.element);
  document.title = `${shown.title} · ${words.name}`;
  window.scrollTo(0, 0);
  drawBar();
}

function drawBar() {
  const place = location.hash.replace(/^#\/?/, "").split("/")[0];
  /** @param {string} target @param {string} text @param {keyof typeof import("./elements.js").SHAPES} shape */
  const link = (target, text, shape) =>
    element("a", { href: `#/${target}`, ...(place === target ? { "aria-current": "page" } : {}) }, icon(shape), element("span", {}, text));
  const bar = /** @type {HTMLElement} */ (document.querySelector(".bar"));
  bar.replaceChildren(
    element("a", { class: "brand", href: "#/" }, element("img", { src: "icon.svg", alt: "", width: 26, height: 26 }), element("span", {}, words.name)),
    element("nav", { "aria-label": words.nav.label },
      link("", words.nav.new, "add"),
      link("history", words.nav.history, "layers"),
      element("a", { href: "docs", class: "wide-only" }, element("span", {}, words.nav.api)),
      hasKey() ? button(words.nav.forget, () => (forgetKey(), location.reload()), { icon: "key", bare: true }) : null),
  );
}

addEventListener("hashchange", show);
show();
