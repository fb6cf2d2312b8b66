// Every text that the page shows, in English; another language is another such file.

/** @param {number} count @param {string} one @param {string} [many] */
const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** @type {Record<string, string>} */
const stages = {
  background: "Finding the object in the picture", encode: "Looking at the picture", surface: "Feeling the surface",
  codec: "Taking in the shape", whole: "Imagining the whole object", part: "Shaping a part", agreement: "Comparing tries",
  mesh: "Making the mesh", overlap: "Checking against the other parts", cleanup: "Cleaning up",
  fit: "Fitting the parts to the mesh", export: "Writing the part", package: "Packing the files",
};

/** @type {Record<string, string>} */
const statuses = {
  queued: "Waiting", running: "Working", succeeded: "Done", failed: "Failed", cancelled: "Cancelled", expired: "Expired",
};

/** @type {Record<string, string>} */
const endings = {
  end_of_sequence: "The object is complete.", max_parts: "It stopped at the most parts that were allowed.",
  no_new_part: "No further part was found.", all_regions_done: "Every region of the mask was tried.",
  edited: "The edit is done.",
};

/** @type {Record<string, string>} */
const modes = {
  image: "Parts from a picture", mesh: "Parts of a mesh", image_mesh: "Parts of a mesh, with a picture as a guide",
  image_mask: "One part for each region of the picture's mask",
  image_mesh_mask: "One part of the mesh for each region of the mask",
};

export const words = {
  name: "AutoPartGen Studio",
  short: "Studio",
  cancel: "Cancel",
  close: "Close",
  unreachable: "The service cannot be reached. Is it running?",
  /** @param {number} status */
  refused: (status) => `The service answered with status ${status}.`,
  nav: { label: "Studio", new: "New", history: "History", api: "API", forget: "Forget the key" },
  key: {
    title: "A key, please", about: "This service answers whoever has a key. It stays in this tab and goes nowhere else.",
    wrong: "The service does not know this key. Try another.", label: "Key", use: "Use this key",
  },
  stages, statuses, endings, modes,
  start: {
    title: "Take an object apart",
    lead: "Give a picture, a mesh, or both. Its parts arrive one after the other, in 3D.",
    inputs: "What you have",
    kinds: {
      image: { name: "Picture", about: "PNG, JPEG, WebP, AVIF …" },
      mesh: { name: "Mesh", about: "GLB, glTF, OBJ, STL, PLY, OFF, 3MF" },
      mask: { name: "Mask", about: "A colour for each part of the picture" },
    },
    choose: "Choose a file", drop: "or drop it anywhere, or paste", replace: "Choose another",
    /** @param {string} what */
    chooseA: (what) => `Choose a ${what.toLowerCase()}`,
    /** @param {string} what */
    remove: (what) => `Remove the ${what.toLowerCase()}`,
    draw: "Draw a mask", edit: "Change the mask", needsImage: "Give the picture first", maskNeedsImage: "A mask needs its picture: give that too.",
    nothing: "Give a picture or a mesh to begin.",
    /** @param {string} name */
    unknown: (name) => `${name} is neither a picture nor a mesh that is known here.`,
    go: "Make the parts", going: "Sending …", examples: "Or try one of these",
    exampleNames: /** @type {Record<string, string>} */ ({ chair: "Chair", teddy: "Teddy", snowman: "Snowman", lamp: "Lamp", robot: "Robot" }),
    exampleModes: /** @type {Record<string, string>} */ ({ chair: "mesh", teddy: "picture", snowman: "picture, mask", lamp: "picture, mesh", robot: "all three" }),
    /** @param {string} name */
    tryExample: (name) => `Try the ${name.toLowerCase()}`,
    dropHere: "Drop it here",
  },
  options: {
    title: "Options", choose_preset: "Preset",
    /** @param {string} preset */
    preset_is: (preset) => `Preset ${preset}. What you leave alone stays as it has it.`,
    /** @param {number} count */
    rest: (count) => `${count} more options`,
    preset: "the preset's own", dice: "Draw a seed", reset: "Back to the preset",
    names: /** @type {Record<string, string>} */ ({
      max_parts: "Most parts", best_of: "Tries a part", num_inference_steps: "Steps", grid_size: "Fineness",
      fit_to_mesh: "Fit to the mesh", remove_background: "Remove the background", image_cfg_scale: "Follow the picture",
      geometry_cfg_scale: "Follow the shape", simplify_faces: "Most faces a part", iou_threshold: "Largest overlap",
    }),
  },
  job: {
    /** @param {number} ahead */
    ahead: (ahead) => (ahead === 0 ? "Next in the queue" : `${counted(ahead, "job")} ahead in the queue`),
    /** @param {number} number @param {number | null} total */
    part: (number, total) => (total ? `part ${number} of ${total}` : `part ${number}`),
    /** @param {number} count */
    parts: (count) => counted(count, "part"),
    warnings: "Remarks", elapsed: "Time", progress: "Progress", stop: "Stop", stopping: "Stopping …", again: "Change and make anew",
    lost: "Connection lost. Trying again …", gone: "There is no such job here. It may have been deleted.",
    none: "It ended without a part.", waiting: "The first part appears here as soon as it is made.",
    parent: "What it was made from",
    tabs: { label: "About this object", parts: "Parts", edit: "Change", files: "Files", facts: "Facts" },
    title: "Job", home: "New object",
  },
  parts: {
    list: "Parts", none: "No part yet.", all: "Show all", selectAll: "Select all", selectNone: "Select none",
    /** @param {number} place */
    name: (place) => `Part ${place + 1}`,
    /** @param {string} name */
    hide: (name) => `Hide ${name}`,
    /** @param {string} name */
    only: (name) => `Show only ${name}`,
    /** @param {string} name */
    rename: (name) => `Rename ${name}`,
    /** @param {string} name */
    download: (name) => `Download ${name}`,
    /** @param {string} name */
    select: (name) => `Select ${name}`,
    /** @param {number} count */
    faces: (count) => counted(count, "face"),
    nameOf: "Name of the part", save: "Rename",
    /** @param {number} count */
    chosen: (count) => (count ? `${count} selected` : "Click a part to select it"),
  },
  viewer: {
    empty: "3D view, empty so far. Arrow keys turn it, plus and minus zoom, F fits.",
    /** @param {number} count */
    parts: (count) => `3D view of ${counted(count, "part")}. Arrow keys turn it, plus and minus zoom, F fits, 0 resets.`,
    tools: "View", explode: "Take apart", fit: "Fit the view", wire: "Wireframe", own: "Colours of the files", shadows: "Shadows",
    ghost: "The given mesh", picture: "Save a picture", noPicture: "The picture could not be made.",
    noWebGL: "This browser shows no 3D (WebGL2 is off). Everything else works.",
  },
  edit: {
    lead: "Each change makes a new job. This one stays as it is.",
    wait: "Changes are possible once the job has ended.",
    none: "Select one or more parts, in the view or in the list.",
    selected: "Selected", whole: "The object",
    resample: "Make again", candidates: "Tries", seed: "Seed", auto: "automatic",
    merge: "Merge", split: "Split", remove: "Remove", continue: "Go on", more: "Most parts then",
    up: "Earlier", down: "Later", pick: "Take this one",
    hints: {
      resample: "The selected parts anew, beside all the others.", merge: "The selected parts become one.",
      split: "The selected part becomes the object, and is divided.", remove: "The object without the selected parts.",
      continue: "Look for further parts.", candidates: "More than one try: you choose.",
    },
    /** @param {string} name */
    choose: (name) => `Tries for ${name}`,
    /** @param {number} number */
    candidate: (number) => `Try ${number + 1}`,
    taken: "In place",
    /** @type {Record<string, string>} */
    done: { resample: "Made again", merge: "Merged", split: "Split", remove: "Removed", rename: "Renamed", reorder: "Reordered", continue: "Went on", pick: "Chose" },
    failed: "This could not be changed:",
  },
  files: {
    all: "All files in one zip", manifest: "Manifest", combined: "All parts in one GLB", others: "All files", none: "No file yet.",
    script: "The same from a script", curl: "curl", python: "Python", apg: "apg", copy: "Copy", copied: "Copied.",
    noCopy: "The browser did not allow to copy; select the text.",
  },
  facts: {
    id: "Job", mode: "From", made: "Made", took: "Took", seed: "Seed", runs: "Taken up", inputs: "Inputs", options: "Options that differ",
    none: "none", parent: "Edit of", request: "Request",
    /** @param {number} count */
    times: (count) => counted(count, "time"),
  },
  history: {
    title: "History", lead: "What was made with this key, newest first.", none: "Nothing yet. Make something.", more: "Show more",
    /** @param {string} name */
    open: (name) => `Open ${name}`,
    delete: "Delete", sure: "Delete this job and its files? This cannot be undone.", deleted: "Deleted.", keep: "Keep it",
    choose: "Compare", compare: "Compare the two", one: "Choose one more to compare.",
  },
  compare: { title: "Two side by side", back: "History", first: "The first", second: "The second" },
  mask: {
    title: "Mask", lead: "A colour for each part. Start from a suggestion, or paint.", suggest: "Suggest regions", regions: "Regions",
    merge: "Merge", mergeAbout: "Click two regions; they become one.", split: "Split", splitAbout: "Click a region; it is divided where it differs most.",
    paint: "Paint", paintAbout: "Draw the chosen region.", erase: "Erase", eraseAbout: "Draw background.",
    size: "Brush", add: "New region", undo: "Undo", clear: "Clear", use: "Use this mask", tools: "Tools", labels: "Regions",
    /** @param {number} label */
    region: (label) => `Region ${label}`,
    /** @param {number} label */
    colour: (label) => `Colour of region ${label}`,
    empty: "The mask has no region yet.", canvas: "The picture with its mask. Paint with the pointer.",
    noSplit: "This region has nothing to be divided by. Paint a new one into it.", noSuggestion: "No suggestion for this picture:",
    opacity: "Strength",
  },
  time: {
    /** @param {number} seconds */
    short: (seconds) => (seconds < 60 ? `${Math.floor(seconds)} s` : `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`),
    /** @param {string} moment */
    when: (moment) => new Date(moment).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }),
  },
  /** @param {number} bytes */
  size: (bytes) =>
    bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`,
};
