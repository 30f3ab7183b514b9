// Keeps a page as the server has it now. Without this script everything reads and approves.
"use strict";

(() => {
  const live = () => [...document.querySelectorAll("[data-live][id]")];
  const isBusy = (part) => part.contains(document.activeElement) && part !== document.activeElement;

  // What the reader has opened, and how far a table was scrolled, stays as it is.
  const replace = (old, fresh) => {
    const open = [...old.querySelectorAll("details")].map((one) => one.open);
    const scrolled = [...old.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    old.innerHTML = fresh.innerHTML;
    old.querySelectorAll("details").forEach((one, at) => { one.open = one.open || !!open[at]; });
    old.querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = scrolled[at] || 0; });
  };

  let waits = false;  // for the reader to look, or to leave a part that has changed
  let again = false;
  let runs = false;

  const refresh = async () => {
    if (document.hidden) { waits = true; return; }
    if (runs) { again = true; return; }
    runs = true;
    waits = again = false;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
      if (answer.redirected || !answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of live()) {
        const found = fresh.getElementById(part.id);
        if (!found || found.innerHTML === part.innerHTML) continue;
        if (isBusy(part)) { waits = true; continue; }  // never move the focus
        replace(part, found);
      }
    } finally {
      runs = false;
      if (again) setTimeout(refresh, 200);
    }
  };

  document.addEventListener("visibilitychange", () => { if (waits) refresh(); });
  document.addEventListener("focusout", () => { if (waits) setTimeout(refresh, 50); });

  if (live().length) {
    const stream = new EventSource("/live");
    stream.addEventListener("news", refresh);
    // After a break something may have been missed.
    stream.addEventListener("here", () => {
      document.documentElement.dataset.stream = "open";
      refresh();
    });
    stream.addEventListener("error", () => { delete document.documentElement.dataset.stream; });
    window.addEventListener("pagehide", () => stream.close());
  }
})();
