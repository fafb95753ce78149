// How long the case was on screen, for the record: time in the background does not count.
export function installReadingTime(form) {
  const field = form.querySelector("[data-reading]");
  if (!field) return;
  let total = 0;
  let since = document.hidden ? null : performance.now();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && since !== null) total += performance.now() - since;
    since = document.hidden ? null : performance.now();
  });
  form.addEventListener("submit", () => {
    field.value = String(Math.round((total + (since === null ? 0 : performance.now() - since)) / 1000));
  });
}
