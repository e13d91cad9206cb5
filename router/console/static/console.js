// What the pages can't do without a script: they all work without it.
(() => {
  "use strict";
  const STALE_AFTER = 6000; // milliseconds without a refresh after which what is shown is greyed

  // A hidden page asks for nothing.
  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden && event.target.hasAttribute("data-refresh")) event.preventDefault();
  });

  const live = document.querySelector("[data-refresh]");
  if (live) {
    let refreshed = Date.now();
    document.addEventListener("htmx:after:swap", () => { refreshed = Date.now(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) htmx.trigger(live, "refresh"); });
    setInterval(() => {
      const age = Date.now() - refreshed;
      const note = document.getElementById("page-age");
      const old = !document.hidden && age > STALE_AFTER;
      live.classList.toggle("old", old);
      note.hidden = !old;
      if (old) note.textContent = `Not refreshed for ${Math.round(age / 1000)} s: the console does not answer.`;
    }, 1000);
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy).textContent;
      const done = document.getElementById(button.dataset.status);
      try {
        await navigator.clipboard.writeText(text);
        done.textContent = "Copied.";
      } catch {
        done.textContent = "The browser does not allow it: select the text below.";
        document.getElementById(button.dataset.copy).closest("details").open = true;
      }
    });
  }
})();
