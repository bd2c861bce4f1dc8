import type { Graph, SignOf } from "./model";
import { NARROWING, Seen, type Narrowing } from "./seen";

export type Theme = "auto" | "light" | "dark";

/** All that the page shows beyond its data; all but `hover`, `pointed`, `found` and what follows from the rest is kept in the address. */
export interface State extends Narrowing {
  /** Under the pointer, or focused. */
  hover: number | null;
  /** Pointed at in a list. */
  pointed: number | null;
  sign: SignOf;
  theme: Theme;
  safe: boolean;
  /** Nodes that the search has found; null: nothing is searched. */
  found: number[] | null;
  /** What follows from the narrowing: never set by hand. */
  seen: Seen;
}

export type Change = Partial<Omit<State, "seen">>;
type Listener = (state: State, changed: ReadonlySet<keyof State>) => void;

/** Edges a reader can still tell apart. */
const READABLE = 250;

/** What the address says of nodes that are hidden, by the state's names. */
const HIDDEN = { errors: "errors", lone: "unconnected", dense: "dense" } as const;
export type Hidden = keyof typeof HIDDEN;
const KINDS = Object.keys(HIDDEN) as Hidden[];

/** What the address holds beside the state. */
export interface Beside {
  write(parts: URLSearchParams): void;
  read(parts: URLSearchParams): void;
}

export class Store {
  beside: Beside | null = null;
  private readonly listeners: Listener[] = [];
  private readonly first: State;
  state: State;

  constructor(private readonly graph: Graph) {
    const first = {
      pin: null,
      hover: null,
      pointed: null,
      found: null,
      shown: Math.min(READABLE, graph.edgeCount),
      nodes: graph.nodeCount - 1,
      errors: true,
      lone: true,
      dense: true,
      component: null,
      sign: graph.signs.metric >= graph.signs.downstream ? ("metric" as const) : ("downstream" as const),
      theme: "auto" as const,
      safe: false,
    };
    this.state = this.first = { ...first, seen: new Seen(graph, first) };
  }

  onChange(listener: Listener): void {
    this.listeners.push(listener);
  }

  update(change: Change): void {
    const changed = new Set<keyof State>((Object.keys(change) as (keyof Change)[]).filter(k => this.state[k] !== change[k]));
    if (changed.size === 0) return;
    this.state = { ...this.state, ...change };
    if (NARROWING.some(k => changed.has(k))) {
      this.state.seen = new Seen(this.graph, this.state);
      changed.add("seen");
    }
    for (const listener of this.listeners) listener(this.state, changed);
  }

  /** The address' fragment that restores this state; what is as at first is left out. */
  hash(): string {
    const { pin, shown, nodes, component, sign, theme, safe } = this.state;
    const parts = new URLSearchParams();
    if (pin !== null) parts.set("pin", this.graph.names[pin]);
    if (shown !== this.first.shown) parts.set("edges", String(shown));
    if (nodes !== this.first.nodes) parts.set("nodes", String(nodes));
    const hidden = KINDS.filter(k => !this.state[k]).map(k => HIDDEN[k]);
    if (hidden.length > 0) parts.set("hide", hidden.join(" "));
    if (component !== null) parts.set("component", String(component));
    if (sign !== this.first.sign) parts.set("sign", sign);
    if (theme !== "auto") parts.set("theme", theme);
    if (safe) parts.set("colours", "safe");
    this.beside?.write(parts);
    return parts.toString();
  }

  /** Reads a fragment that may be anything; what it does not say, or says wrongly, is as at first. */
  restore(hash: string): void {
    const parts = new URLSearchParams(hash.replace(/^#/, ""));
    const whole = (name: string, most: number, otherwise: number): number => {
      const text = parts.get(name) ?? "";
      return /^\d{1,9}$/.test(text) ? Math.min(Number(text), most) : otherwise;
    };
    const component = whole("component", 1e9, 0);
    const hidden = (parts.get("hide") ?? "").split(" ");
    const [sign, theme] = [parts.get("sign"), parts.get("theme")];
    this.update({
      pin: this.graph.named(parts.get("pin") ?? ""),
      shown: whole("edges", this.graph.edgeCount, this.first.shown),
      nodes: whole("nodes", this.first.nodes, this.first.nodes),
      errors: !hidden.includes(HIDDEN.errors),
      lone: !hidden.includes(HIDDEN.lone),
      dense: !hidden.includes(HIDDEN.dense),
      component: component >= 1 && component <= this.graph.components ? component : null,
      sign: (sign === "metric" || sign === "downstream") && this.graph.signs[sign] > 0 ? sign : this.first.sign,
      theme: theme === "light" || theme === "dark" ? theme : "auto",
      safe: parts.get("colours") === "safe",
    });
    this.beside?.read(parts);
  }
}
