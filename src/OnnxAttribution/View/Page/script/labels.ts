/** Where a name stands: its middle and its base line, in the graph's units. */
export interface Place {
  node: number;
  x: number;
  y: number;
}

/** What is to be named: where the node lies, how far its dot reaches, in the graph's units, and how wide its name is, in pixels. */
export interface Named {
  node: number;
  x: number;
  y: number;
  reach: number;
  width: number;
}

/** Size of a name, and the room around it that no other comes into, in pixels. */
export const NAME_PX = 10;
const [HIGH, ROOM] = [12, 2];
const CELL = 64;

/** Left, top, right, bottom, in pixels. */
export type Box = [number, number, number, number];

/** Places names beside dots so that none lies on another, the first of the list first: above, below, right, left, or not at all.
 * @param view What is in view: the name of a dot that lies there lies there as a whole. */
export function placed(names: Iterable<Named>, scale: number, view: Box): Place[] {
  const taken = new Map<number, Box[]>();
  const result: Place[] = [];
  for (const { node, x, y, reach, width } of names) {
    const [cx, cy, r, half] = [x * scale, y * scale, reach * scale + ROOM, width / 2];
    const middles: [number, number][] = [
      [cx, cy - r - HIGH / 2],
      [cx, cy + r + HIGH / 2],
      [cx + r + half, cy],
      [cx - r - half, cy],
    ];
    const seen = isWithin([cx, cy, cx, cy], view);
    for (const [mx, my] of middles) {
      const box: Box = [mx - half - ROOM, my - HIGH / 2, mx + half + ROOM, my + HIGH / 2];
      if ((seen && !isWithin(box, view)) || !claimed(taken, box)) continue;
      result.push({ node, x: mx / scale, y: (my + NAME_PX * 0.35) / scale });
      break;
    }
  }
  return result;
}

const isWithin = ([left, top, right, bottom]: Box, view: Box): boolean =>
  left >= view[0] && top >= view[1] && right <= view[2] && bottom <= view[3];

/** Takes a box where nothing is; looks only at boxes of the same cells. */
function claimed(taken: Map<number, Box[]>, box: Box): boolean {
  const [left, top, right, bottom] = box;
  const cells: number[] = [];
  for (let i = Math.floor(left / CELL); i <= Math.floor(right / CELL); i++)
    for (let j = Math.floor(top / CELL); j <= Math.floor(bottom / CELL); j++) cells.push(i * 65_536 + j);
  const hit = cells.some(c => taken.get(c)?.some(b => b[0] < right && left < b[2] && b[1] < bottom && top < b[3]));
  if (hit) return false;
  for (const c of cells) {
    const boxes = taken.get(c);
    if (boxes === undefined) taken.set(c, [box]);
    else boxes.push(box);
  }
  return true;
}
