/* Keyboard shortcuts of the editor: the list #shortcuts says which keys there are, and a key presses the element that
   names it in aria-keyshortcuts. Keys pressed while an answer is on its way wait for it, so that each meets the page
   that the one before it made; only the way to the search is open at once, since what is typed next goes there. */
"use strict";
(() => {
  const waiting = [];
  const steps = { ArrowUp: -1, ArrowDown: 1 };
  const busy = () => document.querySelector(".htmx-request") !== null;
  const shown = (element) => element.getClientRects().length > 0;

  /* The keys as ARIA writes them, such as Control+Shift+Z. */
  function written(event) {
    const letter = event.key.length === 1;
    const names = [];
    if (event.ctrlKey || event.metaKey) names.push("Control");
    if (event.altKey) names.push("Alt");
    if (event.shiftKey && (!letter || event.key.toLowerCase() !== event.key.toUpperCase())) names.push("Shift");
    return [...names, letter ? event.key.toUpperCase() : event.key].join("+");
  }

  /* Whether the keys mean a shortcut where the focus is: texts keep their own keys, and so does selected text. */
  function meant(keys, focus) {
    const rule = document.querySelector(`#shortcuts [data-keys="${CSS.escape(keys)}"]`);
    if (!rule || document.querySelector("body.dragging, dialog[open]")) return false;
    if (focus.matches("input, select, textarea")) return "anywhere" in rule.dataset;
    if (rule.dataset.within) return focus === document.body || focus.closest(rule.dataset.within) !== null;
    return !["Control+C", "Control+X"].includes(keys) || String(getSelection()) === "";
  }

  function press(keys) {
    const named = document.querySelectorAll(`[aria-keyshortcuts~="${CSS.escape(keys)}"]`);
    const element = [...named].find((candidate) => !candidate.disabled && shown(candidate));
    if (element?.matches("a, input, select")) element.focus();
    if (element?.matches("input, select")) element.select?.();
    else element?.click();
  }

  /* The block before or after the chosen one, in the order in which they stand on the page. */
  function step(by) {
    const links = [...document.querySelectorAll("#stack h3 a")].filter(shown);
    const chosen = links.findIndex((link) => link.closest("li").ariaCurrent === "true");
    const link = links[Math.min(Math.max(chosen + by, 0), links.length - 1)];
    link?.focus();
    link?.click();
  }

  const act = (keys) => (keys in steps ? step(steps[keys]) : press(keys));

  document.addEventListener("keydown", (event) => {
    const keys = written(event);
    if (event.defaultPrevented || event.isComposing || !meant(keys, document.activeElement)) return;
    event.preventDefault();
    const toSearch = document.getElementById("search")?.getAttribute("aria-keyshortcuts") === keys;
    if (!toSearch && (busy() || waiting.length > 0)) waiting.push(keys);
    else act(keys);
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.successful && !event.detail.xhr?.status) waiting.length = 0; // no answer: nothing to press in
    setTimeout(() => {
      while (waiting.length > 0 && !busy()) act(waiting.shift());
    }, 30); // by then it is shown
  });
})();
