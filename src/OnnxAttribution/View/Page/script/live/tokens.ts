import { Tokenizer } from "@huggingface/tokenizers";
import type { LiveData } from "./contract";

/** Prompts to token ids, as the command line makes them: the model's own tokenizer, BOS in front where the run has one. */
export class Prompts {
  private readonly tokenizer: Tokenizer | null;

  constructor(private readonly live: LiveData) {
    this.tokenizer = live.tokenizer === null ? null : new Tokenizer(live.tokenizer, {});
  }

  get canEdit(): boolean {
    return this.tokenizer !== null;
  }

  /** @returns Ids, or why there are none. */
  of(text: string): number[] | string {
    if (text === "" || this.tokenizer === null) return "give the prompt some text";
    const ids = this.tokenizer.encode(text, { add_special_tokens: false }).ids;
    const all = this.live.bos === null ? ids : [this.live.bos, ...ids];
    if (all.length > this.live.context) {
      return `the prompt has ${all.length} tokens, the model's context holds ${this.live.context}; shorten it`;
    }
    return all;
  }
}
