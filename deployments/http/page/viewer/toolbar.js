// The bar under the view: take apart, looks, fit, picture.
import { button, element, toggle } from "../elements.js";
import { words } from "../words.js";

/** @typedef {import("../vendor/three.js").Object3D} Object3D */

const text = words.viewer;

export class Toolbar {
  /** @param {import("./viewer.js").Viewer} viewer @param {() => void} picture */
  constructor(viewer, picture) {
    this.viewer = viewer;
    const slider = element("input", {
      type: "range", id: "explode", min: 0, max: 1.2, step: 0.01, value: 0,
      oninput: () => viewer.explode(slider.valueAsNumber),
    });
    /** @param {"own" | "wire" | "shadows"} look @param {string} name @param {"palette" | "wire" | "shadow"} icon */
    const look = (look, name, icon) => toggle(name, viewer.looks[look], (on) => {
      viewer.looks[look] = on;
      viewer.changed();
    }, { icon });
    this.ghost = toggle(text.ghost, false, (on) => this.#haunt(on), { icon: "ghost" });
    this.ghost.hidden = true;
    this.element = element("div", { class: "toolbar card", role: "toolbar", "aria-label": text.tools },
      element("label", { for: slider.id, class: "explode" }, element("span", {}, text.explode), slider),
      look("own", text.own, "palette"), look("wire", text.wire, "wire"), look("shadows", text.shadows, "shadow"), this.ghost,
      button(text.fit, () => (viewer.touched = false, viewer.fit()), { icon: "fit", bare: true }),
      button(text.picture, picture, { icon: "camera", bare: true }));
    /** @type {Object3D | null} */
    this.mesh = null;
  }

  /** There is a mesh to show around the parts. @param {Object3D} mesh @param {boolean} at_once */
  offer(mesh, at_once) {
    this.mesh = mesh;
    this.ghost.hidden = false;
    this.ghost.setAttribute("aria-pressed", String(at_once));
    this.#haunt(at_once);
  }

  /** The parts are all there. */
  complete() {
    if (this.ghost.getAttribute("aria-pressed") === "true") this.ghost.click();
  }

  /** @param {boolean} on */
  #haunt(on) {
    this.viewer.haunt(on ? this.mesh : null);
  }
}
