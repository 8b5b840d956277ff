// Which cards are seen, and the way from one to the next. What is asked for stands in the address
// (`#from=car&to=boat&pairs=...&regions=...`): it can be shared, and the back button works.
const cards = [...document.querySelectorAll(".card")];
const sections = [...document.querySelectorAll(".gallery-section")];
const chips = [...document.querySelectorAll(".chips a")];
const form = document.querySelector(".filters");
const sides = form ? [form.elements.from, form.elements.to] : [];

function asked() {
  const hash = location.hash.slice(1);
  return new URLSearchParams(hash.includes("=") ? hash : ""); // else it names a place of the page
}

// Changes some of what is asked for; null takes it back. It shows when the address has changed.
function ask(changes, replace = false) {
  const wanted = asked();
  wanted.delete("card");
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) wanted.delete(name);
    else wanted.set(name, value);
  }
  const hash = `#${wanted.size ? wanted : "all"}`; // an empty one would scroll to the top
  if (replace) location.replace(hash);
  else location.hash = hash;
}

const fits = (card, wanted, names = ["from", "to"]) =>
  names.every((name) => !wanted.has(name) || wanted.get(name) === card.dataset[name]);
const isSeen = (card) => !card.hidden && !card.closest(".gallery-section").hidden;

function show() {
  const wanted = asked();
  for (const card of cards) card.hidden = !fits(card, wanted);
  for (const section of sections) {
    const { kind, reason } = section.dataset;
    const other = wanted.has(kind) && wanted.get(kind) !== reason;
    const empty = wanted.has("from") || wanted.has("to");
    section.hidden = other || (empty && !section.querySelector(".card:not([hidden])"));
  }
  for (const note of document.querySelectorAll(".unmatched")) {
    note.hidden = [...note.parentElement.querySelectorAll(".card")].some(isSeen);
  }
  for (const chip of chips) {
    const { kind, reason } = chip.dataset;
    chip.setAttribute("aria-current", wanted.get(kind) === (reason ?? null));
  }
  for (const link of document.querySelectorAll(".card a")) {
    const state = new URLSearchParams(wanted);
    if (link.dataset.view) state.set("view", link.dataset.view);
    link.hash = state.toString();
  }
  if (form) showForm(wanted);
}

function showForm(wanted) {
  for (const side of sides) {
    const [other] = sides.filter((each) => each !== side);
    const counts = new Map();
    for (const card of cards.filter((card) => fits(card, wanted, [other.name]))) {
      const words = card.dataset[side.name];
      if (words) counts.set(words, (counts.get(words) ?? 0) + 1);
    }
    const words = [...counts.keys()].sort((a, b) => a.localeCompare(b));
    const options = words.map((each) => new Option(`${each} (${counts.get(each)})`, each));
    side.replaceChildren(new Option("anything", ""), ...options);
    side.value = wanted.get(side.name) ?? "";
  }
  const narrowed = ["from", "to", "pairs", "regions"].some((name) => wanted.has(name));
  const seen = cards.filter(isSeen).length;
  form.querySelector("output").textContent = narrowed ? `${seen} of ${cards.length} cards` : "";
  form.querySelector(".clear").hidden = !narrowed;
}

function goTo(step) {
  const seen = cards.filter(isSeen);
  const here = seen.indexOf(document.activeElement);
  const next = here < 0 ? firstInSight(seen) : seen[here + step];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}

const firstInSight = (seen) => seen.find((card) => card.getBoundingClientRect().bottom > 120);

for (const chip of chips) {
  chip.addEventListener("click", (event) => {
    event.preventDefault();
    ask({ [chip.dataset.kind]: chip.dataset.reason ?? null });
  });
}
for (const side of sides) {
  side.addEventListener("change", () => ask({ [side.name]: side.value || null }));
}
form?.querySelector(".clear").addEventListener("click", () => {
  ask({ from: null, to: null, pairs: null, regions: null });
});
for (const link of document.querySelectorAll(".sections a")) {
  link.addEventListener("click", (event) => {
    if (!asked().size) return;
    event.preventDefault(); // the address is taken
    document.querySelector(link.hash).scrollIntoView();
  });
}
onKeys({
  ArrowLeft: () => goTo(-1),
  ArrowRight: () => goTo(1),
  Enter: ({ target }) => target.matches(".card") && target.querySelector(".foot a").click(),
  c: ({ target }) => target.matches(".card") && target.querySelector(".over")?.click(),
});
addEventListener("hashchange", show);
show();
document.getElementById(asked().get("card") ?? location.hash.slice(1))?.focus();
