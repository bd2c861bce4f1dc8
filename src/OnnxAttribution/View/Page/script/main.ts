import { Axes } from "./axes";
import { Camera } from "./camera";
import { readPage } from "./contract";
import { Controls } from "./controls";
import { writeHeader } from "./header";
import { listenToKeys } from "./keys";
import { writeLegend } from "./legend";
import { Light } from "./light";
import { Graph } from "./model";
import { Panel } from "./panel";
import { listenToPointer } from "./pointer";
import { Scene } from "./scene";
import { Search } from "./search";
import { Store } from "./state";
import { byId, count, plain } from "./text";
import { writeTrust } from "./trust";

const graph = new Graph(readPage());
const store = new Store(graph, Store.initial(graph));
writeHeader(graph.page);
writeTrust(graph.page);

const scene = new Scene(graph);
byId("world").append(scene.base, scene.lit);
const axes = new Axes(graph);
const camera = new Camera(graph, byId("view"), byId("world"), [scene.base, scene.lit], t => axes.move(t));
const light = new Light(graph, scene);
const controls = new Controls(graph, scene, store);
const choose = (node: number): void => {
  store.update({ pin: node, hover: null, pointed: null, found: null });
  reveal(node);
};
/** Moves a node into view: on a small screen the panel lies over a part of it. */
function reveal(node: number): void {
  const [view, panel] = [byId("view").getBoundingClientRect(), byId("panel").getBoundingClientRect()];
  camera.reveal(graph.node(node).x, graph.node(node).y, panel.left < view.right && panel.top < view.bottom ? view.bottom - panel.top : 0);
}
const search = new Search(graph, store, choose);
const panel = new Panel(graph, {
  pin: node => (node === null ? store.update({ pin: null }) : choose(node)),
  pointAt: edge => light.point(edge, store.state),
  pointAtNode: node => store.update({ pointed: node }),
});
listenToKeys(graph, scene, store, camera, search);
listenToPointer(graph, store, camera, () => search.clear(), reveal);

let told: number | null = null;
store.onChange((state, changed) => {
  if (changed.has("shown")) scene.show(state.shown);
  if (changed.has("sign")) scene.colour(state.sign);
  if (changed.has("shown") || changed.has("sign") || changed.has("theme") || changed.has("safe")) controls.draw(state);
  if (changed.has("sign") || changed.has("safe")) writeLegend(graph, state);
  if (changed.has("pin")) {
    scene.nodes.forEach(
      (n, i) => n.getAttribute("aria-pressed") !== String(i === state.pin) && n.setAttribute("aria-pressed", String(i === state.pin)),
    );
    byId("panel").classList.toggle("open", state.pin !== null);
    byId("handle").setAttribute("aria-expanded", String(state.pin !== null));
    byId("status").textContent =
      state.pin === null
        ? ""
        : `${plain(graph.node(state.pin).t)} pinned, ${count(graph.paths(state.pin, state.shown).edges.length, "edge")} on its paths`;
  }
  if (
    changed.has("pin") ||
    changed.has("hover") ||
    changed.has("pointed") ||
    changed.has("found") ||
    changed.has("shown") ||
    changed.has("sign")
  )
    light.draw(state);
  // what was last looked at stays in the panel, so that it can be read
  const node = state.hover ?? state.pin ?? (changed.has("pin") ? null : told);
  if (node !== told || changed.has("pin") || changed.has("sign")) panel.show((told = node), state);
  axes.shade(state.pointed ?? state.hover ?? state.pin);
  if (["pin", "shown", "sign", "theme", "safe"].some(k => changed.has(k as keyof typeof state))) remember();
});

let writing = 0;
function remember(): void {
  clearTimeout(writing);
  writing = setTimeout(() => {
    const hash = store.hash();
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash === "" ? location.pathname + location.search : `#${hash}`);
  }, 150);
}

for (const button of document.querySelectorAll<HTMLElement>("[data-zoom]")) {
  button.addEventListener("click", () =>
    button.dataset.zoom === "fit" ? camera.fit() : camera.scale(button.dataset.zoom === "in" ? 1.4 : 1 / 1.4),
  );
}
byId("handle").addEventListener("click", () =>
  byId("handle").setAttribute("aria-expanded", String(byId("panel").classList.toggle("open"))),
);
document.querySelector(".skip")?.addEventListener("click", event => {
  event.preventDefault();
  byId("panel").focus();
});
addEventListener("hashchange", () => store.restore(location.hash));
addEventListener("beforeprint", () => camera.fit(false));

// the first picture: colours and edges of the state as it is, then what the address says on top of it
scene.colour(store.state.sign);
scene.show(store.state.shown);
controls.draw(store.state);
writeLegend(graph, store.state);
panel.show(told, store.state);
store.restore(location.hash);
if (store.state.pin !== null) reveal(store.state.pin);
document.documentElement.dataset.ready = "true";

export { choose, graph, store };
