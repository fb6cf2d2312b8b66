// Solids: a part's meshes in the scene, its looks, and a coarse stand-in for while things move.
import { Box3, BufferAttribute, Color, Group, Mesh, MeshStandardMaterial, Vector3 } from "../vendor/three.js";

/** @typedef {import("../vendor/three.js").BufferGeometry} BufferGeometry */
/** @typedef {{own: boolean, wire: boolean, selected: boolean, pointed: boolean, dimmed: boolean}} Look */

const COARSE_FACES = 80_000; // of all stand-ins together, about
const FACES_PER_CELL = 9; // of a stand-in, by the square of the cells along its longest edge
const CELLS = [8, 12, 18, 27, 40]; // that a stand-in may have
const GOLDEN = 0.618034;
/** Hues that are told apart next to each other, calm in light and dark: degrees, per cent, per cent. */
const FIRST_COLOURS = [
  [222, 62, 62], [28, 78, 60], [158, 42, 48], [345, 58, 63], [265, 45, 66], [46, 80, 58], [190, 52, 52],
  [8, 60, 58], [96, 36, 52], [318, 40, 62], [205, 35, 70], [35, 35, 48],
];

/** The colour of part number `place`, the same however many there are. @param {number} place */
export function colourOf(place) {
  if (place < FIRST_COLOURS.length) {
    const [hue, saturation, light] = FIRST_COLOURS[place];
    return `hsl(${hue}, ${saturation}%, ${light}%)`;
  }
  return `hsl(${Math.round(((place * GOLDEN) % 1) * 360)}, 48%, ${52 + 8 * (place % 3)}%)`;
}

/** One part in the scene. */
export class Solid {
  /**
   * @param {string} name
   * @param {import("../vendor/three.js").Object3D} content
   * @param {string} colour
   */
  constructor(name, content, colour) {
    this.name = name;
    this.group = new Group();
    this.group.name = name;
    this.group.add(content);
    this.box = new Box3().setFromObject(content);
    this.centre = this.box.getCenter(new Vector3());
    this.paint = new MeshStandardMaterial({ color: new Color(colour), roughness: 0.62, metalness: 0 });
    /** @type {{mesh: Mesh, own: MeshStandardMaterial, fine: BufferAttribute | null, coarse: BufferAttribute | null}[]} */
    this.pieces = [];
    this.cells = 0;
    content.traverse((one) => {
      if (!(one instanceof Mesh)) return;
      one.castShadow = one.receiveShadow = true;
      if (!one.geometry.getAttribute("normal")) one.geometry.computeVertexNormals();
      this.pieces.push({ mesh: one, own: one.material, fine: one.geometry.index, coarse: null });
    });
  }

  get faces() {
    return this.pieces.reduce((sum, { mesh, fine }) => sum + (fine ?? mesh.geometry.getAttribute("position")).count / 3, 0);
  }

  /** @param {Look} look */
  show({ own, wire, selected, pointed, dimmed }) {
    for (const { mesh, own: theirs } of this.pieces) {
      const material = own ? theirs : this.paint;
      mesh.material = material;
      material.wireframe = wire;
      material.emissive?.set(selected || pointed ? material.color : 0x000000);
      material.emissiveIntensity = selected ? 0.55 : 0.28;
      material.transparent = dimmed;
      material.opacity = dimmed ? 0.16 : 1;
      material.depthWrite = !dimmed;
    }
  }

  /** Show the part itself. */
  standFine() {
    for (const { mesh, fine } of this.pieces) mesh.geometry.setIndex(fine);
  }

  /** Show a stand-in, as coarse as there are parts. @param {number} parts */
  standCoarse(parts) {
    const share = COARSE_FACES / parts;
    const cells = CELLS.findLast((one) => FACES_PER_CELL * one ** 2 <= share) ?? CELLS[0];
    for (const piece of this.pieces) {
      const { geometry } = piece.mesh;
      if (this.cells !== cells) piece.coarse = piece.fine && piece.fine.count / 3 > share ? coarseIndex(geometry, piece.fine, cells) : null;
      geometry.setIndex(piece.coarse ?? piece.fine);
    }
    this.cells = cells;
  }

  dispose() {
    this.paint.dispose();
    for (const { mesh, own } of this.pieces) {
      mesh.geometry.dispose();
      own.map?.dispose();
      own.dispose();
    }
  }
}

/**
 * Fewer faces on the same vertices: those whose corners lie in three different cells of a coarse lattice, each moved
 * to the cell's first vertex (vertex clustering).
 * @param {BufferGeometry} geometry
 * @param {BufferAttribute} index
 * @param {number} cells along the longest edge
 * @returns {BufferAttribute}
 */
export function coarseIndex(geometry, index, cells) {
  const positions = geometry.getAttribute("position");
  geometry.computeBoundingBox();
  const { min, max } = /** @type {Box3} */ (geometry.boundingBox);
  const size = Math.max(max.x - min.x, max.y - min.y, max.z - min.z) || 1;
  const scale = (cells - 1) / size;
  const first = new Int32Array(cells ** 3).fill(-1);
  const stand = new Uint32Array(positions.count);
  for (let vertex = 0; vertex < positions.count; vertex++) {
    const x = Math.floor((positions.getX(vertex) - min.x) * scale);
    const y = Math.floor((positions.getY(vertex) - min.y) * scale);
    const z = Math.floor((positions.getZ(vertex) - min.z) * scale);
    const cell = (x * cells + y) * cells + z;
    if (first[cell] < 0) first[cell] = vertex;
    stand[vertex] = first[cell];
  }
  const corners = index.array;
  const kept = new Uint32Array(corners.length);
  let count = 0;
  for (let corner = 0; corner < corners.length; corner += 3) {
    const a = stand[corners[corner]];
    const b = stand[corners[corner + 1]];
    const c = stand[corners[corner + 2]];
    if (a === b || b === c || c === a) continue;
    kept[count++] = a;
    kept[count++] = b;
    kept[count++] = c;
  }
  return new BufferAttribute(kept.slice(0, count), 1);
}
