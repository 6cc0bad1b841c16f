// The interface's own description, readable without any other site.

import { ask } from "/static/api.js";
import { h } from "/static/dom.js";

const told = await ask("GET", "/openapi.json");
const bodies = told.components?.schemas ?? {};

function bodyOf(operation) {
  const link = operation.requestBody?.content?.["application/json"]?.schema?.$ref;
  const schema = link ? bodies[link.split("/").at(-1)] : null;
  if (!schema) return null;
  const fields = Object.entries(schema.properties ?? {}).map(([name, field]) =>
    `${name}${(schema.required ?? []).includes(name) ? "" : "?"}: ${field.type ?? (field.anyOf ?? []).map((each) => each.type).join(" | ")}`);
  return h("pre", {}, `{ ${fields.join(", ")} }`);
}

const byPart = new Map();
for (const [path, methods] of Object.entries(told.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const part = operation.tags?.[0] ?? "other";
    byPart.set(part, [...(byPart.get(part) ?? []), { path, method: method.toUpperCase(), operation }]);
  }
}

document.getElementById("main").append(
  h("div", { class: "card" }, h("h1", {}, `${told.info.title} ${told.info.version}`), h("p", {}, told.info.description)),
  ...[...byPart].map(([part, operations]) => h("section", { class: "card" }, h("h2", {}, part),
    h("table", {}, operations.map(({ path, method, operation }) => h("tr", {},
      h("td", {}, h("strong", {}, method)), h("td", {}, h("code", {}, path)),
      h("td", {}, operation.description ?? operation.summary, bodyOf(operation))))))));
