// What PageBatch.cs writes into a batch's index, and a test compares: null stands for a number the run does not know.

export type Known = number | null;

/** One prompt: what was asked, what came of it; `text` where its tokens are not known, `fault` why it has no graph, `errors` the share
 * of all |effect| that error nodes carry, `validation` the Pearson correlation of estimated with exact node effects, `page` an address
 * relative to this one. */
export interface BatchRow {
  name: string;
  tokens: string[];
  text: string | null;
  position: Known;
  target: string | null;
  foil: string | null;
  value: Known;
  kept: Known;
  edges: Known;
  errors: Known;
  validation: Known;
  page: string | null;
  fault: string | null;
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
  /** How many prompts there are, of which the rows are the first, and the command that lists all, given where the page lies. */
  all: number;
  query: string;
  rows: BatchRow[];
}
