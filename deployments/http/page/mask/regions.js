// Regions of a picture: one label a pixel, changed by merging, splitting and painting; each change can be undone.

/** @typedef {[number, number, number]} Rgb */
/**
 * The service's answer: superpixels with the hierarchy that makes any number of regions of them.
 * @typedef {{width: number, height: number, regions: number, parents: number[], costs: number[], runs: number[]}} Suggestion
 */

export const MOST_REGIONS = 255;
const MOST_UNDONE = 24;
const LEAST_SHARE = 0.0008; // of the pixels, below which a colour of a given mask is an edge's blend
const COLOURS = /** @type {Rgb[]} */ ([
  [79, 109, 230], [236, 151, 46], [62, 171, 128], [226, 88, 120], [150, 100, 226], [228, 190, 56], [70, 178, 196],
  [214, 84, 60], [122, 178, 80], [206, 96, 180], [110, 168, 228], [160, 124, 84],
]);

/** The first colour of a region. @param {number} label @returns {Rgb} */
export function colourOfRegion(label) {
  if (label === 0) return [0, 0, 0];
  const [red, green, blue] = COLOURS[(label - 1) % COLOURS.length];
  const round = Math.floor((label - 1) / COLOURS.length);
  const fade = 1 - 0.11 * (round % 7);
  return [Math.round(red * fade), Math.round(green * fade), Math.max(0, Math.round(blue * fade) - (round % 3))];
}

/** Labels of a suggestion's superpixels, one a pixel. @param {Suggestion} suggestion */
export function superpixels({ width, height, runs }) {
  const labels = new Uint16Array(width * height);
  let at = 0;
  for (let run = 0; run < runs.length; run += 2) {
    labels.fill(runs[run], at, at + runs[run + 1]);
    at += runs[run + 1];
  }
  return labels;
}

/** Which region each superpixel is in where there are so many. @param {number[]} parents @param {number} count */
export function regionsOf(parents, count) {
  const region = new Uint16Array(parents.length);
  for (let label = 0; label < parents.length; label++) region[label] = label <= count ? label : region[parents[label]];
  return region;
}

export class Regions {
  /** @param {number} width @param {number} height */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.labels = new Uint8Array(width * height);
    /** @type {Rgb[]} */
    this.palette = [[0, 0, 0]];
    /** @type {{labels: Uint8Array<ArrayBuffer>, palette: Rgb[]}[]} */
    this.undone = [];
    /** @type {{pixels: Uint16Array, parents: number[]} | null} */
    this.suggested = null;
  }

  /** Regions there are, without the background. */
  get present() {
    const seen = new Set(this.labels);
    seen.delete(0);
    return [...seen].sort((one, other) => one - other);
  }

  /** Remember how it is now. */
  mark() {
    this.undone.push({ labels: this.labels.slice(), palette: this.palette.map((colour) => /** @type {Rgb} */ ([...colour])) });
    if (this.undone.length > MOST_UNDONE) this.undone.shift();
  }

  /** Back to what was marked last. */
  undo() {
    const before = this.undone.pop();
    if (!before) return;
    this.labels = before.labels;
    this.palette = before.palette;
  }

  clear() {
    this.labels.fill(0);
  }

  /** A label that is free, with its colour; 0 where there is none. */
  fresh() {
    const used = new Set(this.labels);
    for (let label = 1; label <= MOST_REGIONS; label++) {
      if (used.has(label)) continue;
      this.palette[label] ??= colourOfRegion(label);
      return label;
    }
    return 0;
  }

  /** Take a suggestion, to be asked for any number of regions. @param {Suggestion} suggestion */
  suggest(suggestion) {
    this.suggested = { pixels: fitted(superpixels(suggestion), suggestion, this), parents: suggestion.parents };
    this.divide(suggestion.regions);
  }

  /** The suggestion's division into so many. @param {number} count */
  divide(count) {
    if (!this.suggested) return;
    const { pixels, parents } = this.suggested;
    const region = regionsOf(parents, Math.min(count, MOST_REGIONS));
    for (let pixel = 0; pixel < pixels.length; pixel++) this.labels[pixel] = region[pixels[pixel]];
    for (let label = 1; label <= count; label++) this.palette[label] ??= colourOfRegion(label);
  }

  /** @param {number} one @param {number} other becomes the first */
  merge(one, other) {
    for (let pixel = 0; pixel < this.labels.length; pixel++) if (this.labels[pixel] === other) this.labels[pixel] = one;
  }

  /**
   * Divide a region where the suggestion's hierarchy first divides it.
   * @param {number} label
   * @returns {number} the new region; 0 where there is nothing to divide by
   */
  split(label) {
    if (!this.suggested) return 0;
    const { pixels, parents } = this.suggested;
    const within = new Set();
    for (let pixel = 0; pixel < pixels.length; pixel++) if (this.labels[pixel] === label && pixels[pixel]) within.add(pixels[pixel]);
    for (let count = 2; count < parents.length; count++) {
      const region = regionsOf(parents, count);
      const inNew = [...within].filter((superpixel) => region[superpixel] === count);
      if (!inNew.length || inNew.length === within.size) continue;
      const made = this.fresh();
      const moved = new Set(inNew);
      for (let pixel = 0; pixel < pixels.length; pixel++) if (made && this.labels[pixel] === label && moved.has(pixels[pixel])) this.labels[pixel] = made;
      return made;
    }
    return 0;
  }

  /** Paint a stroke. @param {[number, number]} from @param {[number, number]} to @param {number} radius @param {number} label */
  stroke([fromX, fromY], [toX, toY], radius, label) {
    const steps = Math.max(1, Math.ceil(Math.hypot(toX - fromX, toY - fromY) / Math.max(1, radius / 2)));
    for (let step = 0; step <= steps; step++) {
      this.#dot(fromX + ((toX - fromX) * step) / steps, fromY + ((toY - fromY) * step) / steps, radius, label);
    }
  }

  /** @param {number} x @param {number} y @param {number} radius @param {number} label */
  #dot(x, y, radius, label) {
    const { width, height, labels } = this;
    for (let row = Math.max(0, Math.ceil(y - radius)); row <= Math.min(height - 1, y + radius); row++) {
      const half = Math.sqrt(Math.max(0, radius * radius - (row - y) ** 2));
      const first = Math.max(0, Math.round(x - half));
      labels.fill(label, row * width + first, row * width + Math.max(first, Math.min(width, Math.round(x + half) + 1)));
    }
  }

  /** Take the regions of a mask that was given as a picture: each solid colour is one. @param {Uint8ClampedArray} rgba */
  read(rgba) {
    /** @type {Map<number, number>} */
    const counts = new Map();
    const colours = new Uint32Array(this.labels.length);
    for (let pixel = 0; pixel < colours.length; pixel++) {
      const at = 4 * pixel;
      colours[pixel] = rgba[at + 3] < 128 ? 0 : (rgba[at] << 16) | (rgba[at + 1] << 8) | rgba[at + 2];
      counts.set(colours[pixel], (counts.get(colours[pixel]) ?? 0) + 1);
    }
    counts.delete(0);
    const solid = [...counts].filter(([, count]) => count > LEAST_SHARE * colours.length).sort(([, one], [, other]) => other - one).slice(0, MOST_REGIONS);
    const labels = new Map(solid.map(([colour], place) => [colour, place + 1]));
    for (const [colour, label] of labels) this.palette[label] = visible([(colour >> 16) & 255, (colour >> 8) & 255, colour & 255], label);
    for (let pixel = 0; pixel < colours.length; pixel++) this.labels[pixel] = labels.get(colours[pixel]) ?? 0;
  }
}

/** A colour that can be seen: numbers 1, 2, 3 as grey cannot. @param {Rgb} colour @param {number} label @returns {Rgb} */
const visible = (colour, label) => (Math.max(...colour) < 48 ? colourOfRegion(label) : colour);

/**
 * Labels at another size, each pixel the nearest.
 * @param {Uint16Array} labels
 * @param {{width: number, height: number}} from
 * @param {{width: number, height: number}} to
 */
function fitted(labels, from, to) {
  if (from.width === to.width && from.height === to.height) return labels;
  const made = new Uint16Array(to.width * to.height);
  for (let row = 0; row < to.height; row++) {
    const source = Math.floor(((row + 0.5) * from.height) / to.height) * from.width;
    for (let column = 0; column < to.width; column++) {
      made[row * to.width + column] = labels[source + Math.floor(((column + 0.5) * from.width) / to.width)];
    }
  }
  return made;
}
