// Token ids that the live page's tokenizer gives: tokenize.mjs LIBRARY < {"tokenizer": {…}, "texts": […]}
import { readFileSync } from "node:fs";

const { Tokenizer } = await import(process.argv[2]);
const { tokenizer, texts } = JSON.parse(readFileSync(0, "utf8"));
const made = new Tokenizer(tokenizer, {});
process.stdout.write(JSON.stringify(texts.map(text => made.encode(text, { add_special_tokens: false }).ids)));
