// A picture without the zoom library: the whole picture fitted into the light-box, or at its actual size with scroll bars.

export function plainStage({ box, host, layer, picture, loaded, failed, moved }) {
  host.querySelector("[data-first-look]")?.remove();
  const image = new Image();
  image.className = "plain";
  image.alt = picture.alt;
  host.append(image, layer);
  const place = () => {
    const scale = Math.min(host.clientWidth / picture.width, host.clientHeight / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    for (const element of [image, layer]) {
      element.style.width = `${width}px`;
      element.style.height = `${height}px`;
      element.style.left = `${(host.clientWidth - width) / 2}px`;
      element.style.top = `${(host.clientHeight - height) / 2}px`;
    }
    moved();
  };
  const actual = (on) => {
    box.classList.toggle("actual", on);
    host.style.width = on ? `${picture.width}px` : "";
    host.style.height = on ? `${picture.height}px` : "";
    place();
  };
  new ResizeObserver(place).observe(host);
  box.addEventListener("scroll", moved);
  image.addEventListener("load", loaded);
  image.addEventListener("error", failed);
  image.src = picture.src;
  place();
  return { zoomBy: () => {}, fit: () => actual(false), actual: () => actual(true), panBy: (x, y) => box.scrollBy(x, y), setPanning: () => {} };
}
