// Looks at the page that is shown as a careful person would, and gives back what is wrong with it, in words.
// `WIDTH` and `HEIGHT` stand for the size of the window; on a phone a page that is too wide would widen the window too.
const wrong = [];
const phone = WIDTH <= 480;
const say = (what, element) => wrong.push(element ? `${what}: ${element.outerHTML.slice(0, 120)}` : what);
const shown = (element) => {
  const { width, height, right, bottom } = element.getBoundingClientRect();
  return element.checkVisibility() && width > 0 && height > 0 && right > 0 && bottom > 0;
};
const inside = ({ left, top, right, bottom }) => left >= 0 && top >= 0 && right <= WIDTH && bottom <= HEIGHT;
const all = (selector) => [...document.querySelectorAll(selector)];

const root = document.documentElement;
if (root.scrollWidth > WIDTH || window.innerWidth !== WIDTH) {
  say(`the page is ${root.scrollWidth} px wide in a window of ${window.innerWidth} px`);
  all("main *").filter((e) => e.getBoundingClientRect().right > WIDTH).slice(0, 3).forEach((e) => say("too wide", e));
}
const headings = all("h1").filter(shown).length;
if (headings !== 1) say(`${headings} headings of the first rank`);

// Stop is there before one scrolls, and after.
for (const place of [0, root.scrollHeight]) {
  window.scrollTo({ top: place, behavior: "instant" });
  const stop = document.querySelector("button.stop");
  if (!stop || !inside(stop.getBoundingClientRect())) say(`Stop is out of sight when scrolled to ${place}`);
}
window.scrollTo({ top: 0, behavior: "instant" });

// 40 px: a finger is no needle (WCAG 2.2, success criterion 2.5.8, asks for 24).
if (phone) {
  all("a[href], button, input:not([type=hidden]), select, textarea, summary").filter(shown)
    .filter((e) => e.getBoundingClientRect().height < 39.5)
    .forEach((e) => say(`only ${e.getBoundingClientRect().height} px high`, e));
}

// A picture has a name for those who listen, or is hidden from them (WCAG 2.2, 1.1.1).
all("img, svg").filter((e) => e.getAttribute("aria-hidden") !== "true" && !e.closest("[aria-hidden=true]"))
  .filter((e) => !(e.getAttribute("alt") || e.getAttribute("aria-label")))
  .forEach((e) => say("a picture without a name", e));

// Text stands out from what it lies on (WCAG 2.2, 1.4.3: 4.5 to 1).
const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (color) => {
  paint.clearRect(0, 0, 1, 1);
  paint.fillStyle = color;
  paint.fillRect(0, 0, 1, 1);
  return [...paint.getImageData(0, 0, 1, 1).data];
};
const luminance = (color) => {
  const [r, g, b] = rgba(color).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const color = getComputedStyle(e).backgroundColor;
    if (rgba(color)[3] === 255) return color;
  }
  return "white";
};
const speaks = (e) => [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim() !== "");
for (const element of all("body *").filter(speaks).filter(shown)) {
  const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground(element))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) say(`text stands out only ${contrast.toFixed(2)} to 1`, element);
}
return { wrong: [...new Set(wrong)], ground: getComputedStyle(document.body).backgroundColor };
