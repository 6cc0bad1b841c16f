// What the words of the trade mean, wherever they stand: pressed or pointed at, a word explains itself.

import { h } from "/static/dom.js";

const MEANINGS = {
  epoch: "Once through all recordings. A training goes through them again and again, and learns a little each time.",
  step: "One small lesson: a few pieces of the recordings are looked at, and the network is changed a little.",
  preset: "A set of settings that go together. It decides how good the result can be and how long it takes; every setting can still be chosen by hand.",
  "held out": "A part of the recordings that is never learned from. Only on it can be seen whether something was learned or just remembered.",
  loss: "How wrong it still is. Each curve is one kind of being wrong; lower is better, unless it says otherwise.",
  batch: "How many pieces of the recordings are looked at in one step. More needs more memory; less is slower.",
  loaders: "Processes that read the recordings ahead, so that the training need not wait for them.",
  "number format": "How exactly numbers are kept while training. Short ones are faster on a graphics card and need half the memory.",
  checkpoint: "What a training has learned so far, on the disk. From there it goes on, and with it things are made.",
  stage: "One part of the way from a recording to a result. Each can be stopped at any time and goes on where it was.",
};

/** A word that explains itself; `shown` is how it stands in its sentence. */
export function term(word, shown = word) {
  return h("button", { type: "button", class: "term", title: MEANINGS[word], "aria-haspopup": "dialog", onclick: () => explain(word) }, shown);
}

function explain(word) {
  const place = document.getElementById("meaning");
  place.replaceChildren(h("strong", {}, word), h("p", {}, MEANINGS[word]),
    h("button", { type: "button", class: "small", autofocus: true, onclick: () => place.close() }, "Close"));
  place.showModal();
}

const STAGES = {
  preprocess: "Finds the face in every picture of the recording, and measures the sound.",
  syncnet: "Learns which mouth belongs to which sound; it is the judge of the next stage.",
  main: "Learns to draw the mouth that a sound wants. This is the face.",
  prepare: "Checks the recordings, cuts them into clips and tells what cannot be used.",
  align: "Finds out when each sound of a sentence begins and ends in its recording.",
  vits: "Learns to speak from the clips. This is the voice.",
  kokoro: "Learns to speak from the clips, with the length of each sound known. This is the voice.",
  corrections: "Makes clips of what the voice should have said.",
  feedback: "Learns from these clips, mixed with what the voice knew before.",
  promote: "Compares the corrected voice with the one before, and keeps the better one.",
  export: "Writes the voice for other programs, and lets it say a first sentence.",
};

/** What a stage does, in a sentence; "" for one that is not known here. */
export const describeStage = (name) => STAGES[name] ?? "";

const FIGURES = {
  loss: "all kinds together", l1: "difference of the pixels", structure: "edges and fine structure", temporal: "calm from picture to picture",
  lips: "the lips, as told from the sound alone", sync: "what the judge of lip sync thinks", perceptual: "how different it looks", 
  shift_accuracy: "how often it tells a sound from the same sound a little later; higher is better",
  audio_gain: "how much the right sound helps, beside that of another moment; 1 is not at all, higher is better",
  psnr: "likeness in decibels; higher is better", ssim: "likeness from 0 to 1; higher is better", mel: "difference of the sound",
  kl: "how well text and sound fit", duration: "length of the sounds", deceive: "how often the judge is not deceived", feature: "what the judge notices",
  judge: "how well real and made are told apart", mel_coarse: "difference of the sound, first draft", mel_refined: "difference of the sound", stop: "where it ends", length_error: "length of what is said",
};

/** What a figure of a training measures; "" for one that is not known here. */
export const describeFigure = (name) => FIGURES[name] ?? "";
