// Solids: a part's meshes in the scene, its looks, and a coarse stand-in for while things move.
import { Box3, BufferAttribute, Color, Group, Mesh, MeshStandardMaterial, Vector3 } from "../vendor/three.js";

/** @typedef {import("../vendor/three.js").BufferGeometry} BufferGeometry */
/** @typedef {{own: boolean, wire: boolean, selected: boolean, pointed: boolean, dimmed: boolean}} Look */

const COARSE_CELLS = 28; // along the longest edge of a part
const COARSE_FROM_FACES = 4000;
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
    /** @type {{mesh: Mesh, own: MeshStandardMaterial, fine: BufferAttribute | null, coarse: BufferAttribute | null | undefined}[]} */
    this.pieces = [];
    content.traverse((one) => {
      if (!(one instanceof Mesh)) return;
      one.castShadow = one.receiveShadow = true;
      if (!one.geometry.getAttribute("normal")) one.geometry.computeVertexNormals();
      this.pieces.push({ mesh: one, own: one.material, fine: one.geometry.index, coarse: undefined });
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

  /** Show the stand-in, or the part itself. @param {boolean} coarse */
  stand(coarse) {
    for (const piece of this.pieces) {
      const { geometry } = piece.mesh;
      if (coarse && piece.coarse === undefined) piece.coarse = piece.fine && coarseIndex(geometry, piece.fine);
      geometry.setIndex(coarse && piece.coarse ? piece.coarse : piece.fine);
    }
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
 * @returns {BufferAttribute | null} null where it would save little
 */
export function coarseIndex(geometry, index) {
  if (index.count / 3 < COARSE_FROM_FACES) return null;
  const positions = geometry.getAttribute("position");
  geometry.computeBoundingBox();
  const { min, max } = /** @type {Box3} */ (geometry.boundingBox);
  const size = Math.max(max.x - min.x, max.y - min.y, max.z - min.z) || 1;
  const scale = (COARSE_CELLS - 1) / size;
  const first = new Map();
  const stand = new Uint32Array(positions.count);
  for (let vertex = 0; vertex < positions.count; vertex++) {
    const x = Math.floor((positions.getX(vertex) - min.x) * scale);
    const y = Math.floor((positions.getY(vertex) - min.y) * scale);
    const z = Math.floor((positions.getZ(vertex) - min.z) * scale);
    const cell = (x * COARSE_CELLS + y) * COARSE_CELLS + z;
    const known = first.get(cell);
    if (known === undefined) first.set(cell, vertex);
    stand[vertex] = known ?? vertex;
  }
  const kept = [];
  for (let corner = 0; corner < index.count; corner += 3) {
    const a = stand[index.getX(corner)];
    const b = stand[index.getX(corner + 1)];
    const c = stand[index.getX(corner + 2)];
    if (a !== b && b !== c && c !== a) kept.push(a, b, c);
  }
  return new BufferAttribute(new Uint32Array(kept), 1);
}
