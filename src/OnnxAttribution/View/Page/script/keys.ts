import type { Camera } from "./camera";
import { HIDING } from "./filter";
import type { Graph } from "./model";
import type { Scene } from "./scene";
import type { Search } from "./search";
import type { Store } from "./state";
import { byId } from "./text";

const ARROWS: Record<string, "up" | "down" | "left" | "right"> = {
  ArrowUp: "up",
  ArrowDown: "down",
  ArrowLeft: "left",
  ArrowRight: "right",
};

/** Keys for the whole page; those for moving between nodes act while a node has the focus. */
export function listenToKeys(graph: Graph, scene: Scene, store: Store, camera: Camera, search: Search): void {
  const page: Record<string, () => void> = {
    "/": () => search.focus(),
    "+": () => camera.scale(1.4),
    "=": () => camera.scale(1.4),
    "-": () => camera.scale(1 / 1.4),
    "0": () => camera.fit(),
    "?": () => byId<HTMLDialogElement>("help").showModal(),
  };
  for (const [key, kind] of Object.entries(HIDING)) page[key] = () => store.update({ [kind]: !store.state[kind] });
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") !== null) return;
    const target = event.target instanceof Element ? event.target : null;
    if (target?.matches("input:not([type=range], [type=checkbox]), textarea, select")) return;
    const focused = Number(target?.closest("g.node")?.getAttribute("data-node") ?? -1);
    const open = document.querySelector("#filter[open], #validation[open], #certificate[open]");
    if (event.key === "Escape" && open !== null) {
      open.removeAttribute("open");
    } else if (event.key === "Escape") {
      if (store.state.found !== null) search.clear();
      store.update({ pin: null, hover: null });
      byFocus()?.blur();
    } else if (focused >= 0 && event.key in ARROWS) {
      const to = graph.next(focused, ARROWS[event.key], store.state.seen);
      scene.nodes[to].focus({ preventScroll: true });
    } else if (focused >= 0 && (event.key === "Enter" || event.key === " ")) {
      store.update({ pin: store.state.pin === focused ? null : focused });
    } else if (event.key.toLowerCase() in page && !(target?.matches("input") && event.key === "0")) {
      page[event.key.toLowerCase()]();
    } else return;
    event.preventDefault();
  });
}

const byFocus = (): SVGElement | HTMLElement | null => (document.activeElement instanceof SVGElement ? document.activeElement : null);
