import type { Camera } from "./camera";
import type { Graph } from "./model";
import type { Store } from "./state";
import { byId } from "./text";

/** A dot far out is smaller than a finger: whatever is this near to it, in pixels, means it. */
const REACH = { mouse: 8, touch: 22 };

/** Pointing at nodes, and clicking them. `cleared` is called before a click changes what is pinned. Returns what says which node lies
 * under the pointer. */
export function listenToPointer(
  graph: Graph,
  store: Store,
  camera: Camera,
  cleared: () => void,
  reveal: (node: number) => void,
): (event: PointerEvent | MouseEvent) => number | null {
  const view = byId("view");

  const under = (event: PointerEvent | MouseEvent): number | null => {
    const own = nodeOf(event.target);
    if (own !== null || !camera.areDots) return own;
    const box = view.getBoundingClientRect();
    const [x, y] = camera.transform.invert([event.clientX - box.left, event.clientY - box.top]);
    const reach = ("pointerType" in event && event.pointerType === "touch" ? REACH.touch : REACH.mouse) / camera.transform.k;
    let [best, nearest] = [null as number | null, reach * reach];
    graph.page.nodes.forEach((n, i) => {
      if (store.state.seen.nodes[i] === 0) return;
      // what no edge is shown at stands back
      const away = ((n.x - x) ** 2 + (n.y - y) ** 2) * (store.state.seen.joined[i] === 1 ? 1 : 4);
      if (away < nearest) [best, nearest] = [i, away];
    });
    return best;
  };

  view.addEventListener("pointermove", event => {
    if (event.pointerType === "touch" || event.buttons !== 0) return;
    const node = under(event);
    view.classList.toggle("on-node", node !== null);
    store.update({ hover: node });
  });
  view.addEventListener("pointerleave", () => store.update({ hover: null }));
  view.addEventListener("click", event => {
    const node = under(event);
    cleared();
    store.update({ pin: node === store.state.pin ? null : node });
    if (store.state.pin !== null) reveal(store.state.pin);
  });
  view.addEventListener("focusin", event => {
    const node = nodeOf(event.target);
    store.update({ hover: node });
    if (node !== null && event.target instanceof Element && event.target.matches(":focus-visible")) reveal(node);
  });
  view.addEventListener("focusout", () => store.update({ hover: null }));
  return under;
}

function nodeOf(target: EventTarget | null): number | null {
  const i = target instanceof Element ? target.closest("g.node[data-node]")?.getAttribute("data-node") : null;
  return i === null || i === undefined ? null : Number(i);
}
