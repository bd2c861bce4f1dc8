// Writes tests/OnnxAttribution.Tests/Runtime/tokenizers/*.json: small tokenizers in the layout of each family's tokenizer.json, and texts with the
// ids that Hugging Face's own JavaScript tokenizers give them, which share no code with the tokenizer under test.
//     npm install --no-save --ignore-scripts @huggingface/tokenizers@0.2.0
//     node export-scripts/tokenizer_json_goldens.mjs [CHECKPOINT OUT]     with two arguments: goldens of a real tokenizer.json, into OUT
//
// Where JavaScript differs from Oniguruma, which Hugging Face's tokenizers use in Python, this script follows the latter:
// - JavaScript's \s holds U+FEFF and not U+0085; Unicode's White_Space is the other way round. The patterns are rewritten.
// - (?i:'s) folds U+017F, the long s, to s.
// - The JavaScript tokenizers leave Metaspace's split out: it is written as a Split.
import fs from 'fs';
import path from 'path';
import { createRequire } from 'module';
import { fileURLToPath } from 'url';
import { Tokenizer } from '@huggingface/tokenizers';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const makeTexts = createRequire(import.meta.url)('./tokenizer_texts.js');
const target = path.join(root, 'tests', 'OnnxAttribution.Tests', 'Runtime', 'tokenizers');

const space = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const gpt4 = digits => `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const javaScript = pattern => pattern.replace(/\[\^([^\]]*)\\s/g, (_, before) => '[^' + before + space).replace(/\\s/g, `[${space}]`).replace(/\\S/g, `[^${space}]`)
  .replace(contractions, "(?:'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])");
const steps = step => !step ? [] : step.type === 'Sequence' ? step.pretokenizers.flatMap(steps)
  : step.type === 'Split' && step.pattern.Regex ? [{ ...step, pattern: { Regex: javaScript(step.pattern.Regex) } }]
  : step.type === 'ByteLevel' && step.use_regex !== false ? [{ type: 'Split', pattern: { Regex: javaScript(gpt2) }, behavior: 'Isolated', invert: false }, { ...step, use_regex: false }]
  : step.type === 'Metaspace' && step.split ? [step, split({ Regex: '▁?[^▁]+|▁' })]
  : [step];

function goldens(json, count) {
  const reference = { ...json, pre_tokenizer: json.pre_tokenizer && { type: 'Sequence', pretokenizers: steps(json.pre_tokenizer) } };
  const tokenizer = new Tokenizer(reference, {});
  const specials = json.added_tokens.map(token => token.content).filter(content => content.trim()).slice(0, 5);
  return makeTexts(specials, count).map(text => [text, tokenizer.encode(text, { add_special_tokens: false }).ids]);
}

// GPT-2's byte symbols
const symbols = (() => {
  const own = [...Array(256).keys()].filter(b => (b > 32 && b < 127) || (b > 160 && b !== 173));
  let next = 256;
  return [...Array(256).keys()].map(b => String.fromCodePoint(own.includes(b) ? b : next++));
})();
const toSymbols = text => [...Buffer.from(text, 'utf8')].map(b => symbols[b]);

// Merges as Sennrich et al. train them, from pieces (lists of symbols).
function train(pieces, count) {
  const words = pieces.map(piece => [...piece]);
  const merges = [];
  while (merges.length < count) {
    const pairs = new Map();
    for (const word of words) for (let i = 0; i + 1 < word.length; i++) pairs.set(word[i] + '\n' + word[i + 1], (pairs.get(word[i] + '\n' + word[i + 1]) ?? 0) + 1);
    const best = [...pairs].reduce((a, b) => b[1] > a[1] ? b : a)[0].split('\n');
    merges.push(best);
    for (const word of words) for (let i = 0; i + 1 < word.length; i++) if (word[i] === best[0] && word[i + 1] === best[1]) word.splice(i, 2, best.join(''));
  }
  return merges;
}

const corpus = makeTexts([], 900);
const vocabulary = (first, merges) => Object.fromEntries([...new Set([...first, ...merges.map(merge => merge.join(''))])].map((token, id) => [token, id]));
const added = (id, content, more = {}) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...more });
const byteLevel = use_regex => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex });
const split = (pattern, behavior = 'Isolated') => ({ type: 'Split', pattern, behavior, invert: false });
const bytes = [...Array(256).keys()].map(b => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
const layout = parts => ({ version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...parts });
const model = parts => ({ type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ...parts });
const template = (token, id) => ({ type: 'TemplateProcessing', single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }], special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } } });

const words = corpus.flatMap(text => text.match(new RegExp(javaScript(gpt2), 'gu')) ?? []);
const byteMerges = train(words.map(toSymbols), 260);
const paired = byteMerges.map(merge => merge.join(' '));
const spaceSign = '▁';
const sentencePieces = corpus.map(text => spaceSign + text.replaceAll(' ', spaceSign)).flatMap(text => text.match(/▁*[^▁]+|▁+/gu) ?? []);
const characters = [...new Set(sentencePieces.flatMap(piece => [...piece]))].filter(c => c >= ' ' && c < '\u0180' || c === spaceSign);
const known = sentencePieces.map(piece => [...piece]).filter(piece => piece.every(c => characters.includes(c)));
const pieceMerges = train(known, 240);
// first some that lead from word to word
const crossing = [['e', spaceSign], ['s', spaceSign], ['s' + spaceSign, 't'], ...train(corpus.map(text => [...(spaceSign + text.replaceAll(' ', spaceSign))]).map(piece => piece.filter(c => characters.includes(c))), 200)];

function families() {
  const neox = vocabulary(['<|endoftext|>', '<|padding|>', ...symbols], byteMerges);
  const runs = [...Array(23).keys()].map(i => ' '.repeat(24 - i));
  const llama3 = vocabulary(symbols, byteMerges);
  const ignored = { ...llama3, 'Ġpatchingish': Object.keys(llama3).length };   // no merges lead there
  const qwen2 = vocabulary(symbols, byteMerges);
  const n = o => Object.keys(o).length;
  // as SmolLM's, which has no tokens for bytes that text rarely has
  const smol = vocabulary(['<|endoftext|>', '<|im_start|>', ...symbols.filter((_, b) => b !== 0 && b !== 0xF4)], byteMerges);
  const llama2 = vocabulary(['<unk>', '<s>', '</s>', ...bytes, ...characters], pieceMerges);
  const mistral = vocabulary(['<unk>', '<s>', '</s>', ...bytes, ...characters], crossing);
  const gemma = vocabulary(['<pad>', '<eos>', '<bos>', '<unk>', ...bytes, ...characters], pieceMerges);
  const unknown = vocabulary(['<unk>', '<s>', '</s>', ...characters], pieceMerges);
  const three = [added(0, '<unk>'), added(1, '<s>'), added(2, '</s>')];
  return {
    pythia: layout({
      added_tokens: [added(0, '<|endoftext|>'), added(1, '<|padding|>'), ...runs.map((run, i) => added(n(neox) + i, run, { normalized: true, special: false }))],
      normalizer: { type: 'NFC' }, pre_tokenizer: byteLevel(true), post_processor: byteLevel(true), decoder: byteLevel(true), model: model({ vocab: neox, merges: paired }),
    }),
    llama3: layout({
      added_tokens: [added(n(ignored), '<|begin_of_text|>'), added(n(ignored) + 1, '<|end_of_text|>')],
      pre_tokenizer: { type: 'Sequence', pretokenizers: [split({ Regex: gpt4('\\p{N}{1,3}') }), byteLevel(false)] },
      post_processor: { type: 'Sequence', processors: [byteLevel(true), template('<|begin_of_text|>', n(ignored))] },
      decoder: byteLevel(true), model: model({ ignore_merges: true, vocab: ignored, merges: paired }),
    }),
    qwen2: layout({
      added_tokens: [added(n(qwen2), '<|endoftext|>'), added(n(qwen2) + 1, '<|im_start|>'), added(n(qwen2) + 2, '<|im_end|>')],
      normalizer: { type: 'NFC' }, pre_tokenizer: { type: 'Sequence', pretokenizers: [split({ Regex: gpt4('\\p{N}') }), byteLevel(false)] },
      post_processor: byteLevel(false), decoder: byteLevel(false), model: model({ continuing_subword_prefix: '', end_of_word_suffix: '', ignore_merges: false, vocab: qwen2, merges: byteMerges }),
    }),
    smollm: layout({
      added_tokens: [added(0, '<|endoftext|>'), added(1, '<|im_start|>')],
      pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel(true)] },
      decoder: byteLevel(true), model: model({ vocab: smol, merges: paired.filter(m => m.split(' ').every(t => t in smol)) }),
    }),
    llama2: layout({
      added_tokens: three,
      normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: spaceSign }, { type: 'Replace', pattern: { String: ' ' }, content: spaceSign }] },
      post_processor: template('<s>', 1),
      decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: spaceSign }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] },
      model: model({ unk_token: '<unk>', fuse_unk: true, byte_fallback: true, vocab: llama2, merges: pieceMerges.map(m => m.join(' ')) }),
    }),
    // as newer conversions of Llama 2 and Mistral; merges that lead from word to word
    mistral: layout({
      added_tokens: three, pre_tokenizer: { type: 'Metaspace', replacement: spaceSign, prepend_scheme: 'first', split: false }, post_processor: template('<s>', 1),
      model: model({ unk_token: '<unk>', fuse_unk: true, byte_fallback: true, ignore_merges: false, vocab: mistral, merges: crossing }),
    }),
    gemma: layout({
      added_tokens: [added(0, '<pad>'), added(1, '<eos>'), added(2, '<bos>'), added(3, '<unk>')],
      normalizer: { type: 'Replace', pattern: { String: ' ' }, content: spaceSign }, pre_tokenizer: split({ String: ' ' }, 'MergedWithPrevious'), post_processor: template('<bos>', 2),
      model: model({ unk_token: '<unk>', fuse_unk: true, byte_fallback: true, vocab: gemma, merges: pieceMerges }),
    }),
    unknown: layout({
      added_tokens: three, pre_tokenizer: { type: 'Metaspace', replacement: spaceSign, prepend_scheme: 'always', split: true },
      model: model({ unk_token: '<unk>', fuse_unk: true, vocab: unknown, merges: pieceMerges }),
    }),
  };
}

// What an editor would not show, or would normalise, is escaped.
const readable = value => JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Z}\p{M}\ud800-\udfff]|[\uf900-\ufaff\u1f00-\u1fff\u1100-\u11ff]/gu, c => c === ' ' ? c
  : c.split('').map(unit => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0')).join(''));
const rows = texts => `[\n${texts.map(row => readable(row)).join(',\n')}\n]`;

if (process.argv.length === 4) {
  const texts = goldens(JSON.parse(fs.readFileSync(path.join(process.argv[2], 'tokenizer.json'))), 3000);
  fs.writeFileSync(process.argv[3], rows(texts) + '\n');
} else {
  fs.mkdirSync(target, { recursive: true });
  for (const [name, json] of Object.entries(families())) {
    const file = path.join(target, `${name}.json`);
    const texts = goldens(json, 330);
    fs.writeFileSync(file, `{"tokenizer":${readable(json)},\n"texts":${rows(texts)}}\n`);
    console.log(`${name}: ${texts.length} texts, ${fs.statSync(file).size} bytes`);
  }
}
