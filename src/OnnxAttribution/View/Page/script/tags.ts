import type { Camera } from "./camera";
import { NAME_PX, placed, type Named } from "./labels";
import type { Graph } from "./model";
import type { Scene } from "./scene";
import { plain, svg } from "./text";

/** A name's word is cut after so many letters. */
const LETTERS = 16;
/** No scale has room for more names than this on a screen, and the weakest of a large graph need not be tried. */
const TRIED = 600;

/** Names beside dots: number and word, the strongest first, none on another; zooming in makes room for more. */
export class Tags {
  /** Number and word. */
  private readonly texts: [string, string][];
  private readonly widths: (number | undefined)[] = [];
  private readonly pen = document.createElement("canvas").getContext("2d");
  private readonly order: number[];

  constructor(
    private readonly graph: Graph,
    private readonly scene: Scene,
    private readonly camera: Camera,
  ) {
    this.texts = graph.page.nodes.map((_, i) => this.text(i));
    this.order = [graph.metric, ...graph.strongest(graph.nodeCount)];
    if (this.pen !== null) this.pen.font = `${NAME_PX}px ${getComputedStyle(document.body).fontFamily}`;
  }

  /** Names of those nodes, in a layer of the drawing. */
  draw(layer: Element, wanted: (node: number) => boolean): void {
    if (!this.camera.areDots) return void layer.replaceChildren();
    const names: Named[] = [];
    for (const i of this.order) {
      if (!wanted(i)) continue;
      const { x, y } = this.graph.node(i);
      names.push({ node: i, x, y, reach: this.scene.reach(i), width: this.width(i) });
      if (names.length === TRIED) break;
    }
    layer.replaceChildren(
      ...placed(names, this.camera.paintedScale, this.camera.inView).map(({ node, x, y }) => {
        const name = node === this.graph.metric ? "tag metric" : "tag";
        const [number, word] = this.texts[node];
        const parts = word === "" ? [number] : [svg("tspan", { class: "of" }, number), word];
        return svg("text", { class: name, "data-tag": node, x, y, "text-anchor": "middle" }, ...parts);
      }),
    );
  }

  /** Takes a node's word anew. */
  rename(i: number): void {
    this.texts[i] = this.text(i);
    this.widths[i] = undefined;
  }

  private text(i: number): [string, string] {
    const word = [...plain(this.scene.word(i))];
    const shown = word.length > LETTERS ? `${word.slice(0, LETTERS - 1).join("")}…` : word.join("");
    return [plain(this.graph.node(i).l), shown === "" ? "" : ` ${shown}`];
  }

  private width(i: number): number {
    const text = this.texts[i].join("");
    return (this.widths[i] ??= this.pen?.measureText(text).width ?? text.length * NAME_PX * 0.56);
  }
}
