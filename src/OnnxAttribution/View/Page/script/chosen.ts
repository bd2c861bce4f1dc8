import type { Subgraph } from "./contract";
import type { Graph } from "./model";
import { Spelling } from "./spelling";

/** What a live page makes of nodes: their activations are multiplied, set, or set to what they are in the patch run, at their own
 * positions or at all. A group, and all pins, are edited as one, by that name. */
export interface LiveEdit {
  nodes: number[];
  name: string | null;
  everywhere: boolean;
  how: How;
  value: number;
}

export type How = (typeof HOWS)[number];
const HOWS = ["scale", "set", "patch"] as const;

/** A subgraph, and what the reader of a live page has changed: its edits and its prompt (null: the run's). All is one history. */
export interface Choice extends Subgraph {
  edits: LiveEdit[];
  prompt: string | null;
}

const NOTHING: Choice = { pins: [], groups: [], labels: [], notes: "", edits: [], prompt: null };
/** As in SubgraphFile.cs. */
export const [LETTERS, NOTES] = [200, 20_000];
const STEPS = 200;

/** Cut to so many letters, never within a pair of surrogates. */
export const cut = (text: string, most: number): string =>
  text.length <= most ? text : text.slice(0, /[\ud800-\udbff]/.test(text[most - 1]) ? most - 1 : most);

/** What the reader has chosen: pins, groups, labels, notes and a live page's edits, each step of which can be undone. */
export class Chosen {
  readonly spelling: Spelling;
  now: Choice;
  private readonly first: Choice;
  private readonly listeners: (() => void)[] = [];
  private past: Choice[] = [];
  private future: Choice[] = [];
  private lastKind = "";

  constructor(private readonly graph: Graph) {
    this.spelling = new Spelling(graph);
    this.first = { ...NOTHING, ...graph.page.subgraph };
    this.now = this.first;
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }

  undo(): void {
    const back = this.past.pop();
    if (back === undefined) return;
    this.future.push(this.now);
    this.become(back);
  }

  redo(): void {
    const next = this.future.pop();
    if (next === undefined) return;
    this.past.push(this.now);
    this.become(next);
  }

  /** Another choice; of changes of one kind that follow each other (typing) only the first begins a step. */
  set(change: Partial<Choice>, kind = ""): void {
    const next = { ...this.now, ...change };
    if (same(next, this.now)) return;
    if (kind === "" || kind !== this.lastKind) this.past = [...this.past.slice(1 - STEPS), this.now];
    this.future = [];
    this.become(next);
    this.lastKind = kind;
  }

  has(node: number): boolean {
    return this.now.pins.includes(node);
  }

  groupOf(node: number): string | null {
    return this.now.groups.find(g => g.nodes.includes(node))?.name ?? null;
  }

  /** The reader's own label of a node's feature. */
  labelOf(node: number): string | null {
    const f = this.graph.node(node).f;
    return this.now.labels.find(l => l.feature === f)?.label ?? null;
  }

  add(nodes: Iterable<number>): void {
    const pins = new Set(this.now.pins);
    for (const i of nodes) if (i !== this.graph.metric) pins.add(i);
    this.set({ pins: [...pins] });
  }

  remove(nodes: Iterable<number>): void {
    const gone = new Set(nodes);
    this.set({
      pins: this.now.pins.filter(i => !gone.has(i)),
      groups: this.now.groups.map(g => ({ ...g, nodes: g.nodes.filter(i => !gone.has(i)) })).filter(g => g.nodes.length > 0),
    });
  }

  toggle(node: number): void {
    if (this.has(node)) this.remove([node]);
    else this.add([node]);
  }

  /** Nodes become one group; those of a group that has the name already stay in it. */
  group(name: string, nodes: number[]): void {
    const called = cut(name.trim(), LETTERS);
    const members = new Set(nodes.filter(i => i !== this.graph.metric));
    if (called === "" || members.size === 0) return;
    const old = this.now.groups.find(g => g.name === called);
    const group = { name: called, nodes: [...new Set([...(old?.nodes ?? []), ...members])] };
    const others = this.now.groups
      .filter(g => g !== old)
      .map(g => ({ ...g, nodes: g.nodes.filter(i => !members.has(i)) }))
      .filter(g => g.nodes.length > 0);
    this.set({ pins: [...new Set([...this.now.pins, ...members])], groups: [...others, group] });
  }

  ungroup(names: string[]): void {
    this.set({ groups: this.now.groups.filter(g => !names.includes(g.name)) });
  }

  rename(from: string, to: string): void {
    const group = this.now.groups.find(g => g.name === from);
    const name = cut(to.trim(), LETTERS);
    if (group === undefined || name === "" || name === from) return;
    if (this.now.groups.some(g => g.name === name)) this.group(name, group.nodes);
    else this.set({ groups: this.now.groups.map(g => (g === group ? { ...g, name } : g)) });
  }

  label(node: number, text: string): void {
    const { f } = this.graph.node(node);
    const label = cut(text.trim(), LETTERS);
    const others = this.now.labels.filter(l => l.feature !== f);
    this.set({ labels: label === "" ? others : [...others, { feature: f, label }] });
  }

  note(text: string): void {
    this.set({ notes: cut(text, NOTES) }, "notes");
  }

  /** What the address says of it; nothing where it is as at first. */
  write(parts: URLSearchParams): void {
    const { pins, groups, labels, notes, edits, prompt } = this.now;
    for (const e of edits) {
      const words = [e.nodes.map(i => this.spelling.nodes[i]).join(","), e.how, String(e.value), e.everywhere ? "everywhere" : ""];
      parts.append("edit", [...words, ...(e.name === null ? [] : [e.name])].join("|"));
    }
    if (prompt !== null) parts.set("prompt", prompt);
    if (same({ pins, groups, labels, notes }, subgraphOf(this.first))) return;
    const names = (nodes: number[]) => nodes.map(i => this.spelling.nodes[i]).join(",");
    parts.set("pins", names(pins));
    for (const g of groups) parts.append("group", `${names(g.nodes)}|${g.name}`);
    for (const l of labels) parts.append("label", `${this.spelling.features[l.feature]}|${l.label}`);
    if (notes !== "") parts.set("notes", notes);
  }

  /** Reads an address that may be anything; what it says wrongly is left out. */
  read(parts: URLSearchParams): void {
    const edited = { edits: parts.getAll("edit").flatMap(text => this.edit(text)), prompt: this.text(parts.get("prompt")) };
    if (!parts.has("pins")) return this.begin({ ...this.first, ...edited });
    const known = (text: string) => [...new Set(text.split(",").map(n => this.spelling.node(n)))].filter(i => i !== null);
    const [taken, names] = [new Set<number>(), new Set<string>()];
    const groups = parts.getAll("group").flatMap(text => {
      const [listed, name] = halves(text);
      const nodes = known(listed).filter(i => !taken.has(i));
      const called = cut(name.trim(), LETTERS);
      if (nodes.length === 0 || called === "" || names.has(called)) return [];
      nodes.forEach(i => taken.add(i));
      names.add(called);
      return [{ name: called, nodes }];
    });
    const labels = new Map(
      parts.getAll("label").flatMap(text => {
        const [name, label] = halves(text);
        const feature = this.spelling.feature(name);
        return feature === null || label === "" ? [] : [[feature, cut(label, LETTERS)] as const];
      }),
    );
    this.begin({
      pins: [...new Set([...known(parts.get("pins") ?? ""), ...taken])],
      groups,
      labels: [...labels].map(([feature, label]) => ({ feature, label })),
      notes: cut(parts.get("notes") ?? "", NOTES),
      ...edited,
    });
  }

  private edit(text: string): LiveEdit[] {
    const [names, how, number, everywhere = "", ...name] = text.split("|");
    const nodes = [...new Set(names.split(",").map(n => this.spelling.node(n)))].filter(i => i !== null);
    const value = Number(number);
    if (nodes.length === 0 || !isHow(how) || number === "" || !Number.isFinite(value)) return [];
    if (how === "patch" && !this.graph.page.run.patched) return [];
    const called = name.length === 0 ? null : cut(name.join("|"), LETTERS);
    return [{ nodes, name: called, everywhere: everywhere === "everywhere", how, value }];
  }

  private text(prompt: string | null): string | null {
    return prompt === null || prompt === "" || prompt === this.graph.page.run.prompt ? null : cut(prompt, NOTES);
  }

  // what the page opens with is no step
  private begin(next: Choice): void {
    if (this.canUndo || this.canRedo) this.set(next);
    else if (!same(next, this.now)) this.become(next);
  }

  private become(next: Choice): void {
    this.now = next;
    this.lastKind = "";
    for (const listener of this.listeners) listener();
  }
}

const same = (one: Subgraph, other: Subgraph): boolean => JSON.stringify(one) === JSON.stringify(other);

const subgraphOf = ({ pins, groups, labels, notes }: Choice): Subgraph => ({ pins, groups, labels, notes });

const isHow = (text: string | undefined): text is How => HOWS.some(h => h === text);

function halves(text: string): [string, string] {
  const bar = text.indexOf("|");
  return bar < 0 ? [text, ""] : [text.slice(0, bar), text.slice(bar + 1)];
}
