// Names, operators and shapes: what is found is marked, or the closed block that it is in.

const field = byId("search"), count = byId("count");
const plain = (words) => words.toLowerCase().replace(/(?<=\d)\s*[x*]\s*(?=\d)/g, "×").replace(/\s+/g, " ");
let hits = [], now = -1, toured = false;

const drawn = () => new Map(places().map((g) => [g.dataset.path, g]));

// Where something is in this picture: itself, the copy that stands for it, or what is closed around it.
function shown(path, here) {
  for (const last of Object.keys(state.folded)) {
    const copy = copiesOf(last).find((each) => path === each || path.startsWith(`${each}.`));
    if (copy) path = last + path.slice(copy.length);
  }
  while (path && !here.has(path)) path = path.slice(0, Math.max(0, path.lastIndexOf(".")));
  return here.get(path);
}

function search() {
  unmark("hit", "now");
  [hits, now, toured] = [[], -1, false];
  const words = plain(field.value).trim().split(" ").filter(Boolean);
  count.textContent = "";
  if (!words.length) return;
  const here = drawn();
  const met = Object.keys(facts).filter((path) => {
    const told = plain(`${path} ${[facts[path]].flat(2).join(" ")}`);
    return words.every((word) => told.includes(word));
  });
  const marked = new Set(met.map((path) => shown(path, here)));
  marked.delete(undefined);
  hits = places().filter((g) => marked.has(g));
  for (const g of hits) g.classList.add("hit");
  const inside = met.filter((path) => !here.has(path)).length;
  count.textContent = met.length ? `${met.length} found${inside ? `, ${inside} of them in what is closed` : ""}` : "nothing found";
  if (hits.length) go(0, false);
}

function go(to, told = true) {
  if (!hits.length) return;
  unmark("now");
  now = (to + hits.length) % hits.length;
  const g = hits[now];
  g.classList.add("now");
  (g.querySelector("rect, circle") ?? g).scrollIntoView({ block: "center", inline: "center" });
  if (!told) return;
  toured = true;
  const { left, bottom } = g.getBoundingClientRect();
  tell(g, left, Math.min(bottom, innerHeight) + 6);
  count.textContent = `${now + 1} of ${hits.length}`;
}

field.addEventListener("input", search);
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter") go(now + (event.shiftKey ? -1 : Number(toured)));
  else if (event.key === "Escape") { field.value = ""; search(); tell(); field.blur(); }
  else return;
  event.preventDefault();
  event.stopPropagation();
});
