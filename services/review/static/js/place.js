// "12 of 214": where a case stands in the list that the reader works down. The list is remembered by this window alone.
const LIST = "dermatrail.list";

// Of a list that is narrowed, or searched, its length is known once no further lines wait to be loaded.
function total(ids) {
  if (!document.querySelector("[data-more]")) return ids.length;
  return new URLSearchParams(location.search).size ? null : Number(document.querySelector(".counts [aria-current] [data-count]")?.textContent.replace(/\D/g, ""));
}

function remember() {
  const ids = [...document.querySelectorAll("[data-worklist] [data-case]")].map((row) => row.dataset.case);
  sessionStorage.setItem(LIST, JSON.stringify({ ids, total: total(ids) || null }));
}

export function installList() {
  addEventListener("pagehide", remember);
}

export function sayPlace() {
  const place = document.querySelector("[data-place]");
  const list = JSON.parse(sessionStorage.getItem(LIST) ?? "null");
  const index = list?.ids.indexOf(place?.dataset.place) ?? -1;
  if (index < 0) return;
  place.textContent = list.total ? `${index + 1} of ${list.total}` : `${index + 1}`;
  place.title = "In the list from which you came";
  place.hidden = false;
}
