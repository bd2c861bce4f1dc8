import type { ZoomTransform } from "d3-zoom";
import type { Graph } from "./model";
import { byId, h, plain, visible } from "./text";

/** Labels closer than this would lie on each other: some are left out. */
const [ROW_PX, TOKEN_PX] = [15, 12];
/** Tokens of narrower columns are written from top to bottom. */
const NARROW_PX = 40;

/** Site names at the left and tokens at the bottom, which stay in view while the graph moves. */
export class Axes {
  private readonly rows: HTMLElement[];
  private readonly columns: HTMLElement[];
  private readonly left = byId("rows").firstElementChild as HTMLElement;
  private readonly prompt = [...document.querySelectorAll<HTMLElement>("#header h1 [data-position]")];
  private readonly below = byId("columns").firstElementChild as HTMLElement;
  private scale = 0;
  private shaded: number | null = null;

  constructor(private readonly graph: Graph) {
    const { rows, columns } = graph.page.layout;
    this.rows = rows.map(r => h("span", { class: r.label.includes("resid") ? "stream" : null }, plain(r.label)));
    this.columns = columns.map(c =>
      h(
        "span",
        { title: c.position === null ? plain(c.label) : `${visible(c.label)} at position ${c.position}` },
        h("b", {}, c.position === null ? plain(c.label) : visible(c.label)),
        c.position === null ? null : h("i", {}, String(c.position)),
      ),
    );
    this.left.append(...this.rows);
    this.below.append(...this.columns);
  }

  /** The columns lie elsewhere. */
  renew(t: ZoomTransform): void {
    this.scale = 0;
    this.move(t);
  }

  move(t: ZoomTransform): void {
    this.left.style.transform = `translateY(${t.y}px)`;
    this.below.style.transform = `translateX(${t.x}px)`;
    if (t.k === this.scale) return;
    this.scale = t.k;
    const { rows, columns } = this.graph.page.layout;
    let last = Infinity;
    rows.forEach((r, i) => {
      const y = ((r.top + r.bottom) / 2) * t.k;
      this.rows[i].style.top = `${y}px`;
      const fits = last - y >= ROW_PX || i === rows.length - 1;
      this.rows[i].hidden = !fits;
      if (fits) last = y;
    });
    let right = -Infinity;
    columns.forEach((c, i) => {
      const centre = ((c.left + c.right) / 2) * t.k;
      const narrow = (c.right - c.left) * t.k < NARROW_PX;
      const fits = !narrow || c.tick || centre - right >= TOKEN_PX;
      this.columns[i].classList.toggle("tick", c.tick);
      this.columns[i].classList.toggle("narrow", narrow);
      this.columns[i].hidden = !fits;
      if (fits && !c.tick) right = centre;
      this.columns[i].style.left = `${c.left * t.k}px`;
      this.columns[i].style.width = `${(c.right - c.left) * t.k}px`;
    });
  }

  /** Shades the tokens by a feature's activation at their positions. */
  shade(node: number | null): void {
    if (node === this.shaded) return;
    this.shaded = node;
    // of two prompts an activation is one's or the other's
    const feature = node === null || this.graph.page.comparison !== null ? null : this.graph.feature(node);
    const at = new Map(feature?.acts ?? []);
    const most = Math.max(...at.values(), 0);
    this.prompt.forEach(token => {
      const a = at.get(Number(token.dataset.position)) ?? 0;
      token.style.setProperty("--heat", most > 0 ? (a / most).toFixed(3) : "0");
    });
    this.graph.page.layout.columns.forEach((c, i) => {
      const a = c.position === null ? 0 : (at.get(c.position) ?? 0);
      this.columns[i].style.setProperty("--heat", most > 0 ? (a / most).toFixed(3) : "0");
      this.columns[i].classList.toggle("here", node !== null && c.position !== null && this.graph.node(node).p === c.position);
    });
  }
}
