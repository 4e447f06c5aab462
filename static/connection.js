/* Says so when the server cannot be reached, and takes it back when it answers again. */
"use strict";
(() => {
  const show = (away) => {
    document.getElementById("offline").hidden = !away;
    if (away) document.body.classList.add("unsaved");
  };
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => show(true));
  document.addEventListener("htmx:afterOnLoad", () => show(false));
})();
