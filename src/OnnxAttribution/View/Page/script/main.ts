import { keep } from "./address";
import { Axes } from "./axes";
import { Camera } from "./camera";
import { Chosen } from "./chosen";
import { Columns } from "./columns";
import { markPresence, writeComparison } from "./compare";
import { readPage } from "./contract";
import { Controls } from "./controls";
import { Filter } from "./filter";
import { Gestures } from "./gestures";
import { writeHeader } from "./header";
import { listenToKeys } from "./keys";
import { writeLegend } from "./legend";
import { Light } from "./light";
import { Graph } from "./model";
import { Panel } from "./panel";
import { listenToPointer } from "./pointer";
import { Scene } from "./scene";
import { Search } from "./search";
import { Store, type State } from "./state";
import { Strokes, weightAt } from "./strokes";
import { Tags } from "./tags";
import { byId, count, plain } from "./text";
import { writeTrust } from "./trust";

const graph = new Graph(readPage());
const store = new Store(graph);
if (graph.page.comparison === null) writeHeader(graph.page);
else writeComparison(graph.page.comparison);
writeTrust(graph.page);

const columns = new Columns(graph);
const scene = new Scene(graph);
byId("world").append(scene.base, scene.lit);
markPresence(graph, scene);
const axes = new Axes(graph);
let [repaint, moved, rested] = [(): void => {}, (): void => {}, (): void => {}];
const camera = new Camera(
  graph,
  byId("view"),
  byId("world"),
  [scene.base, scene.lit],
  t => {
    axes.move(t);
    moved();
  },
  () => repaint(),
  () => rested(),
);
const strokes = new Strokes(graph, byId("view"), e => scene.bend(e));
moved = () => strokes.move(store.state, camera.transform, camera.paintedScale);
const tags = new Tags(graph, scene, camera);
const light = new Light(graph, scene, tags);
const controls = new Controls(graph, scene, store);
const filter = new Filter(graph, store);
const choose = (node: number): void => {
  store.update({ pin: node, hover: null, pointed: null, found: null });
  reveal(node);
};
/** Moves a node into view: on a small screen the panel lies over a part of it. */
function reveal(node: number): void {
  const [view, panel] = [byId("view").getBoundingClientRect(), byId("panel").getBoundingClientRect()];
  camera.reveal(graph.node(node).x, graph.node(node).y, panel.left < view.right && panel.top < view.bottom ? view.bottom - panel.top : 0);
}
const word = (node: number): string => scene.word(node);
const search = new Search(graph, word, store, choose);
const panel = new Panel(graph, word, {
  pin: node => (node === null ? store.update({ pin: null }) : choose(node)),
  pointAt: edge => light.point(edge, store.state),
  pointAtNode: node => store.update({ pointed: node }),
});
listenToKeys(graph, scene, store, camera, search);
const chosen = new Chosen(graph);
const under = listenToPointer(graph, store, camera, () => search.clear(), reveal);
/** A subgraph is of one run: on a page of two there is nothing that chooses nodes, and what an address says of them is not read. */
const gestures = graph.page.comparison === null ? new Gestures(graph, chosen, store, scene, camera, under) : null;
if (gestures !== null) store.beside = chosen;
byId("help-open").addEventListener("click", () => byId<HTMLDialogElement>("help").showModal());

function drawEdges(): void {
  strokes.draw(store.state, camera.transform, camera.paintedScale);
}

/** The strongest are named though no shown edge ends at them. */
const NAMED = 20;

/** Names beside dots: of all that is shown, and of what is lit. */
function drawTags(): void {
  const { seen } = store.state;
  tags.draw(scene.tags, i => seen.joined[i] === 1 || i === graph.metric || (graph.rank[i] < NAMED && seen.nodes[i] === 1));
}

let told: number | null = null;
function tell(node: number | null, state: State): void {
  panel.show((told = node), state);
  gestures?.pane.dress(node);
}
store.onChange((state, changed) => {
  if (changed.has("seen")) scene.show(state.seen);
  if (changed.has("sign")) scene.colour(state.sign);
  if (changed.has("seen") || changed.has("sign") || changed.has("theme") || changed.has("safe")) controls.draw(state);
  if (changed.has("seen")) {
    filter.draw(state);
    settleLater();
  }
  if (["seen", "sign", "theme", "safe"].some(k => changed.has(k as keyof typeof state))) drawEdges();
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
        : `${plain(graph.names[state.pin])} pinned, ${count(graph.paths(state.pin, state.seen).edges.length, "edge")} on its paths`;
  }
  if (
    changed.has("pin") ||
    changed.has("hover") ||
    changed.has("pointed") ||
    changed.has("found") ||
    changed.has("seen") ||
    changed.has("sign")
  )
    light.draw(state);
  // what was last looked at stays in the panel, so that it can be read
  const node = state.hover ?? state.pin ?? (changed.has("pin") ? null : told);
  if (node !== told || changed.has("pin") || changed.has("sign")) tell(node, state);
  axes.shade(state.pointed ?? state.hover ?? state.pin);
  if (["seen", "sign", "theme", "safe"].some(k => changed.has(k as keyof typeof state))) remember();
});

let [settling, listed] = [0, store.state.seen.nodes];
/** Names, and the list of the strongest nodes, once what is shown has come to rest: a slider that moves does not wait for them. */
function settleLater(): void {
  clearTimeout(settling);
  settling = setTimeout(() => {
    layOut();
    drawTags();
    const { nodes } = store.state.seen;
    if (told === null && nodes.some((n, i) => n !== listed[i])) tell(null, store.state);
    listed = nodes;
  }, 200);
}

/** A column whose nodes are all hidden is a tick. */
function layOut(): void {
  const to = columns.follow(store.state.seen);
  if (to === null) return;
  scene.place();
  strokes.renew();
  camera.renew(to);
  axes.renew(camera.transform);
}

chosen.onChange(() => {
  nameOwn();
  gestures?.pane.dress(told);
  remember();
});

/** Labels of the reader's own stand beside numbers as any label does. */
function nameOwn(): void {
  const own = new Map(chosen.now.labels.map(l => [l.feature, l.label]));
  const renamed = graph.page.nodes.flatMap((n, i) => (n.f >= 0 && own.get(n.f) !== graph.own.get(n.f) ? [i] : []));
  if (renamed.length === 0) return;
  graph.own = own;
  for (const i of renamed) {
    scene.rename(i);
    tags.rename(i);
  }
  drawTags();
  light.draw(store.state);
}

let writing = 0;
function remember(): void {
  clearTimeout(writing);
  writing = setTimeout(() => {
    const hash = store.hash();
    if (hash !== location.hash.slice(1)) keep(hash);
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
new ResizeObserver(() => {
  drawEdges();
  scene.dress(camera.areDots, camera.nearby);
}).observe(byId("view"));
// the sheet's colours have followed the system's by now
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawEdges);
addEventListener("hashchange", () => store.restore(location.hash));
addEventListener("beforeprint", () => {
  camera.fit(false);
  scene.settle();
});

// the first picture: colours and edges of the state as it is, then what the address says on top of it
scene.colour(store.state.sign);
scene.show(store.state.seen);
controls.draw(store.state);
filter.draw(store.state);
rested = () => {
  scene.dress(camera.areDots, camera.nearby);
  drawTags();
  light.draw(store.state);
};
repaint = () => {
  scene.weigh(weightAt(camera.paintedScale), camera.paintedScale);
  drawEdges();
  rested();
};
repaint();
writeLegend(graph, store.state);
tell(told, store.state);
store.restore(location.hash);
nameOwn();
layOut();
if (store.state.pin !== null) reveal(store.state.pin);
if (chosen.now.pins.length > 0) gestures?.pane.toggle(true);
document.documentElement.dataset.ready = "true";

export { choose, chosen, graph, store, word };
