import type { ZoomTransform } from "d3-zoom";
import type { Graph, SignOf } from "./model";
import { step } from "./scene";
import type { State } from "./state";
import { byId } from "./text";

/** Widths and opacities of the eight strengths, as the style sheet's classes w1 to w8 have them. */
const WIDTH = [0.7, 0.9, 1.2, 1.7, 2.3, 3.1, 4, 5];
const OPACITY = [0.3, 0.34, 0.4, 0.48, 0.56, 0.64, 0.72, 0.8];
const DASH = [6, 3];
/** So much of the view is drawn beyond each of its sides, and when so much of that is used up it is drawn anew around the view. */
const [MARGIN, USED, REST_USED] = [0.35, 0.8, 0.4];
const REST_MS = 600;
/** What is stroked in a frame: as much as keeps it short, found by how long the last frames took. A stroke counts 1 and its length
 * on the canvas, in hundreds of pixels, the more the wider it is: near by, strokes are long and wide. */
const [LEAST, MOST, SHORT_MS] = [200, 5_000, 20];

/** What the canvas shows, or is about to: a stretch of the graph at a scale, in some colours. */
interface Picture {
  left: number;
  top: number;
  scale: number;
  width: number;
  height: number;
  sign: SignOf;
  look: string;
  edges: number[];
}

/**
 * Edges as they are seen: strokes on a canvas below the nodes, the strongest first. The drawing's own paths say the same and are not
 * painted: of ten thousand every change would paint all anew, which takes half a second without a graphics card.
 * 1. What is only added to what stands there is drawn on top, some edges a frame.
 * 2. All else is drawn aside, some edges a frame, and put in place when whole; the former picture stays until then.
 * 3. The canvas reaches beyond the view, so that moving the graph draws nothing; near its end it is drawn anew around the view.
 */
export class Strokes {
  private readonly shown = byId<HTMLCanvasElement>("strokes");
  private readonly aside = document.createElement("canvas");
  private readonly curves: Float32Array;
  /** On the canvas, the first `done` of its edges; and what is to come there. */
  private now: Picture | null = null;
  private done = 0;
  private next: Picture | null = null;
  private ready = 0;
  private waiting: Picture | null = null;
  private frame = 0;
  private rest = 0;
  private wide = 0;
  private high = 0;
  private many = 1_000;
  private last = 0;

  constructor(
    private readonly graph: Graph,
    private readonly view: HTMLElement,
    private readonly curve: (edge: number) => number[],
  ) {
    this.curves = new Float32Array(graph.edgeCount * 8);
    this.follow();
    new ResizeObserver(() => this.measure()).observe(view);
    this.measure();
  }

  /** The graph has been laid out anew: what is drawn is not where it belongs any more. */
  renew(): void {
    this.follow();
    [this.now, this.next, this.waiting] = [null, null, null];
    this.shown.width = 0;
  }

  private follow(): void {
    for (let e = 0; e < this.graph.edgeCount; e++) this.curves.set(this.curve(e), e * 8);
  }

  // asked for once, since asking lays the page out
  private measure(): void {
    [this.wide, this.high] = [this.view.clientWidth, this.view.clientHeight];
  }

  /** The state, or the scale, has changed. */
  draw(state: State, t: ZoomTransform, painted: number): void {
    const edges: number[] = [];
    for (let e = 0; e < state.seen.end; e++) if (state.seen.edges[e] === 1) edges.push(e);
    const root = document.documentElement.dataset;
    const look = `${root.theme} ${root.palette}`;
    const [width, height] = this.size;
    if (width === 0 || height === 0) return;
    const { now } = this;
    // where the view has not left what is drawn, its place stays
    const place = now !== null && now.scale === painted && !this.usedUp(t, REST_USED) ? now : this.around(t, painted);
    this.want({ left: place.left, top: place.top, scale: painted, width, height, sign: state.sign, look, edges });
    this.keepPlace(painted);
  }

  /** The graph has been moved. */
  move(state: State, t: ZoomTransform, painted: number): void {
    clearTimeout(this.rest);
    if (this.now === null || t.k !== painted) return;
    if (this.usedUp(t, USED)) this.draw(state, t, painted);
    else if (this.usedUp(t, REST_USED)) this.rest = setTimeout(() => this.draw(state, t, painted), REST_MS);
  }

  private get size(): [number, number] {
    return [this.wide * (1 + 2 * MARGIN), this.high * (1 + 2 * MARGIN)];
  }

  private around(t: ZoomTransform, scale: number): { left: number; top: number; scale: number } {
    return { left: -t.x - this.wide * MARGIN, top: -t.y - this.high * MARGIN, scale };
  }

  private usedUp(t: ZoomTransform, share: number): boolean {
    const place = this.next ?? this.now;
    if (place === null) return true;
    const { left, top } = this.around(t, place.scale);
    const [w, h] = [this.wide * MARGIN * share, this.high * MARGIN * share];
    return Math.abs(left - place.left) > w || Math.abs(top - place.top) > h;
  }

  private want(picture: Picture): void {
    const { now } = this;
    const kept = ["left", "top", "scale", "width", "height", "sign", "look"] as const;
    const same = (a: Picture, b: Picture) => kept.every(k => a[k] === b[k]);
    if (now !== null && same(now, picture) && startsWith(picture.edges, now.edges, this.done)) {
      // what is there is a part of it
      [this.next, this.waiting] = [null, null];
      now.edges = picture.edges;
    } else if (this.next === null) this.begin(picture);
    // what is half done is finished first, or a moving slider would never show anything
    else this.waiting = picture;
    cancelAnimationFrame(this.frame);
    this.last = 0;
    this.frame = requestAnimationFrame(time => this.tick(time));
  }

  private begin(picture: Picture): void {
    [this.next, this.ready, this.waiting] = [picture, 0, null];
    const pixels = (size: number) => Math.ceil(size * devicePixelRatio);
    [this.aside.width, this.aside.height] = [pixels(picture.width), pixels(picture.height)];
  }

  private tick(time: number): void {
    if (this.last > 0) this.many = Math.max(LEAST, Math.min(MOST, this.many * (time - this.last > SHORT_MS ? 0.5 : 1.15)));
    this.last = time;
    if (this.next !== null) {
      this.ready = this.stroke(this.aside, this.next, this.ready);
      if (this.ready === this.next.edges.length) this.put(this.next);
    } else if (this.now !== null) this.done = this.stroke(this.shown, this.now, this.done);
    if (this.next !== null || (this.now !== null && this.done < this.now.edges.length))
      this.frame = requestAnimationFrame(t => this.tick(t));
  }

  private put(picture: Picture): void {
    const { shown, aside } = this;
    if (shown.width !== aside.width) shown.width = aside.width;
    if (shown.height !== aside.height) shown.height = aside.height;
    const pen = shown.getContext("2d");
    pen?.setTransform(1, 0, 0, 1, 0, 0);
    pen?.clearRect(0, 0, shown.width, shown.height);
    pen?.drawImage(aside, 0, 0);
    [this.now, this.done, this.next] = [picture, picture.edges.length, null];
    for (const side of ["width", "height"] as const) {
      const size = `${picture[side]}px`;
      if (shown.style[side] !== size) shown.style[side] = size;
    }
    this.keepPlace(picture.scale);
    if (this.waiting !== null) this.begin(this.waiting);
  }

  /** Until it is drawn anew, what was drawn at another scale is scaled. */
  private keepPlace(painted: number): void {
    if (this.now === null) return;
    const { left, top, scale } = this.now;
    const style = `scale(${painted / scale}) translate(${left}px, ${top}px)`;
    if (this.shown.style.transform !== style) this.shown.style.transform = style;
  }

  /** Draws some edges from one on, and returns where to go on. */
  private stroke(canvas: HTMLCanvasElement, picture: Picture, from: number): number {
    const pen = canvas.getContext("2d");
    if (pen === null) return picture.edges.length;
    const k = picture.scale * devicePixelRatio;
    pen.setTransform(k, 0, 0, k, -picture.left * devicePixelRatio, -picture.top * devicePixelRatio);
    const [left, top] = [picture.left / picture.scale, picture.top / picture.scale];
    const [right, bottom] = [left + canvas.width / k, top + canvas.height / k];
    const style = getComputedStyle(document.documentElement);
    const presence = this.graph.page.comparison?.edges;
    const names = presence ? ["--shared", "--shared", "--only-a", "--only-b"] : ["--nil", "--raises", "--lowers"];
    const colours = names.map(name => style.getPropertyValue(name).trim());
    const dashed = document.documentElement.dataset.palette === "safe";
    const weight = weightAt(picture.scale);
    const c = this.curves;
    let [i, work] = [from, 0];
    for (; i < picture.edges.length && work < this.many; i++) {
      const e = picture.edges[i];
      const o = e * 8;
      const across = Math.min(right, Math.max(c[o], c[o + 6])) - Math.max(left, Math.min(c[o], c[o + 6]));
      const along = Math.min(bottom, Math.max(c[o + 1], c[o + 7])) - Math.max(top, Math.min(c[o + 1], c[o + 7]));
      if (across < 0 || along < 0) continue;
      const s = step(this.graph.edgeStrength(e)) - 1;
      const value = this.graph.edgeSign(e, picture.sign) ?? 0;
      pen.strokeStyle = colours[presence ? presence[e] : value > 0 ? 1 : value < 0 ? 2 : 0];
      pen.lineWidth = WIDTH[s] * weight;
      pen.globalAlpha = OPACITY[s];
      pen.setLineDash((presence ? presence[e] === 1 : dashed && value < 0) ? DASH : []);
      pen.beginPath();
      pen.moveTo(c[o], c[o + 1]);
      pen.bezierCurveTo(c[o + 2], c[o + 3], c[o + 4], c[o + 5], c[o + 6], c[o + 7]);
      pen.stroke();
      work += 1 + (((across + along) * k) / 100) * (0.5 + (pen.lineWidth * k) / 4);
    }
    return i;
  }
}

/** Far out, lines keep some width on the screen. */
export const weightAt = (k: number): number => (k < 0.7 ? Math.round((0.7 / k) ** 0.8 * 5) / 5 : 1);

const startsWith = (all: number[], part: number[], length: number): boolean => {
  if (all.length < length) return false;
  for (let i = 0; i < length; i++) if (all[i] !== part[i]) return false;
  return true;
};
