// The time of day in the reader's own zone; the page says it in UTC, which the hover keeps.
export function clockText(iso) {
  return new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

export function localClocks(root = document) {
  for (const time of root.querySelectorAll("time[data-clock]")) {
    time.title ||= time.textContent;
    time.textContent = clockText(time.dateTime);
  }
}
