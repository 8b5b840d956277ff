// One place that hears keys. The last set of keys that is in force and has the one pressed gets it;
// what it calls may return false to leave the key to the browser.
const help = document.getElementById("help");
const keySets = [{ keys: { "?": () => help.showModal() }, inForce: () => true }];

function onKeys(keys, inForce = () => true) {
  keySets.push({ keys, inForce });
}

const SLIDING = ["Arrow", "Page", "Home", "End"]; // how keys begin that move a slider

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("select, textarea, input:not([type=checkbox], [type=range])");
  const sliding =
    event.target.matches?.("[type=range]") && SLIDING.some((name) => event.key.startsWith(name));
  if (typing || sliding || help.open || event.ctrlKey || event.metaKey || event.altKey) return;
  const heard = keySets.findLast((set) => Object.hasOwn(set.keys, event.key) && set.inForce());
  if (heard && heard.keys[event.key](event) !== false) event.preventDefault();
});

document.documentElement.classList.add("scripts"); // shows what is of no use without them
