// The studio: let a trained voice read, let a trained face speak, export voices; hear, see, compare and keep what came out.

import { ask } from "/static/api.js";
import { attempt, h, swap, formatBytes } from "/static/dom.js";
import { Latest } from "/static/latest.js";
import { send } from "/static/upload.js";

const LOG_EVERY_MS = 2000;
const TITLES = { speak: "Speech", render: "Video", talk: "Talking video", export: "Voice for other programs" };
const KINDS = [
  ["speak", "A voice reads a text", "Sound, in seconds."],
  ["talk", "A face says a text", "A video with a trained voice."],
  ["render", "A face says a sound", "A video with any sound or recording."],
  ["export", "A voice for other programs", "Piper, transformers or ONNX."],
];

const MISSING = { speak: "No voice is trained yet.", talk: "This needs a trained face and a trained voice.", render: "No face is trained yet.", export: "No voice that can be exported is trained yet." };

const resultPath = (file) => `/api/v1/studio/files/${file.key.split("/").map(encodeURIComponent).join("/")}`;

export class StudioView {
  title = "Studio";
  element = h("div", { class: "stack" });

  constructor(world) {
    this.world = world;
    this.kind = "speak";
    this.chosen = new Set();
    this.kept = new Map();
    this.latest = new Latest();
    this.parts = Object.fromEntries(["make", "making", "compare", "made", "sounds"].map((part) =>
      [part, h("section", { class: "card", id: `studio-${part}`, hidden: part !== "make" })]));
    this.element.append(h("h1", {}, "Studio"), ...Object.values(this.parts));
    this.timer = setInterval(() => this.readLogs(), LOG_EVERY_MS);
  }

  close() {
    clearInterval(this.timer);
  }

  async update() {
    const facts = JSON.stringify([this.world.queue.filter((request) => request.job),
      [...this.world.datasets.values()].map((dataset) => [dataset.name, dataset.status])]);
    await this.latest.read(facts, () => ask("GET", "/studio"), (told) => this.show(told));
  }

  /** The same, whatever is known. */
  renew() {
    this.latest.forget();
    return this.update();
  }

  show(told) {
    this.told = told;
    // The form is drawn anew only for what it offers: somebody is writing in it.
    if (this.offered !== this.describeOffer()) this.drawForm();
    this.drawMaking();
    this.drawMade();
    this.drawSounds();
  }

  describeOffer() {
    const { faces, voices, sounds, creations } = this.told;
    return JSON.stringify([faces, voices, this.kind === "render" && [sounds, creations.map((each) => each.files.length)]]);
  }

  drawForm() {
    const { faces, voices, exportable } = this;
    if (!faces.length && !voices.length) {
      swap(this.parts.make, h("h2", {}, "Nothing to play with yet"), h("p", { class: "soft" },
        "As soon as a face or a voice is trained, it can be used here. ", h("a", { href: "#/" }, "To the datasets")));
      return;
    }
    const isPossible = { speak: voices.length, talk: faces.length && voices.length, render: faces.length, export: exportable.length };
    if (!isPossible[this.kind]) this.kind = KINDS.map(([kind]) => kind).find((kind) => isPossible[kind]);
    this.offered = this.describeOffer();
    this.remember();
    this.form = h("form", {},
      h("fieldset", {}, h("legend", {}, "What shall be made?"), KINDS.map(([kind, title, told]) => h("label", { class: "choice" },
        h("input", { type: "radio", name: "kind", value: kind, id: `kind-${kind}`, checked: kind === this.kind, disabled: !isPossible[kind],
          onchange: () => { this.kind = kind; this.drawForm(); } }),
        h("span", {}, h("strong", {}, title), h("br"), h("span", { class: "soft" }, isPossible[kind] ? told : MISSING[kind]))))),
      this.fields(),
      h("div", { class: "row" }, h("button", { class: "primary", id: "make" }, "Make it")));
    this.recall();
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.make(); });
    swap(this.parts.make, this.form);
  }

  get faces() {
    return this.told.faces;
  }

  get voices() {
    return this.told.voices;
  }

  /** The voices that other programs can be given. */
  get exportable() {
    return this.voices.filter((voice) => voice.stage === "vits");
  }

  /** What was written and chosen, also in fields that another choice does not show. */
  remember() {
    for (const field of this.form?.elements ?? []) {
      if (field.name && field.name !== "kind" && field.type !== "file") this.kept.set(field.name, field.type === "checkbox" ? field.checked : field.value);
    }
  }

  recall() {
    for (const field of this.form.elements) {
      const value = this.kept.get(field.name);
      if (value === undefined) continue;
      if (field.type === "checkbox") field.checked = value;
      else if (field.tagName !== "SELECT" || [...field.options].some((option) => option.value === value)) field.value = value;
    }
  }

  fields() {
    const { faces, voices, exportable } = this;
    const isSpoken = this.kind === "speak" || this.kind === "talk";
    return [
      this.kind !== "speak" && this.kind !== "export" && choice("face", "Face", faces.map((face) => [face.dataset, face.dataset])),
      this.kind === "export" && choice("trained", "Voice", exportable.map((voice) => [voice.dataset, voice.dataset])),
      isSpoken && choice("voice", "Voice", voices.flatMap((voice) => [[JSON.stringify([voice.dataset, ""]), `${voice.dataset} (as it speaks now)`],
          ...voice.exported.map((key) => [JSON.stringify([voice.dataset, key]), `${voice.dataset} (exported: ${key.split("/").at(-1)})`])])),
      isSpoken && h("label", {}, "Text", h("textarea", { name: "text", id: "text", rows: 4, required: true, maxlength: 20000 })),
      isSpoken && h("details", { id: "studio-manner" }, h("summary", {}, "How it is said"), h("fieldset", {},
        h("label", {}, "Speaker (name or number)", h("input", { name: "speaker", id: "studio-speaker", maxlength: 64 })),
        number("speed", "Speed, 2 is twice as fast", 0.25, 4), number("noise", "How much the sound varies", 0, 2),
        number("duration_noise", "How much the rhythm varies", 0, 2),
        h("label", {}, "Seed: the same number, the same sound", h("input", { name: "seed", id: "studio-seed", type: "number", min: 0, max: 2147483647, step: 1 })))),
      this.kind === "render" && this.soundFields(),
      this.kind === "export" && choice("format", "Format", [["piper", "Piper (.onnx with its .json)"], ["hf", "transformers (a folder)"], ["onnx", "one ONNX file"]]),
      ["render", "talk"].includes(this.kind) && h("label", { class: "row" }, h("input", { type: "checkbox", name: "mark" }), "write “synthetic” into the picture"),
    ];
  }

  soundFields() {
    const spoken = this.told.creations.flatMap((each) => each.files.filter((file) => file.kind.startsWith("audio/"))
      .map((file) => [file.key, `${nameOf(file)}, ${describe(each)}`]));
    const sent = this.told.sounds.map((file) => [file.key, nameOf(file)]);
    const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" });
    const input = h("input", { type: "file", id: "sound-file", accept: "audio/*,video/*" });
    input.addEventListener("change", async () => {
      const [file] = input.files;
      input.value = ""; // the same file can be chosen again
      if (!file) return;
      bar.hidden = false;
      const earlier = new Set(this.told.sounds.map((each) => each.key));
      await attempt(() => send(this.faces[0].dataset, file, (share) => { bar.value = share; }, { purpose: "sound" }), "The sound is there");
      bar.hidden = true;
      await this.renew();
      const sent = this.told.sounds.find((each) => !earlier.has(each.key));
      if (sent && this.form.elements.sound) this.form.elements.sound.value = sent.key;
    });
    return [choice("sound", "Sound", [...sent, ...spoken]), h("label", {}, "Or send another one", input), bar];
  }

  async make() {
    const told = Object.fromEntries(new FormData(this.form));
    const [dataset, exported] = told.voice ? JSON.parse(told.voice) : [told.trained ?? "", ""];
    const figures = Object.fromEntries(["speed", "noise", "duration_noise", "seed"].filter((name) => told[name]).map((name) => [name, Number(told[name])]));
    const speech = { text: told.text, exported, speaker: told.speaker ?? "", ...figures };
    const mark = told.mark === "on";
    const body = {
      speak: { dataset, ...speech }, talk: { face: told.face, voice: dataset, mark, ...speech },
      render: { dataset: told.face, sound: told.sound ?? "", mark }, export: { dataset, format: told.format },
    }[this.kind];
    if (await attempt(() => ask("POST", `/studio/${this.kind}`, body), "It is being made")) this.renew();
  }

  drawMaking() {
    const open = this.told.requests.filter((request) => !request.ending);
    const failed = this.told.requests.filter((request) => ["failed", "killed"].includes(request.ending?.outcome)).slice(0, 3);
    this.parts.making.hidden = !open.length && !failed.length;
    swap(this.parts.making, h("h2", {}, open.length ? "Being made" : "Not made"), open.map((request) => h("div", { class: "made" },
      h("div", { class: "row spread" },
        h("strong", {}, `${TITLES[request.command]}: ${request.dataset}`),
        h("button", { class: "small", id: `end-${request.id}`, onclick: () => attempt(() => ask("POST", `/queue/${request.id}/stop`)) }, request.launched_at ? "Stop" : "Take out")),
      h("progress", { "aria-label": "Being made" }),
      h("span", { class: "soft", "data-log": request.launched_at ? request.id : null }, request.launched_at ? "starting …" : "waits for its turn"))),
    failed.map((request) => h("div", { class: "problem" },
      h("h3", {}, `${TITLES[request.command]} of ${request.dataset}: ${request.ending.outcome === "killed" ? "was killed" : "failed"}`),
      h("p", {}, request.ending.message), h("p", { class: "soft" }, request.ending.hint))));
  }

  async readLogs() {
    if (document.hidden) return;
    for (const place of this.parts.making.querySelectorAll("[data-log]")) {
      try {
        const tail = await ask("GET", `/queue/${place.dataset.log}/log`);
        place.textContent = tail.text.trim().split("\n").at(-1) || "starting …";
      } catch { /* the banner tells when the server is gone */ }
    }
  }

  drawMade() {
    const made = this.told.creations.filter((each) => each.files.length);
    const chosen = made.filter((each) => this.chosen.has(idOf(each)));
    this.parts.made.hidden = !made.length;
    this.parts.compare.hidden = chosen.length < 2;
    const players = h("div", { class: "cards" }, chosen.map((each) => h("figure", {}, player(each),
      each.provenance?.job.text && h("blockquote", {}, shortened(each.provenance.job.text)), h("p", { class: "soft" }, `${titleOf(each)} · ${originOf(each)}`))));
    const playAll = () => { for (const each of players.querySelectorAll("audio, video")) { each.currentTime = 0; each.play(); } };
    const compared = JSON.stringify(chosen.map(idOf));
    if (!this.parts.compare.hidden && this.compared !== compared) {
      this.compared = compared;
      swap(this.parts.compare, h("div", { class: "row spread" }, h("h2", {}, "Side by side"),
        h("button", { class: "small", id: "play-all", onclick: playAll }, "Play together")), players);
    }
    const key = JSON.stringify(made.map((each) => [idOf(each), each.files.length]));
    if (this.madeKey === key) return;
    this.madeKey = key;
    swap(this.parts.made, h("h2", {}, "Made"), h("div", { class: "cards" }, made.map((each) => this.card(each))));
  }

  card(each) {
    const canCompare = player(each) !== null;
    const box = h("input", { type: "checkbox", id: `compare-${idOf(each)}`, checked: this.chosen.has(idOf(each)), onchange: (event) => {
      if (event.target.checked) this.chosen.add(idOf(each)); else this.chosen.delete(idOf(each));
      this.drawMade();
    } });
    const { provenance } = each;
    return h("article", { class: "made" },
      h("h3", {}, titleOf(each)),
      player(each),
      provenance?.job.text && h("blockquote", {}, shortened(provenance.job.text)),
      h("p", { class: "soft" }, originOf(each)),
      h("div", { class: "row" }, each.files.map((file) => h("a", { class: "button small", href: `${resultPath(file)}`, download: nameOf(file) }, `Download ${nameOf(file)} (${formatBytes(file.size)})`))),
      h("div", { class: "row spread" }, canCompare ? h("label", { class: "row" }, box, "compare") : h("span"),
        h("button", { class: "small danger", id: `delete-${idOf(each)}`, onclick: () => this.removeMade(each) }, "Delete")));
  }

  drawSounds() {
    const { sounds } = this.told;
    this.parts.sounds.hidden = !sounds.length;
    const facts = JSON.stringify(sounds);
    if (this.soundsDrawn === facts) return;
    this.soundsDrawn = facts;
    swap(this.parts.sounds, h("h2", {}, "Sounds that were sent"), h("table", {}, sounds.map((file) => h("tr", {},
      h("td", {}, nameOf(file)), h("td", { class: "soft" }, formatBytes(file.size)),
      h("td", {}, h("audio", { controls: true, preload: "none", class: "brief", "aria-label": nameOf(file), src: `${resultPath(file)}?v=${file.modified}` })),
      h("td", {}, h("button", { class: "small danger", id: `delete-${file.key}`, "aria-label": `Delete ${nameOf(file)}`, onclick: () => this.remove(file.key, nameOf(file)) }, "Delete"))))));
  }

  async removeMade(each) {
    if (await this.remove(each.id ? `studio/${each.id}` : each.files[0].key, titleOf(each))) this.chosen.delete(idOf(each));
  }

  /** Whether something that was made or sent is gone: who deletes it is asked before, and told the way back. */
  async remove(key, title) {
    if (!window.confirm(`Delete ${title}? It can be brought back under System.`)) return false;
    const done = await attempt(() => ask("DELETE", `/studio/results/${key.split("/").map(encodeURIComponent).join("/")}`), "It is deleted; System brings it back");
    if (done) await this.renew();
    return Boolean(done);
  }
}

const idOf = (each) => each.id || each.files[0].key;
const nameOf = (file) => file.names.at(-1);
const shortened = (text) => (text.length > 200 ? `${text.slice(0, 200)} …` : text);
const titleOf = ({ provenance, files }) => (provenance ? `${TITLES[provenance.command]}: ${provenance.dataset}` : nameOf(files[0]));

function describe(each) {
  const text = each.provenance?.job.text ?? "";
  const what = each.provenance ? `${each.provenance.dataset}${text ? `: ${text.slice(0, 60)}` : ""}` : nameOf(each.files[0]);
  return `${what}, ${new Date(each.modified * 1000).toLocaleString()}`;
}

/** Where it comes from, in a sentence. */
function originOf(each) {
  const { provenance } = each;
  const when = new Date(each.modified * 1000).toLocaleString();
  if (!provenance) return `Made at a terminal, ${when}`;
  const { job } = provenance;
  return [
    job.voice && provenance.command !== "speak" && `voice ${job.voice}`,
    job.voice.includes("/") && provenance.command === "speak" && `exported voice ${job.voice.split("/").at(-1)}`,
    job.sound && `sound ${job.sound.split("/").at(-1)}`, job.mark && "marked as synthetic",
    ...Object.entries(job.speech).filter(([, value]) => value !== null && value !== "").map(([name, value]) => `${name.replace("_", " ")} ${value}`),
    ...provenance.learned, provenance.program, when,
  ].filter(Boolean).join(" · ");
}

function player(each) {
  const file = each.files.find((found) => /^(video|audio)\//.test(found.kind));
  if (!file) return null;
  const kind = file.kind.startsWith("video/") ? "video" : "audio";
  return h(kind, { controls: true, preload: "metadata", src: `${resultPath(file)}?v=${file.modified}` });
}

function choice(name, title, options) {
  return h("label", {}, title, h("select", { name, id: `studio-${name}`, required: true }, options.map(([value, told]) => h("option", { value }, told))));
}

function number(name, title, min, max) {
  return h("label", {}, title, h("input", { name, id: `studio-${name}`, type: "number", min, max, step: "any" }));
}
