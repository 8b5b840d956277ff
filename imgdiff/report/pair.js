// Ways from a pair's page: to its neighbours, and back to the gallery as it was filtered.
const [back, previous, next] = ["back", "previous", "next"].map((name) =>
  document.querySelector(`a.${name}`),
);
const place = back.hash.slice(1);
// what is asked for of the gallery, and how the images are shown: it goes along from page to page
const state = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

function carry() {
  for (const link of [previous, next]) if (link) link.hash = state;
  const gallery = new URLSearchParams(state);
  if (gallery.size) gallery.set("card", place);
  back.hash = gallery.size ? gallery : place;
}

function remember(name, value) {
  state.set(name, value);
  location.replace(`#${state}`);
  carry();
}

carry();
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
