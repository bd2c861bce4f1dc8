import type { Graph } from "./model";
import type { Seen } from "./seen";

/** As PictureLayout.cs has them: a column without a node is so wide, and so far from another such, and from any other. */
const [TICK, TICK_GAP, GAP] = [3, 7, 18];

/** Where the columns lie: one whose nodes are all hidden is a tick, until one of them is shown again. */
export class Columns {
  private readonly widths: number[];
  /** Of each node its column, and its place in it. */
  private readonly column: number[];
  private readonly within: number[];

  constructor(private readonly graph: Graph) {
    const { layout, nodes } = graph.page;
    this.widths = layout.columns.map(c => c.right - c.left);
    this.column = nodes.map(n => Math.max(0, layout.columns.findIndex(c => n.x <= c.right)));
    this.within = nodes.map((n, i) => n.x - (layout.columns[this.column[i]]?.left ?? 0));
  }

  /** Lays columns and nodes out for what is shown.
   * @returns What a former x has become; null: all lie as before. */
  follow(seen: Seen): ((x: number) => number) | null {
    const { layout, nodes } = this.graph.page;
    const { columns } = layout;
    const shown = columns.map(() => false);
    this.column.forEach((c, i) => (shown[c] ||= seen.nodes[i] === 1));
    if (columns.every((c, i) => c.tick !== shown[i])) return null;
    const before = columns.map(c => [c.left, c.right]);
    const margin = layout.width - columns[columns.length - 1].right;
    let left = columns[0].left;
    columns.forEach((c, i) => {
      [c.left, c.right, c.tick] = [left, left + (shown[i] ? this.widths[i] : TICK), !shown[i]];
      left = c.right + (shown[i] || (shown[i + 1] ?? true) ? GAP : TICK_GAP);
    });
    layout.width = columns[columns.length - 1].right + margin;
    this.column.forEach((c, i) => {
      if (columns[c] !== undefined) nodes[i].x = columns[c].left + (shown[c] ? this.within[i] : TICK / 2);
    });
    return x => {
      const i = before.findIndex(([, right]) => x <= right);
      if (i < 0) return x + columns[columns.length - 1].right - before[before.length - 1][1];
      const [l, r] = before[i];
      return x < l ? columns[i].left - Math.min(l - x, GAP) : columns[i].left + ((x - l) / (r - l)) * (columns[i].right - columns[i].left);
    };
  }
}
