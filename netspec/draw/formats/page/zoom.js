// How large the picture is, and which part of it is seen.

let zoom = "fit"; // or "wide", or a factor
const full = () => Number(picture().getAttribute("width"));
const tall = () => Number(picture().getAttribute("height"));
const scale = () => picture().getBoundingClientRect().width / full();

function wanted() {
  const wide = Math.min(1, stage.clientWidth / full());
  if (zoom === "wide") return wide;
  return zoom === "fit" ? Math.min(wide, stage.clientHeight / tall()) : zoom;
}

// Gives the picture its size; what is at (x, y) of the window stays there.
function resize(x, y) {
  const before = picture().getBoundingClientRect();
  // Scroll bars of what was there take no room from what fits.
  if (typeof zoom === "string") picture().style.width = 0;
  const factor = wanted();
  picture().style.width = `${factor * full()}px`;
  if (x === undefined) return;
  const now = picture().getBoundingClientRect();
  stage.scrollLeft += now.left + ((x - before.left) / before.width) * now.width - x;
  stage.scrollTop += now.top + ((y - before.top) / before.height) * now.height - y;
}

function zoomBy(factor, x, y) {
  const { left, top, width, height } = stage.getBoundingClientRect();
  zoom = Math.min(8, Math.max(0.05, scale() * factor));
  resize(x ?? left + width / 2, y ?? top + height / 2);
}

stage.addEventListener("wheel", (event) => {
  if (event.shiftKey || event.altKey) return; // scrolls as ever
  event.preventDefault();
  const steps = event.deltaY * (event.deltaMode ? 30 : 1) * (event.ctrlKey ? 5 : 1);
  zoomBy(Math.exp(-Math.max(-200, Math.min(200, steps)) / 500), event.clientX, event.clientY);
}, { passive: false });

// --- drag, by mouse or pen; a finger scrolls by itself, two of them zoom

let dragged = null;
stage.addEventListener("pointerdown", (event) => {
  dragged = null;
  if (event.pointerType !== "touch" && event.button === 0) {
    dragged = { x: event.clientX, y: event.clientY, moved: false };
  }
});
addEventListener("pointermove", (event) => {
  if (!dragged || !(event.buttons & 1)) return;
  const dx = event.clientX - dragged.x, dy = event.clientY - dragged.y;
  if (!dragged.moved && Math.hypot(dx, dy) < 5) return;
  stage.scrollLeft -= dx;
  stage.scrollTop -= dy;
  dragged = { x: event.clientX, y: event.clientY, moved: true };
  stage.classList.add("dragging");
  tell();
});
addEventListener("pointerup", () => stage.classList.remove("dragging"));
// The click that ends a drag is none.
stage.addEventListener("click", (event) => {
  if (dragged?.moved) event.stopImmediatePropagation();
  dragged = null;
}, { capture: true });

function fingers(touches) {
  if (touches.length !== 2) return null;
  const [a, b] = touches;
  const apart = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  return { apart, x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2 };
}

let pinched = null;
stage.addEventListener("touchmove", (event) => {
  const now = fingers(event.touches);
  if (!now) return;
  event.preventDefault();
  if (pinched) {
    stage.scrollLeft -= now.x - pinched.x;
    stage.scrollTop -= now.y - pinched.y;
    zoomBy(now.apart / pinched.apart, now.x, now.y);
  }
  pinched = now;
}, { passive: false });
for (const end of ["touchstart", "touchend", "touchcancel"]) {
  stage.addEventListener(end, (event) => { pinched = fingers(event.touches); });
}
addEventListener("resize", () => resize());
