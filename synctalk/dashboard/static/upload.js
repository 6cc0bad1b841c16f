// Sending files in pieces; an interruption costs one piece, and a page that is opened again goes on where it stopped.

import { ask, Refusal } from "/static/api.js";

const ATTEMPTS = 6;

const memory = (dataset, file, place) =>
  `upload:${dataset}:${place.purpose ?? ""}:${place.folder ?? ""}:${place.text ?? ""}:${file.name}:${file.size}:${file.lastModified}`;

async function begin(dataset, file, place) {
  const known = localStorage.getItem(memory(dataset, file, place));
  if (known) {
    try { return await ask("GET", `/uploads/${known}`); } catch (error) { if (!(error instanceof Refusal)) throw error; }
  }
  const upload = await ask("POST", "/uploads", { dataset, name: file.name, size: file.size, ...place });
  localStorage.setItem(memory(dataset, file, place), upload.id);
  return upload;
}

/** Send one file; `tell` gets the share that has arrived. `place` may hold `replace`, `folder` and `purpose`. */
export async function send(dataset, file, tell, { replace = false, ...place } = {}) {
  const upload = await begin(dataset, file, place);
  let arrived = upload.arrived;
  let failures = 0;
  while (arrived < file.size) {
    tell(arrived / file.size);
    try {
      const piece = file.slice(arrived, arrived + upload.piece_bytes);
      arrived = (await ask("PUT", `/uploads/${upload.id}?offset=${arrived}`, piece)).arrived;
      failures = 0;
    } catch (error) {
      failures += 1;
      const isHopeless = error instanceof Refusal && ![409, 503].includes(error.status);
      if (isHopeless || failures >= ATTEMPTS) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 500 * 2 ** failures); });
      try { arrived = (await ask("GET", `/uploads/${upload.id}`)).arrived; } catch { /* the next piece tells */ }
    }
  }
  tell(1);
  const placed = await ask("POST", `/uploads/${upload.id}/finish`, { replace });
  localStorage.removeItem(memory(dataset, file, place));
  return placed;
}
