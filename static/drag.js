/* Dragging blocks: from the palette into the stack, within the stack, into the bin. A drop becomes a submit
   button with one operation as its value, pressed at once; the server's answer is what is shown then. */
"use strict";
(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

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

  function dropped({ item, clone, from, to, oldDraggableIndex, newDraggableIndex }) {
    if (from.id !== "stack") {
      if (to === from) return;
      clone.replaceWith(item);
      submit({ op: "add", type: item.dataset.type, position: newDraggableIndex });
    } else if (to.id === "bin") {
      item.remove();
      submit({ op: "remove", block: item.dataset.block });
    } else if (oldDraggableIndex !== newDraggableIndex) {
      submit({ op: "move", block: item.dataset.block, position: newDraggableIndex });
    }
  }

  function once(element, group, options) {
    if (!element || Sortable.get(element)) return;
    Sortable.create(element, {
      group: { name: "blocks", ...group },
      forceFallback: true, // real pointer events on every system, instead of the browser's own drag and drop
      fallbackOnBody: true,
      fallbackTolerance: 4,
      animation: calm ? 0 : 120,
      delay: 180,
      delayOnTouchOnly: true,
      scrollSensitivity: 60,
      emptyInsertThreshold: 40,
      onStart: () => document.body.classList.add("dragging"),
      onEnd: (drop) => {
        document.body.classList.remove("dragging");
        queueMicrotask(() => dropped(drop)); // Sortable still works on the elements when it calls this
      },
      ...options,
    });
  }

  function prepare() {
    for (const list of document.querySelectorAll("[data-palette]")) {
      once(list, { pull: "clone", put: false }, { sort: false, draggable: "li" });
    }
    const still = { draggable: "li.piece", filter: "input, select, .tools, .mend", preventOnFilter: false };
    once(document.getElementById("stack"), { put: true }, still);
    once(document.getElementById("bin"), { put: (to, from) => from.el.id === "stack" }, {});
  }

  document.addEventListener("DOMContentLoaded", prepare);
  document.addEventListener("htmx:afterSettle", prepare);
})();
