import { Lanes, pathOf } from "./lanes";

export const [WIDTH, HEIGHT] = [214, 142];
const [GAP, BETWEEN, PAD] = [20, 62, 14];
/** Above the first row and below the last, where an edge leads back there. */
const BACK = 40;

/** Where boxes lie, and the edges between them, as wide and high as they need. */
export interface Placed {
  width: number;
  height: number;
  at(box: number): [number, number];
  path(sum: number): { path: string; middle: [number, number] };
}

/** @param lines Numbers of the boxes of each row from the left, rows from the top. */
export function place(lines: number[][], sums: { from: number; to: number }[]): Placed {
  const of = { lines, left: [] as number[], wide: WIDTH };
  const across = (gap: (line: number, gap: number) => number) =>
    lines.forEach((line, l) => {
      const gaps = line.slice(1).map((_, i) => gap(l, i + 1));
      let x = -(line.length * WIDTH + gaps.reduce((sum, g) => sum + g, 0)) / 2;
      line.forEach((box, i) => {
        of.left[box] = x;
        x += WIDTH + (gaps[i] ?? 0);
      });
    });
  across(() => GAP);
  const lanes = new Lanes(of, sums);
  across((line, gap) => Math.max(GAP, lanes.room(line, gap)));
  const ways = lanes.place();
  const all = ways.flat();
  const left = Math.min(...of.left, ...all) - PAD;
  of.left.forEach((x, i) => (of.left[i] = x - left));
  for (const way of ways) way.forEach((x, k) => (way[k] = x - left));
  // edges of a box leave and reach it side by side, in the order of where they lead
  const middle = (box: number) => of.left[box] + WIDTH / 2;
  const shares = (own: (s: { from: number; to: number }) => number, next: (i: number) => number): number[] => {
    const result: number[] = [];
    of.left.forEach((x, box) => {
      const order = [...sums.keys()].filter(i => own(sums[i]) === box).sort((i, j) => next(i) - next(j));
      order.forEach((i, k) => (result[i] = x + ((k + 1) / (order.length + 1)) * WIDTH));
    });
    return result;
  };
  const leave = shares(s => s.from, i => ways[i][0] ?? middle(sums[i].to));
  const reach = shares(s => s.to, i => ways[i].at(-1) ?? middle(sums[i].from));
  const back = sums.some(s => lanes.row[s.to] >= lanes.row[s.from]) ? BACK : 0;
  const top = (row: number) => PAD + back + row * (HEIGHT + BETWEEN);
  const rows = { top, bottom: (row: number) => (row < 0 ? 0 : top(row) + HEIGHT) };
  const height = rows.bottom(lines.length - 1) + back + PAD;
  return {
    width: Math.max(...of.left.map(x => x + WIDTH), ...all.map(x => x - left)) + PAD,
    height,
    at: box => [of.left[box], top(lanes.row[box])],
    path: i => pathOf(rows, lanes.passes[i], [leave[i], lanes.row[sums[i].from]], ways[i], [reach[i], lanes.row[sums[i].to]]),
  };
}
