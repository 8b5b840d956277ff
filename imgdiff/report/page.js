// Turns the reason links above the refused galleries into filters; without it they are plain links.
for (const chips of document.querySelectorAll(".chips")) {
  chips.addEventListener("click", (event) => {
    const chosen = event.target.closest("a");
    if (!chosen) return;
    event.preventDefault();
    for (const shelf of chips.parentElement.querySelectorAll(".shelf")) {
      shelf.hidden = "shelf" in chosen.dataset && shelf.id !== chosen.dataset.shelf;
    }
    for (const chip of chips.children) chip.setAttribute("aria-current", chip === chosen);
  });
}
