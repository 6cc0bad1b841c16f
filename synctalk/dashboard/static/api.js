// The interface of the server; every error is shown in its own words.

/** What the server refused: its title, message and hint. */
export class Refusal extends Error {
  constructor(status, problem) {
    super([problem.title, problem.message, problem.hint].filter(Boolean).join(": "));
    this.status = status;
    this.problem = problem;
  }
}

/** Nothing came back: the server is gone, or the way to it. */
export class Unreachable extends Error {
  constructor() {
    super("The server does not answer");
  }
}

/** What `fetch` answers. */
export function reach(address, options) {
  return fetch(address, options).catch(() => { throw new Unreachable(); });
}

/** One request; `body` is sent as JSON unless it is a Blob. */
export async function ask(method, path, body) {
  const headers = { "X-Synctalk": "1" };
  const isJson = body !== undefined && !(body instanceof Blob);
  if (isJson) headers["Content-Type"] = "application/json";
  const answer = await reach(`/api/v1${path}`, { method, headers, body: isJson ? JSON.stringify(body) : body });
  if (answer.status === 401 && !location.pathname.startsWith("/login")) location.assign("/login");
  const content = (answer.headers.get("content-type") ?? "").includes("json") ? await answer.json() : null;
  if (!answer.ok) throw new Refusal(answer.status, content ?? { title: `The server answered ${answer.status}` });
  return content;
}

export const datasetPath = (name) => `/datasets/${encodeURIComponent(name)}`;
export const filePath = (name, key) => `/api/v1${datasetPath(name)}/files/${key.split("/").map(encodeURIComponent).join("/")}`;
