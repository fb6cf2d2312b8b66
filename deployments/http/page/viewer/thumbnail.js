// A small picture of a mesh.
import { Box3, Vector3 } from "../vendor/three.js";
import { readWhole } from "./reading.js";
import { Viewer } from "./viewer.js";

const SIDE = 320;

/**
 * @param {File} file
 * @param {string} [colour] of all of it, in place of the file's own
 * @returns {Promise<Blob | null>} null where it cannot be read or drawn here
 */
export async function pictureOfMesh(file, colour) {
  const whole = await readWhole(file, colour);
  if (!whole) return null;
  const host = document.createElement("div");
  host.className = "offstage";
  document.body.append(host);
  host.style.width = host.style.height = `${SIDE}px`;
  try {
    const viewer = new Viewer(host);
    viewer.scene.add(whole);
    const box = new Box3().setFromObject(whole);
    viewer.stage.fit(box);
    viewer.camera.position.copy(new Vector3(0.75, 0.42, 1).normalize()).multiplyScalar(1.9 * box.getSize(new Vector3()).length());
    viewer.controls.update();
    viewer.renderer.shadowMap.needsUpdate = true;
    const drawn = await viewer.picture();
    viewer.dispose();
    return drawn;
  } catch (error) {
    console.info("no picture of this mesh", error);
    return null;
  } finally {
    host.remove();
  }
}
