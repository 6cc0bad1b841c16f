// A voice recorded in the page: one sentence after another is shown, recorded, heard, and kept or recorded again.

import { ask, datasetPath } from "/static/api.js";
import { Booth } from "/static/booth.js";
import { LEAVING, attempt, h, say, swap, nameLanguage } from "/static/dom.js";
import { send } from "/static/upload.js";

export class TakesView {
  element = h("div", { class: "stack" });

  constructor(name) {
    this.name = name;
    this.title = `Record ${name}`;
    this.parts = Object.fromEntries(["top", "booth", "list"].map((part) => [part, h("section", { class: part === "top" ? "stack" : "card", hidden: part !== "top" })]));
    this.element.append(...Object.values(this.parts));
    swap(this.parts.top, h("h1", {}, `Record a voice: ${name}`),
      h("p", { class: "soft" }, "Read one sentence at a time, in a quiet room, always at the same distance. What is kept is on this machine at once. "
        + "Record only people who have agreed. ", h("a", { href: `#/d/${encodeURIComponent(name)}` }, `Back to ${name}`)));
    this.booth = new Booth({
      name: "take", withPicture: false, draw: () => this.draw(), keep: (take) => this.keep(take),
      words: { open: "Open the microphone", record: () => (this.prompts[this.at].take ? "Record again" : "Record"), keep: "Keep it, next sentence" },
    });
    this.read();
  }

  close() {
    this.booth.close();
  }

  get isUnkept() {
    return this.booth.isUnkept;
  }

  update() { /* nothing here comes by events */ }

  async read() {
    try {
      this.prompts = await ask("GET", `${datasetPath(this.name)}/prompts`);
    } catch (error) {
      this.parts.booth.hidden = false;
      swap(this.parts.booth, h("div", { class: "problem" }, h("h2", {}, "Nothing can be recorded here"), h("p", {}, error.message || "The server does not answer")));
      return;
    }
    const next = this.prompts.findIndex((prompt) => !prompt.take);
    this.at = next < 0 ? 0 : next;
    await this.drawList();
    this.draw();
  }

  get count() {
    return this.prompts.filter((prompt) => prompt.take).length;
  }

  // -------------------------------------------------------------------------------------------------- the sentences

  async drawList() {
    const sentences = await attempt(() => ask("GET", "/sentences"));
    if (!sentences) return;
    const text = h("textarea", { id: "own-list", rows: 6, spellcheck: true, placeholder: "A sentence per line" });
    const file = h("input", { type: "file", id: "own-file", accept: ".txt,text/plain" });
    file.addEventListener("change", async () => { text.value = await file.files[0].text(); });
    const own = h("form", { class: "after" }, h("label", {}, "Your own sentences, one per line", text), h("label", {}, "Or from a text file", file),
      h("div", { class: "row" }, h("button", { id: "use-own" }, "Use these")));
    own.addEventListener("submit", (event) => { event.preventDefault(); this.use(text.value.split("\n")); });
    const ready = h("div", { class: "row" }, Object.entries(sentences).map(([language, texts]) =>
      h("button", { id: `use-${language}`, class: this.prompts.length ? "" : "primary", onclick: () => this.use(texts) }, `${texts.length} sentences in ${nameLanguage(language)}`)));
    const told = h("p", { class: "soft" }, "Ours hold all sounds of their language. They are enough to try; a good voice wants an hour, so bring more of your own.");
    swap(this.parts.list, this.prompts.length
      ? h("details", {}, h("summary", {}, "Other sentences"), told, ready, own)
      : [h("h2", {}, "What shall be read?"), told, ready, own]);
    this.parts.list.hidden = false;
  }

  async use(texts) {
    // A take belongs to the sentence under which it was recorded.
    if (this.booth.isBusy || this.booth.isUnkept) { say("Keep what was recorded first, or record it again."); return; }
    const done = await attempt(() => ask("PUT", `${datasetPath(this.name)}/prompts`, { texts }), "The sentences are ready; what was recorded stays");
    if (done) this.read();
  }

  // ------------------------------------------------------------------------------------------------------ the booth

  draw() {
    this.parts.booth.hidden = !this.prompts.length;
    if (!this.prompts.length) return;
    const prompt = this.prompts[this.at];
    const { isBusy, isOpen } = this.booth;
    swap(this.parts.booth,
      h("div", { class: "row spread" }, h("h2", {}, `Sentence ${this.at + 1} of ${this.prompts.length}`), h("span", { class: "soft", id: "count" }, `${this.count} of ${this.prompts.length} recorded`)),
      h("progress", { max: this.prompts.length, value: this.count, "aria-label": "How many are recorded" }),
      h("blockquote", { class: "prompt", id: "prompt" }, prompt.text),
      isOpen && this.booth.level.element,
      this.drawTake(prompt),
      h("div", { class: "row after" }, this.booth.buttons()),
      h("div", { class: "row spread after" },
        h("button", { class: "small", id: "earlier", disabled: isBusy || this.at === 0, onclick: () => this.go(this.at - 1) }, "← Earlier"),
        this.count === this.prompts.length && h("button", { class: "primary", id: "check", onclick: () => this.check() }, "All are recorded: check them"),
        h("button", { class: "small", id: "later", disabled: isBusy || this.at === this.prompts.length - 1, onclick: () => this.go(this.at + 1) }, "Later →")));
  }

  drawTake(prompt) {
    const { isRecording, take } = this.booth;
    if (take) {
      return [h("audio", { controls: true, id: "heard", src: take.url }),
        h("p", { class: take.problem ? "warning" : "soft", id: "verdict", role: "status" }, take.problem || `${take.seconds.toFixed(1)} s, not too loud and not too soft. Listen, then keep it.`)];
    }
    if (!prompt.take || isRecording) return null;
    return [h("audio", { controls: true, id: "kept", preload: "none", src: `/api/v1${datasetPath(this.name)}/takes/${prompt.take}` }),
      h("p", { class: "soft" }, "This sentence is recorded. Another recording takes its place; the earlier one is put aside.")];
  }

  async keep(take) {
    const prompt = this.prompts[this.at];
    const placed = await send(this.name, take.file, () => {}, { purpose: "take", text: prompt.text });
    prompt.take = placed.files[0].split("/").at(-1).replace(/\.\w+$/, "");
    const open = this.prompts.map((each, at) => at).filter((at) => !this.prompts[at].take);
    this.at = open.find((at) => at > this.at) ?? open[0] ?? this.at;
    return placed;
  }

  go(at) {
    if (this.booth.isUnkept && !window.confirm(LEAVING)) return;
    this.booth.forget();
    this.at = at;
    this.draw();
  }

  async check() {
    const asked = await attempt(() => ask("POST", `${datasetPath(this.name)}/run`, { line: "voice", until: "prepare" }), "The recordings are being checked");
    if (asked) location.hash = `#/d/${encodeURIComponent(this.name)}`;
  }
}
