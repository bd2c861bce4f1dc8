import type { Graph } from "./model";
import { formerSpellings, hintFor } from "./names";
import type { Store } from "./state";
import { byId, count, h, plain, visible } from "./text";

const LISTED = 40;

/** What a node may be found by, the most telling first. */
const FIELDS = ["", "label", "site", "token", "promotes", "suppresses", "context"] as const;
type Hit = { node: number; field: number };

export class Search {
  private readonly input = byId<HTMLInputElement>("search");
  private readonly list = byId("hits");
  private index: string[][] | null = null;
  private hits: Hit[] = [];
  private active = -1;

  constructor(
    private readonly graph: Graph,
    private readonly word: (node: number) => string,
    private readonly store: Store,
    private readonly choose: (node: number) => void,
  ) {
    this.input.addEventListener("input", () => this.run());
    this.input.addEventListener("focus", () => this.open(this.hits.length > 0));
    // a click on a hit comes after the blur; who is back by then is searching anew
    this.input.addEventListener("blur", () => setTimeout(() => document.activeElement !== this.input && this.open(false), 120));
    this.input.addEventListener("keydown", event => this.key(event));
    this.list.addEventListener("pointerdown", event => event.preventDefault());
  }

  focus(): void {
    this.input.focus();
    this.input.select();
  }

  clear(): void {
    if (this.input.value === "") return;
    this.input.value = "";
    this.run();
  }

  private run(): void {
    const typed = this.input.value.toLowerCase().replaceAll("·", " ").replaceAll("⏎", "\n").replaceAll("↵", "\r");
    const query = typed.trim() === "" ? "" : typed.trimStart();
    this.hits = query === "" ? [] : this.find(query);
    this.active = -1;
    this.store.update({ hover: null, found: query === "" ? null : this.hits.map(hit => hit.node) });
    const hint = hintFor(query);
    this.list.replaceChildren(
      hint === null ? "" : h("p", { class: "hint" }, hint),
      ...(this.hits.length === 0 ? [h("p", {}, "Nothing found")] : this.hits.slice(0, LISTED).map((hit, i) => this.option(hit, i))),
      this.hits.length > LISTED ? h("p", {}, `and ${count(this.hits.length - LISTED, "more")}`.replace(/s$/, "")) : "",
    );
    this.open(query !== "");
    byId("status").textContent = query === "" ? "" : `${count(this.hits.length, "node")} found`;
  }

  private find(query: string): Hit[] {
    this.index ??= this.graph.page.nodes.map((_, i) => this.fields(i));
    const terms = query.split(/\s+/).filter(t => t !== "");
    const phrase = query.trimEnd();
    const found: (Hit & { rank: number })[] = [];
    this.index.forEach((fields, node) => {
      const whole = fields.findIndex(f => f.includes(phrase));
      const field =
        whole >= 0
          ? whole
          : terms.every(t => fields.some(f => f.includes(t)))
            ? Math.max(...terms.map(t => fields.findIndex(f => f.includes(t))))
            : -1;
      if (field < 0) return;
      const exact = field === 0 && fields[0].split("\n").includes(phrase);
      found.push({ node, field, rank: exact ? -1 : field });
    });
    return found.sort((a, b) => a.rank - b.rank || Math.abs(this.graph.node(b.node).e ?? 0) - Math.abs(this.graph.node(a.node).e ?? 0));
  }

  private fields(i: number): string[] {
    const node = this.graph.node(i);
    const feature = this.graph.feature(i);
    const card = feature?.card;
    const text = (s: number) => this.graph.page.strings[s] ?? "";
    return [
      [
        node.l,
        this.graph.names[i],
        ...formerSpellings(node, this.graph.site(i)),
        feature !== null && feature.feature >= 0 ? String(feature.feature) : "",
      ].join("\n"),
      feature?.label ?? "",
      this.graph.site(i)?.name ?? this.graph.page.run.metric,
      this.graph.token(i) ?? "",
      (feature?.tokens?.up ?? card?.up.map(p => p[0]) ?? []).map(text).join("\n"),
      (feature?.tokens?.down ?? card?.down.map(p => p[0]) ?? []).map(text).join("\n"),
      card ? card.ctx.map(c => c.t.map(text).join("")).join("\n") : "",
    ].map(f => f.toLowerCase());
  }

  private option({ node, field }: Hit, i: number): HTMLElement {
    const token = this.graph.token(node);
    const option = h(
      "div",
      { role: "option", id: `hit-${i}`, "data-to": node, "aria-selected": "false" },
      h("span", { class: "name" }, h("b", {}, plain(this.graph.node(node).l)), " ", plain(this.word(node))),
      token === null || node === this.graph.metric ? h("span") : h("span", { class: "token" }, visible(token)),
      h("small", {}, FIELDS[field]),
    );
    option.addEventListener("click", () => this.take(i));
    option.addEventListener("pointerenter", () => this.store.update({ hover: node }));
    return option;
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const most = Math.min(this.hits.length, LISTED);
      if (most === 0) return;
      event.preventDefault();
      this.active = (this.active + (event.key === "ArrowDown" ? 1 : this.active < 0 ? 0 : -1) + most) % most;
      const options = [...this.list.querySelectorAll("[role=option]")];
      options.forEach((o, i) => o.setAttribute("aria-selected", String(i === this.active)));
      options[this.active]?.scrollIntoView({ block: "nearest" });
      this.input.setAttribute("aria-activedescendant", `hit-${this.active}`);
      this.store.update({ hover: this.hits[this.active].node });
    } else if (event.key === "Enter" && this.hits.length > 0) {
      event.preventDefault();
      this.take(Math.max(0, this.active));
    } else if (event.key === "Escape") {
      event.stopPropagation();
      if (this.input.value === "") this.input.blur();
      else this.clear();
    }
  }

  private take(i: number): void {
    const { node } = this.hits[i];
    this.open(false);
    this.choose(node);
  }

  private open(open: boolean): void {
    this.list.hidden = !open;
    this.input.setAttribute("aria-expanded", String(open));
    if (!open) this.input.removeAttribute("aria-activedescendant");
  }
}
