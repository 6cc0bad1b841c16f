// The stages of a dataset: each has its row for as long as it is there, so that nothing that is read or pressed goes away.

import { h, swap, formatBytes, formatDuration, formatFigure } from "/static/dom.js";
import { chip } from "/static/list.js";
import { describeStage, term } from "/static/terms.js";

const FIRST_TIME = "it never ran";

export class StageList {
  constructor(place) {
    this.place = place;
    // What a screen reader is told: when a stage or an epoch is through, not every second.
    this.announcement = h("p", { class: "unseen", role: "status" });
    this.list = h("ol", { class: "stages" });
    this.rows = new Map();
    swap(place, h("h2", {}, "Stages"), h("p", { class: "soft" }, "Each ", term("stage"), " goes on where it was stopped. A training learns in ",
      term("epoch", "epochs"), " of many ", h("span", { class: "together" }, term("step", "steps"), ","), " and keeps a ", term("checkpoint"), " after each epoch."),
      this.list, this.announcement);
  }

  update({ stages, live, worker_bytes }) {
    const names = stages.map((stage) => stage.name).join();
    if (this.names !== names) {
      this.names = names;
      this.rows = new Map(stages.map((stage) => [stage.name, makeRow(stage)]));
      swap(this.list, [...this.rows.values()].map((row) => row.element));
    }
    for (const stage of stages) showRow(this.rows.get(stage.name), stage, live?.stage === stage.name ? live : null, worker_bytes);
    const running = stages.find((stage) => stage.name === live?.stage);
    const told = running ? `${running.name} is running${running.epochs ? `: ${running.epochs} epochs are done` : ""}` : "";
    if (this.announcement.textContent !== told) this.announcement.textContent = told;
  }
}

function makeRow(stage) {
  const row = { status: h("span"), bar: h("progress", { max: 1, value: 0, "aria-label": `${stage.name}: how far` }),
    facts: h("span", { class: "soft" }), reasons: h("span", { class: "soft" }) };
  row.element = h("li", {},
    h("div", { class: "row spread" }, h("h3", {}, stage.name), row.status), h("span", { class: "soft" }, describeStage(stage.name)),
    row.bar, row.facts, row.reasons);
  return row;
}

function showRow(row, stage, live, bytes) {
  const target = stage.target_epochs || live?.target_epochs || 0;
  const inside = live?.total ? live.done / live.total : 0;
  const share = stage.status === "done" ? 1 : target ? (stage.epochs + inside) / target : inside;
  const facts = [
    stage.is_training && target ? `${stage.epochs} of ${target} epochs` : null,
    live && `${live.activity} ${live.done} of ${live.total} ${live.unit}`,
    live?.per_second ? `${live.per_second.toFixed(1)} per second` : null,
    live?.eta_total_s ? `about ${formatDuration(live.eta_total_s)} left` : null,
    live && bytes ? `${formatBytes(bytes)} of memory` : null,
    stage.best_metric && `best ${stage.best_metric} ${formatFigure(stage.best_value)} at epoch ${stage.best_epoch}`,
    stage.status === "done" && stage.seconds ? `took ${formatDuration(stage.seconds)}` : null,
    ...Object.entries(live?.figures ?? {}).map(([name, value]) => `${name} ${formatFigure(value)}`),
  ].filter(Boolean);
  const status = live ? "running" : stage.status;
  if (row.shown !== status) { row.shown = status; swap(row.status, chip(status)); }
  row.bar.value = Math.min(1, share);
  row.facts.textContent = facts.join(" · ");
  // That something runs for the first time explains itself.
  const reasons = stage.status === "pending" ? [] : stage.reasons.filter((reason) => reason !== FIRST_TIME);
  row.reasons.textContent = reasons.length ? `Why: ${reasons.join("; ")}` : "";
}
