// How a run is begun: a preset first, every setting for those who look for it, and the plan before anything happens.

import { ask, datasetPath } from "/static/api.js";
import { attempt, h, swap } from "/static/dom.js";
import { chosenSettings, fillWith } from "/static/settings.js";
import { term } from "/static/terms.js";

const PRESETS = {
  draft: "Minutes on two processor cores. To see whether the recording is good.",
  standard: "Hours on a laptop, less on a small graphics card. What most want.",
  high: "The sharpest. Wants a graphics card.",
};
const LINES = { face: "A talking face", voice: "A voice (for Piper and others)", kokoro: "A voice of the kind Kokoro" };
const FORCES = { "": "Go on where it stopped", retrain: "Train anew, keep what was prepared", all: "Everything anew" };

export function startForm(dataset) {
  const form = h("form", {});
  const advanced = h("details", { id: "settings" }, h("summary", {}, "All settings"));
  const plan = h("div", { role: "status" });
  const proposals = h("details", { id: "proposals" }, h("summary", {}, "What suits this machine"));
  const propose = () => { if (proposals.open) fillProposals(proposals, form, advanced, dataset); };
  proposals.addEventListener("toggle", propose);
  form.addEventListener("change", (event) => { if (["line", "preset"].includes(event.target.name)) propose(); });
  advanced.addEventListener("toggle", () => { if (advanced.open) fillSettings(advanced, form.elements.line?.value ?? dataset.line); });
  form.append(...[
    dataset.has_recordings && h("label", {}, "What shall be made of it", h("select", { name: "line", id: "line", onchange: () => { advanced.open = false; advanced.replaceChildren(advanced.firstChild); } },
      Object.entries(LINES).filter(([name]) => name !== "face" || dataset.has_source).map(([name, told]) =>
        h("option", { value: name, selected: name === dataset.line }, told)))),
    h("fieldset", {}, h("legend", {}, "How good, and how long (the ", term("preset"), ")"), Object.entries(PRESETS).map(([name, told]) =>
      h("label", { class: "choice" }, h("input", { type: "radio", name: "preset", value: name, checked: name === (dataset.request?.options.preset ?? "draft") }),
        h("span", {}, h("strong", {}, name), h("br"), h("span", { class: "soft" }, told))))),
    dataset.stages.some((stage) => stage.status !== "pending") && h("label", {}, "If something is there already",
      h("select", { name: "force" }, Object.entries(FORCES).map(([value, told]) => h("option", { value }, told)))),
    proposals,
    advanced,
    h("div", { class: "row" },
      h("button", { class: "primary", id: "start" }, "Train"),
      h("button", { type: "button", id: "plan", onclick: () => showPlan(dataset, form, plan) }, "What would happen?")),
    plan].filter(Boolean));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await attempt(() => ask("POST", `${datasetPath(dataset.name)}/run`, optionsOf(dataset, form)), "It is in the queue");
  });
  return form;
}

function optionsOf(dataset, form) {
  const told = new FormData(form);
  return {
    line: told.get("line") ?? dataset.line, preset: told.get("preset"), force: told.get("force") || null,
    continue_training: !told.get("force"), settings: chosenSettings(form),
  };
}

async function showPlan(dataset, form, place) {
  swap(place, h("p", { class: "soft" }, "Looking at the recording …"));
  const plan = await attempt(() => ask("POST", `${datasetPath(dataset.name)}/plan`, optionsOf(dataset, form)));
  swap(place, plan && h("table", {}, plan.map((stage) => h("tr", {},
    h("td", {}, h("strong", {}, stage.stage)), h("td", {}, stage.verdict), h("td", { class: "soft" }, stage.reasons.join("; "))))));
}

/** The sections of settings that have nothing to do with a line. */
const STRANGE = {
  face: ["prepare", "vits", "align", "kokoro", "voice", "feedback"],
  voice: ["preprocess", "syncnet", "main", "align", "kokoro", "feedback"],
  kokoro: ["preprocess", "syncnet", "main", "vits", "voice", "feedback"],
};

async function fillSettings(place, line) {
  await fillWith(place, (setting) => !(STRANGE[line] ?? []).includes(setting.name.split(".")[0]));
}

/** Proposals beside what the preset says; only what somebody takes over goes into the form. */
async function fillProposals(place, form, advanced, dataset) {
  const told = new FormData(form);
  const line = told.get("line") ?? dataset.line;
  const query = new URLSearchParams({ line, preset: told.get("preset") });
  const proposals = await attempt(() => ask("GET", `/proposals?${query}`));
  const now = new FormData(form);
  if (!proposals || ["line", "preset"].some((name) => now.get(name) !== told.get(name))) return;
  const take = async (chosen, { isAsked }) => {
    await fillSettings(advanced, line);
    for (const { setting, value } of chosen) {
      const input = document.getElementById(`set-${setting}`);
      // What a person has chosen already gives way only where that very setting is asked for.
      if (input && (isAsked || input.value === "")) input.value = value;
    }
    advanced.open = true;
  };
  place.replaceChildren(place.firstChild, h("p", { class: "soft" }, "Nothing of this is used unless you take it over. Another ", term("batch"), " changes speed, and a little what is learned; ", term("loaders"), " and ", term("number format"), " change speed only."),
    h("table", { class: "findings" }, proposals.map((each) => h("tr", {},
      h("td", {}, each.setting), h("td", {}, h("strong", {}, String(each.value)), h("span", { class: "soft" }, each.value === each.usual ? " as the preset says" : ` instead of ${each.usual === -1 ? "automatic" : each.usual}`)),
      h("td", { class: "soft" }, each.reason),
      h("td", {}, h("button", { type: "button", class: "small", id: `take-${each.setting}`, onclick: () => take([each], { isAsked: true }) }, "Use"))))),
    h("button", { type: "button", class: "small after", id: "take-all", onclick: () => take(proposals, { isAsked: false }) }, "Use all where nothing is chosen"));
}
