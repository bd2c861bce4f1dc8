import type { Graph, SignOf } from "./model";

export type Theme = "auto" | "light" | "dark";

/** All that the page shows beyond its data; all but `hover`, `pointed` and `found` is kept in the address. */
export interface State {
  pin: number | null;
  /** Under the pointer, or focused. */
  hover: number | null;
  /** Pointed at in a list. */
  pointed: number | null;
  /** Edges that are shown: this many, the strongest. */
  shown: number;
  sign: SignOf;
  theme: Theme;
  safe: boolean;
  /** Nodes that the search has found; null: nothing is searched. */
  found: number[] | null;
}

export type Change = Partial<State>;
type Listener = (state: State, changed: ReadonlySet<keyof State>) => void;

/** Edges a reader can still tell apart. */
const READABLE = 250;

export class Store {
  private readonly listeners: Listener[] = [];
  private readonly names: string[];

  constructor(
    private readonly graph: Graph,
    public state: State,
  ) {
    this.names = graph.page.nodes.map(n => (n.p < 0 ? n.t : `${n.t}@${n.p}`));
  }

  static initial(graph: Graph): State {
    return {
      pin: null,
      hover: null,
      pointed: null,
      found: null,
      shown: Math.min(READABLE, graph.edgeCount),
      sign: graph.signs.metric >= graph.signs.downstream ? "metric" : "downstream",
      theme: "auto",
      safe: false,
    };
  }

  onChange(listener: Listener): void {
    this.listeners.push(listener);
  }

  update(change: Change): void {
    const changed = new Set((Object.keys(change) as (keyof State)[]).filter(k => this.state[k] !== change[k]));
    if (changed.size === 0) return;
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener(this.state, changed);
  }

  /** The address' fragment that restores this state; what is as at first is left out. */
  hash(): string {
    const first = Store.initial(this.graph);
    const { pin, shown, sign, theme, safe } = this.state;
    const parts = new URLSearchParams();
    if (pin !== null) parts.set("pin", this.names[pin]);
    if (shown !== first.shown) parts.set("edges", String(shown));
    if (sign !== first.sign) parts.set("sign", sign);
    if (theme !== "auto") parts.set("theme", theme);
    if (safe) parts.set("colours", "safe");
    return parts.toString();
  }

  /** Reads a fragment that may be anything; what it does not say, or says wrongly, is as at first. */
  restore(hash: string): void {
    const first = Store.initial(this.graph);
    const parts = new URLSearchParams(hash.replace(/^#/, ""));
    const pin = this.names.indexOf(parts.get("pin") ?? "");
    const edges = parts.get("edges") ?? "";
    const [sign, theme] = [parts.get("sign"), parts.get("theme")];
    this.update({
      pin: pin < 0 ? null : pin,
      shown: /^\d{1,9}$/.test(edges) ? Math.min(Number(edges), this.graph.edgeCount) : first.shown,
      sign: (sign === "metric" || sign === "downstream") && this.graph.signs[sign] > 0 ? sign : first.sign,
      theme: theme === "light" || theme === "dark" ? theme : "auto",
      safe: parts.get("colours") === "safe",
    });
  }
}
