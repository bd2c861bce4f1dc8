/** As BoxLanes.cs and BoxArrow.cs have them, for boxes of one size. */
const [LANE, CLEAR] = [8, 10];
/** A curve that turns back keeps so far off the next row. */
const OFF = 4;

/** Boxes of each line from the left, lines from the top; `left` is of each box, all are `wide`. */
export interface Lines {
  lines: number[][];
  left: number[];
  wide: number;
}

/** A gap of a line, counted from the left: 0 is the room left of all boxes. */
export interface Pass {
  line: number;
  gap: number;
}

/** Where lines between boxes pass the rows that lie between their ends, so that none lies behind a box: of each row a line takes the gap
 * by which it goes least to and fro, and in a gap lines lie side by side. */
export class Lanes {
  /** The row of each box. */
  readonly row: number[] = [];
  readonly passes: Pass[][];

  constructor(
    private readonly of: Lines,
    private readonly arrows: { from: number; to: number }[],
  ) {
    of.lines.forEach((boxes, line) => boxes.forEach(box => (this.row[box] = line)));
    this.passes = arrows.map(a => this.cheapest(a.from, a.to));
  }

  /** How wide a gap must be for what passes it. */
  room(line: number, gap: number): number {
    const count = this.passes.reduce((sum, passes) => sum + passes.filter(p => p.line === line && p.gap === gap).length, 0);
    return 2 * CLEAR + (count - 1) * LANE;
  }

  /** Of each arrow where it lies in what it passes. */
  place(): number[][] {
    const first = this.passes.map((passes, a) => {
      const wanted = this.wanted(this.arrows[a].from, this.arrows[a].to, passes.length);
      return passes.map((p, k) => this.nearest(p, wanted[k]));
    });
    const ways = first.map(way => [...way]);
    const between = new Map<string, [arrow: number, k: number][]>();
    this.passes.forEach((passes, a) =>
      passes.forEach((p, k) => {
        if (this.isBeside(p)) return;
        const key = `${p.line} ${p.gap}`;
        const others = between.get(key);
        if (others === undefined) between.set(key, [[a, k]]);
        else others.push([a, k]);
      }),
    );
    // in the order of where they come from and go to
    const around = ([a, k]: [number, number]): number =>
      (first[a][k - 1] ?? this.middle(this.arrows[a].from)) + (first[a][k + 1] ?? this.middle(this.arrows[a].to));
    for (const all of between.values()) {
      all.sort((a, b) => around(a) - around(b));
      all.forEach(([a, k], i) => (ways[a][k] += (i - (all.length - 1) / 2) * LANE));
    }
    this.placeBeside(ways);
    return ways;
  }

  private middle(box: number): number {
    return this.of.left[box] + this.of.wide / 2;
  }

  private isBeside({ line, gap }: Pass): boolean {
    return gap === 0 || gap === this.of.lines[line].length;
  }

  private bounds({ line, gap }: Pass): [number, number] {
    const { lines, left, wide } = this.of;
    return [
      gap === 0 ? -Infinity : left[lines[line][gap - 1]] + wide + CLEAR,
      gap === lines[line].length ? Infinity : left[lines[line][gap]] - CLEAR,
    ];
  }

  private nearest(pass: Pass, wanted: number): number {
    const [from, to] = this.bounds(pass);
    return this.isBeside(pass) ? Math.max(from, Math.min(to, wanted)) : (from + to) / 2;
  }

  /** Upwards the rows between are passed; what leads back passes its own row and its end's too. */
  private passed(from: number, to: number): number[] {
    const [a, b] = [this.row[from], this.row[to]];
    return b < a ? Array.from({ length: a - b - 1 }, (_, i) => a - 1 - i) : Array.from({ length: b - a + 1 }, (_, i) => a + i);
  }

  /** On the straight way. */
  private wanted(from: number, to: number, count: number): number[] {
    const [a, b] = [this.middle(from), this.middle(to)];
    return Array.from({ length: count }, (_, i) => a + ((b - a) * (i + 1)) / (count + 1));
  }

  private cheapest(from: number, to: number): Pass[] {
    const passed = this.passed(from, to);
    const wanted = this.wanted(from, to, passed.length);
    let ends: { x: number; cost: number; passes: Pass[] }[] = [{ x: this.middle(from), cost: 0, passes: [] }];
    passed.forEach((line, k) => {
      ends = Array.from({ length: this.of.lines[line].length + 1 }, (_, gap) => {
        const x = this.nearest({ line, gap }, wanted[k]);
        const best = ends.reduce((a, b) => (b.cost + Math.abs(b.x - x) < a.cost + Math.abs(a.x - x) ? b : a));
        return { x, cost: best.cost + Math.abs(best.x - x), passes: [...best.passes, { line, gap }] };
      });
    });
    const end = this.middle(to);
    return ends.reduce((a, b) => (b.cost + Math.abs(b.x - end) < a.cost + Math.abs(a.x - end) ? b : a)).passes;
  }

  /** Rows that are passed on the same side one after the other are passed on one track, the shortest stretches innermost. */
  private placeBeside(ways: number[][]): void {
    const taken = this.of.lines.map(() => new Set<number>());
    for (const { arrow, from, end } of this.stretches()) {
      const passes = this.passes[arrow].slice(from, end);
      const isLeft = passes[0].gap === 0;
      const bounds = passes.map(p => this.bounds(p));
      const wanted = ways[arrow][(from + end - 1) >> 1];
      let track = isLeft
        ? Math.floor(Math.min(wanted, ...bounds.map(b => b[1])) / LANE)
        : Math.ceil(Math.max(wanted, ...bounds.map(b => b[0])) / LANE);
      while (passes.some(p => taken[p.line].has(track))) track += isLeft ? -1 : 1;
      for (const p of passes) taken[p.line].add(track);
      ways[arrow].fill(track * LANE, from, end);
    }
  }

  private stretches(): { arrow: number; from: number; end: number }[] {
    const all = this.passes.flatMap((passes, arrow) => {
      const own: { arrow: number; from: number; end: number }[] = [];
      for (let from = 0, end = 0; from < passes.length; from = end) {
        end = from + 1;
        if (!this.isBeside(passes[from])) continue;
        const isLeft = passes[from].gap === 0;
        while (end < passes.length && this.isBeside(passes[end]) && (passes[end].gap === 0) === isLeft) end++;
        own.push({ arrow, from, end });
      }
      return own;
    });
    return all.sort((a, b) => a.end - a.from - (b.end - b.from) || a.arrow - b.arrow);
  }
}

/** Where rows begin and end. */
export interface Rows {
  top(row: number): number;
  bottom(row: number): number;
}

/** A path from the top of a box to the bottom of another, straight beside boxes and bent between rows only, and where its first bend has
 * its middle. `end` is x of its end, `way` as `Lanes.place` has it. */
export function pathOf(
  rows: Rows,
  passes: readonly Pass[],
  from: [x: number, row: number],
  way: number[],
  end: [x: number, row: number],
): { path: string; middle: [number, number] } {
  const [a, b] = [from[1], end[1]];
  let [x, y, path] = [from[0], rows.top(a), ""];
  let middle: [number, number] | null = null;
  const bend = (toX: number, toY: number, by: number) => {
    middle ??= [(x + toX) / 2, y === toY ? by + (y - by) / 4 : (y + toY) / 2];
    path += `C${r(x)} ${r(by)} ${r(toX)} ${r(by)} ${r(toX)} ${r(toY)}`;
    [x, y] = [toX, toY];
  };
  const falls = b >= a;
  passes.forEach(({ line }, k) => {
    const [enter, leave] = falls ? [rows.top(line), rows.bottom(line)] : [rows.bottom(line), rows.top(line)];
    bend(way[k], enter, falls && k === 0 ? rows.bottom(line - 1) + OFF : (y + enter) / 2);
    path += `V${r(leave)}`;
    y = leave;
  });
  const reach = rows.bottom(b);
  bend(end[0], reach, falls ? rows.top(b + 1) - OFF : (y + reach) / 2);
  return { path: `M${r(from[0])} ${r(rows.top(a))}${path}`, middle: middle ?? [x, y] };
}

const r = (value: number): number => Math.round(value * 10) / 10;
