// What LiveContent.cs writes into a live page, and a test compares.

/** `features`: for each of the page's features its column among those that can be edited; −1: it cannot be. */
export interface LiveData {
  version: number;
  features: number[];
  columns: number;
  /** Ids of the run's prompt, and where its metric is read. */
  tokens: number[];
  position: number;
  metric: "logit" | "logit-diff" | "logprob" | "loss" | "prob" | "kl";
  target: number | null;
  foil: number | null;
  /** The token that prompts begin with; null: none. */
  bos: number | null;
  /** Longest prompt, in tokens. */
  context: number;
  /** Token texts by id. */
  vocabulary: string[];
  /** What Hugging Face's tokenizer.json holds; null: prompts cannot be edited, and `note` says why. */
  tokenizer: object | null;
  note: string | null;
  /** Scripts that hold the weights, one behind the other, and their bytes. */
  parts: number;
  weightBytes: number;
}

export function readLive(): LiveData {
  const data = JSON.parse(document.getElementById("live-data")?.textContent ?? "") as LiveData;
  if (data.version !== 1) throw new Error(`this page's script reads version 1 of its live data, not ${String(data.version)}`);
  return data;
}
