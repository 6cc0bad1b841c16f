// Where something is recorded: devices opened once, one take at a time, heard before it is kept, and not lost by mistake.

import { attempt, h } from "/static/dom.js";
import { Level, judgePeak } from "/static/level.js";
import { Recorder, findObstacle } from "/static/recorder.js";

export class Booth {
  take = null;
  obstacle = "";
  isOpening = false;
  isStopping = false;
  isSending = false;

  /**
   * `name` is what files of takes are called; `draw` is called whenever what can be pressed has changed; `keep` keeps the
   * take; `words` are what the buttons say; `finish` may add to a take before it is shown,
   * and `check` say what is missing before it is kept.
   */
  constructor({ name, withPicture, draw, keep, words, finish = (take) => take, check = () => true }) {
    Object.assign(this, { name, withPicture, draw, keep, words, finish, check });
    this.level = new Level();
    this.leave = (event) => { if (this.isUnkept) event.preventDefault(); };
    window.addEventListener("beforeunload", this.leave);
  }

  close() {
    this.isClosed = true;
    window.removeEventListener("beforeunload", this.leave);
    this.forget();
    this.recorder?.close();
    this.recorder = null;
  }

  get isOpen() {
    return Boolean(this.recorder);
  }

  get isRecording() {
    return Boolean(this.recorder?.isRecording);
  }

  get isBusy() {
    return this.isRecording || this.isStopping || this.isSending;
  }

  /** Whether somebody who leaves loses something. */
  get isUnkept() {
    return Boolean(this.take) || this.isRecording || this.isStopping;
  }

  async open() {
    if (this.isOpening) return;
    this.isOpening = true;
    this.obstacle = findObstacle();
    try {
      const recorder = this.obstacle ? null : await Recorder.open({ withPicture: this.withPicture, tell: (peak) => this.level.show(peak) });
      // Whoever has left before the browser was answered is not recorded.
      if (this.isClosed) { recorder?.close(); return; }
      this.recorder = recorder;
      this.level.begin();
    } catch (error) {
      this.obstacle = error.message;
    } finally {
      this.isOpening = false;
    }
    this.drawAndFocus(this.isOpen ? "record" : "open");
  }

  start() {
    try {
      this.recorder.start();
    } catch {
      this.recorder.close();
      this.recorder = null;
      this.obstacle = "The microphone or the camera is gone. Connect it, then open it again.";
      this.drawAndFocus("open");
      return;
    }
    this.forget();
    this.drawAndFocus("record");
  }

  async stop() {
    if (this.isStopping) return;
    this.isStopping = true;
    try {
      const take = await this.recorder.stop(this.name);
      this.take = await this.finish({ ...take, url: URL.createObjectURL(take.file), problem: judgePeak(take.peak) });
    } finally {
      this.isStopping = false;
    }
    this.drawAndFocus(this.take.problem ? "record" : "keep");
  }

  /** Send the take with what `keep` does; it is forgotten only when that has come to its end. */
  async send() {
    if (!this.check()) return;
    this.isSending = true;
    this.draw();
    const placed = await attempt(() => this.keep(this.take));
    this.isSending = false;
    if (placed) this.forget();
    this.drawAndFocus(placed ? "record" : "keep");
  }

  forget() {
    if (this.take) URL.revokeObjectURL(this.take.url);
    this.take = null;
  }

  drawAndFocus(id) {
    this.draw();
    document.getElementById(id)?.focus();
  }

  /** What can be pressed now. */
  buttons() {
    const button = (id, word, onclick, more = {}) => h("button", { type: "button", id, onclick: () => onclick.call(this), ...more }, word);
    const keep = () => button("keep", this.isSending ? "Being kept …" : this.words.keep, this.send, { class: this.take.problem ? "" : "primary", disabled: this.isSending });
    if (!this.isOpen) {
      return [this.obstacle && h("p", { class: "warning wide", role: "alert" }, this.obstacle), this.take && keep(), button("open", this.words.open, this.open, { class: this.take ? "" : "primary" })];
    }
    if (this.isRecording) return button("record", "Stop", this.stop, { class: "primary recording" });
    if (!this.take) return button("record", this.words.record(), this.start, { class: "primary", disabled: this.isSending });
    // What is offered first is what is best: a take with a fault is better recorded again.
    const again = button("record", "Again", this.start, { class: this.take.problem ? "primary" : "", disabled: this.isSending });
    return this.take.problem ? [again, keep()] : [keep(), again];
  }
}
