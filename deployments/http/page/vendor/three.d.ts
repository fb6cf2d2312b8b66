// What the page uses of three.js; `make vendor` bundles it, and the bundle's types are this file.
export {
  ACESFilmicToneMapping,
  AmbientLight,
  Box3,
  BufferAttribute,
  BufferGeometry,
  Color,
  DirectionalLight,
  DoubleSide,
  Group,
  HemisphereLight,
  LineBasicMaterial,
  Mesh,
  MeshBasicMaterial,
  MeshStandardMaterial,
  MOUSE,
  NeutralToneMapping,
  NoToneMapping,
  Object3D,
  PCFShadowMap,
  PerspectiveCamera,
  PlaneGeometry,
  Raycaster,
  REVISION,
  Scene,
  ShadowMaterial,
  Sphere,
  Spherical,
  SRGBColorSpace,
  TOUCH,
  Vector2,
  Vector3,
  VSMShadowMap,
  WebGLRenderer,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
export { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
export { OBJLoader } from "three/addons/loaders/OBJLoader.js";
export { PLYLoader } from "three/addons/loaders/PLYLoader.js";
export { STLLoader } from "three/addons/loaders/STLLoader.js";
