import type { Chosen } from "./chosen";
import type { Suggestion } from "./contract";
import type { Graph } from "./model";
import type { Store } from "./state";
import { count, h, number, plain } from "./text";

const SHOWN = 8;

/** Groups that nodes may be put in: shown in the graph while they are previewed, and made only where the reader says so. */
export class Suggestions {
  private previewed: Suggestion | null = null;

  constructor(
    private readonly graph: Graph,
    private readonly chosen: Chosen,
    private readonly store: Store,
    private readonly take: (nodes: number[]) => void,
    private readonly say: (words: string) => void,
  ) {}

  draw(to: HTMLElement): void {
    const { suggestions, suggestionNote } = this.graph.page;
    to.replaceChildren(
      h("h3", {}, "Nodes that may be one"),
      suggestionNote === null ? "" : h("p", { class: "hint" }, `Decoder rows were not compared: ${plain(suggestionNote)}`),
      ...(suggestions.length === 0 ? [h("p", {}, "No nodes are alike enough.")] : suggestions.map((s, i) => this.one(s, i, to))),
    );
  }

  stop(): void {
    if (this.previewed !== null) this.store.update({ found: null });
    this.previewed = null;
  }

  private one(s: Suggestion, at: number, to: HTMLElement): HTMLElement {
    const isShown = this.previewed === s;
    const names = s.nodes.slice(0, SHOWN).map(i => this.chosen.spelling.nodes[i]);
    const preview = h("button", { type: "button", class: "preview", "data-suggestion": at, "aria-pressed": String(isShown) }, "Preview");
    preview.addEventListener("click", () => {
      this.previewed = isShown ? null : s;
      this.store.update({ found: this.previewed === null ? null : s.nodes });
      this.draw(to);
      to.querySelector<HTMLElement>(`[data-suggestion="${at}"]`)?.focus();
      this.say(isShown ? "" : `${count(s.nodes.length, "node")} shown; nothing is changed.`);
    });
    const make = h("button", { type: "button", class: "take" }, "Make a group…");
    make.addEventListener("click", () => {
      this.stop();
      this.take(s.nodes);
    });
    return h(
      "div",
      { class: "sg-suggestion" },
      h("b", {}, s.by === "decoder" ? "alike decoder rows" : "alike edges"),
      ` (cosine at least ${number(s.least, 2)})`,
      h("p", {}, names.join(" "), s.nodes.length > SHOWN ? ` and ${s.nodes.length - SHOWN} more` : ""),
      h("div", {}, preview, make),
    );
  }
}
