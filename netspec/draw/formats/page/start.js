// The buttons, and the first picture.

const most = () => states.reduce((a, b) => (b.open.size > a.open.size ? b : a));
const dark = byId("dark");
const isDark = () => matchMedia(dark.media).matches;

function sized(how) {
  zoom = how;
  resize();
}

function lit() {
  byId("theme").setAttribute("aria-pressed", isDark());
}

function read(open) {
  text.hidden = !open;
  byId("spec").setAttribute("aria-expanded", open);
  resize();
}

const buttons = {
  open: () => show(most()),
  close: () => show(states.find(({ open }) => !open.size)),
  fit: () => sized("fit"),
  wide: () => sized("wide"),
  full: () => sized(1),
  less: () => zoomBy(0.8),
  more: () => zoomBy(1.25),
  theme: () => { dark.media = isDark() ? "not all" : "screen"; lit(); },
  spec: () => read(text.hidden),
  shut: () => { read(false); byId("spec").focus(); },
};
for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener("click", act);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", lit);

try {
  await unpack();
} catch {
  help.textContent = "this browser cannot unpack the other pictures: this one stays as it is";
  return;
}
for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
stage.innerHTML = whole(state.drawing);
// Text that is too small to read is no picture of it: what does not fit is scrolled.
for (const how of ["fit", "wide", 1]) {
  zoom = how;
  if (wanted() >= 0.6) break;
}
prepare();
lit();
byId("blocks").hidden = states.length < 2;
help.textContent = help.dataset.says;
document.body.dataset.ready = "";
