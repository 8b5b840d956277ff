// A and B over each other: with a slider between them, or one after the other.
const compare = document.querySelector(".compare");
const BLINK_MS = 700;

if (compare) {
  const sides = document.querySelector(".pair");
  const buttons = [...document.querySelectorAll(".views button")];
  const [stage, cut, play, flip] = [".stage", "input", ".play", ".flip"].map((name) =>
    compare.querySelector(name),
  );
  const views = buttons.map((button) => button.dataset.view);
  let view = "side";
  let timer = 0;

  function show(wanted) {
    view = views.includes(wanted) ? wanted : "side";
    sides.hidden = view !== "side";
    compare.hidden = view === "side";
    compare.classList.toggle("blinks", view === "blink");
    for (const button of buttons) {
      button.setAttribute("aria-pressed", button.dataset.view === view);
    }
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    setPlaying(view === "blink" && !still);
    setSide(false);
  }

  function choose(wanted) {
    show(wanted);
    if (view === "slider") cut.focus({ preventScroll: true });
    remember("view", view);
  }

  function setSide(isB) {
    compare.classList.toggle("b", isB);
    flip.textContent = isB ? "Show A" : "Show B";
  }

  function setPlaying(isPlaying) {
    clearInterval(timer);
    timer = isPlaying ? setInterval(() => setSide(!compare.classList.contains("b")), BLINK_MS) : 0;
    play.textContent = isPlaying ? "Pause" : "Play";
  }

  function turnOver() {
    setPlaying(false);
    setSide(!compare.classList.contains("b"));
  }

  function setCut(share) {
    cut.value = 100 * Math.min(1, Math.max(0, share));
    stage.style.setProperty("--cut", `${cut.value}%`);
  }

  function slideTo(event) {
    const { left, width } = stage.getBoundingClientRect();
    setCut((event.clientX - left) / width);
  }

  for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.view));
  cut.addEventListener("input", () => setCut(cut.value / 100));
  stage.addEventListener("pointerdown", (event) => {
    if (view !== "slider") return;
    stage.setPointerCapture(event.pointerId);
    slideTo(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) slideTo(event);
  });
  stage.addEventListener("click", () => view === "blink" && turnOver());
  play.addEventListener("click", () => setPlaying(!timer));
  flip.addEventListener("click", turnOver);
  onKeys({ c: () => choose(views[(views.indexOf(view) + 1) % views.length]) });
  onKeys({ b: turnOver }, () => view === "blink");
  show(state.get("view"));
}
