// The form of "Try an image": a preview of the chosen file, and the camera, whose picture goes into the same file field.
import { Camera, isOffered, reasonOf } from "./camera.js";

const form = document.querySelector("[data-try]");
const part = (name) => form.querySelector(`[data-${name}]`);
const file = part("file");
const video = part("video");
const preview = part("preview");
const line = part("line");
const camera = new Camera(video);

function say(text) {
  line.textContent = text;
  line.hidden = text === "";
}

// One of: nothing, the camera's live picture, the chosen picture.
function show(what) {
  part("viewfinder").hidden = what === "nothing";
  video.hidden = what !== "live";
  part("guide").toggleAttribute("hidden", what !== "live");
  preview.hidden = what !== "chosen";
  part("camera-start").hidden = what === "live";
  part("camera-shoot").hidden = what !== "live";
  part("camera-stop").hidden = what !== "live";
  part("camera-start").textContent = what === "chosen" ? "Use the camera again" : "Use the camera";
}

async function showChosen() {
  const [chosen] = file.files;
  if (!chosen) {
    show("nothing");
    say("");
    return;
  }
  try {
    const picture = await createImageBitmap(chosen);
    const scale = Math.min(1, 1280 / Math.max(picture.width, picture.height));
    preview.width = Math.round(picture.width * scale);
    preview.height = Math.round(picture.height * scale);
    preview.getContext("2d").drawImage(picture, 0, 0, preview.width, preview.height);
    show("chosen");
    say(`Chosen: ${chosen.name}, ${picture.width} × ${picture.height} px`);
  } catch {
    show("nothing");
    say("This file is not a picture that the browser can show. Choose another one.");
  }
}

async function startCamera() {
  say("Waiting for the camera…");
  try {
    await camera.start();
    show("live");
    say("Bring the spot into the circle, close up and sharp.");
    part("camera-shoot").focus();
  } catch (error) {
    camera.stop();
    show("nothing");
    say(reasonOf(error));
  }
}

async function shoot() {
  const taken = new DataTransfer();
  taken.items.add(await camera.shoot());
  camera.stop();
  file.files = taken.files;
  await showChosen();
  part("send").focus();
}

function stop() {
  camera.stop();
  showChosen();
  part("camera-start").focus();
}

file.addEventListener("change", () => {
  camera.stop();
  showChosen();
});
part("camera-start").addEventListener("click", startCamera);
part("camera-shoot").addEventListener("click", shoot);
part("camera-stop").addEventListener("click", stop);
part("camera-part").hidden = !isOffered();
// One picture, one answer: a double click must not send it twice.
form.addEventListener("submit", () => {
  camera.stop();
  setTimeout(() => {
    part("send").disabled = true;
    part("send").textContent = "Sending…";
  });
});
// A browser that comes back to the page keeps the file; the button must work again.
addEventListener("pageshow", () => {
  part("send").disabled = false;
  part("send").textContent = "Analyse the picture";
  if (file.files.length > 0) showChosen();
});
