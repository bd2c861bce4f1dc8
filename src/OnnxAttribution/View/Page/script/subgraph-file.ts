import { LETTERS, NOTES, cut, type Chosen } from "./chosen";
import type { Subgraph } from "./contract";
import type { Graph } from "./model";
import { isFeature, isNode } from "./spelling";

// The format, and how strictly it is read, is that of SubgraphFile.cs; graph JSON is read as GraphPins.cs reads it.

const FORMAT = "onnx-attribution subgraph";
const NODES = 10_000;

/** What a file holds, and what of it this page has not. */
export interface Loaded {
  subgraph: Subgraph;
  /** Nodes and labelled features that are not drawn here. */
  missing: string[];
  /** It says that it is of another run. */
  isOther: boolean;
}

/** The run directory on this machine's disk, so that a file that is saved elsewhere names it; null: the page is not from disk. */
export function placeOf(directory: string, page: { href: string; protocol: string }): string | null {
  if (/^(\/|[A-Za-z]:)/.test(directory)) return directory;
  if (page.protocol !== "file:") return null;
  const path = decodeURIComponent(new URL(`${directory.split("/").map(encodeURIComponent).join("/")}/`, page.href).pathname);
  return path.replace(/\/$/, "").replace(/^\/(?=[A-Za-z]:)/, "");
}

export function toFile(graph: Graph, chosen: Chosen): string {
  const { run } = graph.page;
  const { pins, groups, labels, notes } = chosen.now;
  const names = (nodes: number[]) => nodes.map(i => chosen.spelling.nodes[i]);
  const said = {
    path: placeOf(run.directory, location),
    finished_at: run.finished,
    bundle_sha256: run.bundle,
    prompt: run.prompt,
    metric: run.metric,
  };
  const file = {
    format: FORMAT,
    version: 1,
    run: Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null)),
    pins: names(pins),
    groups: groups.map(g => ({ name: g.name, nodes: names(g.nodes) })),
    labels: Object.fromEntries(labels.map(l => [chosen.spelling.features[l.feature], l.label])),
    notes,
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** Reads subgraph.json, or the state in graph JSON. Throws what is wrong with it, as a sentence. */
export function fromFile(graph: Graph, chosen: Chosen, json: unknown): Loaded {
  return isObject(json) && "qParams" in json ? fromGraph(chosen, json) : fromSubgraph(graph, chosen, json);
}

function fromSubgraph(graph: Graph, chosen: Chosen, json: unknown): Loaded {
  if (!isObject(json) || json.format !== FORMAT) throw new Error(`it has no "format": "${FORMAT}"`);
  known("it", json, ["format", "version", "run", "pins", "groups", "labels", "notes"]);
  if (json.version !== 1) throw new Error("it is not of version 1, which is the only one that is read");
  const missing: string[] = [];
  const node = (value: unknown, what: string): number | null => {
    const name = text(value, what, LETTERS);
    if (!isNode(name)) throw new Error(`${what} is '${name}', which is no node such as 3:263@4, 2.mlp:7 or 9.attn:error@2`);
    const found = chosen.spelling.node(name);
    if (found === null) missing.push(name);
    return found;
  };
  const drawn = (nodes: (number | null)[]) => nodes.filter(i => i !== null);
  const [taken, names] = [new Set<number>(), new Set<string>()];
  const groups = list(json.groups ?? [], "groups").map((group, g) => {
    if (!isObject(group)) throw new Error(`group ${g + 1} is no object`);
    known(`group ${g + 1}`, group, ["name", "nodes"]);
    const name = text(group.name, `the name of group ${g + 1}`, LETTERS);
    if (name.trim() === "") throw new Error(`the name of group ${g + 1} is empty`);
    if (names.has(name)) throw new Error(`two groups are named '${name}'`);
    names.add(name);
    const listed = list(group.nodes ?? [], `the nodes of group ${g + 1}`);
    if (listed.length === 0) throw new Error(`group ${g + 1} has no nodes`);
    const nodes = drawn(listed.map((n, i) => node(n, `node ${i + 1} of group ${g + 1}`)));
    for (const i of nodes) {
      if (taken.has(i)) throw new Error(`${chosen.spelling.nodes[i]} is in a group twice, or in two of them`);
      taken.add(i);
    }
    return { name, nodes };
  });
  const pins = [...new Set([...drawn(list(json.pins, "pins").map((p, i) => node(p, `pin ${i + 1}`))), ...taken])];
  if (pins.length > NODES) throw new Error(`it has more than ${NODES} nodes`);
  const labels = Object.entries(object(json.labels ?? {}, "labels")).flatMap(([name, value]) => {
    if (!isFeature(name)) throw new Error(`labels has '${name}', which is no feature such as 3:263 (without a position)`);
    const label = text(value, `the label of '${name}'`, LETTERS);
    const feature = chosen.spelling.feature(name);
    if (feature === null) missing.push(name);
    return feature === null || label === "" ? [] : [{ feature, label }];
  });
  if (new Set(labels.map(l => l.feature)).size < labels.length) throw new Error("a feature has two labels");
  const notes = json.notes === undefined ? "" : text(json.notes, "notes", NOTES);
  return { subgraph: { pins, groups: groups.filter(g => g.nodes.length > 0), labels, notes }, missing, isOther: isOther(graph, json.run) };
}

function isOther(graph: Graph, said: unknown): boolean {
  if (said === undefined || said === null) return false;
  const run = object(said, "run");
  known("run", run, ["path", "finished_at", "bundle_sha256", "prompt", "metric"]);
  for (const [name, value] of Object.entries(run)) if (value !== null) text(value, name, Infinity);
  const differs = (theirs: unknown, ours: string | null) => typeof theirs === "string" && ours !== null && theirs !== ours;
  return differs(run.finished_at, graph.page.run.finished) || differs(run.bundle_sha256, graph.page.run.bundle);
}

/** The pins of graph JSON that `view` wrote, also as circuit-tracer's page saves them (texts) or Neuronpedia's (lists). */
function fromGraph(chosen: Chosen, json: Record<string, unknown>): Loaded {
  const state = object(json.qParams, "qParams");
  const lists = (value: unknown): unknown[][] =>
    list(value === null || value === undefined || value === "" ? [] : typeof value === "string" ? JSON.parse(value) : value, "a list").map(
      v => list(v, "a list in a list"),
    );
  const clerps = new Map(lists(state.clerps).map(([key, label]) => [String(key), String(label)]));
  const [byId, labels, missing] = [new Map<string, number>(), new Map<number, string>(), [] as string[]];
  let isOurs = false;
  for (const node of list(json.nodes, "nodes")) {
    if (!isObject(node) || typeof node.site !== "string" || typeof node.feature_index !== "number") continue;
    isOurs = true;
    const unit = `${node.site}:${node.feature_index < 0 ? "error" : node.feature_index}`;
    const found = chosen.spelling.node(typeof node.position === "number" && node.position >= 0 ? `${unit}@${node.position}` : unit);
    if (found === null) continue;
    byId.set(String(node.node_id), found);
    const feature = chosen.spelling.feature(unit);
    const label = clerps.get(`${node.layer}_${node.feature}_${node.ctx_idx}`) ?? clerps.get(String(node.feature)) ?? node.own_label;
    if (feature !== null && typeof label === "string" && label !== "") labels.set(feature, cut(label, LETTERS));
  }
  if (!isOurs) throw new Error("its nodes do not say site, feature_index and position, so that it is no graph that 'view' wrote");
  const ids = (some: unknown[]) => some.map(String).flatMap(id => byId.get(id) ?? []);
  const [taken, names] = [new Set<number>(), new Set<string>()];
  const groups = lists(state.supernodes).flatMap(([name, ...members]) => {
    const nodes = ids(members).filter(i => !taken.has(i));
    nodes.forEach(i => taken.add(i));
    if (nodes.length === 0) return [];
    // a name that would do harm as HTML is written otherwise
    const own = isObject(state.names) ? state.names[String(name)] : undefined;
    const said = typeof own === "string" ? own : String(name ?? "");
    let called = said.trim() === "" ? "group" : cut(said, LETTERS);
    const wanted = cut(called, LETTERS - 8);
    for (let i = 2; names.has(called); i++) called = `${wanted} ${i}`;
    names.add(called);
    return [{ name: called, nodes }];
  });
  const pinned = typeof state.pinnedIds === "string" ? state.pinnedIds.split(",") : list(state.pinnedIds ?? [], "pinnedIds");
  return {
    subgraph: {
      pins: [...new Set([...ids(pinned), ...taken])],
      groups,
      labels: [...labels].map(([feature, label]) => ({ feature, label })),
      notes: typeof state.notes === "string" ? cut(state.notes, NOTES) : "",
    },
    missing,
    isOther: false,
  };
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function object(value: unknown, what: string): Record<string, unknown> {
  if (!isObject(value)) throw new Error(`${what} is no object`);
  return value;
}

function list(value: unknown, what: string): unknown[] {
  if (value === undefined) throw new Error(`it has no ${what}`);
  if (!Array.isArray(value)) throw new Error(`${what} is no list`);
  return value;
}

function text(value: unknown, what: string, most: number): string {
  if (typeof value !== "string") throw new Error(`${what} is no text`);
  if (value.length > most) throw new Error(`${what} has ${value.length} letters, and ${most} are read at most`);
  return value;
}

function known(what: string, of: Record<string, unknown>, names: string[]): void {
  const other = Object.keys(of).find(name => !names.includes(name));
  if (other !== undefined) throw new Error(`${what} has '${other}', which is none of ${names.join(", ")}`);
}
