import { select } from "d3-selection";
import { zoom, zoomIdentity, type D3ZoomEvent, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import type { Graph } from "./model";

/** Below this scale labels cannot be read, and nodes are dots. */
const DOTS_BELOW = 0.72;
const PADDING = 8;
/** Room for names at both sides, on a screen wide enough. */
const [SIDE, SIDE_FROM] = [44, 600];
/** More of the width than this without a node at its left end is left out of what is fitted. */
const EMPTY = 0.15;
const SETTLE_MS = 140;

// While the graph is moved, layers that are already painted are moved by CSS, and scaled where the scale changes.
// When it comes to rest they are painted anew at the scale reached, so that they are sharp.
export class Camera {
  transform: ZoomTransform = zoomIdentity;
  private readonly behaviour: ZoomBehavior<HTMLElement, unknown>;
  private box = { left: 0, top: 0, width: 0, height: 0 };
  private ends: [number, number] = [0, 0];
  private size: [number, number] = [0, 0];
  private painted = 0;
  private settle = 0;
  private frame = 0;
  private fitted = true;

  constructor(
    private readonly graph: Graph,
    private readonly view: HTMLElement,
    private readonly world: HTMLElement,
    private readonly layers: SVGSVGElement[],
    private readonly moved: (t: ZoomTransform) => void,
    private readonly repainted: () => void,
    rested: () => void,
  ) {
    this.measure();
    let rest = 0;
    this.behaviour = zoom<HTMLElement, unknown>()
      .filter((event: MouseEvent) => (!event.ctrlKey || event.type === "wheel") && event.button === 0)
      .clickDistance(4)
      .on("zoom", (event: D3ZoomEvent<HTMLElement, unknown>) => {
        if (event.sourceEvent !== null) this.fitted = false;
        this.apply(event.transform);
      })
      .on("start", () => clearTimeout(rest))
      .on("end", (event: D3ZoomEvent<HTMLElement, unknown>) => {
        if (event.sourceEvent !== null && event.transform.k === this.painted) rest = setTimeout(rested, SETTLE_MS);
      });
    select(view).call(this.behaviour).on("dblclick.zoom", null);
    new ResizeObserver(() => this.resized()).observe(view);
    this.resized();
  }

  /** The same in the graph's units. */
  get nearby(): [number, number, number, number] {
    const [left, top, right, bottom] = this.inView;
    const { k } = this.transform;
    return [left / k, top / k, right / k, bottom / k];
  }

  /** The part of the graph that is in view, in pixels at the scale reached: left, top, right, bottom. */
  get inView(): [number, number, number, number] {
    const { x, y } = this.transform;
    return [-x, -y, this.view.clientWidth - x, this.view.clientHeight - y];
  }

  /** The graph has been laid out anew; what was in the middle stays there.
   * @param to What a former x has become. */
  renew(to: (x: number) => number): void {
    const { x, y, k } = this.transform;
    const middle = (this.view.clientWidth / 2 - x) / k;
    this.measure();
    const was = this.transform;
    if (!this.fitted) this.transform = zoomIdentity.translate(x + (middle - to(middle)) * k, y).scale(k);
    this.resized();
    if (this.transform !== was && !this.fitted) this.go(this.transform, false);
    this.paint();
  }

  private measure(): void {
    const { layout } = this.graph.page;
    this.ends = [(layout.columns[0]?.left ?? 0) - 9, (layout.columns.at(-1)?.right ?? layout.width) + 9];
    // a long prompt's first tokens often have no node: they can be reached, but are not fitted
    const first = layout.columns.find(c => !c.tick)?.left ?? 0;
    const left = first - this.ends[0] > EMPTY * (this.ends[1] - this.ends[0]) ? first - 9 : this.ends[0];
    this.box = { left, top: 0, width: this.ends[1] - left, height: (layout.rows[0]?.bottom ?? layout.height) + 8 };
    this.size = [layout.width, layout.height];
  }

  /** The scale that the layers were painted at last. */
  get paintedScale(): number {
    return this.painted;
  }

  get areDots(): boolean {
    return this.painted < DOTS_BELOW;
  }

  fit(animate = true): void {
    this.fitted = true;
    this.go(this.whole(), animate);
  }

  scale(by: number): void {
    const { x, y, k } = this.transform;
    const to = Math.min(Math.max(k * by, this.limits()[0]), this.limits()[1]);
    const [cx, cy] = [this.view.clientWidth / 2, this.view.clientHeight / 2];
    this.fitted = false;
    this.go(zoomIdentity.translate(cx - ((cx - x) * to) / k, cy - ((cy - y) * to) / k).scale(to), true);
  }

  /** Moves a point of the graph into view where it is not; `covered` pixels at the bottom are under something. */
  reveal(x: number, y: number, covered: number): void {
    const margin = 48;
    const [px, py] = this.transform.apply([x, y]);
    const by = (p: number, most: number) => (p < margin ? margin - p : p > most - margin ? most - margin - p : 0);
    const [dx, dy] = [by(px, this.view.clientWidth), by(py, Math.max(2 * margin, this.view.clientHeight - covered))];
    if (dx === 0 && dy === 0) return;
    this.fitted = false;
    this.go(zoomIdentity.translate(this.transform.x + dx, this.transform.y + dy).scale(this.transform.k), true);
  }

  private whole(): ZoomTransform {
    const [w, h] = [this.view.clientWidth, this.view.clientHeight];
    const { left, top, width, height } = this.box;
    const side = w < SIDE_FROM ? PADDING : SIDE;
    const k = Math.max(0.02, Math.min((w - 2 * side) / width, (h - 2 * PADDING) / height, 1.4));
    return zoomIdentity.translate((w - width * k) / 2 - left * k, (h - height * k) / 2 - top * k).scale(k);
  }

  private limits(): [number, number] {
    return [Math.min(this.whole().k * 0.7, 0.5), 4];
  }

  private resized(): void {
    if (this.view.clientWidth === 0) return;
    const { top, height } = this.box;
    const [mx, my] = [this.view.clientWidth / this.limits()[0] / 2, this.view.clientHeight / this.limits()[0] / 2];
    this.behaviour.scaleExtent(this.limits()).translateExtent([
      [this.ends[0] - mx, top - my],
      [this.ends[1] + mx, top + height + my],
    ]);
    if (this.fitted) this.fit(false);
  }

  private go(to: ZoomTransform, animate: boolean): void {
    cancelAnimationFrame(this.frame);
    const set = (t: ZoomTransform) => select(this.view).call(this.behaviour.transform, t);
    if (!animate || matchMedia("(prefers-reduced-motion: reduce)").matches) return void set(to);
    const from = this.transform;
    const start = performance.now();
    const tick = (now: number) => {
      const t = Math.min(1, (now - start) / 220);
      const ease = 1 - (1 - t) ** 3;
      const mix = (a: number, b: number) => a + (b - a) * ease;
      set(zoomIdentity.translate(mix(from.x, to.x), mix(from.y, to.y)).scale(mix(from.k, to.k)));
      if (t < 1) this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
  }

  private apply(t: ZoomTransform): void {
    this.transform = t;
    if (this.painted === 0) this.paint();
    this.world.style.transform = `translate(${t.x}px, ${t.y}px) scale(${t.k / this.painted})`;
    this.moved(t);
    clearTimeout(this.settle);
    if (t.k !== this.painted) this.settle = setTimeout(() => this.paint(), SETTLE_MS);
  }

  private paint(): void {
    const { x, y, k } = this.transform;
    this.painted = k;
    this.world.style.transform = `translate(${x}px, ${y}px) scale(1)`;
    for (const layer of this.layers) {
      layer.setAttribute("width", String(this.size[0] * k));
      layer.setAttribute("height", String(this.size[1] * k));
      layer.classList.toggle("dots", this.areDots);
    }
    this.repainted();
  }
}
