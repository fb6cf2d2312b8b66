// The project's examples, one for each mode; the files are under `/examples`.
import { address } from "./service.js";

/** @typedef {import("./files.js").Kind} Kind */

/** @type {{name: string, folder: string, files: Partial<Record<Kind, string>>}[]} */
export const EXAMPLES = [
  { name: "chair", folder: "mesh/chair", files: { mesh: "mesh.glb" } },
  { name: "teddy", folder: "image/teddy", files: { image: "image.png" } },
  { name: "snowman", folder: "image_mask/snowman", files: { image: "image.png", mask: "mask.png" } },
  { name: "lamp", folder: "image_mesh/lamp", files: { image: "image.png", mesh: "mesh.glb" } },
  { name: "robot", folder: "image_mesh_mask/robot", files: { image: "image.png", mesh: "mesh.glb", mask: "mask.png" } },
];

/** Its picture. @param {typeof EXAMPLES[number]} example */
export const pictureOf = ({ name, folder, files }) =>
  files.image ? address(`examples/${folder}/${files.image}`) : address(`pictures/${name}.png`);

/**
 * Its files, as if the person had given them.
 * @param {typeof EXAMPLES[number]} example
 * @returns {Promise<Partial<Record<Kind, File>>>}
 */
export async function filesOf({ name, folder, files }) {
  const fetched = Object.entries(files).map(async ([kind, file]) => {
    const answer = await fetch(address(`examples/${folder}/${file}`));
    if (!answer.ok) throw new Error(`${folder}/${file}: ${answer.status}`);
    const content = await answer.blob();
    return [kind, new File([content], `${name}-${file}`, { type: content.type })];
  });
  return Object.fromEntries(await Promise.all(fetched));
}
