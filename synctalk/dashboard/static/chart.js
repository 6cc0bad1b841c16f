// Loss curves: one small drawing per term, training and held-out, drawn anew when an epoch ends.

import { h, s, formatFigure } from "/static/dom.js";
import { describeFigure } from "/static/terms.js";

const WIDTH = 320, HEIGHT = 150, LEFT = 56, BOTTOM = 18, TOP = 8, RIGHT = 6;
const PARTS = [["train", "train"], ["held_out", "held-out"]];

/** One figure per term of a training's history. */
export function drawHistory(history) {
  const names = [...new Set(history.flatMap((entry) => PARTS.flatMap(([part]) => Object.keys(entry[part] ?? {}))))];
  // What is all of it together comes first.
  names.sort((one, other) => (other === "loss") - (one === "loss"));
  return names.map((name) => drawTerm(name, history));
}

function pointsOf(history, part, name) {
  return history.map((entry) => [entry.epoch, entry[part]?.[name]]).filter(([, value]) => Number.isFinite(value));
}

function drawTerm(name, history) {
  const lines = PARTS.map(([part, style]) => [style, pointsOf(history, part, name)]).filter(([, points]) => points.length);
  const all = lines.flatMap(([, points]) => points);
  if (!all.length) return null;
  const [first, last] = rangeOf(all.map(([epoch]) => epoch));
  const [low, high] = rangeOf(all.map(([, value]) => value));
  const isFlat = low === high;
  const x = (epoch) => LEFT + ((epoch - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (isFlat ? 0.5 : 1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const grid = (isFlat ? [low] : [low, (low + high) / 2, high]).map((value) => [
    s("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
    s("text", { x: LEFT - 4, y: y(value) + 4, "text-anchor": "end" }, formatFigure(value)),
  ]);
  const curves = lines.map(([style, points]) => points.length > 1
    ? s("polyline", { class: style, points: points.map(([epoch, value]) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`).join(" ") })
    : s("circle", { class: style, cx: x(points[0][0]), cy: y(points[0][1]), r: 3 }));
  const told = lines.map(([style, points]) => `${style} ${formatFigure(points.at(-1)[1])}`).join(", ");
  return h("figure", {},
    h("figcaption", {}, h("strong", {}, name), h("span", { class: "soft row" }, lines.map(([style, points]) =>
      h("span", { class: `key-${style}` }, `${style} ${formatFigure(points.at(-1)[1])}`))),
      describeFigure(name) && h("span", { class: "soft wide" }, describeFigure(name))),
    s("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${name} after epoch ${last}: ${told}` },
      grid, curves,
      s("text", { x: LEFT, y: HEIGHT - 4 }, `epoch ${first}`),
      s("text", { x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }, String(last))));
}

function rangeOf(values) {
  return [Math.min(...values), Math.max(...values)];
}
