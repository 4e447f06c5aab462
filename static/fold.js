/* Containers that were folded stay folded, in this browser, over answers of the server and reloads. */
"use strict";
(() => {
  const key = `folded:${location.pathname}`;
  const folded = new Set(JSON.parse(localStorage.getItem(key) ?? "[]"));

  function restore() {
    for (const details of document.querySelectorAll("details.fold[id]")) details.open = !folded.has(details.id);
  }

  document.addEventListener("click", (event) => {
    const details = event.target.closest("details.fold > summary")?.parentElement;
    if (!details) return;
    if (details.open) folded.add(details.id);
    else folded.delete(details.id);
    localStorage.setItem(key, JSON.stringify([...folded]));
  });
  document.addEventListener("DOMContentLoaded", restore);
  document.addEventListener("htmx:afterSettle", restore);
})();
