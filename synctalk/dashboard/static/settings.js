// Every setting as a field of a form, with its range and what each preset makes of it.

import { ask } from "/static/api.js";
import { attempt, h } from "/static/dom.js";
import { describeStage } from "/static/terms.js";

/** Fill a folded part of a form with the settings that are wanted; once. */
export async function fillWith(place, isWanted) {
  if (place.childElementCount > 1) return;
  const settings = await attempt(() => ask("GET", "/settings"));
  if (!settings || place.childElementCount > 1) return;
  for (const [section, fields] of bySection(settings.filter(isWanted))) place.append(h("fieldset", {}, h("legend", {}, describeSection(section)), fields.map(field)));
}

/** Settings in their order, those of one section together. */
function bySection(settings) {
  const sections = new Map();
  for (const setting of settings) {
    const section = setting.name.includes(".") ? setting.name.split(".")[0] : "";
    sections.set(section, [...(sections.get(section) ?? []), setting]);
  }
  return sections;
}

const SECTIONS = { "": "The whole run", voice: "The voice", runtime: "This machine, and what is kept" };
const describeSection = (section) => [h("strong", {}, SECTIONS[section] ?? section), describeStage(section) && h("span", { class: "soft" }, ` – ${describeStage(section)}`)];

/** What was chosen by hand. */
export function chosenSettings(form) {
  const settings = {};
  for (const input of form.querySelectorAll("[data-setting]")) {
    if (input.value !== "") settings[input.dataset.setting] = input.type === "number" ? Number(input.value) : input.value;
  }
  return settings;
}

function field(setting) {
  const values = Object.entries(setting.presets).map(([name, value]) => [name, value === "" ? "none" : value]);
  const isSame = values.every(([, value]) => value === values[0][1]);
  const defaults = isSame ? `usually ${values[0][1]}` : values.map(([name, value]) => `${name} ${value}`).join(", ");
  const common = { "data-setting": setting.name, id: `set-${setting.name}` };
  const step = setting.step || (setting.kind === "whole number" ? 1 : "any");
  const input = setting.kind === "choice"
    ? h("select", common, h("option", { value: "" }, "as the preset says"), setting.choices.map((each) => h("option", {}, each)))
    : h("input", setting.kind === "text" ? common
      : { ...common, type: "number", min: setting.least, max: setting.most, step, placeholder: "as the preset says" });
  const limits = [setting.least !== null && `${setting.is_above_least ? "above" : "from"} ${setting.least}`,
    setting.most !== null && setting.most < 1e9 && `to ${setting.most}`].filter(Boolean).join(" ");
  return h("label", {}, setting.name, input, setting.meaning && h("span", {}, setting.meaning), h("span", { class: "soft" }, [limits, defaults].filter(Boolean).join("; ")));
}
