// What the keyboard does: all that the pointer does.

const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
const everywhere = {
  "/": () => { field.focus(); field.select(); },
  "+": () => zoomBy(1.25),
  "=": () => zoomBy(1.25),
  "-": () => zoomBy(0.8),
  0: () => { zoom = "fit"; resize(); },
};

// Up and down go from box to box, left and right to the lines between them too.
function next(event, from) {
  const every = /Left|Right/.test(event.key) ? "g[data-path], path.w[data-c]" : "g[data-path]";
  const all = [...stage.querySelectorAll(every)];
  const here = all.indexOf(from) < 0 ? all.indexOf(at(event)) : all.indexOf(from);
  all[(here + steps[event.key] + all.length) % all.length]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target === field) return;
  const line = lineAt(event), g = line ? null : at(event);
  if (event.key === "Escape") { pick(null, []); tell(); }
  else if (steps[event.key] && (g || line)) next(event, line ?? g);
  else if (g && event.key === "Enter" && event.shiftKey) change("alone", g);
  else if (g && event.key === "Enter" && g.hasAttribute("aria-expanded")) change("all", g);
  else if (g && event.key === "u") change("copies", g);
  else if (g && (event.key === " " || event.key === "Enter")) source(g);
  else if (everywhere[event.key]) everywhere[event.key]();
  else return;
  if (event.key !== "Escape") event.preventDefault();
});
