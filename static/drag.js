/* Dragging blocks: from the palette into any chain, within and between chains, into the bin. A drop becomes a
   submit button with one operation as its value, pressed at once; the server's answer is what is shown then. */
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

  /* The chain as operations name it: nothing for the trunk, else its container and branch. */
  const spot = ({ dataset }) => (dataset.into ? { into: dataset.into, branch: Number(dataset.branch) } : {});

  /* Beside a container's branches nothing is pushed aside: what hovers there is on its way into one of them. */
  function beside({ related, originalEvent: { clientY: y } }) {
    const box = related.querySelector(":scope > .face > .fold[open] > .arms")?.getBoundingClientRect();
    return !box || y < box.top || y > box.bottom;
  }

  function dropped({ item, clone, from, to, oldDraggableIndex, newDraggableIndex: position }) {
    const { type, block } = item.dataset;
    if ("palette" in from.dataset) {
      if (to === from) return;
      clone.replaceWith(item);
      submit({ op: "add", type, position, ...spot(to) });
    } else if (to.id === "bin") {
      item.remove();
      submit({ op: "remove", block });
    } else if (to !== from || oldDraggableIndex !== position) {
      submit({ op: "move", block, position, ...spot(to) });
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
      onMove: beside,
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
    for (const chain of document.querySelectorAll("[data-chain]")) {
      once(chain, { put: true }, {
        draggable: "li.piece",
        filter: "input, select, .tools, .mend, summary, .arm button, .more",
        preventOnFilter: false,
        emptyInsertThreshold: chain.id === "stack" ? 40 : 6,
        /* What hovers goes before or after a piece by the half that it is over: no dead middle, so that a
           container, whose middle is its own chains, pushes nothing out of them. */
        invertSwap: true,
        invertedSwapThreshold: 1,
      });
    }
    once(document.getElementById("bin"), { put: (to, from) => "chain" in from.el.dataset }, {});
  }

  document.addEventListener("DOMContentLoaded", prepare);
  document.addEventListener("htmx:afterSettle", prepare);
})();
