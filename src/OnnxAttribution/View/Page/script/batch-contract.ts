// What PageBatch.cs writes into a batch's index, and a test compares: null stands for a number the run does not know.

export type Known = number | null;

/** One prompt: what was asked, what came of it; `errors` is the share of all |effect| that error nodes carry, `validation` the Pearson
 * correlation of estimated with exact node effects, `page` an address relative to this one. */
export interface BatchRow {
  name: string;
  tokens: string[];
  position: Known;
  target: string | null;
  foil: string | null;
  value: Known;
  kept: Known;
  edges: Known;
  errors: Known;
  validation: Known;
  page: string | null;
}

export interface Batch {
  version: number;
  metric: string;
  model: string;
  program: string;
  /** The merged graph's own page. */
  page: string | null;
  /** Of the merged graph. */
  kept: Known;
  edges: Known;
  rows: BatchRow[];
}
