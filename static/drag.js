/* Dragging blocks: from the palette into the stack, within the stack, into the bin. A drop becomes a submit
   button with one operation as its value, pressed at once; the server's answer is what is shown then. */
"use strict";
(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const common = {
    forceFallback: true,
    fallbackOnBody: true,
    fallbackTolerance: 4,
    animation: calm ? 0 : 120,
    delay: 180,
    delayOnTouchOnly: true,
    filter: "input, select, .mend",
    preventOnFilter: false,
    scrollSensitivity: 60,
    onStart: () => document.body.classList.add("dragging"),
    onEnd: () => document.body.classList.remove("dragging"),
  };

  function submit(operation) {
    const form = document.getElementById("editor");
    const button = document.createElement("button");
    button.hidden = true;
    button.name = "operation";
    button.value = JSON.stringify(operation);
    form.append(button);
    form.requestSubmit(button);
    button.remove();
  }

  function fromPalette(drop) {
    const type = drop.item.dataset.type;
    drop.clone.replaceWith(drop.item);
    submit({ op: "add", type, position: drop.newDraggableIndex });
  }

  function once(element, options) {
    if (element && !Sortable.get(element)) Sortable.create(element, { ...common, ...options });
  }

  function prepare() {
    for (const list of document.querySelectorAll("[data-palette]")) {
      once(list, { group: { name: "blocks", pull: "clone", put: false }, sort: false, draggable: "li" });
    }
    once(document.getElementById("stack"), {
      group: { name: "blocks", put: true },
      draggable: "li.piece",
      onAdd: fromPalette,
      onUpdate: (drop) => submit({ op: "move", block: drop.item.dataset.block, position: drop.newDraggableIndex }),
    });
    once(document.getElementById("bin"), {
      group: { name: "blocks", put: (to, from) => from.el.id === "stack" },
      onAdd: (drop) => {
        drop.item.remove();
        submit({ op: "remove", block: drop.item.dataset.block });
      },
    });
  }

  document.addEventListener("DOMContentLoaded", prepare);
  document.addEventListener("htmx:afterSettle", prepare);
})();
