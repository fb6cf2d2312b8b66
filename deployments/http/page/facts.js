// The facts of a job: from what, when, with which options, and how to make it anew.
import { button, element } from "./elements.js";
import { differing } from "./recipes.js";
import { modelOf } from "./service.js";
import { words } from "./words.js";

/** @typedef {import("./service.js").Job} Job */

const text = words.facts;

/** @param {Job} job @param {() => void} again */
export function factsOf(job, again) {
  const options = element("dd", {}, "…");
  const rows = /** @type {[string, Node | string][]} */ ([
    [text.id, element("code", {}, job.id)],
    [text.mode, words.modes[job.mode] ?? job.mode],
    [text.inputs, Object.values(job.inputs).map(({ name }) => name).join(", ") || text.none],
    [text.made, words.time.when(job.created_at)],
    [text.seed, String(job.seed)],
    [text.runs, text.times(job.attempt)],
  ]);
  if (job.parent) rows.splice(1, 0, [text.parent, element("a", { href: `#/jobs/${job.parent}` }, job.parent.slice(0, 8))]);
  modelOf(job)
    .then(({ defaults }) => {
      const changed = Object.entries(differing(job, defaults)).filter(([name]) => name !== "seed");
      options.replaceChildren(changed.length ? element("ul", { class: "plain" }, ...changed.map(([name, value]) => element("li", {}, element("code", {}, `${name} = ${value}`)))) : text.none);
    })
    .catch(() => options.replaceChildren(text.none));
  return element("div", {},
    element("dl", { class: "facts" },
      ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
      element("dt", {}, text.options), options),
    button(words.job.again, again, { icon: "retry", kind: "wide" }));
}
