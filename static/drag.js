/* Dragging blocks: from the palette into any chain, within and between chains, into the bin. A drop becomes a
   submit button with one operation as its value, pressed at once; the server's answer is what is shown then.
   What counts is where the pointer lets go: off the canvas, or after Escape, nothing happens. */
"use strict";
(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let origin = null; // where the dragged element came from, while it is dragged
  let cancelled = false;
  let held = null; // an answer that came during the drag; showing it would pull the block out of the hand

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

  const pointOf = (event) => event.changedTouches?.[0] ?? event;

  /* What the pointer is over: "bin", "canvas", or nothing that takes a block. */
  function under(event) {
    const point = pointOf(event);
    const element = document.elementFromPoint(point.clientX, point.clientY);
    if (element?.closest(".bin")) return "bin";
    return element?.closest(".table") ? "canvas" : null;
  }

  /* The chain as operations name it: nothing for the trunk, else its container and branch. */
  const spot = ({ dataset }) => (dataset.into ? { into: dataset.into, branch: Number(dataset.branch) } : {});

  /* Beside a container's branches nothing is pushed aside: what hovers there is on its way into one of them. */
  function beside({ related, originalEvent: { clientY: y } }) {
    const box = related.querySelector(":scope > .face > .fold[open] > .arms")?.getBoundingClientRect();
    return !box || y < box.top || y > box.bottom;
  }

  /* What is let go above the first block, as on the images, goes first; anywhere else on the canvas it goes last. */
  const isAboveAll = (event) => pointOf(event).clientY < document.getElementById("stack").getBoundingClientRect().top;

  function operationOf({ item, from, to, oldDraggableIndex, newDraggableIndex: position, originalEvent }) {
    const place = cancelled ? null : under(originalEvent);
    const { type, block } = item.dataset;
    if (block && place === "bin") return { op: "remove", block };
    if (place !== "canvas") return null;
    if (!block && "chain" in to.dataset) return { op: "add", type, position, ...spot(to) };
    if (!block) return { op: "add", type, ...(isAboveAll(originalEvent) && { position: 0 }) };
    if (to === from && oldDraggableIndex === position) return null;
    return "chain" in to.dataset ? { op: "move", block, position, ...spot(to) } : null;
  }

  function finish(drop) {
    const operation = operationOf(drop);
    const { item, clone } = drop;
    if (!item.dataset.block) {
      if (clone?.isConnected) clone.replaceWith(item);
    } else if (operation?.op === "remove") {
      item.remove();
    } else if (!operation) {
      origin.parent.insertBefore(item, origin.next);
    }
    origin = null;
    if (held !== null) {
      const form = document.getElementById("editor");
      htmx.swap(form, held, { swapStyle: "morph:outerHTML", swapDelay: 0, settleDelay: 0 }, { contextElement: form });
      held = null;
    }
    if (operation) submit(operation);
  }

  /* The class goes last: that restyles the whole page, which the browser does while the server answers. */
  function end(drop) {
    try {
      finish(drop);
    } finally {
      document.body.classList.remove("dragging");
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
      onStart: ({ item }) => {
        origin = { parent: item.parentNode, next: item.nextSibling };
        cancelled = false;
        document.body.classList.add("dragging");
      },
      onEnd: (drop) => {
        queueMicrotask(() => end(drop)); // Sortable still works on the elements when it calls this
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
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && origin) cancelled = true;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!origin || event.detail.target.id !== "editor") return;
    held = event.detail.serverResponse;
    event.detail.shouldSwap = false;
  });
})();
