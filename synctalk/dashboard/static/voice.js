// What the first stage of a line thinks of the recordings, rows put right, and a first sentence with what came of it.

import { ask, datasetPath, filePath, reach } from "/static/api.js";
import { attempt, h, swap, formatFigure } from "/static/dom.js";
import { unlessRefused } from "/static/latest.js";

const VERDICTS = { good: "done", usable: "interrupted", poor: "failed", unusable: "failed" };
const REPORTS = { "preprocess/report.json": "How good the film is", "prepare/report.json": "How good the recordings are" };
const SAMPLE = "The quick brown fox jumps over the lazy dog.";

/** The part of a dataset's page about its recordings; empty where there is nothing to tell. */
export async function drawPreparation(dataset, keys) {
  const parts = [];
  for (const [key, title] of Object.entries(REPORTS).filter(([each]) => keys.has(each))) {
    const answer = await reach(filePath(dataset.name, key));
    const report = answer.ok ? await answer.json().catch(() => ({})) : {};
    if (report.verdict) parts.push(drawReport(title, report));
  }
  if (keys.has("prepare/rejected.csv")) {
    const rejected = await unlessRefused(ask("GET", `${datasetPath(dataset.name)}/recordings/rejected`), null);
    if (rejected) parts.push(drawRejected(dataset, rejected));
  }
  const exported = [...keys].find((key) => /^export\/.*\.onnx$/.test(key));
  if (exported) parts.push(drawExport(dataset, exported));
  return parts.flat();
}

/** What is to be better stands there; what is good is folded away. */
function drawReport(title, report) {
  const findings = report.findings ?? [];
  const good = findings.filter((finding) => finding.verdict === "good");
  const table = (rows) => h("table", { class: "findings" }, rows.map((finding) => h("tr", {},
    h("td", {}, h("strong", {}, finding.name)),
    h("td", {}, h("span", { class: `chip ${VERDICTS[finding.verdict] ?? ""}` }, finding.verdict)),
    h("td", { class: "soft" }, finding.text || `${formatFigure(finding.value)} ${finding.unit}`, finding.advice && h("div", {}, finding.advice)))));
  return [
    h("div", { class: "row spread" }, h("h2", {}, title), h("span", { class: `chip ${VERDICTS[report.verdict] ?? ""}` }, report.verdict)),
    table(findings.filter((finding) => finding.verdict !== "good")),
    good.length > 0 && h("details", {}, h("summary", {}, `${good.length} ${good.length === 1 ? "thing is" : "things are"} good`), table(good)),
  ];
}

function drawRejected(dataset, { rows, total }) {
  const editor = h("div", { id: "row-editor", class: "after" });
  if (!total) return [h("h2", {}, "Left out"), h("p", { class: "soft" }, "Nothing: every row is used."), otherRow(dataset, editor), editor];
  return [
    h("h2", {}, `Left out: ${total} ${total === 1 ? "row" : "rows"}`),
    h("div", { class: "tall" }, h("table", {}, rows.map((row, at) => h("tr", {},
      h("td", {}, row.line ? `${row.file}, line ${row.line}` : row.file), h("td", {}, row.name), h("td", { class: "soft" }, row.reason),
      h("td", {}, row.is_editable && h("button", { class: "small", id: `edit-${at}`, onclick: () => edit(dataset, row, editor) }, "Correct")))))),
    total > rows.length && h("p", { class: "soft" }, `These are the first ${rows.length}; the file has all.`),
    otherRow(dataset, editor), editor,
  ];
}

/** A row that is used and says the wrong thing can be put right as well. */
function otherRow(dataset, editor) {
  const file = h("input", { name: "file", value: "metadata.csv", required: true });
  const line = h("input", { name: "line", type: "number", min: 0, required: true });
  const form = h("form", {}, h("fieldset", {}, h("label", {}, "Listing", file), h("label", {}, "Line (0 for a text of its own)", line)),
    h("div", { class: "row" }, h("button", { id: "open-row" }, "Show this row")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    edit(dataset, { file: file.value, line: Number(line.value) }, editor);
  });
  return h("details", {}, h("summary", {}, "Correct another row"), form);
}

async function edit(dataset, { file, line }, place) {
  const query = new URLSearchParams({ file, line });
  const found = await attempt(() => ask("GET", `${datasetPath(dataset.name)}/recordings/row?${query}`));
  if (!found) return;
  const text = h("textarea", { id: "row-text", rows: 3, maxlength: 10000, spellcheck: true });
  text.value = found.text;
  const form = h("form", {}, h("label", {}, line ? `${file}, line ${line}` : file, text),
    h("div", { class: "row" },
      h("button", { class: "primary", id: "save-row" }, "Save"),
      h("button", { type: "button", id: "leave-row-out", onclick: () => save("", "It is left out from now on; check again when you are through") }, "Leave it out"),
      h("button", { type: "button", id: "recheck", onclick: () => attempt(() => ask("POST", `${datasetPath(dataset.name)}/run`,
        { line: dataset.line === "kokoro" ? "kokoro" : "voice", until: "prepare" }), "The recordings are checked again") }, "Check all again")),
    h("p", { class: "soft" }, "Saving an empty line leaves the recording out. The listing as it was is kept beside it under the end .original."));
  const save = async (after, told) => {
    const saved = await attempt(() => ask("PUT", `${datasetPath(dataset.name)}/recordings/row`, { file, line, before: found.text, after }), told);
    if (saved) { found.text = saved.text; text.value = saved.text; }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save(text.value.replace(/\s*\n\s*/g, " "), "Saved; check again when you are through");
  });
  swap(place, form);
  text.focus();
}

function drawExport(dataset, exported) {
  const text = h("textarea", { id: "sample-text", rows: 2, maxlength: 2000 });
  text.value = SAMPLE;
  const heard = h("div", { role: "status" });
  const form = h("form", {}, h("label", {}, "Let the exported voice say something", text),
    h("div", { class: "row" }, h("button", { class: "primary", id: "say" }, "Speak"),
      h("a", { class: "button small", href: filePath(dataset.name, exported), download: exported.split("/").at(-1) }, "Download the voice"),
      h("a", { class: "button small", href: filePath(dataset.name, `${exported}.json`), download: `${exported.split("/").at(-1)}.json` }, "and its .json")), heard);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const request = await attempt(() => ask("POST", "/studio/speak", { dataset: dataset.name, text: text.value, exported }));
    if (!request) return;
    swap(heard, h("p", { class: "soft" }, "It is being spoken …"));
    swap(heard, await hear(request.id, heard));
  });
  return [h("h2", {}, "The exported voice"), form];
}

/** Waits for a request of the studio; what it made, or why it made nothing. */
async function hear(id, place) {
  for (;;) {
    await new Promise((resolve) => { setTimeout(resolve, 700); });
    if (!place.isConnected) return null;
    let told;
    try { told = await ask("GET", "/studio"); } catch { continue; /* the banner tells when the server is gone */ }
    const request = told.requests.find((each) => each.id === id);
    if (!request) return h("p", { class: "soft" }, "The server does not know of it any more.");
    const file = told.creations.find((each) => each.id === id)?.files[0];
    if (request.ending && file) return h("audio", { controls: true, src: `/api/v1/studio/files/${file.key.split("/").map(encodeURIComponent).join("/")}` });
    if (request.ending) return h("p", {}, [request.ending.message, request.ending.hint].filter(Boolean).join(": "));
  }
}
