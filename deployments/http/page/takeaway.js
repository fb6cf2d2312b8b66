// What can be taken away from a job: its files, and the same call from a script.
import { button, element, notice, save, toggle } from "./elements.js";
import { recipesOf } from "./recipes.js";
import { modelOf, reason, service } from "./service.js";
import { words } from "./words.js";

/** @typedef {import("./service.js").Job} Job */
/** @typedef {import("./service.js").Artifact} Artifact */

const text = words.files;
const MAIN = /** @type {[RegExp, string][]} */ ([[/^all\.zip$/, text.all], [/^mesh_combined\.glb$/, text.combined], [/^manifest\.json$/, text.manifest]]);

/** @param {Job} job */
export function filesOf(job) {
  const host = element("div", {});
  const { artifacts } = job;
  const main = MAIN.flatMap(([pattern, title]) => artifacts.filter(({ name }) => pattern.test(name)).map((one) => ({ one, title })));
  if (!artifacts.length) host.append(element("p", { class: "muted" }, text.none));
  host.append(element("div", { class: "stack" }, ...main.map(({ one, title }) => big(job, one, title))));
  if (artifacts.length) {
    host.append(element("details", { open: artifacts.length < 12 }, element("summary", {}, `${text.others} (${artifacts.length})`),
      element("ul", { class: "files" }, ...artifacts.map((one) => element("li", {},
        button(one.name, () => fetched(job, one), { kind: "link", icon: "download" }), element("small", {}, words.size(one.bytes)))))));
  }
  const scripts = element("section", { class: "scripts" }, element("h2", {}, text.script));
  host.append(scripts);
  modelOf(job).then((model) => scripts.append(recipes(job, model.defaults))).catch(() => scripts.remove());
  return host;
}

/** @param {Job} job @param {Artifact} artifact @param {string} title */
function big(job, artifact, title) {
  const made = button(title, () => fetched(job, artifact), { icon: "download", kind: "wide" });
  made.append(element("small", {}, words.size(artifact.bytes)));
  return made;
}

/** @param {Job} job @param {Artifact} artifact */
async function fetched(job, { name }) {
  try {
    save(await service.file(job.id, name), `${job.id.slice(0, 8)}-${name}`);
  } catch (error) {
    notice(reason(error), "bad");
  }
}

/** @param {Job} job @param {Record<string, import("./service.js").Option>} defaults */
function recipes(job, defaults) {
  const written = recipesOf(job, defaults, new URL(".", document.baseURI).href.replace(/\/$/, ""));
  const shown = element("pre", { tabIndex: 0, "aria-label": text.script }, written.curl);
  const kinds = /** @type {(keyof typeof written)[]} */ (["curl", "python", "apg"]);
  const heads = kinds.map((kind, place) => toggle(text[kind], place === 0, () => {
    shown.textContent = written[kind];
    heads.forEach((head, other) => head.setAttribute("aria-pressed", String(other === place)));
  }, { bare: false, kind: "small" }));
  const copy = button(text.copy, async () => {
    try {
      await navigator.clipboard.writeText(shown.textContent ?? "");
      notice(text.copied);
    } catch {
      notice(text.noCopy, "bad");
    }
  }, { icon: "copy", kind: "small" });
  return element("div", {}, element("div", { class: "row tight" }, ...heads, copy), shown);
}
