// The person's own files: which kind each is, and a copy in this browser so that a job's mesh can be shown again.

/** @typedef {"image" | "mesh" | "mask"} Kind */

/** How files of each kind may end; the service's own list is in its description. */
export const ENDINGS = {
  image: [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"],
  mesh: [".glb", ".gltf", ".obj", ".ply", ".stl", ".off", ".3mf", ".zip"],
  mask: [".png", ".webp"],
};

const MODES = new Map([
  ["image", "image"],
  ["mesh", "mesh"],
  ["image mesh", "image_mesh"],
  ["image mask", "image_mask"],
  ["image mesh mask", "image_mesh_mask"],
]);

/** The mode of what is given; undefined where it is not enough. @param {Partial<Record<Kind, unknown>>} given */
export const modeOf = (given) =>
  MODES.get(/** @type {Kind[]} */ (["image", "mesh", "mask"]).filter((kind) => given[kind]).join(" "));

/**
 * What a file is meant as, by its ending and its name: a second picture is the mask.
 * @param {File} file
 * @param {Partial<Record<Kind, File>>} given
 * @returns {Kind | undefined} undefined for a file of no known kind
 */
export function kindOf(file, given) {
  const name = file.name.toLowerCase();
  /** @param {Kind} kind */
  const ends = (kind) => ENDINGS[kind].some((ending) => name.endsWith(ending));
  if (ends("mesh")) return "mesh";
  if (ends("mask") && (/mask|label|segment/.test(name) || (given.image && !given.mask))) return "mask";
  if (ends("image") || file.type.startsWith("image/")) return "image";
  return undefined;
}

const STORE = "inputs";
const MOST_KEPT = 40;

/** @returns {Promise<IDBDatabase>} */
const open = () =>
  new Promise((resolve, reject) => {
    const request = indexedDB.open("autopartgen", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/**
 * Keep the files of a job, by their hashes, as the job names them. A browser that keeps nothing is no failure.
 * @param {Partial<Record<string, File>>} files
 * @param {Record<string, {sha256: string}>} inputs
 */
export async function keep(files, inputs) {
  try {
    const base = await open();
    const store = base.transaction(STORE, "readwrite").objectStore(STORE);
    for (const [field, file] of Object.entries(files)) {
      if (file && inputs[field]) store.put({ file, name: file.name, at: Date.now() }, inputs[field].sha256);
    }
    const keys = await done(store.getAllKeys());
    const rows = await done(store.getAll());
    const oldest = keys.map((key, place) => ({ key, at: rows[place].at })).sort((a, b) => b.at - a.at);
    for (const { key } of oldest.slice(MOST_KEPT)) store.delete(key);
    base.close();
  } catch (error) {
    console.info("inputs are not kept in this browser", error);
  }
}

/** The file of this hash, if this browser has it. @param {string | undefined} sha256 @returns {Promise<File | null>} */
export async function kept(sha256) {
  if (!sha256) return null;
  try {
    const base = await open();
    const row = await done(base.transaction(STORE).objectStore(STORE).get(sha256));
    base.close();
    return row ? new File([row.file], row.name) : null;
  } catch {
    return null;
  }
}
