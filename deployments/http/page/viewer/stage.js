// The stage: lights, the floor with its soft shadow, and how both follow what stands there.
import { DirectionalLight, Group, HemisphereLight, Mesh, PlaneGeometry, ShadowMaterial, Vector3 } from "../vendor/three.js";

/** @typedef {import("../vendor/three.js").Box3} Box3 */

const SHADOW_MAP = 1024;
const SUN = new Vector3(0.5, 1.25, 0.65).normalize();

/** Lights and floor. */
export class Stage {
  constructor() {
    this.group = new Group();
    this.group.add(new HemisphereLight(0xffffff, 0x9098a8, 1.5));
    this.sun = new DirectionalLight(0xfff6ea, 2.1);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.setScalar(SHADOW_MAP);
    this.sun.shadow.radius = 5;
    this.sun.shadow.bias = -0.0008;
    const fill = new DirectionalLight(0xdfe8ff, 0.7);
    fill.position.set(-1, 0.4, -0.6);
    this.floor = new Mesh(new PlaneGeometry(1, 1), new ShadowMaterial({ opacity: 0.2 }));
    this.floor.rotation.x = -Math.PI / 2;
    this.floor.receiveShadow = true;
    this.group.add(this.sun, this.sun.target, fill, this.floor);
  }

  /** Put sun and floor where they belong for what fills this box. @param {Box3} box */
  fit(box) {
    const centre = box.getCenter(new Vector3());
    const reach = box.getSize(new Vector3()).length() / 2 || 1;
    this.sun.shadow.normalBias = 0.015 * reach;
    this.sun.target.position.copy(centre);
    this.sun.position.copy(centre).addScaledVector(SUN, 3 * reach);
    const { camera } = this.sun.shadow;
    Object.assign(camera, { left: -1.6 * reach, right: 1.6 * reach, top: 1.6 * reach, bottom: -1.6 * reach, near: 0.1 * reach, far: 8 * reach });
    camera.updateProjectionMatrix();
    this.floor.position.set(centre.x, box.min.y - 0.002 * reach, centre.z);
    this.floor.scale.setScalar(14 * reach);
  }

  /** @param {boolean} on */
  set shadows(on) {
    this.sun.castShadow = on;
    this.floor.visible = on;
  }
}
