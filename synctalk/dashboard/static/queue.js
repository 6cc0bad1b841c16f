// What runs, what waits in which order, and what has ended.

import { ask } from "/static/api.js";
import { attempt, h, swap } from "/static/dom.js";
import { Latest } from "/static/latest.js";
import { WORDS } from "/static/list.js";

const ACTIONS = { run: "training", demo: "demo", speak: "speech", render: "video", talk: "talking video", export: "export", feedback: "corrections" };

export class QueueView {
  title = "Queue";
  element = h("div", { class: "stack" });
  latest = new Latest();

  constructor(world) {
    this.world = world;
  }

  async update() {
    await this.latest.read(this.world.queue, () => ask("GET", "/queue"), (queue) => this.draw(queue));
  }

  draw(queue) {
    swap(this.element, h("h1", {}, "Queue"),
      h("section", { class: "card" }, h("h2", {}, `Runs now (${queue.devices.length === 1 ? "one training" : `${queue.devices.length} trainings`} at a time)`),
        queue.under_way.length ? h("table", {}, queue.under_way.map((request) => row(request, request.device, h("button", {
          class: "small", id: `stop-${request.id}`,
          onclick: () => attempt(() => ask("POST", request.job ? `/queue/${request.id}/stop` : `/datasets/${encodeURIComponent(request.dataset)}/stop`),
            "It ends at the next safe place"),
        }, "Stop")))) : h("p", { class: "soft" }, "Nothing. A training is started on the page of its ", h("a", { href: "#/" }, "dataset"), ".")),
      h("section", { class: "card" }, h("h2", {}, "Waits"),
        queue.waiting.length ? h("table", {}, queue.waiting.map((request, at) => row(request, `number ${at + 1}`,
          this.mover(queue.waiting, at, -1), this.mover(queue.waiting, at, 1),
          h("button", { class: "small", id: `out-${request.id}`, onclick: () => attempt(() => ask("DELETE", `/queue/${request.id}`)) }, "Take out"))))
          : h("p", { class: "soft" }, "Nothing waits. What is started while another training runs waits here, and its order can be changed.")),
      h("section", { class: "card" }, h("h2", {}, "Ended"),
        queue.ended.length ? h("table", {}, queue.ended.slice(0, 50).map((request) =>
          row(request, WORDS[request.ending.outcome], h("span", { class: "soft" }, request.ending.message))))
          : h("p", { class: "soft" }, "Nothing has ended yet.")));
  }

  mover(waiting, at, by) {
    const ids = waiting.map((request) => request.id);
    const target = at + by;
    // Twice the same press asks twice for the same order: what is drawn is not changed.
    const move = () => attempt(() => ask("PUT", "/queue/order", { ids: ids.with(at, ids[target]).with(target, ids[at]) }));
    return h("button", {
      class: "small", id: `${by < 0 ? "up" : "down"}-${ids[at]}`, disabled: target < 0 || target >= ids.length,
      "aria-label": `${waiting[at].dataset} ${by < 0 ? "earlier" : "later"}`, onclick: move,
    }, by < 0 ? "↑" : "↓");
  }
}

function row(request, told, ...rest) {
  return h("tr", {},
    h("td", {}, h("a", { href: request.job ? "#/studio" : `#/d/${encodeURIComponent(request.dataset)}` }, request.dataset)),
    h("td", { class: "soft" }, ACTIONS[request.command]),
    h("td", { class: "soft" }, told),
    h("td", {}, h("div", { class: "row" }, rest)));
}
