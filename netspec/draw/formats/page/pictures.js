// The pictures the page holds, and the one that is shown.

const byId = (id) => document.getElementById(id);
const [stage, text, hint, help] = ["stage", "text", "hint", "help"].map(byId);
const picture = () => stage.firstElementChild;
const places = () => [...stage.querySelectorAll("g[data-path]")];
const at = (event) => event.target.closest?.("g[data-path]");
let parts, lines, facts, copies, states, state;

async function unpack() {
  const bytes = Uint8Array.from(atob(byId("pictures").textContent), (c) => c.charCodeAt(0));
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const held = await new Response(inflated).json();
  ({ parts, lines, facts, copies } = held);
  states = held.pictures.map(([open, drawing, folded]) => ({ open: new Set(open), drawing, folded }));
  state = states[0];
}

// A drawing has <u ID X Y> where a part stands.
const whole = (drawing) => drawing.replace(/<u (\d+) (\S+) ([^>]+)>/g, (_, id, x, y) =>
  `<g transform="translate(${x} ${y})"${whole(parts[id])}`);

function show(next) {
  state = next;
  stage.innerHTML = whole(next.drawing);
  prepare();
  tell();
  search();
  help.textContent = help.dataset.says;
}

function prepare() {
  picture().setAttribute("role", "tree");
  // The browser's own tooltips would only repeat the card.
  for (const title of stage.querySelectorAll("title")) {
    title.parentNode.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  for (const g of places()) {
    g.setAttribute("tabindex", "0");
    g.setAttribute("role", "treeitem");
    if (!g.hasAttribute("aria-label")) g.setAttribute("aria-label", g.dataset.path);
    signs(g);
  }
  for (const line of stage.querySelectorAll("path[data-c]")) {
    line.setAttribute("tabindex", "-1");
    line.setAttribute("role", "treeitem");
    line.setAttribute("aria-label", lines[line.dataset.c].replace("\n", ": "));
    // What is thin is hard to point at.
    const near = line.cloneNode();
    near.setAttribute("class", "near");
    for (const name of ["tabindex", "role", "aria-label"]) near.removeAttribute(name);
    line.after(near);
  }
  resize();
}

// What a line comes from and leads to, and its shape.
const lineAt = (event) => event.target.closest?.("path[data-c]");
