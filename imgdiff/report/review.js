// A person rates every kept sample: box, content and difference, each high, medium or low. Ratings
// stay in this browser, by run and by sample, and leave it as review.json.
const LEVELS = ["high", "medium", "low"];
const { run, started } = document.body.dataset;
const STORE = `imgdiff review of ${run}, ${started}`;
const bar = document.querySelector(".review");
const file = bar.querySelector("input[type=file]");
const questions = [...document.getElementById("rating").content.querySelectorAll("fieldset")].map(
  (fieldset) => fieldset.dataset.question,
);
let ratings = stored(); // Map: sample -> {question: level}
let steps = []; // of the review: a sample's element and the field with one question about it
let at = 0;

function stored() {
  try {
    return new Map(Object.entries(JSON.parse(localStorage.getItem(STORE)) ?? {}));
  } catch {
    return new Map();
  }
}

function store() {
  try {
    localStorage.setItem(STORE, JSON.stringify(Object.fromEntries(ratings)));
  } catch {
    say("This browser keeps nothing: save review.json before you close the page.");
  }
}

const isOn = () => document.body.classList.contains("reviewing");
const say = (text) => (bar.querySelector(".status").textContent = text);
const counted = (samples) => `${samples} ${samples === 1 ? "sample" : "samples"}`;
const levelOf = ({ sample, field }) => ratings.get(sample.dataset.sample)?.[field.dataset.question];
const cardOf = (step) => step.sample.closest(".card");

function begin(name) {
  const samples = cards.filter(isSeen).flatMap((card) => [...card.querySelectorAll("[data-sample]")]);
  steps = samples.flatMap((sample) => fieldsOf(sample).map((field) => ({ sample, field })));
  if (!steps.length) return ask({ review: null }, true);
  document.body.classList.add("reviewing");
  const named = steps.findIndex(({ sample }) => sample.dataset.sample === name);
  const open = steps.findIndex((step) => !levelOf(step));
  moveTo(named >= 0 ? named : Math.max(open, 0));
}

function fieldsOf(sample) {
  if (!sample.querySelector(".rating")) {
    sample.lastElementChild.append(document.getElementById("rating").content.cloneNode(true));
  }
  return [...sample.querySelectorAll("fieldset")];
}

function end() {
  document.body.classList.remove("reviewing");
  const card = steps[at] && cardOf(steps[at]);
  draw();
  card?.scrollIntoView({ block: "center" });
  card?.focus({ preventScroll: true });
}

function moveTo(place) {
  at = Math.min(Math.max(place, 0), steps.length - 1);
  draw();
  const { sample, field } = steps[at];
  if (asked().get("review") !== sample.dataset.sample) {
    ask({ review: sample.dataset.sample }, true);
  }
  field.focus({ preventScroll: true });
  field.scrollIntoView({ block: "nearest" });
}

// To the first question of a neighbouring pair.
function moveToPair(step) {
  const pairs = [...new Set(steps.map(cardOf))];
  const pair = pairs[pairs.indexOf(cardOf(steps[at])) + step];
  if (pair) moveTo(steps.findIndex((each) => cardOf(each) === pair));
}

function rate(place, level) {
  const { sample, field } = steps[place];
  const rating = { ...ratings.get(sample.dataset.sample) };
  const again = rating[field.dataset.question] === level; // takes it back
  if (again) delete rating[field.dataset.question];
  else rating[field.dataset.question] = level;
  if (Object.keys(rating).length) ratings.set(sample.dataset.sample, rating);
  else ratings.delete(sample.dataset.sample);
  say("");
  store();
  moveTo(again ? place : place + 1);
  if (steps.every(levelOf)) say("All are rated. Save review.json.");
}

function draw() {
  const here = isOn() ? steps[at] : null;
  for (const card of cards) card.classList.toggle("current", !!here && card === cardOf(here));
  for (const each of document.querySelectorAll(".active")) each.classList.remove("active");
  for (const step of steps) {
    for (const button of step.field.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.dataset.level === levelOf(step));
    }
  }
  if (!here) return;
  const { region } = here.sample.dataset;
  const boxes = cardOf(here).querySelectorAll(`.box[data-region="${region}"]`);
  for (const each of [here.sample, here.field, ...boxes]) each.classList.add("active");
  const pairs = [...new Set(steps.map(cardOf))];
  const samples = [...new Set(steps.map((step) => step.sample.dataset.sample))];
  const rated = samples.filter((name) => questions.every((q) => ratings.get(name)?.[q])).length;
  bar.querySelector(".where").textContent = `Pair ${pairs.indexOf(cardOf(here)) + 1} of ${pairs.length}`;
  bar.querySelector(".rated span").textContent = `${rated} of ${samples.length} rated`;
  Object.assign(bar.querySelector("progress"), { value: rated, max: samples.length });
}

function save() {
  const text = JSON.stringify({ run, ratings: Object.fromEntries(ratings) }, null, 2);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text + "\n"], { type: "application/json" }));
  link.download = "review.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  say(`Saved the ratings of ${counted(ratings.size)}.`);
}

// Adds the ratings of a saved review; where both have one, the file's counts.
async function load(source) {
  const review = await source.text().then(JSON.parse).catch(() => null);
  if (!review?.ratings || typeof review.ratings !== "object") {
    return say(`${source.name} is not a saved review.`);
  }
  if (review.run !== run) {
    return say(`${source.name} belongs to the run ${review.run}, this page to ${run}.`);
  }
  const found = Object.entries(review.ratings).map(([sample, rating]) => [sample, known(rating)]);
  for (const [sample, rating] of found) ratings.set(sample, { ...ratings.get(sample), ...rating });
  store();
  draw();
  say(`Loaded the ratings of ${counted(found.length)}.`);
}

const known = (rating) =>
  Object.fromEntries(
    questions.filter((q) => LEVELS.includes(rating?.[q])).map((q) => [q, rating[q]]),
  );

const toggle = () => ask({ review: isOn() ? null : "all" });
const deeds = {
  previous: () => moveToPair(-1),
  next: () => moveToPair(1),
  load: () => file.click(),
  help: () => help.showModal(),
  close: () => ask({ review: null }),
  save,
};

bar.addEventListener("click", ({ target }) => deeds[target.closest("[data-do]")?.dataset.do]?.());
file.addEventListener("change", async () => {
  if (file.files.length) await load(file.files[0]);
  file.value = ""; // so that the same file can be chosen again
});
document.querySelector("main").addEventListener("click", ({ target }) => {
  const button = target.closest(".rating button");
  const sample = isOn() && target.closest("[data-sample]:not(.active)");
  if (button) rate(steps.findIndex(({ field }) => field.contains(button)), button.dataset.level);
  else if (sample) moveTo(steps.findIndex((step) => step.sample === sample));
});
document.querySelector("[data-review]")?.addEventListener("click", toggle);
onKeys({ r: toggle }, () => !!document.querySelector("[data-sample]"));
onKeys(
  {
    1: () => rate(at, "high"),
    2: () => rate(at, "medium"),
    3: () => rate(at, "low"),
    ArrowUp: () => moveTo(at - 1),
    ArrowDown: () => moveTo(at + 1),
    ArrowLeft: deeds.previous,
    ArrowRight: deeds.next,
    Escape: deeds.close,
  },
  isOn,
);

function followAddress() {
  const name = asked().get("review");
  if (name === null) return isOn() && end();
  if (!isOn() || steps[at].sample.dataset.sample !== name) begin(name);
}
addEventListener("hashchange", followAddress);
followAddress();
