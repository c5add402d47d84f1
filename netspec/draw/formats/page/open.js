// What opens and closes: all blocks of a name `*`, one alone `.`, the copies of a repeat `×`.

// The picture in which these signs are on and off: nothing else opens, as little as can be closes.
function after(on, off) {
  const wanted = new Set([...state.open, ...on].filter((sign) => !off.includes(sign)));
  const fits = ({ open }) => on.every((sign) => open.has(sign)) && [...open].every((s) => wanted.has(s));
  return states.filter(fits).sort((a, b) => b.open.size - a.open.size)[0];
}

// The paths that what is drawn at a path stands for: of a repeat that is folded, its copies'.
function copiesOf(path) {
  const [key, start, count] = state.folded[path] ?? [];
  return key ? copies[key].slice(start, start + count) : [path];
}

// A path as it is told: of what stands for several copies, from the first to the last.
function called(path) {
  const outer = Object.keys(state.folded).find((last) => path === last || path.startsWith(`${last}.`));
  return outer ? state.folded[outer][3] + path.slice(outer.length) : path;
}

// The path of the instance that stands for a place: of what is folded, the first copy's.
const instance = (g) => copiesOf(g.dataset.path)[0];
const isAlone = (g) => state.open.has(`.${g.dataset.path}`);
const isOpen = (g) => isAlone(g) || state.open.has(`*${g.dataset.block}`);

// What each way to open or close leads to at a place, [signs on, signs off], and what it says.
const ways = {
  all(g) {
    const { block, path } = g.dataset;
    if (!block) return null;
    if (isAlone(g)) return { on: [], off: [`.${path}`], says: `close: ${path}` };
    const off = isOpen(g);
    const says = `${off ? "close" : "open"}: every ${block}`;
    return off ? { on: [], off: [`*${block}`], says } : { on: [`*${block}`], off: [], says };
  },
  alone(g) {
    const { block, path } = g.dataset;
    if (!block) return null;
    if (isAlone(g)) return { on: [], off: [`.${path}`], says: `close: ${path}` };
    const off = state.open.has(`*${block}`) ? [`*${block}`] : [];
    return { on: [`.${instance(g)}`], off, says: `open: ${instance(g)} alone` };
  },
  copies(g) {
    const { path } = g.dataset;
    const [key, , count] = state.folded[path] ?? [];
    if (key) return { on: [`×${key}`], off: [], count, says: `unfold: the ${count} one by one` };
    const open = [...state.open].find((sign) => sign[0] === "×" && sign.slice(1).split("..")[0] === path);
    return open ? { on: [], off: [open], says: "fold: the copies, shown once" } : null;
  },
};

function to(way, g) {
  const move = ways[way](g);
  const next = move && after(move.on, move.off);
  return next && next !== state ? { ...move, next } : null;
}

function change(way, g) {
  const move = to(way, g);
  if (!move) return;
  const { path } = g.dataset, before = state.open, own = instance(g);
  show(move.next);
  const seen = new Set(places().flatMap(({ dataset }) => [`*${dataset.block}`, `.${dataset.path}`]));
  const lost = [...before].filter((s) => !move.off.includes(s) && seen.has(s) && !state.open.has(s));
  if (lost.length) help.textContent = `closed to make room: ${lost.map((s) => s.slice(1)).join(", ")}`;
  const found = (name) => places().find((place) => place.dataset.path === name);
  const [first, second] = way === "alone" ? [own, path] : [path, own];
  (found(first) ?? found(second) ?? shown(path, drawn()))?.focus();
}

// --- the signs at a block's corners

function signs(g) {
  const box = g.querySelector("rect.block, rect.leaf");
  if (!box) return;
  const [all, alone, copies] = ["all", "alone", "copies"].map((way) => to(way, g));
  // A block and the only one in it share a card: the inner one's signs are below the other's.
  const shared = g.parentNode.dataset.block && !g.parentNode.querySelector(":scope > rect.block");
  const x = box.x.baseVal.value, y = box.y.baseVal.value + (shared ? 20 : 2);
  if (all) {
    g.setAttribute("aria-expanded", isOpen(g));
    sign(g, "all", x, y, isOpen(g) ? "−" : "+", all.says);
  }
  if (alone && alone.next !== all?.next) {
    // Beside the other; below it, and below those of a block on the same card, at the picture's edge.
    const { e } = picture().getScreenCTM().inverse().multiply(box.getScreenCTM());
    const below = g.querySelector(":scope > rect") ? 17 : 36;
    sign(g, "alone", ...(e + x > 25 ? [x - 17, y] : [x, y + below]), "1", alone.says);
  }
  const end = box.x.baseVal.value + box.width.baseVal.value;
  // At the corner, where no figure is, unless the other block on the card has its sign there.
  const taken = shared && g.parentNode.querySelector(":scope > .knob.copies");
  if (copies) sign(g, "copies", end - 4, box.y.baseVal.value + (taken ? 18 : 0), copies.count ? `×${copies.count} ▾` : "▴", copies.says);
}

function sign(g, way, x, y, label, says) {
  const wide = Math.max(15, 6 + 6.4 * label.length);
  g.insertAdjacentHTML("beforeend", `<g class="knob ${way}" data-way="${way}"
    transform="translate(${x} ${y})"><rect x="${-wide / 2}" y="-7.5" width="${wide}" height="15"
    rx="7.5"/><text y="4">${label}</text></g>`);
  g.lastElementChild.dataset.says = says;
}
