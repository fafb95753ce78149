// The camera as a source of one picture: on while it is seen, off as soon as it is not.

const WANTED = { audio: false, video: { facingMode: { ideal: "environment" }, width: { ideal: 1920 }, height: { ideal: 1440 } } };
const QUALITY = 0.95;

export function isOffered() {
  // Absent where the page is not served over TLS (the own machine excepted).
  return Boolean(navigator.mediaDevices?.getUserMedia);
}

// Why there is no picture, and what to do about it.
export function reasonOf(error) {
  if (error.name === "NotAllowedError") return "The camera is blocked. Allow it in the browser's address bar, or choose a file.";
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return "No camera was found. Choose a file instead.";
  if (error.name === "NotReadableError") return "Another program uses the camera. Close it, or choose a file.";
  return "The camera could not be started. Choose a file instead.";
}

export class Camera {
  #video;
  #stream = null;

  constructor(video) {
    this.#video = video;
    // A page that is left or hidden must not keep looking.
    addEventListener("pagehide", () => this.stop());
  }

  async start() {
    this.#stream = await navigator.mediaDevices.getUserMedia(WANTED);
    this.#video.srcObject = this.#stream;
    await this.#video.play();
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
  }

  // What is seen now, as a JPEG file.
  async shoot() {
    const canvas = document.createElement("canvas");
    canvas.width = this.#video.videoWidth;
    canvas.height = this.#video.videoHeight;
    canvas.getContext("2d").drawImage(this.#video, 0, 0);
    const blob = await new Promise((resolve) => {
      canvas.toBlob(resolve, "image/jpeg", QUALITY);
    });
    return new File([blob], "camera.jpg", { type: "image/jpeg" });
  }
}
