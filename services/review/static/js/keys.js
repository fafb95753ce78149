// Keys act only where nobody is typing, and never together with a modifier that belongs to the browser.
export function isPlainKey(event) {
  return !event.ctrlKey && !event.metaKey && !event.altKey && !event.defaultPrevented;
}

export function isTyping(target) {
  return target instanceof Element && target.closest("input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select") !== null;
}
