// The page: one view at a time, chosen by the address after the #, kept up to date by the server's events.

import { ask } from "/static/api.js";
import { LEAVING, attempt } from "/static/dom.js";
import { DatasetView } from "/static/dataset.js";
import { FilmView } from "/static/film.js";
import { ListView } from "/static/list.js";
import { QueueView } from "/static/queue.js";
import { StudioView } from "/static/studio.js";
import { SystemView } from "/static/system.js";
import { TakesView } from "/static/takes.js";

/** What the server told last; views only read it. */
const world = { datasets: new Map(), queue: [], isKnown: false };
const main = document.getElementById("main");
let view = null;

function choose() {
  const [place, escaped] = location.hash.replace(/^#\/?/, "").split("/");
  const name = escaped && decoded(escaped);
  if (place === "d" && name) return new DatasetView(name, world);
  if (place === "record" && name) return new TakesView(name);
  if (place === "film" && name) return new FilmView(name);
  if (place === "studio") return new StudioView(world);
  if (place === "queue") return new QueueView(world);
  return place === "system" ? new SystemView(world) : new ListView(world);
}

/** A name out of an address; somebody may have typed it as it is. */
function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

/** The address that is shown, and its number among those that were: where Back and Forward lead from. */
let shownAt = location.hash;
let number = history.state?.number ?? 0;
history.replaceState({ number }, "");

/** Shows the view of the address, unless something would be lost and whoever is here stays. */
function follow() {
  if (location.hash === shownAt) return; // that was the way back of somebody who stays
  const wanted = history.state?.number ?? number + 1;
  if (view?.isUnkept && !window.confirm(LEAVING)) {
    history.go(number - wanted);
    return;
  }
  shownAt = location.hash;
  number = wanted;
  history.replaceState({ number }, "");
  show();
  main.focus();
}

function show() {
  view?.close?.();
  view = choose();
  main.replaceChildren(view.element);
  document.title = `${view.title} – synctalk`;
  for (const link of document.querySelectorAll("nav a")) {
    const isHere = link.getAttribute("href") === (location.hash || "#/") || (link.hash === "#/" && /^#\/(d|record|film)\//.test(location.hash));
    if (isHere) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  if (world.isKnown) view.update();
}

function tell() {
  world.isKnown = true;
  document.getElementById("queue-count").textContent = world.queue.length ? `(${world.queue.length})` : "";
  view?.update();
}

function listen() {
  const events = new EventSource("/api/v1/events");
  let isFirst = true;
  events.addEventListener("datasets", (event) => {
    const changed = JSON.parse(event.data);
    if (isFirst) world.datasets.clear();
    isFirst = false;
    for (const dataset of changed) world.datasets.set(dataset.name, dataset);
    tell();
  });
  events.addEventListener("removed", (event) => {
    for (const name of JSON.parse(event.data)) world.datasets.delete(name);
    tell();
  });
  events.addEventListener("queue", (event) => {
    world.queue = JSON.parse(event.data);
    tell();
  });
  events.onopen = () => { document.getElementById("offline").hidden = true; isFirst = true; };
  events.onerror = () => {
    document.getElementById("offline").hidden = false;
    if (events.readyState !== EventSource.CLOSED) return;
    // A session that has ended refuses events as well; what asks is led to the login.
    ask("GET", "/queue").catch(() => {});
    setTimeout(listen, 2000);
  };
}

// A press beside the explanation of a word closes it; Escape does so by itself.
document.getElementById("meaning").addEventListener("click", (event) => { if (event.target === event.currentTarget) event.target.close(); });
// The address of a view stays what it is.
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
// What is wrong in a folded part of a form has to be seen before it can be put right.
document.addEventListener("invalid", (event) => {
  for (let folded = event.target.closest("details:not([open])"); folded; folded = folded.parentElement.closest("details:not([open])")) folded.open = true;
}, true);
window.addEventListener("hashchange", follow);
await attempt(() => ask("GET", "/session"));
show();
listen();
