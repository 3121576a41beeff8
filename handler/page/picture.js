/** The wheel on the screen as a PNG, with the end of the text and the settings below it. */

import { make } from "./dom.js";
import { RIM } from "./geometry.js";

const SIZE = 1200;
const CAPTION = 160;
const MARGIN = 40;
const TOP = 20;

/** Save the wheel of an SVG as a file. `captions` are two lines of text. */
export async function savePicture(svg, captions, filename) {
  const canvas = make("canvas", { width: SIZE, height: SIZE + CAPTION });
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.body);
  context.fillStyle = style.backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.setTransform(SIZE / 1000, 0, 0, SIZE / 1000, SIZE / 2, SIZE / 2 + TOP);
  drawWheel(context, svg);
  context.resetTransform();
  writeCaptions(context, captions, style);
  const url = URL.createObjectURL(await new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); }));
  make("a", { href: url, download: filename }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function drawWheel(context, svg) {
  const turn = svg.querySelector(".wedges").transform.baseVal.consolidate();
  context.save();
  if (turn) transform(context, turn.matrix);
  for (const wedge of svg.querySelectorAll(".wedges > g")) drawWedge(context, wedge);
  context.restore();
  const pointer = svg.querySelector(".pointer");
  context.fillStyle = getComputedStyle(pointer).fill;
  context.fill(new Path2D(pointer.getAttribute("d")));
}

function drawWedge(context, wedge) {
  const [path, text] = [wedge.querySelector("path"), wedge.querySelector("text")];
  const shape = new Path2D(path.getAttribute("d"));
  context.fillStyle = wedge.classList.contains("other") ? hatch(context) : getComputedStyle(path).fill;
  context.strokeStyle = getComputedStyle(path).stroke;
  context.lineWidth = 1;
  context.fill(shape);
  context.stroke(shape);
  if (!text) return;
  context.save();
  transform(context, text.transform.baseVal.consolidate().matrix);
  Object.assign(context, { fillStyle: getComputedStyle(text).fill, textAlign: "center", textBaseline: "middle" });
  context.font = `600 ${text.getAttribute("font-size")}px system-ui, sans-serif`;
  context.fillText(text.textContent, 0, 0);
  context.restore();
}

function hatch(context) {
  const tile = make("canvas", { width: 16, height: 16 });
  const ink = tile.getContext("2d");
  const [ground, line] = [...document.querySelectorAll("#hatch *")].map((element) => getComputedStyle(element));
  ink.fillStyle = ground.fill;
  ink.fillRect(0, 0, 16, 16);
  Object.assign(ink, { strokeStyle: line.stroke, lineWidth: 3 });
  ink.stroke(new Path2D("M-4 4L4 -4M0 16L16 0M12 20L20 12"));
  return context.createPattern(tile, "repeat");
}

function writeCaptions(context, captions, style) {
  const top = TOP + SIZE / 2 + (RIM * SIZE) / 1000 + MARGIN;
  captions.forEach((caption, line) => {
    context.fillStyle = style.color;
    context.font = `${line ? 26 : 32}px system-ui, sans-serif`;
    Object.assign(context, { textAlign: "center", textBaseline: "top" });
    context.fillText(caption, SIZE / 2, top + line * 52, SIZE - 2 * MARGIN);
  });
}

const transform = (context, { a, b, c, d, e, f }) => context.transform(a, b, c, d, e, f);
