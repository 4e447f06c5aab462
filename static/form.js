/* The editor's form under htmx: which button was pressed, what was typed meanwhile, where the focus goes.
   Rules about blocks are the server's; this file only carries events to it faithfully. */
"use strict";
(() => {
  /* Fields typed in after a request was sent: its answer does not know them, so it must not reset them. */
  const typed = new Set();

  /* After a conflict: the names of typed texts that still wait, the revision that was refused, and when that was. */
  let conflict = { typed: [], revision: "", time: 0 };

  const changed = (control) =>
    control.matches("select") ? ![...control.options].find((o) => o.defaultSelected)?.selected : control.value !== control.defaultValue;

  const editor = () => document.getElementById("editor");

  document.addEventListener("input", (event) => {
    if (!event.target.matches("#editor .control")) return;
    typed.add(event.target);
    document.body.classList.add("unsaved");
  });

  document.addEventListener("htmx:configRequest", (event) => {
    const request = event.detail;
    if (request.elt !== editor()) return;
    /* Where this comes too late, the server keeps these texts, but not those that were only shown. */
    const names = [...request.elt.querySelectorAll(".control")].filter(changed).map((c) => c.name);
    request.parameters.typed = [...new Set([...names, ...conflict.typed])].join(" ");
    typed.clear();
    /* What was pressed before the conflict was seen must meet it too: nobody agreed to it over the other changes. */
    if (request.triggeringEvent?.timeStamp < conflict.time) request.parameters.revision = conflict.revision;
    /* A queued request must carry the button of its own event, not the one pressed last; the button's value
       is read now, since an answer in between may have renewed it. */
    const button = request.triggeringEvent?.submitter;
    for (const name of ["operation", "action", "find", "add"]) {
      delete request.parameters[name];
      if (button?.name === name) request.parameters[name] = button.value;
    }
    request.path = button?.getAttribute("formaction") ?? request.elt.getAttribute("hx-post");
  });

  /* What the user folded stays folded, and a search goes on while it is typed: the server does not know. */
  const own = (name, element) =>
    (name === "open" && element.matches("details.fold, details.further")) ||
    (name === "value" && element.id === "search" && element === document.activeElement);

  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) =>
    !own(name, element) &&
    !(["value", "checked", "selected"].includes(name) && (typed.has(element) || typed.has(element.closest("select"))));

  /* A live element renews itself; an answer to something else would set it back. A block that looks as before is not
     gone through, which is most of the work of an answer, unless something was typed into it. */
  const live = (old, fresh) => old.id && old.id === fresh.id && old.hasAttribute?.("sse-connect");
  const same = (old, fresh) =>
    old.dataset?.hash && old.dataset.hash === fresh.dataset?.hash && ![...old.querySelectorAll(".control")].some(changed);

  Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) => !live(old, fresh) && !same(old, fresh);

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.requestConfig?.verb === "post") {
      const sent = event.detail.requestConfig.parameters;
      if (event.detail.xhr.status !== 409) conflict = { ...conflict, typed: [] };
      else conflict = { typed: (sent.typed ?? "").split(" "), revision: sent.revision, time: performance.now() };
      if (typed.size === 0) document.body.classList.remove("unsaved");
      const seen = document.querySelector("#refusal") ?? document.querySelector("#stack [aria-current]");
      seen?.scrollIntoView({ block: "nearest" });
    }
    const invalid = document.querySelector("#editor [aria-invalid=true]");
    if (document.activeElement === document.body) {
      (invalid ?? document.querySelector("#stack [aria-current] h3 a"))?.focus({ preventScroll: true });
    }
  });

  /* A menu closes when something else is pressed. */
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.drop[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
})();
