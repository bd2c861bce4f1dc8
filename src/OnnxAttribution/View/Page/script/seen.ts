import type { Graph } from "./model";

/** What narrows the drawing; all of it is part of the page's state. */
export interface Narrowing {
  /** Edges that are shown: this many, the strongest. */
  shown: number;
  /** Nodes that are shown: this many, the strongest; the metric always is. */
  nodes: number;
  /** Error nodes, nodes that no edge is shown at, and features that are active at more than a tenth of all tokens. */
  errors: boolean;
  lone: boolean;
  dense: boolean;
  /** Of separate circuits the one that is shown; null: all. */
  component: number | null;
  /** A pinned node is shown whatever else is not. */
  pin: number | null;
}

export const NARROWING = ["shown", "nodes", "errors", "lone", "dense", "component", "pin"] as const satisfies (keyof Narrowing)[];

/** Which nodes and edges a state shows: 1 where it does. An edge is shown where both of its ends are. */
export class Seen {
  readonly nodes: Uint8Array;
  readonly edges: Uint8Array;
  /** Nodes that a shown edge ends at. */
  readonly joined: Uint8Array;
  /** Edges from here on are not shown; of those below some are not either. */
  readonly end: number;
  readonly nodeCount: number;
  readonly edgeCount: number;

  constructor(graph: Graph, by: Narrowing) {
    const { up, down } = graph.page.edges;
    this.nodes = new Uint8Array(graph.nodeCount);
    this.edges = new Uint8Array(graph.edgeCount);
    this.joined = new Uint8Array(graph.nodeCount);
    this.end = by.shown;
    for (let i = 0; i < graph.nodeCount; i++) {
      this.nodes[i] = Number(
        i === graph.metric ||
          i === by.pin ||
          (graph.rank[i] < by.nodes &&
            (by.errors || !graph.isError(i)) &&
            (by.dense || !graph.isDense(i)) &&
            (by.component === null || graph.node(i).c === by.component)),
      );
    }
    let count = 0;
    for (let e = 0; e < by.shown; e++) {
      if (this.nodes[up[e]] === 0 || this.nodes[down[e]] === 0) continue;
      this.edges[e] = this.joined[up[e]] = this.joined[down[e]] = 1;
      count++;
    }
    this.edgeCount = count;
    let nodes = 0;
    for (let i = 0; i < graph.nodeCount; i++) {
      if (!by.lone && this.joined[i] === 0 && i !== graph.metric && i !== by.pin) this.nodes[i] = 0;
      if (this.nodes[i] === 1 && i !== graph.metric) nodes++;
    }
    this.nodeCount = nodes;
  }
}
