// The next lines are fetched before the reader gets there: no pages to turn.
import { localClocks } from "./clock.js";

const AHEAD = "800px";
let loading = null;

async function fetchRows(more) {
  const response = await fetch(more.dataset.more, { redirect: "manual" });
  if (!response.ok) throw new Error(`the next cases answer ${response.status}`);
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  localClocks(template.content);
  const known = new Set([...document.querySelectorAll("[data-case]")].map((row) => row.dataset.case));
  for (const row of template.content.querySelectorAll("[data-case]")) if (known.has(row.dataset.case)) row.remove();
  more.replaceWith(template.content);
  watch();
}

// Whether there was something more; several callers share one request.
export async function loadMore() {
  const more = document.querySelector("[data-more]");
  if (!more) return false;
  loading ??= fetchRows(more)
    .then(() => true)
    .catch(() => {
      more.querySelector("[role=status]").textContent = "The next cases could not be loaded. Load the page again.";
      return false;
    })
    .finally(() => {
      loading = null;
    });
  return loading;
}

function watch() {
  const more = document.querySelector("[data-more]");
  if (!more) return;
  const root = document.querySelector("[data-scroll]");
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      loadMore();
    },
    { root, rootMargin: AHEAD },
  );
  observer.observe(more);
}

export function installMore() {
  watch();
}
