// The pace of frames: one at a time, each timed until it is there; few while parts are being read.

const POLL_MS = 8;
const LOADING_MS = 1000; // at least, from frame to frame while parts are being read
const LOADING_REST = 4; // times as long as a frame took is left for reading then

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** Whether the processor draws, and no graphics card. @type {boolean | undefined} */
let software;

/** Whether the processor draws, and no graphics card: smooth edges cost it more than all else. */
export function drawsInSoftware() {
  if (software !== undefined) return software;
  const probe = document.createElement("canvas").getContext("webgl2");
  const names = probe?.getExtension("WEBGL_debug_renderer_info");
  software = probe !== null && SOFTWARE.test(String(probe.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : probe.RENDERER)));
  probe?.getExtension("WEBGL_lose_context")?.loseContext();
  return software;
}

export class Pace {
  /** @param {WebGL2RenderingContext} gl @param {() => void} act draws a frame */
  constructor(gl, act) {
    this.gl = gl;
    this.act = act;
    /** Milliseconds that the last frame took until it was there. */
    this.took = 0;
    this.loading = false;
    /** Told when a frame is there, and none is wanted. */
    this.onrest = () => {};
  }

  #asked = 0;
  #later = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  #polling = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  #underway = false;
  #wanted = false;
  #ended = 0;

  /** A frame is wanted; it comes when the one before is there. @param {boolean} [hurried] also while parts are being read */
  ask(hurried = false) {
    this.#wanted = true;
    if (this.#asked || this.#underway) return;
    clearTimeout(this.#later);
    const rest = this.loading && !hurried ? Math.max(LOADING_MS, LOADING_REST * this.took) - (performance.now() - this.#ended) : 0;
    if (rest > 0) this.#later = setTimeout(() => this.ask(), rest);
    else this.#asked = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#asked = 0;
    this.#wanted = false;
    this.#underway = true;
    const begun = performance.now();
    this.act();
    const { gl } = this;
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    const look = () => {
      if (fence && gl.clientWaitSync(fence, 0, 0) === gl.TIMEOUT_EXPIRED) {
        this.#polling = setTimeout(look, POLL_MS);
        return;
      }
      gl.deleteSync(fence);
      this.#underway = false;
      this.#ended = performance.now();
      this.took = this.#ended - begun;
      if (this.#wanted) this.ask();
      else this.onrest();
    };
    this.#polling = setTimeout(look);
  }

  /** Draw no more. */
  stop() {
    cancelAnimationFrame(this.#asked);
    clearTimeout(this.#later);
    clearTimeout(this.#polling);
    this.#underway = true;
  }
}
