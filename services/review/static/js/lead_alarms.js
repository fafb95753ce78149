// The count of drift alarms beside "Statistics": asked for after the page, so that no page waits for it.
const badge = document.querySelector("[data-alarms]");

if (badge) {
  fetch(badge.dataset.alarms, { headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : { alarms: 0 }))
    .then(({ alarms }) => {
      badge.hidden = !alarms;
      badge.querySelector("[data-alarms-count]").textContent = `${alarms} drift ${alarms === 1 ? "alarm" : "alarms"}`;
    })
    // A page that is left while it asks is no fault.
    .catch(() => {});
}
