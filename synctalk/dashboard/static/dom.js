// Building pages from data: every text becomes a text node, so no name or message can ever be markup.

/** An element. Attributes starting with "on" are listeners; true means present, false and null mean absent. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Replace what an element holds; the keyboard's focus stays on the element with the same id, or goes to what can be
 * pressed beside it when that cannot be pressed any more. What was unfolded and has an id stays unfolded.
 */
export function swap(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  const unfolded = [...element.querySelectorAll("details[id][open]")].map((each) => each.id);
  element.replaceChildren(...children.flat(Infinity).filter((child) => child));
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
  const again = focused ? document.getElementById(focused) : null;
  // Who has scrolled on meanwhile is not taken back.
  (again?.disabled ? again.parentElement.querySelector("button:enabled") : again)?.focus({ preventScroll: true });
}

/** What is asked before something recorded is left behind. */
export const LEAVING = "What was recorded is not kept yet. Leave it behind?";

let toastTimer = 0;

/** Say something for a few seconds. */
export function say(text) {
  const toast = document.getElementById("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { toast.hidden = true; }, 8000);
}

/** Carry something out and say what was refused; `done` is said when it was not. */
export async function attempt(work, done = "") {
  try {
    const result = await work();
    if (done) say(done);
    return result;
  } catch (error) {
    say(error.message || "The server does not answer");
    return null;
  }
}

const LANGUAGES = new Intl.DisplayNames(["en"], { type: "language" });
export const nameLanguage = (code) => LANGUAGES.of(code);

export function formatBytes(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) { bytes /= 1000; at += 1; }
  return `${at && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)} ${units[at]}`;
}

export function formatDuration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function formatFigure(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.001) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}
