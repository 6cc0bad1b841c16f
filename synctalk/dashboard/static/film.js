// A face recorded in the page: camera and microphone, a script to read, a look at what was recorded, and keeping it.

import { ask, datasetPath } from "/static/api.js";
import { attempt, h, say, swap, formatBytes, formatDuration } from "/static/dom.js";
import { Level, judgePeak } from "/static/level.js";
import { Recorder, findObstacle } from "/static/recorder.js";
import { send } from "/static/upload.js";

const LEAST_S = 120;
const LANGUAGES = new Intl.DisplayNames(["en"], { type: "language" });
const ADVICE = [
  "Alone in the picture, facing the camera, the head about a third of its height. Even light from the front.",
  "Nothing before the mouth. A quiet room; the microphone near, but out of the picture.",
  "Begin and end with three seconds of closed lips, and pause so now and then.",
  "Two to five minutes of lively speech in one take. Record only people who have agreed.",
];

export class FilmView {
  element = h("div", { class: "stack" });

  constructor(name) {
    this.name = name;
    this.title = `Film ${name}`;
    this.parts = Object.fromEntries(["top", "camera", "script"].map((part) => [part, h("section", { class: part === "top" ? "stack" : "card" })]));
    // The script stands beside the camera where there is room, else right below a small picture.
    this.element.append(this.parts.top, h("div", { class: "beside" }, this.parts.camera, this.parts.script));
    swap(this.parts.top, h("h1", {}, `Record a face: ${name}`), h("p", { class: "soft" },
      h("a", { href: `#/d/${encodeURIComponent(name)}` }, `Back to ${name}`)));
    this.level = new Level();
    this.told = h("p", { class: "soft", id: "film-told", role: "status" });
    this.bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Sending" });
    this.leave = (event) => { if (this.take || this.recorder?.isRecording) event.preventDefault(); };
    window.addEventListener("beforeunload", this.leave);
    this.timer = setInterval(() => this.tick(), 500);
    this.draw();
    this.drawScript();
  }

  close() {
    window.removeEventListener("beforeunload", this.leave);
    clearInterval(this.timer);
    this.forget();
    this.recorder?.close();
  }

  update() { /* nothing here comes by events */ }

  async drawScript() {
    const sentences = await attempt(() => ask("GET", "/sentences"));
    if (!sentences) return;
    const text = h("textarea", { id: "script", rows: 12, class: "script", spellcheck: true });
    const languages = h("select", { id: "script-language", onchange: (event) => { text.value = sentences[event.target.value].join("\n"); } },
      Object.keys(sentences).map((language) => h("option", { value: language }, LANGUAGES.of(language))));
    text.value = Object.values(sentences)[0].join("\n");
    swap(this.parts.script, h("h2", {}, "What you can read"), h("label", {}, "Language", languages), h("label", { class: "after" }, "It can be changed here", text));
  }

  draw() {
    const isRecording = this.recorder?.isRecording;
    const live = h("video", { id: "live", muted: true, playsinline: true, autoplay: true, "aria-label": "The camera" });
    if (this.recorder) { live.muted = true; live.srcObject = this.recorder.stream; }
    swap(this.parts.camera,
      !isRecording && h("ul", { class: "soft advice" }, ADVICE.map((each) => h("li", {}, each))),
      this.recorder && !this.take && [live, this.level.element],
      this.take && h("video", { id: "heard", controls: true, playsinline: true, src: this.take.url }),
      this.take && h("p", { class: this.take.problem ? "warning" : "soft", id: "verdict" }, this.take.problem || "Look at it, listen to it, then keep it."),
      this.take?.hasSource && h("p", { class: "soft" }, "There is a recording already. Keeping this one puts it aside, not away."),
      this.told, this.bar,
      h("div", { class: "row" }, this.buttons(isRecording)));
  }

  buttons(isRecording) {
    if (!this.recorder) return h("button", { class: "primary", id: "open", onclick: () => this.open() }, "Open camera and microphone");
    if (isRecording) return h("button", { class: "primary recording", id: "record", onclick: () => this.stop() }, "Stop");
    if (!this.take) return h("button", { class: "primary", id: "record", onclick: () => this.start() }, "Record");
    return [h("button", { class: "primary", id: "keep", disabled: this.isSending, onclick: () => this.keep() }, "Keep it"),
      h("button", { id: "record", disabled: this.isSending, onclick: () => this.start() }, "Again")];
  }

  tick() {
    if (!this.recorder?.isRecording) return;
    const { seconds } = this.recorder;
    this.told.textContent = `${formatDuration(seconds)}${seconds < LEAST_S ? "; a good face wants two minutes" : "; that is enough, more is better"}`;
  }

  async open() {
    const obstacle = findObstacle();
    if (obstacle) { say(obstacle); return; }
    this.recorder = await attempt(() => Recorder.open({ withPicture: true, tell: (peak) => this.level.show(peak) }));
    this.drawAndFocus("record");
  }

  start() {
    this.forget();
    this.recorder.start();
    this.drawAndFocus("record");
  }

  async stop() {
    const take = await this.recorder.stop("camera");
    const dataset = await attempt(() => ask("GET", datasetPath(this.name)));
    this.take = { ...take, url: URL.createObjectURL(take.file), problem: judgePeak(take.peak), hasSource: dataset?.has_source };
    this.told.textContent = `${formatDuration(take.seconds)}, ${formatBytes(take.file.size)}`;
    this.drawAndFocus("keep");
  }

  async keep() {
    this.isSending = true;
    this.bar.hidden = false;
    this.draw();
    const placed = await attempt(() => send(this.name, this.take.file, (share) => { this.bar.value = share; }, { replace: true }), "The recording is in place");
    this.isSending = false;
    this.bar.hidden = true;
    if (!placed) { this.draw(); return; }
    this.forget();
    location.hash = `#/d/${encodeURIComponent(this.name)}`;
  }

  forget() {
    if (this.take) URL.revokeObjectURL(this.take.url);
    this.take = null;
  }

  drawAndFocus(id) {
    this.draw();
    document.getElementById(id)?.focus();
  }
}
