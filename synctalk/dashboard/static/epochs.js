// What a training could do after its earlier epochs: two previews side by side.

import { filePath } from "/static/api.js";
import { h, swap } from "/static/dom.js";

const PREVIEW = /^(.+)\/previews\/(\d+)\.(mp4|wav)$/;
/** What is chosen, by dataset and training, for as long as the page is open. */
const chosen = new Map();

/** For each training with two previews or more, a part of the page; null where there is none. */
export function drawEpochs(dataset, found) {
  const trainings = new Map();
  for (const artefact of found) {
    const named = PREVIEW.exec(artefact.key);
    if (named) trainings.set(named[1], [...(trainings.get(named[1]) ?? []), { artefact, epoch: Number(named[2]) }]);
  }
  const parts = [...trainings].filter(([, previews]) => previews.length > 1).map(([stage, previews]) =>
    drawTraining(dataset, stage, previews.sort((one, other) => one.epoch - other.epoch)));
  return parts.length ? parts : null;
}

function drawTraining(dataset, stage, previews) {
  const key = `${dataset}/${stage}`;
  const epochs = previews.map((preview) => preview.epoch);
  const wanted = chosen.get(key) ?? [];
  // Whoever chose the newest wants the newest.
  const pair = [epochs.includes(wanted[0]) ? wanted[0] : epochs[0], epochs.includes(wanted[1]) ? wanted[1] : epochs.at(-1)];
  const players = h("div", { class: "pair" }, pair.map((epoch, side) => {
    const place = h("div");
    const show = (number) => swap(place, player(dataset, stage, previews.find((each) => each.epoch === number)));
    const select = h("select", { id: `epoch-${stage}-${side}`, onchange: (event) => {
      pair[side] = Number(event.target.value);
      chosen.set(key, pair.map((each) => (each === epochs.at(-1) ? null : each)));
      show(pair[side]);
    } }, epochs.map((each) => h("option", { value: each, selected: each === epoch }, `after epoch ${each}`)));
    show(epoch);
    return h("figure", {}, h("label", {}, side ? "Right" : "Left", select), place);
  }));
  const playAll = () => { for (const each of players.querySelectorAll("video, audio")) { each.currentTime = 0; each.play(); } };
  return [h("div", { class: "row spread" }, h("h2", {}, `${stage}, epoch by epoch`),
    h("button", { class: "small", id: `together-${stage}`, onclick: playAll }, "Play together")), players];
}

function player(dataset, stage, { artefact, epoch }) {
  const kind = artefact.kind.startsWith("video/") ? "video" : "audio";
  return h(kind, { controls: true, preload: "metadata", class: "after", "aria-label": `${stage} after epoch ${epoch}`, src: `${filePath(dataset, artefact.key)}?v=${artefact.modified}` });
}
