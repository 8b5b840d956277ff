// Ways from a pair's page: to its neighbours, and back to the gallery as it was filtered.
const [back, previous, next] = ["back", "previous", "next"].map((name) =>
  document.querySelector(`a.${name}`),
);
const filters = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
if (filters.size) {
  for (const link of [previous, next]) if (link) link.hash = filters;
  filters.set("card", back.hash.slice(1));
  back.hash = filters;
}
onKeys({
  ArrowLeft: () => previous?.click(),
  ArrowRight: () => next?.click(),
  Escape: () => back.click(),
});

// A region and its box light up together.
for (const region of document.querySelectorAll("article[data-region]")) {
  const boxes = document.querySelectorAll(`.box[data-region="${region.dataset.region}"]`);
  for (const [event, lit] of [["pointerenter", true], ["pointerleave", false]]) {
    region.addEventListener(event, () => {
      for (const box of boxes) box.classList.toggle("active", lit);
    });
  }
}
