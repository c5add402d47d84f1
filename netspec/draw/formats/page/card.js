// What is pointed at, and where it came from.

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

const element = (tag, content, name = "") => {
  const made = document.createElement(tag);
  made.textContent = content;
  made.className = name;
  return made;
};

// What is known of a place; where several nets have that path, of the one whose figures it has.
function factOf(path, figures) {
  const known = facts[path];
  if (!Array.isArray(known)) return known;
  const same = known.filter(([own]) => own === figures);
  return same.length === 1 ? same[0][1] : undefined;
}

// The card of a place: its path, what is known of it, and of a repeat what all copies cost.
function placeCard(g) {
  const { path, block } = g.dataset;
  const many = copiesOf(path).length;
  const label = g.getAttribute("aria-label");
  const [name, figures] = label.split(/: (.*)/s);
  const times = many > 1 ? ` ×${many}` : "";
  const fact = factOf(path, figures);
  const own = fact && (!block || fact.startsWith("block ")) && !/^input \d+$/.test(name);
  const rows = own ? fact.split("\n") : figures ? [figures.replaceAll(", ", " · ")] : [];
  const all = figures?.split(", ").slice(1).join(" · ").replace("params", "parameters");
  if (times && all) rows.push(`all ${many}: ${all}`);
  return own || many > 1 || path.endsWith(name) ? [called(path) + times, rows] : [name, rows];
}

function card(title, rows, x, y) {
  hint.replaceChildren(element("b", title), ...rows.map((row) => element("div", row)));
  hint.hidden = false;
  const { width, height } = hint.getBoundingClientRect();
  hint.style.left = `${Math.max(4, Math.min(x, innerWidth - width - 4))}px`;
  hint.style.top = `${y + height < innerHeight ? y : Math.max(4, y - height - 36)}px`;
}

// Shows the card of a place or of a line; without either, none.
function tell(what, x, y, says) {
  unmark("at", "from");
  hint.hidden = true;
  if (!what) return;
  what.classList.add("at");
  if (what.matches("path")) {
    for (const line of stage.querySelectorAll(`path.w[data-c="${what.dataset.c}"]`)) line.classList.add("at");
    const told = lines[what.dataset.c].split("\n");
    return card(told.length > 1 ? told[0] : "connection", told.slice(-1), x, y);
  }
  lineOf(what)?.classList.add("from");
  if (says) {
    const [head, rest] = says.split(/: (.*)/s);
    return card(head, [rest], x, y);
  }
  card(...placeCard(what), x, y);
}

function pick(line, boxes) {
  unmark("here", "picked");
  line?.classList.add("here");
  for (const g of boxes) g.classList.add("picked");
}

function source(g) {
  pick(lineOf(g), [g]);
  lineOf(g)?.scrollIntoView({ block: "center" });
}

stage.addEventListener("pointermove", (event) => {
  if (event.buttons) return;
  const says = event.target.closest(".knob")?.dataset.says;
  tell(lineAt(event) ?? at(event), event.clientX + 14, event.clientY + 18, says);
});
stage.addEventListener("pointerleave", () => tell());
stage.addEventListener("focusin", (event) => {
  const { left, bottom } = event.target.getBoundingClientRect();
  if (event.target.matches(":focus-visible")) tell(lineAt(event) ?? at(event), left, bottom + 6);
});
stage.addEventListener("click", (event) => {
  const g = at(event);
  const way = event.target.closest(".knob")?.dataset.way;
  if (lineAt(event) || !g) pick(null, []);
  else if (event.shiftKey && (way === "all" || !way)) change("alone", g);
  else if (way) change(way, g);
  else source(g);
});
text.addEventListener("click", (event) => {
  const line = event.target.closest("li");
  if (!line) return;
  const boxes = places().filter((g) => lineOf(g) === line);
  pick(line, boxes);
  boxes[0]?.scrollIntoView({ block: "nearest", inline: "nearest" });
});
