/* Files on their way to the server: dropped, pasted, drawn or chosen, gathered while others are sent, with progress.
   Whoever has files sends a `give` event to a form, and `withdraw` where they are not to be sent after all; what may be sent, and what becomes of it, the server says. */
"use strict";
(() => {
  const AT_ONCE = 50; // files of one request
  const PATIENCE = 400; // milliseconds after which a request shows how far it is
  const waiting = new Map();
  const field = (form) => form.querySelector("input[type=file]");
  const sending = (form) => form.dataset.sending !== undefined;

  function put(form, files) {
    const transfer = new DataTransfer();
    for (const file of files) transfer.items.add(file);
    field(form).files = transfer.files;
  }

  function next(form) {
    const files = waiting.get(form) ?? [];
    if (files.length === 0 || sending(form)) return;
    put(form, files.splice(0, AT_ONCE));
    if (!form.reportValidity()) {
      waiting.delete(form);
      put(form, []);
      return;
    }
    form.dataset.sending = "";
    form.requestSubmit();
  }

  document.addEventListener("give", (event) => {
    const { target: form, detail: { files, latest } } = event;
    if (form.dataset.atOnce === undefined) return put(form, files.slice(0, field(form).multiple ? files.length : 1));
    waiting.set(form, latest ? [...files] : [...(waiting.get(form) ?? []), ...files]);
    next(form);
  });

  document.addEventListener("change", (event) => {
    const form = event.target.matches("[data-at-once] input[type=file]") && event.target.form;
    if (!form || event.target.files.length === 0) return;
    form.dispatchEvent(new CustomEvent("give", { bubbles: true, detail: { files: [...event.target.files] } }));
  });

  /* What is typed beside a choice, or dropped onto it, chooses it. */
  const choose = (element) => {
    const choice = document.getElementById(element.dataset.choose);
    if (choice) choice.checked = true;
  };
  document.addEventListener("input", (event) => event.target.matches("[data-choose]") && choose(event.target));

  /* The server would say the same, but only after all of it was sent. */
  document.addEventListener("submit", (event) => {
    const { most, tooLarge } = event.target.dataset;
    if (!most) return;
    const total = [...field(event.target).files].reduce((sum, file) => sum + file.size, 0);
    const problem = document.getElementById(event.target.dataset.problem);
    problem.textContent = total > Number(most) ? tooLarge : "";
    if (total <= Number(most)) return;
    event.preventDefault();
    event.stopPropagation();
    delete event.target.dataset.sending;
    waiting.delete(event.target);
    put(event.target, []);
  }, true);

  /* Progress -------------------------------------------------------------------------------- */
  const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });

  function show(form, share) {
    const box = form.querySelector("[data-progress]");
    if (!box) return;
    const bar = box.querySelector("progress");
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
    box.querySelector("output").textContent = share === null ? box.dataset.checking : percent.format(share);
    if (performance.now() - Number(form.dataset.began) > PATIENCE) box.classList.add("shown");
  }

  document.addEventListener("htmx:beforeSend", (event) => {
    const form = event.target;
    if (!form.matches("form") || !field(form)) return;
    form.dataset.sending = "";
    form.dataset.began = performance.now();
    event.detail.xhr.upload.addEventListener("progress", (news) => show(form, news.loaded / news.total));
    event.detail.xhr.upload.addEventListener("load", () => show(form, null));
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.target;
    if (!form.matches("form") || !sending(form)) return;
    delete form.dataset.sending;
    form.querySelector("[data-progress]")?.classList.remove("shown");
    if (form.dataset.atOnce !== undefined) put(form, []);
    if (event.detail.xhr.status === 0) waiting.delete(form); // stopped, or the server is away
    next(form);
  });

  function withdraw(form) {
    waiting.delete(form);
    htmx.trigger(form, "htmx:abort");
  }

  document.addEventListener("withdraw", (event) => withdraw(event.target));
  document.addEventListener("click", (event) => {
    const form = event.target.closest("[data-abort]")?.form;
    if (form) withdraw(form);
  });

  /* Dropping ---------------------------------------------------------------------------------- */
  const zone = (event) => event.target.closest?.("[data-drop]");
  const brings = (event) => event.dataTransfer?.types.includes("Files");

  document.addEventListener("dragover", (event) => {
    if (!brings(event) || !document.querySelector("[data-drop]")) return;
    event.preventDefault(); // else the browser would leave the page for the file
    event.dataTransfer.dropEffect = zone(event) ? "copy" : "none";
    for (const other of document.querySelectorAll("[data-drop].over")) other.classList.toggle("over", other === zone(event));
    zone(event)?.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.querySelector("[data-drop].over")?.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    if (!brings(event) || !document.querySelector("[data-drop]")) return;
    event.preventDefault();
    const target = zone(event);
    if (!target) return;
    target.classList.remove("over");
    const files = [...event.dataTransfer.items].filter((item) => item.webkitGetAsEntry?.()?.isFile ?? true);
    choose(target);
    document.getElementById(target.dataset.drop).dispatchEvent(
      new CustomEvent("give", { bubbles: true, detail: { files: files.map((item) => item.getAsFile()) } }),
    );
  });
})();
