/* Enter in the palette's search adds the best match of what stands there at that moment. */
"use strict";
(() => {
  document.addEventListener("keydown", (event) => {
    const search = event.target;
    if (search.id !== "search" || event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
    event.preventDefault();
    if (search.value.trim() === "") return;
    const button = document.createElement("button");
    button.hidden = true;
    button.name = "find";
    button.value = search.value;
    search.form.append(button);
    search.form.requestSubmit(button);
    button.remove();
    search.select();
  });
})();
