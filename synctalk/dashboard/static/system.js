// The machine: how busy it is and was, what is installed, and what was deleted and can be brought back.

import { ask } from "/static/api.js";
import { attempt, h, s, say, swap, formatBytes } from "/static/dom.js";

const EVERY_MS = 10000;

export class SystemView {
  title = "System";
  element = h("div", { class: "stack" });

  constructor() {
    this.parts = Object.fromEntries(["load", "machine", "tensorboard", "caches", "trash"].map((part) => [part, h("section", { class: "card" })]));
    this.element.append(h("h1", {}, "System"), ...Object.values(this.parts));
    this.timer = setInterval(() => this.read(), EVERY_MS);
    this.read();
    this.readTrash();
    this.readCaches();
    this.readTensorBoard();
  }

  close() {
    clearInterval(this.timer);
  }

  update() { /* nothing here comes by events */ }

  async read() {
    let told;
    try { told = await ask("GET", "/system"); } catch { return; /* the banner tells when the server is gone */ }
    const { now, history, machine } = told;
    swap(this.parts.load, h("h2", {}, "Now, and in the last hour"), h("div", { class: "charts" },
      meter("Processor", `${now.cpu_percent} %`, history.map((load) => load.cpu_percent / 100)),
      meter("Memory", `${formatBytes(now.memory_used_bytes)} of ${formatBytes(now.memory_total_bytes)}`,
        history.map((load) => load.memory_used_bytes / load.memory_total_bytes)),
      meter("Disk", `${formatBytes(now.disk_total_bytes - now.disk_used_bytes)} free`,
        history.map((load) => load.disk_used_bytes / load.disk_total_bytes)),
      now.cards.map((card, at) => meter(card.name, `${card.percent} %, ${formatBytes(card.used_bytes)} of ${formatBytes(card.total_bytes)}`,
        history.map((load) => (load.cards[at]?.percent ?? 0) / 100)))),
      now.cards.length > 0 && h("p", { class: "soft after" }, "Only trainings hold graphics memory, never these pages: one that ends or is stopped gives it back."));
    if (!this.findings) {
      this.findings = h("div", { role: "status" });
      swap(this.parts.machine, h("h2", {}, "This machine"),
        h("p", { class: "soft" }, `synctalk ${machine.synctalk}, Python ${machine.python}, ${machine.system}, ${machine.processors} processors, trains on ${told.devices.map((device) => (device === "cpu" ? "the processor" : device)).join(", ")}`),
        h("div", { class: "row" }, h("button", { id: "doctor", onclick: () => this.examine() }, "Check the installation"),
          h("a", { class: "button", id: "logs", href: "/api/v1/system/logs", download: "synctalk-logs.zip" }, "Download all logs")),
        h("p", { class: "soft after" }, "The logs come with versions and findings, without recordings, texts or secrets."), this.findings);
    }
  }

  async examine() {
    swap(this.findings, h("p", { class: "soft" }, "Looking at every library; this takes some seconds …"));
    const found = await attempt(() => ask("GET", "/system/doctor"));
    swap(this.findings, found && h("table", {}, found.map((each) => h("tr", {},
      h("td", {}, each.is_good ? "✓" : "✗ missing"), h("td", {}, each.subject), h("td", { class: "soft" }, each.detail)))));
  }

  async readCaches() {
    const told = await attempt(() => ask("GET", "/system/caches"));
    if (!told) return;
    const size = told.caches.reduce((sum, each) => sum + each.size, 0);
    swap(this.parts.caches, h("h2", {}, "Caches"),
      h("p", { class: "soft" }, `${formatBytes(size)} of at most ${formatBytes(told.limit_bytes)}. At 80 % the least recently used goes; nothing that is in use does.`),
      h("table", {}, told.caches.map((each) => h("tr", {}, h("td", {}, each.name), h("td", { class: "soft" }, each.told),
        h("td", {}, formatBytes(each.size)), h("td", { class: "soft" }, `${each.entries} ${each.entries === 1 ? "entry" : "entries"}`)))),
      h("button", { class: "small after", id: "clean", disabled: !size, onclick: async () => {
        const cleaned = await attempt(() => ask("POST", "/system/caches/clean"));
        if (cleaned) say(`${formatBytes(cleaned.size)} are free again`);
        this.readCaches();
      } }, "Empty them"));
  }

  async readTensorBoard() {
    this.showTensorBoard(await attempt(() => ask("GET", "/system/tensorboard")));
  }

  showTensorBoard(told) {
    if (!told) return;
    const act = async (word) => this.showTensorBoard(await attempt(() => ask("POST", `/system/tensorboard/${word}`)) ?? told);
    swap(this.parts.tensorboard, h("h2", {}, "TensorBoard"),
      h("p", { class: "soft" }, "Curves in every detail, for those who know it."),
      told.refusal && h("p", { class: "warning" }, `It runs, but it is not shown here: ${told.refusal}. Stop it, or reach it as whoever started it meant.`),
      told.is_running && told.url && h("p", {}, "It runs at ", h("a", { href: told.url, target: "_blank", rel: "noreferrer" }, told.url)),
      !told.is_available && h("p", { class: "soft" }, "It is not installed. Every curve is on the page of its dataset; who wants more: pip install 'synctalk[track]'"),
      told.is_available && !told.is_running && h("p", { class: "soft" }, told.has_curves ? "Trainings have written curves for it." : "No training has written anything for it yet."),
      told.is_available && h("button", { class: "small", id: "tensorboard", onclick: () => act(told.is_running ? "stop" : "start") }, told.is_running ? "Stop" : "Start"));
  }

  async readTrash() {
    const trash = await attempt(() => ask("GET", "/trash"));
    if (!trash) return;
    swap(this.parts.trash, h("h2", {}, "Deleted"), trash.length ? h("table", {}, trash.map((each) => h("tr", {},
      h("td", {}, each.dataset || each.told || each.result.replace(/^sounds\//, "")), h("td", { class: "soft" }, each.dataset ? "dataset" : each.result.startsWith("sounds/") ? "sound" : "result"), h("td", { class: "soft" }, new Date(each.deleted_at).toLocaleString()),
      h("td", {}, h("button", { class: "small", id: `back-${each.id}`, onclick: async () => {
        await attempt(() => ask("POST", `/trash/${each.id}/restore`), `${each.dataset || each.told || each.result.replace(/^sounds\//, "")} is back`);
        this.readTrash();
      } }, "Bring back"))))) : h("p", { class: "soft" }, "Nothing was deleted. What is deleted can be brought back here."));
  }
}

function meter(name, told, history) {
  const shares = history.length > 1 ? history : [...history, ...history]; // one moment is a line already
  const step = 320 / Math.max(1, shares.length - 1);
  const points = shares.map((share, at) => `${(at * step).toFixed(1)},${(60 - 58 * Math.min(1, share)).toFixed(1)}`).join(" ");
  return h("figure", {}, h("figcaption", {}, h("strong", {}, name), h("span", { class: "soft" }, told)),
    s("svg", { class: "chart", viewBox: "0 0 320 62", role: "img", "aria-label": `${name}: ${told}` },
      s("line", { class: "grid", x1: 0, x2: 320, y1: 61, y2: 61 }), s("polyline", { class: "train", points })));
}
