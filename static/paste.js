/* Images in the clipboard go to the form that takes them, wherever on the page they are pasted. */
"use strict";
(() => {
  document.addEventListener("paste", (event) => {
    const form = document.querySelector("form[data-paste]");
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!form || files.length === 0) return;
    event.preventDefault();
    form.dispatchEvent(new CustomEvent("give", { bubbles: true, detail: { files } }));
  });
})();
