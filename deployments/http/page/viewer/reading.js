// Reading meshes: parts as the service writes them, and the person's own mesh in the frame of the parts.
import {
  Box3, DoubleSide, GLTFLoader, Group, Mesh, MeshBasicMaterial, MeshStandardMaterial, OBJLoader, Object3D, PLYLoader, STLLoader, Vector3,
} from "../vendor/three.js";

const gltf = new GLTFLoader();

/** @param {ArrayBuffer} bytes @returns {Promise<Object3D>} */
export async function readPart(bytes) {
  const { scene } = await gltf.parseAsync(bytes, "");
  return scene;
}

/**
 * A mesh that the person gave; null for a format that only the service reads.
 * @param {File} file
 * @returns {Promise<Object3D | null>}
 */
async function readGiven(file) {
  const ending = file.name.toLowerCase().split(".").pop();
  if (ending === "glb" || ending === "gltf") return readPart(await file.arrayBuffer());
  if (ending === "obj") return new OBJLoader().parse(await file.text());
  if (ending === "stl") return new Mesh(new STLLoader().parse(await file.arrayBuffer()));
  if (ending === "ply") return new Mesh(new PLYLoader().parse(await file.arrayBuffer()));
  return null;
}

/**
 * The given mesh as a ghost, in the frame of the parts: its own, or its box's centre at the origin, max |coordinate| 1.
 * @param {File} file
 * @param {boolean} own
 * @returns {Promise<Object3D | null>} null where it cannot be read here
 */
export async function readGhost(file, own) {
  const content = await readOrNull(file);
  if (!content) return null;
  const material = new MeshBasicMaterial({ color: 0x8899bb, transparent: true, opacity: 0.13, depthWrite: false, side: DoubleSide, polygonOffset: true, polygonOffsetFactor: 2, polygonOffsetUnits: 2 });
  content.traverse((one) => {
    if (one instanceof Mesh) one.material = material;
  });
  return own ? content : normalised(content);
}

/**
 * A mesh to look at, in a colour or as its file has it.
 * @param {File} file
 * @param {string} [colour]
 * @returns {Promise<Object3D | null>} null where it cannot be read here
 */
export async function readWhole(file, colour) {
  const content = await readOrNull(file);
  if (!content) return null;
  const plain = new MeshStandardMaterial({ color: colour ?? 0xb9c0cc, roughness: 0.7, side: DoubleSide });
  content.traverse((one) => {
    if (one instanceof Mesh && (colour || !(one.material instanceof MeshStandardMaterial))) one.material = plain;
  });
  return normalised(content);
}

/** @param {File} file */
async function readOrNull(file) {
  try {
    return await readGiven(file);
  } catch (error) {
    console.info("this mesh is not shown; the service may still read it", error);
    return null;
  }
}

/** @param {Object3D} content */
function normalised(content) {
  const box = new Box3().setFromObject(content);
  if (box.isEmpty()) return null;
  const size = box.getSize(new Vector3());
  const scale = 2 / Math.max(size.x, size.y, size.z, 1e-9);
  const placed = new Group();
  placed.add(content);
  content.position.sub(box.getCenter(new Vector3()));
  placed.scale.setScalar(scale);
  return placed;
}
