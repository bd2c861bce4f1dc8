import type { Feature, Known, NodeData, PageData, Site } from "./contract";
import { formerSpellings } from "./names";
import type { Seen } from "./seen";

/** A feature that is active at a larger share of tokens than this says little about any one of them. */
export const DENSE = 0.1;

export type SignOf = "metric" | "downstream";

/** What lies on paths through a node. */
export interface Paths {
  nodes: Set<number>;
  edges: number[];
}

/** The graph and the questions that are asked of it. Edges are sorted by falling |effect|, so the strongest n are those below n. */
export class Graph {
  /** Labels of the reader's own, by feature. */
  own: ReadonlyMap<number, string> = new Map();
  readonly ins: number[][];
  readonly outs: number[][];
  /** Nodes of each row from the left, line by line; rows from the bottom. */
  readonly rows: number[][];
  readonly metric: number;
  /** A node's place by falling |effect|, from 0; the metric's is after all others'. */
  readonly rank: number[];
  /** Every node as the command line spells it, such as `3:263@2`. */
  readonly names: string[];
  /** How many separate circuits there are. */
  readonly components: number;
  /** How many edges say what they do for the metric, and for the downstream feature. */
  readonly signs: Record<SignOf, number>;
  private readonly row: number[];
  private readonly strongestNode: number;
  private readonly strongestEdge: number;

  constructor(readonly page: PageData) {
    const { nodes, edges, sites } = page;
    this.ins = nodes.map(() => []);
    this.outs = nodes.map(() => []);
    edges.up.forEach((up, e) => {
      this.outs[up].push(e);
      this.ins[edges.down[e]].push(e);
    });
    this.metric = nodes.length - 1;
    this.row = nodes.map(n => (n.s < 0 ? sites.length : n.s));
    this.rows = Array.from({ length: sites.length + 1 }, () => []);
    this.row.forEach((r, i) => this.rows[r].push(i));
    for (const row of this.rows) row.sort((i, j) => nodes[i].x - nodes[j].x || nodes[j].y - nodes[i].y);
    this.strongestNode = nodes.reduce((m, n) => Math.max(m, Math.abs(n.e ?? 0)), 0);
    this.strongestEdge = Math.abs(edges.eff[0] ?? 0);
    const order = this.strongest(nodes.length);
    this.rank = nodes.map(() => order.length);
    order.forEach((i, place) => (this.rank[i] = place));
    this.names = nodes.map(n => (n.p < 0 || n.s < 0 ? n.l : `${n.l}@${n.p}`));
    this.components = nodes.reduce((most, n) => Math.max(most, n.c), 0);
    const known = (values: Known[]) => values.filter(v => v !== null).length;
    this.signs = { metric: known(edges.met), downstream: known(edges.act) };
  }

  get nodeCount(): number {
    return this.page.nodes.length;
  }

  get edgeCount(): number {
    return this.page.edges.eff.length;
  }

  node(i: number): NodeData {
    return this.page.nodes[i];
  }

  feature(i: number): Feature | null {
    const f = this.page.nodes[i].f;
    return f < 0 ? null : this.page.features[f];
  }

  site(i: number): Site | null {
    const s = this.page.nodes[i].s;
    return s < 0 ? null : this.page.sites[s];
  }

  isError(i: number): boolean {
    return this.feature(i)?.feature === -1 && !this.isToken(i);
  }

  /** Active at more than a tenth of all tokens. */
  isDense(i: number): boolean {
    return (this.feature(i)?.card?.rate ?? 0) > DENSE;
  }

  /** The node of a name; earlier spellings are read too. */
  named(name: string): number | null {
    if (/^metric(@\d+)?$/.test(name)) return this.metric;
    const own = this.names.indexOf(name);
    if (own >= 0) return own;
    const former = this.page.nodes.findIndex((n, i) => formerSpellings(n, this.site(i)).includes(name));
    return former < 0 ? null : former;
  }

  /** In which model nodes were really moved, where transcoders stand for MLPs. */
  inModel(): string {
    return this.page.run.options.some(([name]) => name === "replace") ? " in the replacement model" : "";
  }

  /** A token's row of the embedding, with which graphs of transcoders begin. */
  isToken(i: number): boolean {
    return this.site(i)?.name === "hook_embed";
  }

  token(i: number): string | null {
    const p = this.page.nodes[i].p;
    return p < 0 ? null : (this.page.run.tokens[p] ?? null);
  }

  /** What is shown of a node: what its clean value does for the metric, above 0 where the metric falls without it,
   * or, where the run asks for signs of ablation, its effect. */
  contribution(i: number): Known {
    const e = this.page.nodes[i].e;
    return e === null ? null : this.showsEffects ? e : -e;
  }

  /** Values and colours are effects: more of a node does what the node does; all else undoes it. */
  get showsEffects(): boolean {
    return this.page.comparison !== null || this.page.run.coefficient > 1 || this.showsAblation;
  }

  /** Values and colours are those of what moving a node away does. */
  get showsAblation(): boolean {
    return this.page.run.sign === "ablation";
  }

  /** What is shown of an edge, in the sign of nodes; real ablations say the change of the downstream activation. */
  edgeValue(e: number): Known {
    return this.page.run.ablation || this.showsEffects ? this.page.edges.eff[e] : this.page.edges.met[e];
  }

  /** 0 to 1, on a root scale so that the weak are seen beside the strong. */
  nodeStrength(i: number): number {
    return this.strongestNode > 0 ? Math.sqrt(Math.abs(this.page.nodes[i].e ?? 0) / this.strongestNode) : 0;
  }

  edgeStrength(e: number): number {
    return this.strongestEdge > 0 ? Math.sqrt(Math.abs(this.page.edges.eff[e] ?? 0) / this.strongestEdge) : 0;
  }

  edgeSign(e: number, of: SignOf): Known {
    if (of === "downstream") return this.page.edges.act[e];
    // what `met` says is by the first run's sign alone
    return this.page.comparison === null ? this.page.edges.met[e] : this.page.edges.eff[e];
  }

  /** The nodes and edges that are joined to it directly. */
  around(i: number, seen: Seen): Paths {
    const edges = [...this.ins[i], ...this.outs[i]].filter(e => seen.edges[e] === 1);
    return { nodes: new Set([i, ...edges.flatMap(e => [this.page.edges.up[e], this.page.edges.down[e]])]), edges };
  }

  /** All that leads to it and all it leads to, over shown edges. */
  paths(i: number, seen: Seen): Paths {
    const nodes = new Set([i]);
    const edges = new Set<number>();
    this.follow(i, seen, this.ins, this.page.edges.up, nodes, edges);
    this.follow(i, seen, this.outs, this.page.edges.down, nodes, edges);
    return { nodes, edges: [...edges].sort((a, b) => a - b) };
  }

  private follow(from: number, seen: Seen, joined: number[][], end: number[], nodes: Set<number>, edges: Set<number>): void {
    const reached = new Set([from]);
    const open = [from];
    for (let i = open.pop(); i !== undefined; i = open.pop()) {
      for (const e of joined[i]) {
        if (e >= seen.end) break;
        if (seen.edges[e] === 0) continue;
        edges.add(e);
        if (reached.has(end[e])) continue;
        reached.add(end[e]);
        nodes.add(end[e]);
        open.push(end[e]);
      }
    }
  }

  /** The next shown node in a direction: up and down along the strongest shown edge or else to the nearest of the next row,
   * left and right within the row. */
  next(i: number, direction: "up" | "down" | "left" | "right", seen: Seen): number {
    const shown = (row: number[]) => row.filter(j => seen.nodes[j] === 1 || j === i);
    if (direction === "left" || direction === "right") {
      const row = shown(this.rows[this.row[i]]);
      return row[row.indexOf(i) + (direction === "left" ? -1 : 1)] ?? i;
    }
    const up = direction === "up";
    const edge = (up ? this.outs : this.ins)[i].find(e => seen.edges[e] === 1);
    if (edge !== undefined) return (up ? this.page.edges.down : this.page.edges.up)[edge];
    for (let r = this.row[i] + (up ? 1 : -1); r >= 0 && r < this.rows.length; r += up ? 1 : -1) {
      const row = shown(this.rows[r]);
      if (row.length > 0)
        return row.reduce((best, j) =>
          Math.abs(this.node(j).x - this.node(i).x) < Math.abs(this.node(best).x - this.node(i).x) ? j : best,
        );
    }
    return i;
  }

  /** Nodes by falling |effect|. */
  strongest(most: number, among: (node: number) => boolean = () => true): number[] {
    return [...this.page.nodes.keys()]
      .filter(i => i !== this.metric && among(i))
      .sort((i, j) => Math.abs(this.node(j).e ?? 0) - Math.abs(this.node(i).e ?? 0))
      .slice(0, most);
  }
}
