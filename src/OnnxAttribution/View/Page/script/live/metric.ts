import type { LiveData } from "./contract";

/** ln P of every token, in nats. */
export function logprobs(logits: Float32Array): Float64Array {
  let max = -Infinity;
  for (const x of logits) max = Math.max(max, x);
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - max);
  const norm = max + Math.log(sum);
  return Float64Array.from(logits, x => x - norm);
}

/** The run's metric of a row of logits; `clean`: those without edits. */
export function metricOf({ metric, target, foil }: LiveData, logits: Float32Array, clean: Float32Array): number {
  if (metric === "kl") {
    const [p, q] = [logprobs(clean), logprobs(logits)];
    return p.reduce((sum, x, i) => sum + Math.exp(x) * (x - q[i]), 0);
  }
  const of = target ?? strongest(clean, 1)[0];
  if (metric === "logit") return logits[of];
  if (metric === "logit-diff") return logits[of] - logits[foil ?? strongest(clean, 2).find(t => t !== of)!];
  const logprob = logprobs(logits)[of];
  return metric === "loss" ? -logprob : metric === "prob" ? Math.exp(logprob) : logprob;
}

/** The likeliest tokens. */
export function strongest(values: ArrayLike<number>, most: number): number[] {
  const best: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (best.length === most && values[i] <= values[best[most - 1]]) continue;
    let at = best.length;
    while (at > 0 && values[best[at - 1]] < values[i]) at--;
    best.splice(at, 0, i);
    if (best.length > most) best.pop();
  }
  return best;
}
