// The key, where the service wants one: asked for once, kept for this tab alone, in no address.
import { button, element } from "./elements.js";
import { words } from "./words.js";

const PLACE = "autopartgen-key";

/** @type {Promise<boolean> | null} */
let asking = null;

/** What a request has to say of who it is from. @returns {Record<string, string>} */
export function credentials() {
  const key = sessionStorage.getItem(PLACE);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/**
 * Ask for the key; many requests that are refused at a time ask once.
 * @param {Record<string, string>} refused what the refused request had said
 * @returns {Promise<boolean>} whether there is one now to try with
 */
export function askForKey(refused) {
  if (refused.Authorization !== credentials().Authorization) return Promise.resolve(true); // a new one came meanwhile
  asking ??= ask(Boolean(refused.Authorization)).finally(() => (asking = null));
  return asking;
}

/** Forget it. */
export const forgetKey = () => sessionStorage.removeItem(PLACE);

/** Whether there is one. */
export const hasKey = () => sessionStorage.getItem(PLACE) !== null;

/** @param {boolean} wrong @returns {Promise<boolean>} */
function ask(wrong) {
  return new Promise((resolve) => {
    const field = element("input", {
      id: "key", type: "password", autocomplete: "off", required: true, spellcheck: false,
      "aria-describedby": "key-about", "aria-invalid": String(wrong),
    });
    const about = element("p", { id: "key-about", class: wrong ? "problem" : "muted" }, wrong ? words.key.wrong : words.key.about);
    /** @type {HTMLFormElement} */
    const form = element("form", { method: "dialog" },
      element("h2", { id: "key-title" }, words.key.title), about,
      element("label", { for: "key" }, words.key.label), field,
      element("div", { class: "row end" },
        button(words.cancel, () => dialog.close()),
        element("button", { type: "submit", class: "primary" }, words.key.use)));
    /** @type {HTMLDialogElement} */
    const dialog = element("dialog", { class: "card", "aria-labelledby": "key-title" }, form);
    let given = false;
    form.addEventListener("submit", () => {
      sessionStorage.setItem(PLACE, field.value.trim());
      given = true;
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(given);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
