// Every text that is told apart from its ground by less than `least` (WCAG 2: 4.5), with its ratio.
(least) => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = color; paint.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3])).concat(1);
  const ground = (element) => element ? over(rgba(getComputedStyle(element).backgroundColor), ground(element.parentElement))
    : rgba(getComputedStyle(document.body).backgroundColor);
  const light = (color) => {
    const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = color.slice(0, 3).map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const box = element.getBoundingClientRect();
    const isHidden = !element.checkVisibility() || box.width < 2 || element.closest(":disabled, svg, .skip");
    if (!(isText || element.placeholder) || isHidden) continue;
    const style = getComputedStyle(element, isText ? null : "::placeholder");
    const below = ground(element);
    const [one, other] = [light(over(rgba(style.color), below)), light(below)].sort((first, second) => second - first);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < least) found[`${element.tagName}.${element.className}: ${(isText ? element.textContent : element.placeholder).slice(0, 40)}`] = ratio;
  }
  return found;
}
