// Where the token is asked; it is sent once, as a body, and never kept.

import { ask } from "/static/api.js";

document.getElementById("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = document.getElementById("problem");
  try {
    await ask("POST", "/session", { token: document.getElementById("token").value.trim() });
    location.assign("/");
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
});
