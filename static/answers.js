/* Says an answer to screen readers, which are not flooded while it follows a pen or a camera; takes back what was asked. */
"use strict";
(() => {
  const PAUSE = 3000; // milliseconds between two announcements
  let last = -PAUSE;
  let timer = null;

  function announce() {
    timer = null;
    const said = document.getElementById("said");
    const told = document.querySelector("#answers [data-says]")?.dataset.says ?? "";
    if (told === said.textContent) return;
    last = performance.now();
    said.textContent = told;
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "answers") timer ??= setTimeout(announce, Math.max(0, last + PAUSE - performance.now()));
  });

  document.addEventListener("withdraw", () => {
    const nothing = document.getElementById("no-answer").content.cloneNode(true);
    document.getElementById("answers").replaceChildren(nothing);
  });
})();
