import type { Graph } from "./model";
import type { Hidden, State, Store } from "./state";
import { byId, count, h } from "./text";

/** What can be hidden, its key, and how many nodes of the kind there are; null: that hangs on the thresholds. */
interface Kind {
  of: Hidden;
  key: string;
  words: string;
  nodes: (graph: Graph) => number | null;
}

const counted = (is: (graph: Graph, i: number) => boolean) => (graph: Graph) => graph.page.nodes.filter((_, i) => is(graph, i)).length;

const KINDS: Kind[] = [
  { of: "errors", key: "e", words: "error nodes", nodes: counted((g, i) => g.isError(i)) },
  { of: "dense", key: "d", words: "dense features: active at over 10 % of tokens", nodes: counted((g, i) => g.isDense(i)) },
  { of: "lone", key: "u", words: "unconnected nodes: no shown edge ends there", nodes: () => null },
];

/** Keys that hide a kind of nodes, or show it again. */
export const HIDING: Record<string, Hidden> = Object.fromEntries(KINDS.map(k => [k.key, k.of]));

/** The list of kinds of nodes that are shown, each with a box to tick, and the separate circuit that is. */
export class Filter {
  private readonly list = byId<HTMLDetailsElement>("filter");
  private readonly boxes = new Map<Hidden, HTMLInputElement>();
  private readonly circuit = h("select", { id: "component", "aria-label": "Separate circuit" });

  constructor(graph: Graph, store: Store) {
    const rows = KINDS.flatMap(kind => {
      const nodes = kind.nodes(graph);
      const box = h("input", { type: "checkbox", "data-kind": kind.of, disabled: nodes === 0 });
      box.addEventListener("change", () => store.update({ [kind.of]: box.checked }));
      this.boxes.set(kind.of, box);
      const many = h("small", {}, nodes === null ? "" : String(nodes));
      return [h("label", {}, box, h("span", {}, kind.words), many, h("kbd", {}, kind.key.toUpperCase()))];
    });
    const sizes = new Map<number, number>();
    for (const n of graph.page.nodes) if (n.c > 0) sizes.set(n.c, (sizes.get(n.c) ?? 0) + 1);
    this.circuit.append(
      h("option", { value: "" }, "all"),
      ...[...sizes].sort((a, b) => a[0] - b[0]).map(([c, nodes]) => h("option", { value: c }, `${c}: ${count(nodes, "node")}`)),
    );
    this.circuit.addEventListener("change", () =>
      // a circuit's own edges may all be weak among those of the whole
      store.update(
        this.circuit.value === ""
          ? { component: null }
          : { component: Number(this.circuit.value), shown: graph.edgeCount, nodes: graph.nodeCount - 1 },
      ),
    );
    const choice = { class: "circuit", title: "What hangs together without the metric" };
    byId("filter-list").append(
      ...rows,
      sizes.size < 2 ? "" : h("label", choice, h("span", {}, "separate circuit"), this.circuit),
    );
    document.addEventListener("pointerdown", event => {
      if (event.target instanceof Node && !this.list.contains(event.target)) this.list.open = false;
    });
  }

  draw(state: State): void {
    for (const [kind, box] of this.boxes) box.checked = state[kind];
    this.circuit.value = state.component === null ? "" : String(state.component);
    const hidden = [...this.boxes.keys()].some(kind => !state[kind]) || state.component !== null;
    this.list.classList.toggle("narrowed", hidden);
  }
}
