// A face recorded in the page: camera and microphone, a script to read, a look at what was recorded, and keeping it.

import { ask, datasetPath } from "/static/api.js";
import { Booth } from "/static/booth.js";
import { attempt, h, say, swap, formatBytes, formatDuration, nameLanguage } from "/static/dom.js";
import { send } from "/static/upload.js";

const LEAST_S = 120;
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
    this.told = h("p", { class: "soft", id: "film-told", role: "status" });
    // Not read aloud: it would be heard in the recording.
    this.clock = h("p", { class: "soft", id: "film-clock", "aria-hidden": "true" });
    this.bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Sending" });
    this.booth = new Booth({
      name: "camera", withPicture: true, draw: () => this.draw(), keep: (take) => this.keep(take), finish: (take) => this.describe(take),
      words: { open: "Open camera and microphone", record: () => "Record", keep: "Keep it" },
    });
    this.timer = setInterval(() => this.tick(), 500);
    this.draw();
    this.drawScript();
  }

  close() {
    clearInterval(this.timer);
    this.booth.close();
  }

  get isUnkept() {
    return this.booth.isUnkept;
  }

  update() { /* nothing here comes by events */ }

  async drawScript() {
    const sentences = await attempt(() => ask("GET", "/sentences"));
    if (!sentences) return;
    const text = h("textarea", { id: "script", rows: 12, class: "script", spellcheck: true });
    const languages = h("select", { id: "script-language", onchange: (event) => { text.value = sentences[event.target.value].join("\n"); } },
      Object.keys(sentences).map((language) => h("option", { value: language }, nameLanguage(language))));
    text.value = Object.values(sentences)[0].join("\n");
    swap(this.parts.script, h("h2", {}, "What you can read"), h("label", {}, "Language", languages), h("label", { class: "after" }, "It can be changed here", text));
  }

  draw() {
    const { isOpen, isRecording, recorder, take } = this.booth;
    const live = h("video", { id: "live", muted: true, playsinline: true, autoplay: true, "aria-label": "The camera" });
    if (isOpen) { live.muted = true; live.srcObject = recorder.stream; }
    swap(this.parts.camera,
      !isRecording && h("ul", { class: "soft advice" }, ADVICE.map((each) => h("li", {}, each))),
      isOpen && !take && [live, this.booth.level.element],
      take && h("video", { id: "heard", controls: true, playsinline: true, src: take.url }),
      take && h("p", { class: take.problem ? "warning" : "soft", id: "verdict" }, take.problem || "Look at it, listen to it, then keep it."),
      take?.hasSource && h("p", { class: "soft" }, "There is a recording already. Keeping this one puts it aside, not away."),
      isRecording ? this.clock : this.told, this.bar,
      h("div", { class: "row" }, this.booth.buttons()));
  }

  tick() {
    if (!this.booth.isRecording) return;
    const { seconds } = this.booth.recorder;
    this.clock.textContent = `${formatDuration(seconds)}${seconds < LEAST_S ? "; a good face wants two minutes" : "; that is enough, more is better"}`;
  }

  async describe(take) {
    const dataset = await attempt(() => ask("GET", datasetPath(this.name)));
    this.told.textContent = `${formatDuration(take.seconds)}, ${formatBytes(take.file.size)}`;
    return { ...take, hasSource: dataset?.has_source };
  }

  async keep(take) {
    this.bar.hidden = false;
    try {
      const placed = await send(this.name, take.file, (share) => { this.bar.value = share; }, { replace: true });
      say("The recording is in place");
      if (this.element.isConnected) location.hash = `#/d/${encodeURIComponent(this.name)}`;
      return placed;
    } finally {
      this.bar.hidden = true;
    }
  }
}
