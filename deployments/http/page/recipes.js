// The same job as commands and code, to be copied: with the options that differ from the preset's, and no key.

/** @typedef {import("./service.js").Job} Job */
/** @typedef {import("./service.js").Option} Option */

/** The options of a job that are not the preset's. @param {Job} job @param {Record<string, Option>} defaults */
export const differing = (job, defaults) =>
  Object.fromEntries(Object.entries(job.options).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(defaults[name] ?? null)));

/** A word of a shell's command line. @param {string} text */
export const quoted = (text) => (/^[\w.,:/@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** A value in Python. @param {unknown} value @returns {string} */
export function pythonic(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(pythonic).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${pythonic(one)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/**
 * @param {Job} job
 * @param {Record<string, Option>} defaults
 * @param {string} url of the service
 */
export function recipesOf(job, defaults, url) {
  return job.parent && job.edit ? ofEdit(job.parent, job.edit, url) : ofSubmission(job, differing(job, defaults), url);
}

/** @param {Job} job @param {Record<string, Option>} options @param {string} url */
function ofSubmission(job, options, url) {
  const inputs = Object.entries(job.inputs);
  const settings = Object.entries(options);
  const { preset } = job;
  const curl = ["curl -i", ...inputs.map(([field, { name }]) => `-F ${quoted(`${field}=@${name}`)}`)];
  if (settings.length) curl.push(`-F ${quoted(`options=${JSON.stringify(options)}`)}`);
  if (preset) curl.push(`-F ${quoted(`preset=${preset}`)}`);
  curl.push(quoted(`${url}/v1/jobs`));
  const named = inputs.map(([field, { name }]) => `${field}=${JSON.stringify(name)}`);
  if (settings.length) named.push(`options=${pythonic(options)}`);
  if (preset) named.push(`preset=${JSON.stringify(preset)}`);
  const apg = [`apg submit --url ${quoted(url)}`, ...(preset ? [`--preset ${quoted(preset)}`] : []), ...inputs.map(([field, { name }]) => `--${field} ${quoted(name)}`),
    ...settings.map(([name, value]) => `--option ${quoted(`${name}=${value}`)}`), "--output_path out"];
  return {
    curl: curl.join(" \\\n  "),
    python: python(url, `job = client.generate(${[...named, 'output_dir="out"'].join(", ")})\n    print(job.parts_done, job.stop_reason)`),
    apg: apg.join(" \\\n  "),
  };
}

/** @param {string} parent @param {Record<string, unknown>} edit @param {string} url */
function ofEdit(parent, edit, url) {
  const { operation, ...rest } = edit;
  const given = Object.entries(rest).filter(([, value]) => value !== null && value !== undefined);
  const body = JSON.stringify({ operation, ...Object.fromEntries(given) });
  const kind = `${String(operation)[0].toUpperCase()}${String(operation).slice(1)}`;
  const named = given.map(([name, value]) => `${name}=${name === "names" ? pythonicNames(value) : pythonic(value)}`);
  return {
    curl: ["curl -i -H 'Content-Type: application/json'", `-d ${quoted(body)}`, quoted(`${url}/v1/jobs/${parent}/edits`)].join(" \\\n  "),
    python: python(url, `job = client.edit(${JSON.stringify(parent)}, ${kind}(${named.join(", ")}))\n    print(job.id)`, `from apg_core import ${kind}\n`),
    apg: [`apg edit-job ${parent} --url ${quoted(url)}`, ...flagsOf(edit), "--output_path out"].join(" \\\n  "),
  };
}

/** Names by the number of their part. @param {unknown} names */
const pythonicNames = (names) =>
  `{${Object.entries(/** @type {Record<string, string>} */ (names)).map(([index, name]) => `${index}: ${pythonic(name)}`).join(", ")}}`;

/** What `apg edit-job` is told. @param {Record<string, unknown>} edit @returns {string[]} */
function flagsOf(edit) {
  const { operation, parts, part, order, candidate, candidates, names, options } = /** @type {Record<string, any>} */ (edit);
  const what = parts ?? order ?? [part ?? candidate].filter((one) => one !== undefined);
  const renamed = Object.entries(names ?? {}).map(([index, name]) => quoted(`${index}=${name}`));
  return [
    [`--${operation}`, ...what, ...renamed].join(" "),
    ...(candidates > 1 ? [`--candidates ${candidates}`] : []),
    ...Object.entries(options ?? {}).map(([name, value]) => `--option ${quoted(`${name}=${value}`)}`),
  ];
}

/** @param {string} url @param {string} body @param {string} [imports] */
const python = (url, body, imports = "") => `${imports}from clients import AutoPartGenClient\n\nwith AutoPartGenClient(${JSON.stringify(url)}) as client:\n    ${body}\n`;
