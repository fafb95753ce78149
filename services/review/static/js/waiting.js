// Asks until the picture is answered, then shows the answer in the place of this page.
const line = document.querySelector("[data-waiting]");
const FIRST_MS = 700;
const SLOWEST_MS = 4000;

function words(ahead) {
  if (ahead === 0) return "Patients' cases go first. Yours is the next picture after them.";
  return `Patients' cases go first. ${ahead} ${ahead === 1 ? "picture is" : "pictures are"} ahead of yours.`;
}

async function ask(pause) {
  try {
    const answer = await fetch(line.dataset.waiting, { cache: "no-store" });
    if (answer.status === 404) {
      location.reload();
      return;
    }
    const { state, ahead } = await answer.json();
    if (state !== "queued") {
      location.reload();
      return;
    }
    line.textContent = words(ahead);
  } catch {
    line.textContent = "The service does not answer just now. This page keeps asking.";
  }
  setTimeout(() => ask(Math.min(pause * 1.2, SLOWEST_MS)), pause);
}

setTimeout(() => ask(FIRST_MS), FIRST_MS);
