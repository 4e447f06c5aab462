/* A sheet to draw on, which gives its image to a form: when a button is pressed, or after every few moves of the pen
   (`data-live`: then the form gets the newest one only). Ink and paper are those of `data-ink` and `data-paper`. */
"use strict";
(() => {
  const EVERY = 200; // milliseconds

  function start(box) {
    const part = (name) => box.querySelector(`[data-${name}]`);
    const canvas = box.querySelector("canvas");
    const pen = canvas.getContext("2d");
    const form = document.getElementById(box.dataset.draw);
    const live = box.dataset.live !== undefined;
    let strokes = [];
    let stroke = null;
    let timer = null;
    let number = 0;

    /* From what the eye sees to the canvas's own pixels. */
    function point(event) {
      const seen = canvas.getBoundingClientRect();
      return [((event.clientX - seen.left) * canvas.width) / seen.width, ((event.clientY - seen.top) * canvas.height) / seen.height];
    }

    function line({ points, width }) {
      pen.lineWidth = width;
      pen.lineCap = pen.lineJoin = "round";
      pen.strokeStyle = box.dataset.ink;
      pen.beginPath();
      pen.moveTo(...points[0]);
      for (const next of points) pen.lineTo(...next); // the first one again: a touch alone is a dot
      pen.stroke();
    }

    function draw() {
      pen.fillStyle = box.dataset.paper;
      pen.fillRect(0, 0, canvas.width, canvas.height);
      strokes.forEach(line);
      for (const name of ["undo", "clear", "add"]) part(name)?.toggleAttribute("disabled", strokes.length === 0);
      if (live && strokes.length > 0) timer ??= setTimeout(give, EVERY);
      else if (live && number > 0) form.dispatchEvent(new CustomEvent("withdraw", { bubbles: true }));
    }

    function give() {
      timer = null;
      if (strokes.length === 0) return;
      canvas.toBlob((blob) => {
        if (live && strokes.length === 0) return; // cleared meanwhile
        const file = new File([blob], `drawing-${++number}.png`, { type: "image/png" });
        form.dispatchEvent(new CustomEvent("give", { bubbles: true, detail: { files: [file], latest: live, source: box } }));
      }, "image/png");
    }

    function clear() {
      strokes = [];
      draw();
    }

    function undo() {
      strokes.pop();
      draw();
    }

    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      canvas.focus();
      canvas.setPointerCapture(event.pointerId);
      stroke = { points: [point(event)], width: Number(part("width").value), pointer: event.pointerId };
      strokes.push(stroke);
      draw();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (stroke?.pointer !== event.pointerId) return;
      const moves = event.getCoalescedEvents?.() ?? [];
      stroke.points.push(...(moves.length > 0 ? moves : [event]).map(point));
      draw();
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (stroke = null));
    canvas.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      undo();
    });
    part("undo").addEventListener("click", undo);
    part("clear").addEventListener("click", clear);
    part("add")?.addEventListener("click", () => {
      give();
      clear();
    });
    draw();
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-draw]").forEach(start));
})();
