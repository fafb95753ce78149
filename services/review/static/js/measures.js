// The measures of an outline that was just saved: asked for until the worker has them.

const PAUSE_MS = 700;
const LONGEST_PAUSE_MS = 5000;
const PATIENCE_MS = 120_000;

async function fetchPanel(address) {
  const response = await fetch(address, { headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) return null;
  const holder = document.createElement("template");
  holder.innerHTML = await response.text();
  return holder.content.querySelector("[data-measures]");
}

// The line above the bars names the size, too.
function put(number, panel) {
  const finding = document.querySelector(`[data-finding="${number}"]`);
  finding?.querySelector("[data-measures]")?.replaceWith(panel);
  const line = finding?.querySelector(".glance");
  if (line && panel.dataset.glance) line.textContent = panel.dataset.glance;
}

// Puts the panel of picture `number` in place anew, now and as long as it says that it waits.
export async function watchMeasures(number, address, pause = PAUSE_MS, since = performance.now()) {
  const panel = await fetchPanel(address).catch(() => null);
  if (panel) put(number, panel);
  const waiting = panel ? panel.dataset.waiting : address;
  if (!waiting || performance.now() - since > PATIENCE_MS) return;
  setTimeout(() => watchMeasures(number, waiting, Math.min(1.5 * pause, LONGEST_PAUSE_MS), since), pause);
}

// A page that was opened while an outline waits goes on waiting.
export function installMeasures() {
  for (const panel of document.querySelectorAll("[data-finding] [data-measures][data-waiting]")) {
    watchMeasures(panel.closest("[data-finding]").dataset.finding, panel.dataset.waiting);
  }
}
