"use strict";
(async () => {
  const byId = (id) => document.getElementById(id);
  const [stage, text, hint, help] = ["stage", "text", "hint", "help"].map(byId);
  const picture = () => stage.firstElementChild;
  const places = () => [...stage.querySelectorAll("g[data-path]")];
  let parts, states, state;
  let zoom = 0; // 0 fits the width

  // --- pictures

  async function unpack() {
    const bytes = Uint8Array.from(atob(byId("pictures").textContent), (c) => c.charCodeAt(0));
    const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const held = await new Response(inflated).json();
    parts = held.parts;
    states = held.pictures.map(([open, drawing]) => ({ open: new Set(open), drawing }));
    state = states[0];
  }

  // A drawing has <u ID X Y> where a part stands.
  const whole = (drawing) => drawing.replace(/<u (\d+) (\S+) ([^>]+)>/g, (_, id, x, y) =>
    `<g transform="translate(${x} ${y})"${whole(parts[id])}`);

  // What opening or closing the blocks of a name leads to: no other opens, as few as can be close.
  function after(name) {
    const wanted = new Set(state.open);
    if (!wanted.delete(name)) wanted.add(name);
    const fits = ({ open }) =>
      open.has(name) === wanted.has(name) && [...open].every((other) => wanted.has(other));
    return states.filter(fits).sort((a, b) => b.open.size - a.open.size)[0];
  }

  function show(next) {
    state = next;
    stage.innerHTML = whole(next.drawing);
    prepare();
    tell();
    help.textContent = help.dataset.says;
  }

  function toggle(g) {
    const { block, path } = g.dataset, before = state.open;
    show(after(block));
    const seen = new Set(places().map((place) => place.dataset.block));
    const lost = [...before].filter((n) => n !== block && seen.has(n) && !state.open.has(n));
    if (lost.length) help.textContent = `closed to make room: ${lost.join(", ")}`;
    places().find((place) => place.dataset.path === path)?.focus();
  }

  function prepare() {
    picture().setAttribute("role", "tree");
    // The browser's own tooltips would only repeat the hint.
    for (const title of stage.querySelectorAll("title")) {
      title.parentNode.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    for (const g of places()) {
      g.setAttribute("tabindex", "0");
      g.setAttribute("role", "treeitem");
      if (!g.hasAttribute("aria-label")) g.setAttribute("aria-label", g.dataset.path);
      if (g.dataset.block && after(g.dataset.block)) knob(g);
    }
    resize();
  }

  function knob(g) {
    const open = state.open.has(g.dataset.block);
    const box = g.querySelector("rect.block");
    // A block and the only one in it share a card: the inner one's knob is below the other's.
    const shared = g.parentNode.dataset.block && !g.parentNode.querySelector(":scope > rect.block");
    const [x, y] = [box.x.baseVal.value, box.y.baseVal.value + (shared ? 20 : 2)];
    g.setAttribute("aria-expanded", open);
    g.insertAdjacentHTML("beforeend", `<g class="knob" transform="translate(${x} ${y})">
      <circle r="7.5"/><text y="4">${open ? "−" : "+"}</text></g>`);
    g.lastElementChild.dataset.says = `${open ? "close" : "open"}: every ${g.dataset.block}`;
  }

  function resize() {
    stage.classList.toggle("fit", !zoom);
    picture().style.width = zoom ? `${zoom * picture().getAttribute("width")}px` : "";
  }

  const scale = () => picture().clientWidth / picture().getAttribute("width");

  // --- what is pointed at, and where it came from

  const at = (event) => event.target.closest("g[data-path]");

  function lineOf(g) {
    const file = g.dataset.src ?? picture().dataset.file;
    const section = [...text.children].find((each) => each.dataset.file === file);
    return section?.querySelectorAll("li")[g.dataset.line - 1];
  }

  function unmark(...names) {
    for (const name of names) {
      for (const marked of document.querySelectorAll(`.${name}`)) marked.classList.remove(name);
    }
  }

  function tell(g, x, y, says) {
    unmark("at", "from");
    hint.hidden = !g;
    if (!g) return;
    g.classList.add("at");
    lineOf(g)?.classList.add("from");
    const [name, ...figures] = (says ?? g.getAttribute("aria-label")).split(": ");
    const head = document.createElement("b");
    head.textContent = g.dataset.path.endsWith(name) ? g.dataset.path : name;
    hint.replaceChildren(head, figures.join(": ").replaceAll(", ", " · "));
    const { width, height } = hint.getBoundingClientRect();
    hint.style.left = `${Math.max(4, Math.min(x, innerWidth - width - 4))}px`;
    hint.style.top = `${y + height < innerHeight ? y : Math.max(4, y - height - 36)}px`;
  }

  function pick(line, boxes) {
    unmark("here", "picked");
    line?.classList.add("here");
    for (const g of boxes) g.classList.add("picked");
  }

  function source(g) {
    pick(lineOf(g), [g]);
    lineOf(g)?.scrollIntoView({ block: "center" });
    text.scrollLeft = 0;
  }

  stage.addEventListener("pointermove", (event) => {
    const says = event.target.closest(".knob")?.dataset.says;
    tell(at(event), event.clientX + 14, event.clientY + 18, says);
  });
  stage.addEventListener("pointerleave", () => tell());
  stage.addEventListener("focusin", (event) => {
    const { left, bottom } = event.target.getBoundingClientRect();
    if (event.target.matches(":focus-visible")) tell(at(event), left, bottom + 6);
  });
  stage.addEventListener("click", (event) => {
    const g = at(event);
    if (!g) pick(null, []);
    else if (event.target.closest(".knob")) toggle(g);
    else source(g);
  });
  text.addEventListener("click", (event) => {
    const line = event.target.closest("li");
    const boxes = places().filter((g) => lineOf(g) === line);
    pick(line, boxes);
    boxes[0]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  document.addEventListener("keydown", (event) => {
    const g = at(event), all = places();
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") { pick(null, []); tell(); }
    if (!g || event.ctrlKey || event.altKey || event.metaKey) return;
    if (step) all[(all.indexOf(g) + step + all.length) % all.length].focus();
    else if (event.key === "Enter" && g.hasAttribute("aria-expanded")) toggle(g);
    else if (event.key === " " || event.key === "Enter") source(g);
    else return;
    event.preventDefault();
  });

  const most = () => states.reduce((a, b) => (b.open.size > a.open.size ? b : a));
  const buttons = {
    open: () => show(most()),
    close: () => show(states.find(({ open }) => !open.size)),
    fit: () => { zoom = 0; resize(); },
    full: () => { zoom = 1; resize(); },
    less: () => { zoom = scale() * 0.8; resize(); },
    more: () => { zoom = scale() * 1.25; resize(); },
    spec: () => { text.hidden = !text.hidden; },
  };
  for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener("click", act);

  await unpack();
  if (!picture()) stage.innerHTML = whole(state.drawing);
  if (scale() < 0.5) zoom = 1;
  prepare();
  byId("blocks").hidden = states.length < 2;
  help.textContent = help.dataset.says;
  document.body.dataset.ready = "";
})();
