import type { Chosen } from "./chosen";
import type { Graph } from "./model";
import { isObject } from "./subgraph-file";

/** What `ablate --circuit subgraph.json --json` measured: effects of groups, by the nodes that were moved together, so that a group that
 * has changed since has none. */
export class Measured {
  private readonly effects = new Map<string, number>();

  constructor(private readonly chosen: Chosen) {}

  /** Whether a file is such a result. */
  static is(json: unknown): json is Record<string, unknown> {
    return isObject(json) && "taken_from_run" in json && "prompts" in json;
  }

  /** The effect of moving nodes together; null where it was not measured. */
  of(nodes: number[]): number | null {
    return this.effects.get(this.key(nodes.map(i => this.chosen.spelling.nodes[i]))) ?? null;
  }

  /** Takes a result; throws what is wrong with it, as a sentence. */
  take(graph: Graph, json: Record<string, unknown>): { groups: number; isOther: boolean } {
    if (!Array.isArray(json.groups) || json.groups.length === 0) {
      throw new Error("it has no groups: it is of a circuit that is no subgraph.json, or of all but one (--keep)");
    }
    let count = 0;
    for (const group of json.groups) {
      if (!isObject(group) || !Array.isArray(group.nodes) || (typeof group.effect !== "number" && group.effect !== null)) {
        throw new Error("a group in it lacks its nodes or its effect");
      }
      if (typeof group.effect !== "number" || !Number.isFinite(group.effect)) continue;
      this.effects.set(this.key(group.nodes.map(String)), group.effect);
      count++;
    }
    const { finished } = graph.page.run;
    return { groups: count, isOther: typeof json.run_finished_at === "string" && finished !== null && json.run_finished_at !== finished };
  }

  private key(names: string[]): string {
    return names
      .map(name => this.chosen.spelling.node(name))
      .map((i, n) => (i === null ? names[n] : this.chosen.spelling.nodes[i]))
      .sort()
      .join(" ");
  }
}
