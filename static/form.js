/* The editor's form under htmx: which button was pressed, what was typed meanwhile, where the focus goes.
   Rules about blocks are the server's; this file only carries events to it faithfully. */
"use strict";
(() => {
  /* Fields typed in after a request was sent: its answer does not know them, so it must not reset them. */
  const typed = new Set();

  const editor = () => document.getElementById("editor");

  document.addEventListener("input", (event) => {
    if (event.target.form !== editor()) return;
    typed.add(event.target);
    document.body.classList.add("unsaved");
  });

  document.addEventListener("htmx:configRequest", (event) => {
    const request = event.detail;
    if (request.elt !== editor()) return;
    typed.clear();
    /* A queued request must carry the button of its own event, not the one pressed last; the button's value
       is read now, since an answer in between may have renewed it. */
    const button = request.triggeringEvent?.submitter;
    for (const name of ["operation", "history"]) {
      delete request.parameters[name];
      if (button?.name === name) request.parameters[name] = button.value;
    }
    request.path = button?.getAttribute("formaction") ?? request.elt.getAttribute("hx-post");
  });

  /* What the user folded stays folded: the server does not know. */
  const folded = (name, element) => name === "open" && element.matches("details.fold, details.further");

  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) =>
    !folded(name, element) &&
    !(["value", "checked", "selected"].includes(name) && (typed.has(element) || typed.has(element.closest("select"))));

  /* A live element renews itself; an answer to something else would set it back. */
  Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) =>
    !(old.id && old.id === fresh.id && old.hasAttribute?.("sse-connect"));

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.requestConfig?.verb === "post") {
      if (typed.size === 0) document.body.classList.remove("unsaved");
      const seen = document.querySelector("#refusal") ?? document.querySelector("#stack [aria-current]");
      seen?.scrollIntoView({ block: "nearest" });
    }
    const invalid = document.querySelector("#editor [aria-invalid=true]");
    if (document.activeElement === document.body) {
      (invalid ?? document.querySelector("#stack [aria-current] h3 a"))?.focus({ preventScroll: true });
    }
  });
})();
