// Correcting a voice: what it should have said, learning from it, whether that made it better, and which version speaks.

import { ask, datasetPath } from "/static/api.js";
import { Booth } from "/static/booth.js";
import { attempt, h, say, swap, formatFigure } from "/static/dom.js";
import { Latest } from "/static/latest.js";
import { chosenSettings, fillWith } from "/static/settings.js";
import { send } from "/static/upload.js";

const SOUND = /\.(wav|flac|mp3|ogg|oga|opus|m4a|aac|aif|aiff|webm|wma)$/i;
/** What the comparison measured: how it is called, where it stands, and what it tells. */
const FIGURES = [
  ["Distance from the held-out recordings", (each) => each.mel, "", "Less is nearer to the recordings that it never learned from."],
  ["Distance of what it says freely", (each) => each.evaluation.mel_cepstral_distance_db, " dB", "The same when it chooses the timing itself. Less is nearer."],
  ["Distance from the corrections", (each) => each.corrected_mel, "", "Whether it learned them. Less is nearer; this decides nothing."],
  ["Level", (each) => each.evaluation.level_dbfs, " dBFS", "How loud it speaks."],
  ["Texts that cannot be heard", (each) => each.evaluation.silent * 100, " %", "Of the held-out texts."],
  ["Length of the speech", (each) => each.evaluation.duration_ratio, " times", "Compared with the recordings."],
  ["Words that a recogniser gets wrong", (each) => each.evaluation.word_error_rate === null ? null : each.evaluation.word_error_rate * 100, " %", "Known only where a recogniser is installed."],
];

export class CorrectionsPart {
  constructor(name, place) {
    this.name = name;
    this.place = place;
    this.latest = new Latest();
    this.parts = Object.fromEntries(["verdict", "waiting", "kept", "versions"].map((part) => [part, h("div", { class: "stack" })]));
  }

  /** Asked again whenever a stage has ended; what somebody is typing stays. */
  async update(dataset) {
    this.dataset = dataset;
    const isVoice = dataset.line === "voice" && dataset.stages.some((stage) => stage.name === "vits" && stage.status === "done");
    if (!isVoice) { this.place.hidden = true; this.latest.forget(); return; }
    this.isActive = ["running", "waiting"].includes(dataset.status);
    const facts = [dataset.stages.map((stage) => [stage.name, stage.status, stage.attempts]), dataset.status, dataset.request];
    await this.latest.read(facts, () => ask("GET", `${datasetPath(this.name)}/corrections`), (told) => this.show(told));
  }

  /** The same, whatever is known. */
  renew() {
    this.latest.forget();
    return this.update(this.dataset);
  }

  show(told) {
    if (!this.form) this.build();
    this.place.hidden = false;
    swap(this.parts.verdict, told.report && drawVerdict(told.report));
    swap(this.parts.waiting, this.drawWaiting(told));
    swap(this.parts.kept, told.kept.length && this.drawKept(told.kept), this.drawTakenBack(told.taken_back));
    swap(this.parts.versions, told.versions.length > 1 && this.drawVersions(told.versions));
    this.learnForm.hidden = !told.given.length && !told.kept.length;
    this.learnForm.querySelector("#learn").disabled = this.isActive || !told.can_begin;
  }

  build() {
    this.form = this.addForm();
    this.learnForm = this.drawLearn();
    swap(this.place, h("div", { class: "stack" }, h("h2", {}, "Correct what it says wrong"),
      h("p", { class: "soft" }, "Record how it should sound, write down what is said, and let the voice learn from it. What it knew before is mixed in. "
        + "Afterwards it is compared with the voice before; when it got worse, the voice before goes on speaking."),
      this.parts.verdict, this.form, this.parts.waiting, this.learnForm, this.parts.kept, this.parts.versions));
  }

  // ------------------------------------------------------------------------------------------------- bringing them in

  addForm() {
    const text = h("textarea", { id: "correction-text", rows: 2, maxlength: 500, required: true, spellcheck: true });
    const file = h("input", { type: "file", id: "correction-file", accept: "audio/*,.webm" });
    const many = h("input", { type: "file", id: "correction-files", multiple: true, accept: "audio/*,.webm,.txt" });
    this.bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" });
    this.told = h("p", { class: "soft", id: "correction-told", role: "status", hidden: true });
    this.said = text;
    this.recording = h("div", { class: "stack" });
    this.booth = new Booth({
      name: "correction", withPicture: false, draw: () => this.drawBooth(), keep: (take) => this.keep(take), check: () => this.said.reportValidity(),
      words: { open: "Record it here", record: () => "Record", keep: "Add this recording" },
    });
    const form = h("form", { id: "correct" },
      h("label", {}, "What is said in the recording", text),
      h("div", { class: "row level-with-end" }, h("label", {}, "The recording, 2 to 12 seconds, by the same person", file), h("button", { id: "add-correction" }, "Add it")),
      this.recording,
      h("details", {}, h("summary", {}, "Many at once"), h("label", {}, "Sounds, each with its text in a .txt file of the same name", many)),
      this.bar, this.told);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!file.files.length) { say("Choose the recording, or record it here."); file.focus(); return; }
      if (await this.take([[file.files[0], text.value]])) form.reset();
    });
    many.addEventListener("change", async () => {
      await this.take(await pairsOf([...many.files]));
      many.value = "";
    });
    this.drawBooth();
    return form;
  }

  drawBooth() {
    const { isOpen, take, level } = this.booth;
    swap(this.recording, isOpen && !take && level.element,
      take && [h("audio", { controls: true, id: "heard", src: take.url }),
        h("p", { class: take.problem ? "warning" : "soft", role: "status" }, take.problem || "Listen, then add it.")],
      h("div", { class: "row" }, this.booth.buttons()));
  }

  async keep(take) {
    const file = new File([take.file], `${this.said.value.trim().slice(0, 40).replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "")}${take.file.name.match(/\.\w+$/)[0]}`, { type: take.file.type });
    const count = await this.take([[file, this.said.value]]);
    if (count) this.said.value = "";
    return count;
  }

  close() {
    this.booth?.close();
  }

  get isUnkept() {
    return Boolean(this.booth?.isUnkept);
  }

  /** Send sounds with their texts, one after another; the number of those that are in place. */
  async take(pairs) {
    const leftOut = [];
    let count = 0;
    for (const [sound, text, problem] of pairs) {
      this.bar.hidden = this.told.hidden = false;
      this.told.textContent = sound.name;
      try {
        if (problem) throw new Error(problem);
        await send(this.name, sound, (share) => { this.bar.value = share; }, { purpose: "correction", text });
        count += 1;
      } catch (error) {
        leftOut.push(`${sound.name}: ${error.message || "The server does not answer"}`);
      }
    }
    this.bar.hidden = true;
    await this.renew();
    this.told.textContent = `${count} ${count === 1 ? "correction is" : "corrections are"} in place${leftOut.length ? `; left out: ${leftOut.join("; ")}` : ""}`;
    return count;
  }

  drawWaiting({ given }) {
    return given.length > 0 && [h("h3", {}, "Not learned yet"), h("div", { class: "tall" }, h("table", {}, given.map((each) => h("tr", {},
      h("td", {}, each.text, each.reason && h("div", { class: "warning" }, `Left out: ${each.reason}`)),
      h("td", { class: "soft narrow-not" }, each.sound), h("td", {}, this.player(`given/${each.sound}`, each.text)),
      h("td", {}, this.remover(`given/${each.sound}`, "Remove", each.text))))))];
  }

  drawKept(kept) {
    return h("details", { id: "corrections-kept" }, h("summary", {}, `It learns from ${kept.length} ${kept.length === 1 ? "correction" : "corrections"}`),
      h("div", { class: "tall" }, h("table", {}, kept.map((each) => h("tr", {},
        h("td", {}, each.text), h("td", { class: "soft narrow-not" }, each.name), h("td", {}, this.player(each.sound, each.text)),
        h("td", {}, this.remover(each.key, "Take back", each.text)))))));
  }

  drawTakenBack(corrections) {
    return corrections.length > 0 && h("details", { id: "corrections-taken-back" }, h("summary", {}, `${corrections.length} ${corrections.length === 1 ? "was" : "were"} taken back`),
      h("div", { class: "tall" }, h("table", {}, corrections.map((each) => h("tr", {},
        h("td", {}, each.text), h("td", { class: "soft narrow-not" }, each.name), h("td", {}, this.player(each.sound, each.text)),
        h("td", {}, h("button", { type: "button", class: "small", disabled: this.isActive, "aria-label": `Learn it again: ${each.text}`, onclick: async () => {
          await attempt(() => ask("POST", `${datasetPath(this.name)}/corrections/${encodeURIComponent(each.key)}/restore`), "The next training learns from it again");
          this.renew();
        } }, "Learn it again")))))));
  }

  player(key, text) {
    const path = key.split("/").map(encodeURIComponent).join("/");
    return h("audio", { controls: true, preload: "none", class: "brief", "aria-label": text, src: `/api/v1${datasetPath(this.name)}/corrections/sounds/${path}` });
  }

  remover(key, word, text) {
    const path = key.split("/").map(encodeURIComponent).join("/");
    return h("button", { type: "button", class: "small", disabled: this.isActive, "aria-label": `${word}: ${text}`, onclick: async () => {
      if (!window.confirm(`${word} “${text}”? The next training does without it.`)) return;
      await attempt(() => ask("DELETE", `${datasetPath(this.name)}/corrections/${path}`), "The next training does without it");
      this.renew();
    } }, word);
  }

  // ----------------------------------------------------------------------------------------------- learning from them

  drawLearn() {
    const epochs = h("input", { name: "epochs", id: "feedback-epochs", type: "number", min: 1, max: 1000000, step: 1, placeholder: "20" });
    const advanced = h("details", { id: "feedback-settings" }, h("summary", {}, "All settings of this"));
    advanced.addEventListener("toggle", () => {
      if (advanced.open) fillWith(advanced, (setting) => setting.name.startsWith("feedback.") && setting.name !== "feedback.epochs");
    });
    const form = h("form", {}, h("fieldset", {}, h("label", {}, "How often each is learned", epochs)), advanced,
      h("div", { class: "row" }, h("button", { class: "primary", id: "learn" }, "Let the voice learn")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const asked = { settings: chosenSettings(form), ...(epochs.value ? { epochs: Number(epochs.value) } : {}) };
      attempt(() => ask("POST", `${datasetPath(this.name)}/feedback`, asked), "It is in the queue");
    });
    return form;
  }

  drawVersions(versions) {
    return [h("h3", {}, "Versions of this voice"), h("table", {}, versions.map((version) => h("tr", {},
      h("td", {}, h("strong", {}, version.number ? `Version ${version.number}` : "As it was trained")),
      h("td", { class: "soft" }, version.number > 0 && `${version.corrections} ${version.corrections === 1 ? "correction" : "corrections"}, ${version.epochs} epochs`,
        version.is_earlier && h("div", {}, "from an earlier training; let the voice learn once more to have them in the new one")),
      h("td", {}, version.is_speaking ? h("span", { class: "chip done" }, "speaks") : h("button", {
        type: "button", class: "small", id: `version-${version.number}`, disabled: this.isActive,
        onclick: () => attempt(() => ask("POST", `${datasetPath(this.name)}/versions/${version.number}/restore`), "It speaks as soon as it is exported"),
      }, "Let this one speak")))))];
  }
}

/** Each sound with the text of the same name beside it, or with what is wrong. */
async function pairsOf(files) {
  const stem = (file) => file.name.replace(/\.[^.]*$/, "").normalize("NFC");
  const texts = new Map(files.filter((file) => /\.txt$/i.test(file.name)).map((file) => [stem(file), file]));
  const sounds = files.filter((file) => SOUND.test(file.name));
  if (!sounds.length) say("There is no sound among these files.");
  return Promise.all(sounds.map(async (sound) => {
    const text = texts.get(stem(sound));
    return text ? [sound, await text.text()] : [sound, "", `there is no ${stem(sound)}.txt beside it`];
  }));
}

function drawVerdict(report) {
  const isBetter = !report.reasons.length;
  const told = (value, unit) => (value === null || value === undefined ? "unknown" : `${formatFigure(value)}${unit}`);
  return h("section", { id: "verdict" },
    h("div", { class: "row" }, h("h3", {}, "The last comparison"), h("span", { class: `chip ${isBetter ? "done" : "interrupted"}` }, isBetter ? "the corrected voice speaks" : "rolled back")),
    h("p", {}, isBetter
      ? `It is no worse than the voice before, so version ${report.version} was taken over.`
      : `It got worse, so ${report.version ? `version ${report.version}` : "the voice as it was trained"} goes on speaking.`),
    !isBetter && h("ul", { class: "advice" }, report.reasons.map((reason) => h("li", {}, reason))),
    !isBetter && h("p", { class: "soft" }, "Learn for fewer epochs, with a lower feedback.lr, or with more of what it knew (a higher feedback.replay)."),
    h("details", {}, h("summary", {}, "All figures, before and after"), h("table", {},
      h("tr", {}, h("th", {}, ""), h("th", {}, "before"), h("th", {}, "after")),
      FIGURES.map(([name, figure, unit, meaning]) => h("tr", {},
        h("td", {}, name, h("div", { class: "soft" }, meaning)),
        h("td", {}, told(figure(report.before), unit)), h("td", {}, told(report.after && figure(report.after), unit)))))));
}
