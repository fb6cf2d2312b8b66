// The viewer: parts in 3D. It draws when something has changed, and coarsely while a slow machine is moving.
import {
  Box3, Mesh, MeshStandardMaterial, NeutralToneMapping, OrbitControls, PCFShadowMap, PerspectiveCamera, PlaneGeometry, Raycaster, Scene, Sphere, Vector2, Vector3, WebGLRenderer,
} from "../vendor/three.js";
import { element } from "../elements.js";
import { words } from "../words.js";
import { Pace, drawsInSoftware } from "./pace.js";
import { readPart } from "./reading.js";
import { Solid } from "./solids.js";
import { Stage } from "./stage.js";

/** @typedef {import("../vendor/three.js").Object3D} Object3D */
/** @typedef {{position: number[], target: number[]}} Pose */

const FIELD_OF_VIEW = 32;
const FIRST_DIRECTION = new Vector3(0.75, 0.42, 1).normalize();
const SLOW_FRAME_MS = 70;
const SETTLED_MS = 250;
const COARSE_PIXELS = 0.5; // of those along an edge, while things move on a slow machine
const PICTURE_PIXELS = 2;
const CLICK_PIXELS = 5;
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

/** Too small to be seen: what draws parts is made ready while there is none, so that the first is shown at once. */
function speck() {
  const made = new Mesh(new PlaneGeometry(1e-6, 1e-6), new MeshStandardMaterial());
  made.castShadow = made.receiveShadow = true;
  return made;
}

export class Viewer {
  /** @param {HTMLElement} host fills it */
  constructor(host) {
    this.host = host;
    this.canvas = element("canvas", { tabIndex: 0, role: "img", "aria-label": words.viewer.empty });
    host.append(this.canvas);
    const software = drawsInSoftware();
    this.renderer = new WebGLRenderer({ canvas: this.canvas, antialias: !software, alpha: true });
    this.pace = new Pace(/** @type {WebGL2RenderingContext} */ (this.renderer.getContext()), () => this.#frame());
    this.pace.onrest = () => this.#rest();
    this.#fineMs = software ? Infinity : 0;
    this.renderer.toneMapping = NeutralToneMapping;
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.renderer.shadowMap.autoUpdate = false;
    this.scene = new Scene();
    this.stage = new Stage();
    this.speck = speck();
    this.scene.add(this.stage.group, this.speck);
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
    this.expected = 0; // parts that there will be, where more are known than are here
    this.raised = 0; // pixels by which the middle is above the canvas', for what lies over it
    this.touched = false;
    /** @type {(name: string | null, more: boolean) => void} */
    this.onpick = () => {};
    /** @type {(pose: Pose) => void} */
    this.onmove = () => {};
    this.#listen();
    this.#resize();
  }

  #fineMs; // that a frame in full takes
  #lastFrame = -Infinity;
  #unseen = true; // no part has been drawn yet
  #stale = false;
  #led = false;
  #coarse = false;
  #fine = false; // the next frame is in full, whatever it takes
  #shadowed = { what: "", coarse: false }; // what the shadows are of
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
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.renderer.setPixelRatio(this.#pixels);
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.setViewOffset(width, height, 0, this.raised, width, height);
    if (!this.touched) this.fit();
    this.#render();
  }

  /** Of the canvas, for each of the page's. */
  get #pixels() {
    return Math.min(devicePixelRatio, 2) * (this.#coarse ? COARSE_PIXELS : 1);
  }

  /** Add a part, or put another in its place. @param {string} name @param {ArrayBuffer} bytes @param {string} colour */
  async add(name, bytes, colour) {
    const solid = new Solid(name, await readPart(bytes), colour);
    this.remove(name);
    this.scene.remove(this.speck);
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
    if (this.pace.loading === on) return;
    this.pace.loading = on;
    if (!on) this.changed();
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
    if (this.#stale) this.#arrange();
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
    this.#fine = false;
    this.canvas.ariaBusy = "true";
    this.pace.ask(this.#unseen);
  }

  /** Coarsely, where a frame in full takes long and is not the last one. */
  #frame() {
    const now = performance.now();
    if (!this.#coarse && !this.#unseen) this.#fineMs = this.pace.took;
    const moving = now - this.#lastFrame < SETTLED_MS;
    this.#lastFrame = now;
    this.#stand(!this.#fine && this.#fineMs > SLOW_FRAME_MS && (moving || this.#fineMs > SETTLED_MS));
    this.controls.update();
    this.#render();
    this.#unseen &&= this.solids.size === 0;
  }

  /** The frame that was asked for is there: one in full follows, unless something moves. */
  #rest() {
    if (!this.#coarse) {
      this.canvas.ariaBusy = "false";
      return;
    }
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      if (!this.#coarse || this.pace.loading) return;
      this.#fine = true;
      this.pace.ask();
    }, SETTLED_MS);
  }

  /** @param {boolean} coarse */
  #stand(coarse) {
    const parts = Math.max(this.solids.size, this.expected);
    for (const solid of this.solids.values()) coarse ? solid.standCoarse(parts) : solid.standFine();
    if (this.#coarse === coarse) return;
    this.#coarse = coarse;
    this.renderer.setPixelRatio(this.#pixels);
  }

  #render() {
    if (this.#stale) this.#arrange();
    this.renderer.shadowMap.needsUpdate = this.#shadowsMoved();
    this.renderer.render(this.scene, this.camera);
  }

  /** Whether shadows are to be drawn anew: something has moved, or they were of stand-ins. */
  #shadowsMoved() {
    if (!this.stage.floor.visible || this.pace.loading) return false;
    const shown = [...this.solids.values()].filter(({ group }) => group.visible).map(({ group }) => group.id);
    const these = `${this.explosion} ${shown}`;
    if (these === this.#shadowed.what && (this.#coarse || !this.#shadowed.coarse)) return false;
    this.#shadowed = { what: these, coarse: this.#coarse };
    return true;
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
    this.renderer.setPixelRatio(PICTURE_PIXELS);
    this.#render();
    const drawn = new Promise((resolve, reject) => {
      this.canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(words.viewer.noPicture))), "image/png");
    });
    this.renderer.setPixelRatio(this.#pixels);
    this.draw();
    return drawn;
  }

  /** Free what it holds. */
  dispose() {
    this.pace.stop();
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
