// One dataset: what it is made of, how far it is, what it has learned, and what can be done with it.

import { ask, datasetPath, filePath, Refusal } from "/static/api.js";
import { drawHistory } from "/static/chart.js";
import { CorrectionsPart } from "/static/corrections.js";
import { attempt, h, swap, formatBytes } from "/static/dom.js";
import { drawEpochs } from "/static/epochs.js";
import { Latest, unlessRefused } from "/static/latest.js";
import { chip, kindMark, kindsOf } from "/static/list.js";
import { StageList } from "/static/stages.js";
import { startForm } from "/static/start.js";
import { describeStage, term } from "/static/terms.js";
import { send } from "/static/upload.js";
import { drawPreparation } from "/static/voice.js";

const WANTED = /\.(wav|flac|mp3|ogg|opus|m4a|webm|csv|tsv|txt|textgrid)$/i;
const MOST_TOLD = 20;
const REFUSED = [409, 413, 415, 422];
const LOG_EVERY_MS = 2000;

export class DatasetView {
  element = h("div", { class: "stack" });

  constructor(name, world) {
    this.name = this.title = name;
    this.world = world;
    this.drawn = {};
    this.results = new Latest();
    this.preparation = new Latest();
    this.parts = Object.fromEntries(["top", "trouble", "upload", "start", "stages", "results", "preparation", "corrections", "curves", "epochs", "log"].map((part) =>
      [part, h("section", { class: part === "top" ? "row spread" : "card", hidden: true })]));
    this.element.append(...Object.values(this.parts));
    // These outlive every drawing of their part: an upload goes on while the dataset fills up.
    this.sending = { bar: h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" }), told: h("p", { class: "soft after", id: "upload-told", role: "status", hidden: true }) };
    this.stages = new StageList(this.parts.stages);
    this.corrections = new CorrectionsPart(name, this.parts.corrections);
    this.log = h("pre", { tabindex: 0, "aria-label": "Log" });
    this.parts.log.append(h("h2", {}, "Log"), this.log);
    this.timer = setInterval(() => this.readLog(), LOG_EVERY_MS);
  }

  close() {
    clearInterval(this.timer);
    this.corrections.close();
  }

  get isUnkept() {
    return this.corrections.isUnkept;
  }

  update() {
    const dataset = this.world.datasets.get(this.name);
    this.parts.top.hidden = false;
    if (!dataset && this.isGone) return;
    this.isGone = !dataset;
    if (!dataset) {
      this.drawn = {};
      this.found = null;
      for (const each of [this.results, this.preparation, this.corrections.latest]) each.forget();
      swap(this.parts.top, h("section", { class: "card" }, h("h1", {}, this.name), h("p", { class: "after" }, "There is no dataset of this name, or not any more. ",
        "If it was deleted, ", h("a", { href: "#/system" }, "System"), " brings it back. ", h("a", { href: "#/" }, "All datasets"))));
      for (const [name, part] of Object.entries(this.parts)) part.hidden = name !== "top";
      return;
    }
    this.dataset = dataset;
    // Drawn seldom: a button that is replaced between press and release was never pressed.
    this.renew("top", [dataset.status, Boolean(dataset.request), kindsOf(dataset)], () => this.drawTop(dataset));
    this.renew("trouble", [dataset.trouble, dataset.notes], () => drawTrouble(dataset, (...words) => this.act(...words)));
    this.renew("upload", [dataset.has_source, dataset.has_recordings], () => drawUpload(dataset, this.sending));
    this.renew("start", [["running", "waiting", "ready"].find((status) => status === dataset.status), dataset.line, dataset.has_source, dataset.has_recordings,
      dataset.stages.map((stage) => ["pending", "done"].includes(stage.status) && stage.status)], () => drawStart(dataset));
    this.parts.stages.hidden = dataset.status === "empty";
    this.stages.update(dataset);
    const epochs = dataset.stages.map((stage) => [stage.name, stage.epochs, stage.status, stage.attempts]);
    this.results.read(epochs, () => this.askResults(), (results) => this.showResults(results));
    if (this.found) this.readPreparation();
    this.corrections.update(dataset);
    if (this.isNews("log", dataset.stages.map((stage) => stage.status))) this.readLog();
  }

  isNews(part, facts) {
    const text = JSON.stringify(facts);
    if (this.drawn[part] === text) return false;
    this.drawn[part] = text;
    return true;
  }

  renew(part, facts, draw) {
    if (!this.isNews(part, facts)) return;
    const content = draw();
    this.parts[part].hidden = !content;
    if (content) swap(this.parts[part], content);
  }

  act(action, done) {
    return () => attempt(() => ask("POST", `${datasetPath(this.name)}/${action}`), done);
  }

  drawTop(dataset) {
    const act = (...words) => this.act(...words);
    const isActive = ["running", "waiting"].includes(dataset.status);
    const canContinue = dataset.status === "interrupted" && dataset.request;
    return [
      h("div", { class: "row" }, h("h1", {}, dataset.name), chip(dataset.status), kindMark(dataset)),
      h("div", { class: "row" },
        isActive && h("button", { id: "stop", onclick: act("stop", dataset.status === "waiting" ? "It is taken out of the queue" : "It ends at the next safe place; nothing is lost") },
          dataset.status === "waiting" ? "Take out of the queue" : "Stop"),
        dataset.status === "done" && h("a", { id: "use", class: "button primary", href: "#/studio" }, "Use it in the studio"),
        canContinue && h("button", { id: "continue", class: "primary", onclick: act("continue", "It goes on from the last commit") }, "Continue"),
        !isActive && h("button", { id: "delete", class: "danger", onclick: () => this.remove() }, "Delete")),
    ];
  }

  async remove() {
    if (!window.confirm(`Delete ${this.name}? It can be brought back under System.`)) return;
    if (await attempt(() => ask("DELETE", datasetPath(this.name)), `${this.name} is deleted; System brings it back`)) location.hash = "#/";
  }

  /** The files of the dataset, and what its trainings have learned so far. */
  async askResults() {
    const found = await ask("GET", `${datasetPath(this.name)}/artefacts`);
    const keys = new Set(found.map((artefact) => artefact.key));
    const trainings = this.dataset.stages.filter((stage) => stage.is_training && keys.has(`${stage.name}/training_log.json`));
    const histories = await Promise.all(trainings.map((stage) =>
      unlessRefused(ask("GET", `${datasetPath(this.name)}/stages/${stage.name}/history`), [])));
    return { found, trainings, histories };
  }

  showResults({ found, trainings, histories }) {
    this.found = found;
    const curves = trainings.map((stage, at) => histories[at].length > 0 && [
      h("h2", {}, `What ${stage.name} learns`), h("p", { class: "soft" }, describeStage(stage.name), " Drawn through: the ", term("loss"),
        " on what it learns from. Dashed: on what is ", h("span", { class: "together" }, term("held out"), "."), " Both should fall, unless higher is better; where only the first does, it learns by heart."),
      h("div", { class: "charts" }, drawHistory(histories[at]))]).filter(Boolean);
    this.parts.curves.hidden = !curves.length;
    swap(this.parts.curves, curves.flat());
    // Whoever looks or compares is not interrupted by the end of an epoch.
    const previews = found.filter((artefact) => artefact.key.includes("/previews/"));
    if (!isPlaying(this.parts.epochs) && this.isNews("epochs", previews)) {
      const epochs = drawEpochs(this.name, previews);
      this.parts.epochs.hidden = !epochs;
      if (epochs) swap(this.parts.epochs, epochs.flat());
    }
    this.parts.results.hidden = !found.length;
    if (!isPlaying(this.parts.results) && this.isNews("results", found)) swap(this.parts.results, drawResults(this.name, found));
    this.readPreparation();
  }

  /** Who is putting a row right goes on with it, unless the recordings were looked at anew. */
  readPreparation() {
    const prepared = this.found.filter((artefact) => /^(preprocess|prepare|export)\//.test(artefact.key));
    this.preparation.read(prepared, () => drawPreparation(this.dataset, new Set(prepared.map((artefact) => artefact.key))), (parts) => {
      this.parts.preparation.hidden = !parts.length;
      swap(this.parts.preparation, parts);
    });
  }

  async readLog() {
    const stage = this.dataset?.live?.stage ?? this.dataset?.stages.findLast((each) => each.status !== "pending")?.name;
    const request = this.dataset?.request;
    if (document.hidden || (!stage && !request)) return;
    const path = stage ? `${datasetPath(this.name)}/stages/${stage}/log` : `/queue/${request.id}/log`;
    try {
      const tail = await ask("GET", path);
      const isAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
      if (this.log.textContent !== tail.text) this.log.textContent = tail.text;
      this.parts.log.hidden = !tail.text;
      if (isAtEnd) this.log.scrollTop = this.log.scrollHeight;
    } catch { /* the banner tells when the server is gone */ }
  }
}

function drawTrouble(dataset, act) {
  const trouble = dataset.trouble;
  if (!trouble && !dataset.notes.length) return null;
  return h("div", { class: "problem" },
    trouble && [
      h("h2", {}, trouble.title), h("p", {}, trouble.message), h("p", { class: "soft" }, trouble.hint),
      h("button", { class: "primary", id: "fix", onclick: () => fix(dataset, trouble.action, act) }, trouble.action_label)],
    dataset.notes.map((note) => h("p", { class: "soft" }, note)));
}

/** What the button of a trouble does. */
function fix(dataset, action, act) {
  if (action === "continue") return dataset.request ? act("continue", "It goes on from the last commit")() : focusOn("start");
  if (action === "system") { location.hash = "#/system"; return null; }
  if (action === "upload") return focusOn("files");
  if (action === "correct") return focusOn("correction-text");
  if (action === "retrain") document.querySelector("select[name=force]").value = "retrain";
  else document.querySelector("#settings").open = true;
  return focusOn("start");
}

function focusOn(id) {
  const element = document.getElementById(id);
  const folded = element?.closest("details");
  if (folded) folded.open = true;
  element?.scrollIntoView({ block: "center" });
  element?.focus();
}

function drawUpload(dataset, { bar, told }) {
  const input = h("input", { type: "file", id: "files", multiple: true, accept: "video/*,audio/*,.zip,.csv,.tsv,.txt,.TextGrid,.mkv" });
  const folder = h("input", { type: "file", id: "folder", webkitdirectory: true });
  const replace = h("input", { type: "checkbox", id: "replace" });
  const take = async (files) => {
    let count = 0;
    const leftOut = [];
    for (const [at, file] of [...files].entries()) {
      // A folder keeps its shape below recordings/; its own name, and what systems hide in it, is left away.
      const parts = (file.webkitRelativePath || file.name).split("/").slice(file.webkitRelativePath ? 1 : 0, -1);
      if (file.webkitRelativePath && (file.name.startsWith(".") || !WANTED.test(file.name))) { leftOut.push(file.name); continue; }
      const place = file.webkitRelativePath ? { purpose: "recording", folder: parts.join("/") } : { replace: replace.checked };
      bar.hidden = told.hidden = false;
      told.textContent = `${file.name} (${at + 1} of ${files.length}, ${formatBytes(file.size)})`;
      try {
        const placed = await send(dataset.name, file, (share) => { bar.value = share; }, place);
        count += placed.files.length;
        leftOut.push(...placed.left_out);
      } catch (error) {
        // A file that was refused is named with the reason; where the server is gone, or the disk full, the rest must wait.
        if (!(error instanceof Refusal) || !REFUSED.includes(error.status)) {
          told.textContent = `${sayPlaced(count, leftOut)}; stopped at ${file.name}: ${error.message}. Choose the files again to go on.`;
          break;
        }
        leftOut.push(`${file.name}: ${error.message}`);
        told.textContent = sayPlaced(count, leftOut);
      }
      told.textContent = sayPlaced(count, leftOut);
    }
    bar.hidden = true;
  };
  for (const each of [input, folder]) {
    each.addEventListener("change", () => {
      const files = [...each.files];
      each.value = ""; // the same file can be chosen again
      take(files);
    });
  }
  const drop = h("div", { class: "drop" },
    h("label", {}, dataset.has_source || dataset.has_recordings ? "Another recording, or further files" : "Drop a video for a face here, or sounds with their texts (also as zip) for a voice", input),
    h("label", {}, "Or a whole folder of recordings for a voice", folder),
    dataset.has_source && h("label", { class: "row" }, replace, "it replaces the recording (the old one is kept)"));
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); take(event.dataTransfer.files); });
  const place = encodeURIComponent(dataset.name);
  const booth = h("p", { class: "row after" }, "Or record here: ", h("a", { class: "button small", id: "record-voice", href: `#/record/${place}` }, "a voice, sentence by sentence"),
    h("a", { class: "button small", id: "record-face", href: `#/film/${place}` }, "a face, with the camera"));
  const content = [drop, booth];
  return [...(dataset.has_source || dataset.has_recordings ? [h("details", {}, h("summary", {}, "Recordings"), content)] : [h("h2", {}, "1. Recording"), ...content]), bar, told];
}

function sayPlaced(count, leftOut) {
  const rest = leftOut.length > MOST_TOLD ? `; and ${leftOut.length - MOST_TOLD} more` : "";
  return `${count} ${count === 1 ? "file is" : "files are"} in place${leftOut.length ? `; left out: ${leftOut.slice(0, MOST_TOLD).join("; ")}${rest}` : ""}`;
}

function drawStart(dataset) {
  if (["running", "waiting"].includes(dataset.status) || !(dataset.has_source || dataset.has_recordings || dataset.stages.some((stage) => stage.status !== "pending"))) return null;
  // What was only checked so far is not begun.
  const isBegun = dataset.status !== "ready" && dataset.stages.some((stage) => stage.status === "done");
  return isBegun ? h("details", {}, h("summary", {}, dataset.stages.every((stage) => stage.status === "done") ? "Train again" : "Train on"), startForm(dataset)) : [h("h2", {}, "2. Train"), startForm(dataset)];
}

const isPlaying = (part) => [...part.querySelectorAll("video, audio")].some((each) => !each.paused);

/** What is worth a picture, the most telling first; the curves are drawn anyway. */
const SHOWN = ["preview.mp4", "preview.wav", "report.png", "source"];
const placeOf = (artefact) => SHOWN.findIndex((end) => artefact.key.endsWith(end));

/** What a picture or a sound is, for people. */
function nameArtefact(key) {
  const [stage, file] = key.split("/");
  if (key === "source") return "The recording";
  return file.startsWith("preview.") ? `What ${stage} can do so far, on what is held out` : `The data report of ${stage}`;
}

function drawResults(name, found) {
  const fresh = (artefact) => `${filePath(name, artefact.key)}?v=${artefact.modified}`;
  const shown = found.filter((artefact) => SHOWN.some((end) => artefact.key.endsWith(end)))
    .sort((one, other) => placeOf(one) - placeOf(other));
  const draw = {
    video: (artefact) => h("video", { controls: true, preload: "metadata", src: fresh(artefact) }),
    audio: (artefact) => h("audio", { controls: true, preload: "none", src: fresh(artefact) }),
    image: (artefact) => h("img", { class: "wide", loading: "lazy", src: fresh(artefact), alt: nameArtefact(artefact.key) }),
  };
  return [h("h2", {}, "Results"),
    h("div", { class: "cards" }, shown.map((artefact) => {
      const picture = draw[artefact.kind.split("/")[0]]?.(artefact);
      return picture && h("figure", {}, picture, h("figcaption", { class: "soft" }, nameArtefact(artefact.key)));
    })),
    h("details", { id: "downloads" }, h("summary", {}, `${found.length} ${found.length === 1 ? "file" : "files"} to download`), h("table", {}, found.map((artefact) => h("tr", {},
      h("td", {}, h("a", { href: fresh(artefact), download: artefact.names.at(-1) }, artefact.key)),
      h("td", { class: "soft" }, formatBytes(artefact.size)))))),
  ];
}
