// The viewer: parts in 3D. It draws when something has changed, and coarsely while a slow machine is moving.
import {
  Box3, NeutralToneMapping, OrbitControls, PCFShadowMap, PerspectiveCamera, Raycaster, Scene, Sphere, Vector2, Vector3, WebGLRenderer,
} from "../vendor/three.js";
import { element } from "../elements.js";
import { words } from "../words.js";
import { readPart } from "./reading.js";
import { Solid } from "./solids.js";
import { Stage } from "./stage.js";

/** @typedef {import("../vendor/three.js").Object3D} Object3D */
/** @typedef {{position: number[], target: number[]}} Pose */

const FIELD_OF_VIEW = 32;
const FIRST_DIRECTION = new Vector3(0.75, 0.42, 1).normalize();
const SLOW_FRAME_MS = 70;
const SETTLED_MS = 220;
const CLICK_PIXELS = 5;
const LOADING_MS = 1000; // between frames while parts are being read, which drawing in software would hold up
const TURN = Math.PI / 16;
const INNER_SHARE = 0.08; // of the object's reach, within which a part is in the middle

/**
 * How far each part goes when the object is taken apart: away from the middle. Of parts that lie around each other in
 * the middle, one stays, and the others go sideways.
 * @param {Vector3[]} centres
 * @param {Box3} box
 */
export function waysApart(centres, box) {
  const middle = box.getCenter(new Vector3());
  const reach = box.getSize(new Vector3()).length() / 2;
  let inner = 0;
  return centres.map((centre) => {
    const way = centre.clone().sub(middle);
    if (way.length() > INNER_SHARE * reach || inner++ === 0) return way;
    const side = Math.ceil((inner - 1) / 2) * (inner % 2 ? -1 : 1);
    return way.add(new Vector3(side * reach, 0, 0));
  });
}

export class Viewer {
  /** @param {HTMLElement} host fills it */
  constructor(host) {
    this.host = host;
    this.canvas = element("canvas", { tabIndex: 0, role: "img", "aria-label": words.viewer.empty });
    host.append(this.canvas);
    this.renderer = new WebGLRenderer({ canvas: this.canvas, antialias: true, alpha: true });
    this.renderer.toneMapping = NeutralToneMapping;
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.renderer.shadowMap.autoUpdate = false;
    this.scene = new Scene();
    this.stage = new Stage();
    this.scene.add(this.stage.group);
    this.camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.05, 100);
    this.camera.position.copy(FIRST_DIRECTION).multiplyScalar(6);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.enableDamping = true;
    /** @type {Map<string, Solid>} */
    this.solids = new Map();
    /** @type {Object3D | null} */
    this.ghost = null;
    this.selected = new Set();
    this.hidden = new Set();
    this.pointed = "";
    this.looks = { own: false, wire: false, shadows: true };
    this.explosion = 0;
    this.raised = 0; // pixels by which the middle is above the canvas', for what lies over it
    this.touched = false;
    /** @type {(name: string | null, more: boolean) => void} */
    this.onpick = () => {};
    /** @type {(pose: Pose) => void} */
    this.onmove = () => {};
    this.#scheduled = 0;
    this.#listen();
    this.#resize();
  }

  #scheduled;
  #lastFrame = 0;
  #loading = false;
  #unseen = true; // no part has been drawn yet
  #stale = false;
  #led = false;
  #later = /** @type {ReturnType<typeof setTimeout> | null} */ (null);
  #coarse = false;
  #settling = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  #unlisten = new AbortController();
  #sizes = /** @type {ResizeObserver | null} */ (null);

  #listen() {
    const { signal } = this.#unlisten;
    this.controls.addEventListener("start", () => (this.touched = true));
    this.controls.addEventListener("change", () => {
      if (!this.#led) this.onmove(this.pose);
      this.draw();
    });
    let down = new Vector2(Infinity, 0);
    this.canvas.addEventListener("pointerdown", (event) => (down = new Vector2(event.clientX, event.clientY)), { signal });
    this.canvas.addEventListener("pointerup", (event) => {
      if (down.distanceTo(new Vector2(event.clientX, event.clientY)) > CLICK_PIXELS) return;
      this.onpick(this.#at(event), event.shiftKey || event.ctrlKey || event.metaKey);
    }, { signal });
    this.canvas.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.canvas.addEventListener("webglcontextrestored", () => this.changed(), { signal });
    this.#sizes = new ResizeObserver(() => this.#resize());
    this.#sizes.observe(this.host);
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.setViewOffset(width, height, 0, this.raised, width, height);
    if (!this.touched) this.fit();
    this.#render();
  }

  /** Add a part, or put another in its place. @param {string} name @param {ArrayBuffer} bytes @param {string} colour */
  async add(name, bytes, colour) {
    const solid = new Solid(name, await readPart(bytes), colour);
    this.remove(name);
    this.solids.set(name, solid);
    this.scene.add(solid.group);
    this.canvas.setAttribute("aria-label", words.viewer.parts(this.solids.size));
    this.changed();
    if (!this.touched) this.fit();
    return solid;
  }

  /** @param {string} name */
  remove(name) {
    const solid = this.solids.get(name);
    if (!solid) return;
    this.scene.remove(solid.group);
    solid.dispose();
    this.solids.delete(name);
    this.changed();
  }

  /** Show this mesh around the parts; null for none. @param {Object3D | null} ghost */
  haunt(ghost) {
    if (this.ghost) this.scene.remove(this.ghost);
    this.ghost = ghost;
    if (ghost) this.scene.add(ghost);
    this.changed();
    if (!this.touched) this.fit();
  }

  /** @param {number} amount 0 is together */
  explode(amount) {
    this.explosion = amount;
    this.changed();
    if (!this.touched) this.fit();
  }

  /** Looks, places, visibility have changed: they are taken over by the next frame. */
  changed() {
    this.#stale = true;
    this.draw();
  }

  /** Several parts are being read: frames are few and without new shadows until that is over. @param {boolean} on */
  set loading(on) {
    if (this.#loading === on) return;
    this.#loading = on;
    if (on) return;
    if (this.#later) clearTimeout(this.#later);
    this.#later = null;
    this.changed();
  }

  #arrange() {
    this.#stale = false;
    const box = this.#box(false);
    const ways = waysApart([...this.solids.values()].map((solid) => solid.centre), box);
    for (const solid of this.solids.values()) {
      solid.group.position.copy(/** @type {Vector3} */ (ways.shift())).multiplyScalar(this.explosion);
      solid.group.visible = !this.hidden.has(solid.name);
      solid.show({
        ...this.looks, dimmed: false,
        selected: this.selected.has(solid.name), pointed: this.pointed === solid.name,
      });
    }
    this.stage.shadows = this.looks.shadows && !this.looks.wire;
    this.renderer.shadowMap.needsUpdate = !this.#loading;
    this.scene.updateMatrixWorld();
    this.stage.fit(this.#box(true));
  }

  /** What the parts fill, where they are or where they belong. @param {boolean} moved */
  #box(moved) {
    const box = new Box3();
    for (const solid of this.solids.values()) {
      if (this.hidden.has(solid.name) && moved) continue;
      box.union(moved ? solid.box.clone().translate(solid.group.position) : solid.box);
    }
    if (this.ghost?.visible) box.union(new Box3().setFromObject(this.ghost));
    if (box.isEmpty()) box.set(new Vector3(-0.7, -0.7, -0.7), new Vector3(0.7, 0.7, 0.7));
    return box;
  }

  /** Bring everything that is shown into view, from where the camera looks. */
  fit() {
    const sphere = this.#box(true).getBoundingSphere(new Sphere());
    const half = (FIELD_OF_VIEW / 2) * (Math.PI / 180);
    const narrow = Math.min(half, Math.atan(Math.tan(half) * this.camera.aspect));
    const direction = this.camera.position.clone().sub(this.controls.target).normalize();
    this.camera.near = sphere.radius / 50;
    this.camera.far = sphere.radius * 100;
    this.camera.updateProjectionMatrix();
    this.controls.target.copy(sphere.center);
    this.camera.position.copy(sphere.center).addScaledVector(direction, (1.12 * sphere.radius) / Math.sin(narrow));
    this.controls.update();
    this.draw();
  }

  /** Look from where it was looked from first. */
  reset() {
    this.camera.position.copy(this.controls.target).addScaledVector(FIRST_DIRECTION, 6);
    this.touched = false;
    this.fit();
  }

  /** Draw soon. */
  draw() {
    if (this.#scheduled) return;
    const wait = this.#loading && !this.#unseen ? LOADING_MS - (performance.now() - this.#lastFrame) : 0;
    if (wait <= 0) this.#scheduled = requestAnimationFrame((now) => this.#frame(now));
    else this.#later ??= setTimeout(() => ((this.#later = null), this.draw()), wait);
  }

  /** @param {number} now */
  #frame(now) {
    this.#scheduled = 0;
    const took = now - this.#lastFrame;
    this.#lastFrame = now;
    if (took > SLOW_FRAME_MS && took < 10 * SETTLED_MS && this.#settling !== undefined) this.#stand(true);
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#settle(), Math.max(SETTLED_MS, 2 * took > 2000 ? 0 : 2 * took));
    this.controls.update();
    this.#render();
    this.#unseen &&= this.solids.size === 0;
  }

  #settle() {
    this.#settling = undefined;
    if (!this.#coarse) return;
    this.#stand(false);
    this.#render();
  }

  /** @param {boolean} coarse */
  #stand(coarse) {
    if (this.#coarse === coarse) return;
    this.#coarse = coarse;
    for (const solid of this.solids.values()) solid.stand(coarse);
  }

  #render() {
    if (this.#stale) this.#arrange();
    this.renderer.render(this.scene, this.camera);
  }

  /** The name of the part under the pointer. @param {PointerEvent} event */
  #at(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const point = new Vector2(((event.clientX - left) / width) * 2 - 1, 1 - ((event.clientY - top) / height) * 2);
    if (this.#stale) this.#arrange();
    const ray = new Raycaster();
    ray.setFromCamera(point, this.camera);
    const groups = [...this.solids.values()].map((solid) => solid.group).filter((group) => group.visible);
    const [hit] = ray.intersectObjects(groups, true);
    /** @type {Object3D | null} */
    let one = hit?.object ?? null;
    while (one && !this.solids.has(one.name)) one = one.parent;
    return one?.name ?? null;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const turns = /** @type {Record<string, [number, number]>} */ ({
      ArrowLeft: [-TURN, 0], ArrowRight: [TURN, 0], ArrowUp: [0, -TURN], ArrowDown: [0, TURN],
    });
    const zooms = /** @type {Record<string, number>} */ ({ "+": 0.87, "=": 0.87, "-": 1.15 });
    const turn = turns[event.key];
    if (turn) this.#turn(...turn);
    else if (zooms[event.key]) {
      this.camera.position.sub(this.controls.target).multiplyScalar(zooms[event.key]).add(this.controls.target);
    } else if (event.key === "f") this.fit();
    else if (event.key === "0") this.reset();
    else return;
    event.preventDefault();
    this.touched = event.key !== "0";
    this.controls.update();
    this.draw();
  }

  /** @param {number} round @param {number} over */
  #turn(round, over) {
    const arm = this.camera.position.clone().sub(this.controls.target);
    const length = arm.length();
    const polar = Math.min(Math.max(Math.acos(arm.y / length) + over, 0.05), Math.PI - 0.05);
    const azimuth = Math.atan2(arm.x, arm.z) + round;
    arm.setFromSphericalCoords(length, polar, azimuth);
    this.camera.position.copy(this.controls.target).add(arm);
  }

  /** Where it is looked from. @returns {Pose} */
  get pose() {
    return { position: this.camera.position.toArray(), target: this.controls.target.toArray() };
  }

  set pose({ position, target }) {
    this.touched = true;
    this.camera.position.fromArray(position);
    this.controls.target.fromArray(target);
    this.draw();
  }

  /** Look from where another viewer does. @param {Pose} pose */
  follow(pose) {
    this.#led = true;
    this.pose = pose;
    this.controls.update();
    this.#led = false;
  }

  /** What is seen, as a PNG. @returns {Promise<Blob>} */
  picture() {
    this.#stand(false);
    this.#render();
    return new Promise((resolve, reject) => {
      this.canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(words.viewer.noPicture))), "image/png");
    });
  }

  /** Free what it holds. */
  dispose() {
    cancelAnimationFrame(this.#scheduled);
    if (this.#later) clearTimeout(this.#later);
    clearTimeout(this.#settling);
    this.#unlisten.abort();
    this.#sizes?.disconnect();
    for (const solid of this.solids.values()) solid.dispose();
    this.controls.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    this.canvas.remove();
  }
}
