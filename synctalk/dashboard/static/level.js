// How loud it is right now, and whether that is too much.

import { h } from "/static/dom.js";
import { TOO_LOUD, TOO_SOFT } from "/static/recorder.js";

const HELD_MS = 2000, SILENT_MS = 4000, FALL = 0.85, LEAST_DB = -60, HARDLY_HEARD = 0.01;

/** A level that moves, and a word beside it that changes seldom: it is read aloud to those who do not see it. */
export class Level {
  constructor() {
    this.meter = h("meter", { id: "level", min: LEAST_DB, max: 0, low: -30, high: -3, optimum: -12, "aria-label": "Level" });
    this.word = h("span", { class: "soft", id: "level-word", role: "status" }, "speak, and the bar moves");
    this.element = h("div", { class: "level" }, this.meter, this.word);
    this.shown = 0;
    this.overloadedAt = -HELD_MS;
    this.begin();
  }

  /** From now on somebody may be heard. */
  begin() {
    this.heardAt = performance.now();
  }

  show(peak) {
    this.shown = Math.max(peak, this.shown * FALL);
    this.meter.value = Math.max(LEAST_DB, 20 * Math.log10(this.shown || 1e-9));
    if (peak >= TOO_LOUD) this.overloadedAt = performance.now();
    if (peak >= HARDLY_HEARD) this.heardAt = performance.now();
    const isOverloaded = performance.now() - this.overloadedAt < HELD_MS;
    const isSilent = performance.now() - this.heardAt > SILENT_MS;
    const word = isOverloaded ? "too loud: go back a little, or turn the gain down"
      : isSilent ? "nothing is heard: is it the right microphone?" : "it is heard";
    if (this.word.textContent !== word) this.word.textContent = word;
    this.element.classList.toggle("overloaded", isOverloaded);
  }
}

/** What is wrong with a take by its loudest moment; "" when nothing is. */
export function judgePeak(peak) {
  if (peak >= TOO_LOUD) return "It was too loud: the sound is overloaded. Record it again from a little farther away.";
  return peak < TOO_SOFT ? "It is very soft. Go nearer to the microphone, or turn its gain up, and record it again." : "";
}
