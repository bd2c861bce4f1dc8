// What PageContent.cs writes into the page, and a test compares: null stands for a number the run does not know.

export type Known = number | null;
export type Pair = [string, string];

export interface Run {
  prompt: string | null;
  patchPrompt: string | null;
  tokens: string[];
  patchTokens: string[];
  metric: string;
  /** The token explained, and the one it is set against; null where the metric has none. */
  target: string | null;
  foil: string | null;
  /** Of the clean run. */
  targetProbability: Known;
  foilProbability: Known;
  position: number;
  clean: Known;
  patch: Known;
  top: Token[];
  options: Pair[];
  command: string | null;
  explained: Known;
  model: string;
  aggregated: boolean;
  /** Effects are those of real ablations, which multiplied activations by `coefficient`. */
  ablation: boolean;
  coefficient: number;
  /** Values and colours are those of a clean value's contribution, or of what moving the node away does. */
  sign: "contribution" | "ablation";
  /** Nodes are moved to a patch run's values, not to zero. */
  patched: boolean;
  merged: boolean;
  /** The first of a merged graph's prompts, empty where they are not known; how many there are, and between which values their metrics lie
   * in the clean runs. */
  prompts: Prompt[];
  promptCount: number;
  least: Known;
  most: Known;
  nodes: number;
  kept: number;
  storedEdges: number;
  /** The separate circuit that alone is drawn; null: all are. */
  component: Known;
  finished: string | null;
  version: string;
  dashboards: boolean;
  /** The run directory from where the page lies, and the model's hash: which run a saved subgraph is of. */
  directory: string;
  bundle: string | null;
  /** The command that ablates nodes in the run's prompt, without the nodes; null where circuits cannot be. */
  ablate: string | null;
  note: string | null;
}

/** One prompt of a merged graph; `page`: of its own graph, relative to this one. */
export interface Prompt {
  name: string;
  text: string;
  metric: string;
  value: Known;
  page: string | null;
}

/** Chosen nodes: every node of a group is pinned, no node is in two groups. */
export interface Subgraph {
  pins: number[];
  groups: Group[];
  labels: Label[];
  notes: string;
}

/** Nodes that are read as one. */
export interface Group {
  name: string;
  nodes: number[];
}

/** The reader's own label of a feature, or of a site's error: index of `features`. */
export interface Label {
  feature: number;
  label: string;
}

/** Nodes that are alike: `least` is the least cosine of two of them. */
export interface Suggestion {
  by: "decoder" | "edges";
  nodes: number[];
  least: number;
}

export interface Token {
  token: string;
  probability: number;
}

export interface Layout {
  width: number;
  height: number;
  boxWidth: number;
  boxHeight: number;
  rows: Row[];
  columns: Column[];
}

export interface Row {
  label: string;
  top: number;
  bottom: number;
}

export interface Column {
  label: string;
  position: Known;
  left: number;
  right: number;
  tick: boolean;
}

export interface Site {
  name: string;
  short: string;
  kind: "resid" | "attn" | "mlp" | "resid_mid" | "z";
  neuronpedia: string | null;
}

/** A stretch of text: `t` indexes the page's strings, `a` holds [token, activation] where active. */
export interface Context {
  q: number;
  peak: number;
  t: number[];
  a: [number, number][];
}

export interface Card {
  rate: number;
  mean: number;
  max: number;
  hist: number[];
  ctx: Context[];
  up: [number, number][];
  down: [number, number][];
  near: [number, number][];
}

export interface Feature {
  site: number;
  feature: number;
  acts: [number, number][];
  /** What it is said to stand for. */
  label: string | null;
  /** What is shown beside its number: the label, else the token it promotes most, else the one it is most active at. */
  word: string | null;
  /** Promoted and suppressed tokens that no text was read for. */
  tokens: Tokens | null;
  card: Card | null;
}

/** Indices of the page's strings, the strongest first. */
export interface Tokens {
  up: number[];
  down: number[];
}

/** `s` −1: the metric. `e` is m(patched) − m(clean), `x_e` the same by a real intervention;
 * `by` what `e` was found by, `off` what it may be off by, `u` whether `e` may be off by more than half, `c` the separate circuit that it
 * belongs to, counted from 1 (0: none is known), `n` in how many of a merged graph's prompts it stands, `l` its name. */
export interface NodeData {
  s: number;
  p: number;
  f: number;
  x: number;
  y: number;
  a: Known;
  pa: Known;
  g: Known;
  e: Known;
  x_e: Known;
  by: string | null;
  off: Known;
  u: boolean;
  c: number;
  n: Known;
  l: string;
}

/** Columns, by falling |eff|.
 * `met`, `act`: what the upstream's clean value does for the metric and for the downstream activation; above 0 raises;
 * `n`: in how many of a merged graph's prompts it stands. */
export interface Edges {
  up: number[];
  down: number[];
  jac: Known[];
  eff: Known[];
  met: Known[];
  act: Known[];
  n: Known[];
}

/** A table of figures on the run; of parts the names begin with spaces. */
export interface Table {
  text: string;
  columns: string[];
  rows: string[][];
}

/** What edges owe to attention heads. `parts`: per edge its strongest, [index of `ways`, effect]. */
export interface Heads {
  count: number;
  strongest: Head[];
  ways: string[];
  parts: [number, number][][];
}

/** Sums of |effect| by way; `drawn`: its strongest drawn edges, [edge, effect through the head]. */
export interface Head {
  name: string;
  value: number;
  query: number;
  key: number;
  edges: number;
  drawn: [number, number][];
}

/** A head's score between two positions; `of`: how many pairs it has. */
export interface Score {
  head: string;
  query: number;
  key: number;
  score: number;
  pattern: number;
  of: number;
  pairs: ScorePair[];
}

/** Nodes are −1 where they are not drawn, or no nodes. */
export interface ScorePair {
  query: string;
  key: string;
  queryNode: number;
  keyNode: number;
  score: number;
}

/** One of two runs, and its effects and activations by the page's nodes and edges. */
export interface Compared {
  run: string;
  title: string;
  tokens: string[];
  position: number;
  target: string | null;
  foil: string | null;
  metric: string;
  clean: Known;
  ablation: boolean;
  coefficient: number;
  patched: boolean;
  effects: Known[];
  activations: Known[];
  edgeEffects: Known[];
}

/** Two runs, A and B: in which each node and edge is: 0 both, 1 both with opposite signs, 2 only A, 3 only B.
 * `counts` and `spearman`: of nodes, then of edges. */
export interface Comparison {
  runs: Compared[];
  align: string;
  nodes: number[];
  edges: number[];
  counts: number[][];
  spearman: Known[];
  notes: string[];
}

export interface PageData {
  version: number;
  title: string;
  run: Run;
  layout: Layout;
  sites: Site[];
  features: Feature[];
  strings: string[];
  nodes: NodeData[];
  edges: Edges;
  validation: Table | null;
  certificate: Table | null;
  heads: Heads | null;
  scores: Score[];
  /** Of a page of two runs; null: of one. */
  comparison: Comparison | null;
  /** What is chosen at first; null: nothing. */
  subgraph: Subgraph | null;
  suggestions: Suggestion[];
  /** Why decoder rows were not compared; null: they were. */
  suggestionNote: string | null;
}

export function readPage(): PageData {
  const data = JSON.parse(document.getElementById("data")?.textContent ?? "") as PageData;
  if (data.version !== 1) throw new Error(`this page's script reads version 1 of its data, not ${String(data.version)}`);
  return data;
}
