// Colours a grayscale heat map: nothing where it is black, so that the picture below stays as it is there.

// Viridis: even steps of lightness for every reader, and no colour that skin has.
const RAMP = [
  [68, 1, 84],
  [65, 68, 135],
  [42, 120, 142],
  [34, 168, 132],
  [122, 209, 81],
  [253, 231, 37],
];

function colour(value) {
  const at = (value / 255) * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  return RAMP[low].map((from, channel) => from + (at - low) * (RAMP[low + 1][channel] - from));
}

const TABLE = Array.from({ length: 256 }, (_, value) => colour(value));

export async function drawHeat(canvas) {
  const image = new Image();
  image.src = canvas.dataset.heat;
  await image.decode();
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const value = pixels.data[i];
    pixels.data.set(TABLE[value], i);
    pixels.data[i + 3] = value;
  }
  context.putImageData(pixels, 0, 0);
  canvas.dataset.drawn = "yes";
}
