import type { Graph, Paths } from "./model";
import { signClass, step, type Scene } from "./scene";
import type { State } from "./state";
import type { Tags } from "./tags";
import { byId, svg } from "./text";

/** Draws what is lit once more above the dimmed base:
 * paths through a pinned node, a node under the pointer and what it is joined to, or what the search found. */
export class Light {
  constructor(
    private readonly graph: Graph,
    private readonly scene: Scene,
    private readonly tags: Tags,
  ) {}

  draw(state: State): void {
    const { pin, found, seen } = state;
    const hover = state.pointed ?? state.hover;
    const main = found !== null ? null : (pin ?? hover);
    const lit: Paths | null =
      found !== null
        ? { nodes: new Set(found), edges: [] }
        : pin !== null
          ? this.graph.paths(pin, seen)
          : hover !== null
            ? this.graph.around(hover, seen)
            : null;
    byId("world").classList.toggle("dimmed", lit !== null);
    const { up, down } = this.graph.page.edges;
    const layer = this.scene.lit;
    layer.replaceChildren();
    if (lit === null) return;
    // the weakest first, so that the strongest lie on top
    for (const e of [...lit.edges].reverse()) layer.append(this.edge(e, up[e] === main || down[e] === main, state));
    for (const i of lit.nodes) layer.append(this.node(i, i === main));
    if (hover !== null && hover !== main) layer.append(this.node(hover, true));
    const names = svg("g", { class: "tags" });
    layer.append(names);
    this.tags.draw(names, i => lit.nodes.has(i) || i === hover);
  }

  /** An edge that is pointed at in a list. */
  point(e: number | null, state: State): void {
    this.scene.lit.querySelector(".pointed")?.remove();
    if (e === null) return;
    const group = svg(
      "g",
      { class: "pointed" },
      this.edge(e, true, state),
      this.node(this.graph.page.edges.up[e], true),
      this.node(this.graph.page.edges.down[e], true),
    );
    this.scene.lit.append(group);
  }

  private edge(e: number, direct: boolean, state: State): SVGPathElement {
    return svg("path", {
      "data-in": this.scene.edges[e].dataset.in ?? null,
      class: `beam w${step(this.graph.edgeStrength(e))} ${signClass(this.graph.edgeSign(e, state.sign))}${direct ? " direct" : ""}`,
      d: this.scene.curve(e),
    });
  }

  private node(i: number, ring: boolean): Element {
    const copy = this.scene.copy(i);
    for (const name of ["data-node", "tabindex", "role", "aria-label", "aria-pressed"]) copy.removeAttribute(name);
    copy.classList.remove("lone", "gone");
    if (ring) copy.classList.add("ring");
    return copy;
  }
}
