// All datasets; for a first visitor the one clear path: see the demo, or bring a recording.

import { ask, datasetPath } from "/static/api.js";
import { attempt, h, s, swap, formatDuration } from "/static/dom.js";
import { send } from "/static/upload.js";

/** A word for people. */
export const WORDS = {
  pending: "not yet", empty: "no recording yet", ready: "ready to train", waiting: "in the queue", running: "running",
  interrupted: "stopped", killed: "was killed", failed: "failed", cancelled: "taken out", done: "finished",
};

export function chip(status) {
  return h("span", { class: `chip ${status}` }, WORDS[status] ?? status);
}

const NAMES = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const DEMO = "presenter";
const OFFER = "Show me the demo";

const KINDS = {
  face: ["face", () => [s("circle", { cx: 8, cy: 8, r: 6.5 }), s("path", { d: "M5.5 6.2v.6M10.5 6.2v.6M5 9.8c1.6 2.2 4.4 2.2 6 0" })]],
  voice: ["voice", () => s("path", { d: "M2 7v2M5 4.5v7M8 2v12M11 5v6M14 7v2" })],
};

/** What can be made of a dataset: `face`, `voice`, both, or nothing yet. */
export function kindsOf(dataset) {
  const isBegun = dataset.stages.some((stage) => stage.status !== "pending");
  const isFaceLine = dataset.line === "face";
  return [(dataset.has_source || (isBegun && isFaceLine)) && "face", (dataset.has_recordings || (isBegun && !isFaceLine)) && "voice"].filter(Boolean);
}

/** The same as a mark with a picture; null where nothing is known yet. */
export function kindMark(dataset) {
  const kinds = kindsOf(dataset);
  return kinds.length ? h("span", { class: "kind" }, kinds.map((kind) =>
    s("svg", { class: "sign", viewBox: "0 0 16 16", "aria-hidden": "true" }, KINDS[kind][1]())), kinds.map((kind) => KINDS[kind][0]).join(" and ")) : null;
}

/** How far a dataset is, from 0 to 1. */
export function shareOf(dataset) {
  const parts = dataset.stages.map((stage) => {
    if (stage.status === "done") return 1;
    const live = dataset.live?.stage === stage.name ? dataset.live : null;
    const inside = live?.total ? live.done / live.total : 0;
    if (!stage.is_training) return inside;
    const target = stage.target_epochs || live?.target_epochs;
    return target ? Math.min(1, (stage.epochs + inside) / target) : 0;
  });
  return parts.reduce((sum, part) => sum + part, 0) / (parts.length || 1);
}

export class ListView {
  title = "Datasets";
  element = h("div", { class: "card" }, "Looking …");

  constructor(world) {
    this.world = world;
    this.form = newDatasetForm();
    this.offer = h("p", { class: "soft", hidden: true }, "You have not seen the demo yet: ", demoButton("demo-later", "small"));
  }

  update() {
    const datasets = [...this.world.datasets.values()].sort((one, other) => NAMES.compare(one.name, other.name));
    if (!this.grid) {
      this.grid = h("div");
      const place = h("div", { class: "cards" });
      this.tiles = place;
      this.cards = new Map();
      this.hero = hero();
      this.heading = h("h1", {}, "Datasets");
      this.element.replaceWith(this.grid);
      this.element = this.grid;
      this.grid.className = "stack";
      this.grid.append(this.hero, this.heading, place, h("section", { class: "card" }, h("h2", {}, "Make a new one"), this.form), this.offer);
    }
    this.hero.hidden = datasets.length > 0;
    this.heading.hidden = !datasets.length;
    this.offer.hidden = !datasets.length || this.world.datasets.has(DEMO);
    const isDemoUnderWay = this.world.queue.some((request) => request.command === "demo");
    for (const button of [...this.hero.querySelectorAll("button"), ...this.offer.querySelectorAll("button")]) {
      button.disabled = isDemoUnderWay;
      button.textContent = isDemoUnderWay ? "The demo is being drawn …" : OFFER;
    }
    this.drawTiles(datasets);
  }

  /** A card stays the same element as long as its dataset is there: what is pressed while it changes is still pressed. */
  drawTiles(datasets) {
    for (const name of this.cards.keys()) if (!this.world.datasets.has(name)) this.cards.delete(name);
    const isSame = datasets.length === this.tiles.childElementCount && datasets.every((dataset) => this.cards.has(dataset.name));
    for (const dataset of datasets) {
      const facts = JSON.stringify(dataset);
      const card = this.cards.get(dataset.name) ?? { element: h("a", { class: "card tile", id: `tile-${dataset.name}`, href: `#/d/${encodeURIComponent(dataset.name)}` }) };
      if (card.facts !== facts) fillTile(card.element, dataset);
      card.facts = facts;
      this.cards.set(dataset.name, card);
    }
    if (!isSame) swap(this.tiles, datasets.map((dataset) => this.cards.get(dataset.name).element));
  }
}

function hero() {
  return h("section", { class: "card hero" },
    h("h1", {}, "A talking face, or a voice, from recordings of one person"),
    h("p", { class: "soft" }, "Bring a few minutes of video of somebody talking, and it becomes a face that says whatever you give it to say. "
      + "Bring sentences with their texts, and they become a voice. Everything is checked first and trained on this machine; nothing leaves it."),
    demoButton("demo", "primary"),
    h("p", { class: "soft" }, "It draws a presenter, trains on it in some minutes, and lets it speak. Or begin with your own recording below."));
}

function demoButton(id, style) {
  return h("button", { class: style, id, onclick: () => attempt(() => ask("POST", "/demo"), "The demo is in the queue") }, OFFER);
}

function fillTile(element, dataset) {
  const live = dataset.live;
  const doing = live ? `${live.stage} ${live.target_epochs ? `epoch ${live.epoch} of ${live.target_epochs}` : live.activity}` : "";
  const rest = live?.eta_total_s ? `, about ${formatDuration(live.eta_total_s)} left` : "";
  const label = [dataset.name, kindsOf(dataset).join(" and "), WORDS[dataset.status] ?? dataset.status].filter(Boolean).join(", ");
  element.setAttribute("aria-label", label);
  swap(element,
    h("div", { class: "row spread" }, h("h3", {}, dataset.name), chip(dataset.status)),
    kindMark(dataset),
    h("progress", { max: 1, value: shareOf(dataset), "aria-label": `${dataset.name}: how far` }),
    h("span", { class: "soft" }, doing ? doing + rest : dataset.request?.ending?.message ?? ""));
}

function newDatasetForm() {
  const name = h("input", { id: "new-name", required: true, maxlength: 100, autocomplete: "off", placeholder: "anna" });
  const file = h("input", { id: "new-file", type: "file", accept: "video/*,audio/*,.zip,.csv,.mkv" });
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" });
  const button = h("button", { class: "primary", id: "new-make" }, "Make it");
  const form = h("form", {}, h("label", {}, "Name of the person or the voice", name), h("label", {}, "Recording: a video for a face; sounds or a zip for a voice (you can add it, or record it, later)", file), bar, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    await attempt(() => make(name.value.trim(), file.files[0], bar, form));
    button.disabled = false;
    bar.hidden = true;
  });
  return form;
}

async function make(name, file, bar, form) {
  const made = await ask("POST", "/datasets", { name });
  try {
    if (file) {
      bar.hidden = false;
      await send(made.name, file, (share) => { bar.value = share; });
    }
  } finally {
    // The dataset is there in any case; who has gone elsewhere meanwhile stays there.
    if (form.isConnected) location.hash = `#/d/${encodeURIComponent(made.name)}`;
  }
  return ask("GET", datasetPath(made.name));
}
