// "This line is 10 mm": a line that was laid along a ruler in the picture gives the picture its scale.
import { watchMeasures } from "./measures.js";
import { current } from "./viewer.js";

let form = null;
let length = 0;

function input() {
  return form.querySelector("input");
}

function say(text) {
  form.querySelector("[data-scale-said]").textContent = text;
}

async function send() {
  const token = document.querySelector("[name=csrf_token]").value;
  const body = new URLSearchParams({ csrf_token: token, length_px: length.toFixed(2), length_mm: input().value });
  const response = await fetch(current().calibrate, { method: "POST", body, redirect: "manual" });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.message ?? "The scale could not be saved. Load the page again.");
  return answer;
}

async function save(event, done) {
  event.preventDefault();
  try {
    const { mm_per_px: spacing, measures } = await send();
    current().spacing = spacing;
    done();
    await watchMeasures(current().number, measures);
  } catch (problem) {
    say(problem.message);
    input().focus();
  }
}

// The form below the ruler's line; `done` is called when the picture has its scale, `back` when the reader leaves the form.
export function buildScale({ done, back }) {
  form = document.createElement("form");
  form.className = "ruler-scale";
  form.hidden = true;
  form.innerHTML =
    '<label>This line is <input type="number" name="length_mm" min="0.01" max="1000" step="any" required aria-label="Length of the line in millimetres"> mm</label>' +
    '<button class="button" type="submit">Set scale</button><span data-scale-said role="alert"></span>';
  form.addEventListener("submit", (event) => save(event, done));
  // A press here sets no point, and its keys are its own.
  for (const type of ["pointerdown", "pointerup", "pointermove"]) form.addEventListener(type, (event) => event.stopPropagation());
  form.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") back();
  });
  return form;
}

// Shows the form for a line of so many px of the picture; null hides it.
export function offerScale(px) {
  const wanted = px !== null && px > 0 && current().calibrate !== undefined;
  if (wanted && form.hidden) say("");
  form.hidden = !wanted;
  length = px ?? 0;
}

export function typeScale() {
  if (!form.hidden) input().focus();
}
