import type { Graph } from "./model";

/** Names of nodes as the command line takes them, such as 3:263@4 or 2.mlp:error@1, and which node or feature a name means. */
export class Spelling {
  readonly nodes: string[];
  readonly features: string[];
  private readonly nodeOf = new Map<string, number>();
  private readonly featureOf = new Map<string, number>();

  constructor(graph: Graph) {
    const { features, nodes, sites } = graph.page;
    const layers = new Set(sites.map(s => s.name));
    const all = features.map(({ site, feature }) => {
      const { name, short } = sites[site];
      const unit = feature < 0 ? "error" : String(feature);
      const [layer, kind] = short.split(".");
      const own = kind === "resid" && name.endsWith(".hook_resid_pre") ? layer : short;
      // behind the last block the residual stream is also what would enter another one
      const behind = kind === "resid_post" && !layers.has(`blocks.${Number(layer) + 1}.hook_resid_pre`) ? [String(Number(layer) + 1)] : [];
      return [own, short, name, ...behind].map(site => `${site}:${unit}`);
    });
    this.features = all.map(names => names[0]);
    all.forEach((names, f) => names.forEach(n => this.featureOf.set(n, f)));
    this.nodes = nodes.map((n, i) => (i === graph.metric ? "metric" : at(this.features[n.f], n.p)));
    nodes.forEach((n, i) => {
      if (i === graph.metric) return;
      for (const name of all[n.f]) {
        this.nodeOf.set(at(name, n.p), i);
        // how pages call the errors of all positions that have no node of their own
        if (n.p < 0 && name.endsWith(":error")) this.nodeOf.set(`${name}s`, i);
      }
    });
  }

  node(name: string): number | null {
    return this.nodeOf.get(name) ?? null;
  }

  feature(name: string): number | null {
    return this.featureOf.get(name) ?? null;
  }
}

/** Whether a text can be a node's name, of this run or another. */
export const isNode = (name: string): boolean => NODE.test(name);
export const isFeature = (name: string): boolean => NODE.test(name) && !name.includes("@");

const NODE = /^(\d+(\.[a-z_]+)?|blocks\.\d+\.[\w.]+):(\d+|errors?)(@\d+)?$/;

const at = (name: string, position: number): string => (position < 0 ? name : `${name}@${position}`);
