"use strict";
(() => {
  const stage = document.getElementById("stage");
  const hint = document.getElementById("hint");
  const body = document.body;
  const states = new Map([[body.dataset.open, stage.innerHTML]]);
  for (const t of document.querySelectorAll("template")) states.set(t.dataset.open, t.innerHTML);

  const places = () => [...stage.querySelectorAll("g[data-path]")];
  const text = (g) => g.querySelector(":scope > title, :scope > desc")?.textContent ?? g.dataset.path;

  function marks(g) {
    const box = g.querySelector(":scope > rect.block");
    if (!g.dataset.block || !box) return;
    const sign = document.createElementNS("http://www.w3.org/2000/svg", "text");
    sign.setAttribute("x", +box.getAttribute("x") - 1);
    sign.setAttribute("y", +box.getAttribute("y") + 5);
    sign.setAttribute("class", "sign-text");
    const open = body.dataset.open.split(" ").includes(g.dataset.block);
    sign.textContent = open ? "−" : "+";
    sign.addEventListener("click", (event) => { event.stopPropagation(); toggle(g); });
    g.append(sign);
    g.setAttribute("aria-expanded", open);
  }

  function prepare() {
    for (const g of places()) {
      // The hint has its own line, so the browser's tooltip would only repeat it.
      const title = g.querySelector(":scope > title");
      if (title) g.setAttribute("aria-label", title.textContent);
      g.setAttribute("tabindex", "0");
      g.setAttribute("role", g.dataset.block ? "button" : "img");
      marks(g);
    }
  }

  function show(key, path) {
    if (!states.has(key)) return false;
    body.dataset.open = key;
    stage.innerHTML = states.get(key);
    prepare();
    const again = places().find((g) => g.dataset.path === path);
    if (again) again.focus({ preventScroll: true });
    return true;
  }

  function toggle(g) {
    const open = new Set(body.dataset.open.split(" ").filter(Boolean));
    const name = g.dataset.block;
    if (!open.delete(name)) open.add(name);
    if (!show([...open].sort().join(" "), g.dataset.path)) {
      hint.textContent = "no room for this picture in the page: draw it with --expand " + name;
    }
  }

  function source(g) {
    const file = g.dataset.src ?? stage.querySelector("svg").dataset.file;
    for (const li of document.querySelectorAll("li.here")) li.classList.remove("here");
    for (const section of document.querySelectorAll("section")) {
      if (section.dataset.file !== file) continue;
      const line = section.querySelector(`li[data-at="${g.dataset.line}"]`);
      if (!line) continue;
      line.classList.add("here");
      line.scrollIntoView({ block: "center" });
    }
  }

  const at = (event) => event.target.closest?.("g[data-path]");
  const tell = (event) => { const g = at(event); hint.textContent = g ? text(g) : ""; };
  stage.addEventListener("pointerover", tell);
  stage.addEventListener("focusin", tell);
  stage.addEventListener("click", (event) => { const g = at(event); if (g) source(g); });
  stage.addEventListener("keydown", (event) => {
    const g = at(event);
    if (!g) return;
    const all = places();
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (step) all[(all.indexOf(g) + step + all.length) % all.length].focus();
    else if (event.key === "Enter" && g.dataset.block) toggle(g);
    else if (event.key === " " || event.key === "Enter") source(g);
    else return;
    event.preventDefault();
  });
  document.getElementById("open").addEventListener("click", () => show(body.dataset.all));
  document.getElementById("close").addEventListener("click", () => show(body.dataset.none));
  prepare();
})();
