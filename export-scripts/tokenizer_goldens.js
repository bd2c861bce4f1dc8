// Writes tests/OnnxAttribution.Tests/Runtime/gpt3-encoder-ids.json: texts and their GPT-2 token ids by npm's gpt-3-encoder, which shares no
// code with the tokenizer under test.   node export-scripts/tokenizer_goldens.js
//
// Where gpt-3-encoder 1.1.4 is known to differ from GPT-2 as OpenAI and Hugging Face run it, this script follows them:
// - JavaScript's \s holds U+FEFF and not U+0085; Unicode's White_Space, which the reference implementations use, is the other way round.
//   The pattern is replaced when the encoder is loaded.
// - <|endoftext|> is ordinary text to it and the one special token to Hugging Face. Texts are cut there and id 50256 is put between.
'use strict';
const fs = require('fs');
const path = require('path');
const Module = require('module');

const root = path.join(__dirname, '..');
const encoderPath = path.join(root, 'node_modules', 'gpt-3-encoder', 'Encoder.js');
const target = path.join(root, 'tests', 'OnnxAttribution.Tests', 'Runtime', 'gpt3-encoder-ids.json');

function loadEncoder() {
  const space = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
  const theirs = String.raw`/'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu`;
  const ours = String.raw`/'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^${space}\p{L}\p{N}]+|[${space}]+(?![^${space}])|[${space}]+/gu`;
  const parts = fs.readFileSync(encoderPath, 'utf8').split(theirs);
  if (parts.length !== 2) throw new Error('gpt-3-encoder no longer has the pattern that this script replaces');
  const module = new Module(encoderPath);
  module.filename = encoderPath;
  module._compile(parts.join(ours), encoderPath);
  return module.exports;
}

const { encode } = loadEncoder();
const special = '<|endoftext|>';
const encodeText = text => text.split(special).flatMap((part, i) => [...(i ? [50256] : []), ...encode(part)]);

// A linear congruential generator: the file is the same on every machine.
let state = 20240613;
const random = n => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor(state / 4294967296 * n);
};
const pick = list => list[random(list.length)];
const many = (max, make) => Array.from({ length: 1 + random(max) }, make).join('');
const from = (low, high) => String.fromCodePoint(low + random(high - low + 1));

const words = ('the of and to in Paris France capital when Mary John store gave drink attribution patching feature dictionary token don\'t we\'ll '
  + 'I\'d they\'re you\'ve it\'s I\'m CAN\'T o\'clock HTTP GPT2 x86_64 3.14159 1,000,000 2024-06-13 foo_bar(baz) if(x==0){return;} http://a.b/c?d=e&f=g '
  + 'naïve café Zürich Ångström Straße œuvre').split(' ');
const alphabets = [
  () => from(0x20, 0x7e), () => from(0xa0, 0x17f), () => from(0x391, 0x3c9), () => from(0x410, 0x44f), () => from(0x5d0, 0x5ea),
  () => from(0x627, 0x64a), () => from(0x64b, 0x652), () => from(0x905, 0x939), () => from(0x93e, 0x94d), () => from(0xe01, 0xe2e),
  () => from(0x1100, 0x1112), () => from(0x2190, 0x21ff), () => from(0x2460, 0x249b), () => from(0x3041, 0x3093), () => from(0x30a1, 0x30f6),
  () => from(0x4e00, 0x9fa5), () => from(0xac00, 0xd7a3), () => from(0x1d400, 0x1d454), () => from(0x1f600, 0x1f64f), () => from(0x20000, 0x2a6d6),
];
const spaces = [' ', '  ', '   ', '\n', '\n\n', '\r\n', '\t', '\t\t', ' \n', '\n ', '\u00a0', '\u2003', '\u3000', '\u2028', '\u200b', '\ufeff', '\u0085', '\v', '\f'];
const controls = ['\0', '\0\0', '\x01', '\x02', '\x07', '\x08', '\x1b[0m', '\x1c', '\x1f', '\x7f', '\x80', '\x9f', '\u00ad', '\u200d', '\u202e', '\ufffd', '\ue000'];
const marks = ['\u0301', '\u0308', '\u0327', '\u20dd', '\ufe0f'];
const emoji = ['🙂', '👩‍👩‍👧‍👦', '🏳️‍🌈', '👍🏽', '🇫🇷', '☃', '❤️', '1️⃣'];
const punctuation = ['.', ',', '!', '?', '...', '--', '—', '“', '”', '\'', '\'s', '"', '(', ')', '[[', '=>', '%', '$', '#', '@', '\\', '/', '*', ',,,,,', '——————'];

const pieces = [
  () => pick(words), () => ' ' + pick(words), () => pick(spaces), () => pick(punctuation), () => pick(emoji), () => pick(controls),
  () => 'aeoun'[random(5)] + many(2, () => pick(marks)), () => { const letter = pick(alphabets); return many(6, letter); }, () => String(random(1e9)),
];

const texts = new Set([
  '', ' ', '  ', '   ', '\n', '\n\n', '\n\n\n', '\t', '\0', 'a', ' a', 'Hello world', 'Hello, world!', 'The capital of France is Paris.',
  'When Mary and John went to the store, John gave a drink to', special, special + special, 'a' + special + 'b', ' ' + special + ' ', special + '\n\n',
  '  \n' + special + '  x', '<|endoftext|', '<|ENDOFTEXT|>', '< |endoftext|>', '\0a', 'a\0', 'a\0b', '  \0', '\n\n\0x', '\0\x01\0\x01', '\x01\0', special + '\0' + special,
  'a\u0085b', '\n\n\u0085x', ' \u0085 x', '\u0085', '\u0085\u0085  ', '  \u0085' + special, '\u0085' + special + '\u0085', 'x \u0085\u0085 y\u0085 \n z',
  '\n\u0085\0', '\n\n\ufeffx', '\n\n\x1cx', '\'s \'t \'re \'ve \'m \'ll \'d', '\'S \'T \'RE', '\'\'s', 'a\'sb', 'don\u2019t', 'SolidGoldMagikarp', ' SolidGoldMagikarp',
  'constructor toString __proto__', 'I\'ll\n\n  go\t\tnow   ', 'é e\u0301', 'ﬃ Ǆ ʼn ß İ', '½ ² Ⅷ ٣ 五', '∑∫√≠', '中文没有空格', 'العربية', 'हिन्दी', 'ไทย', '한국어', 'עברית',
]);
while (texts.size < 640) {
  const one = pick(pieces);
  texts.add(random(4) ? many(8, () => pick(pieces)()) : random(2) ? many(6, one) : many(8, () => pick(random(3) ? spaces : random(2) ? controls : [special, 'x', '.', '7'])));
}

// What an editor would not show, or would normalise, is escaped.
const readable = text => JSON.stringify(text).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Z}\p{M}]/gu, c => c === ' ' ? c
  : c.split('').map(unit => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0')).join(''));
const rows = [...texts].map(text => `[${readable(text)},${JSON.stringify(encodeText(text))}]`);
fs.writeFileSync(target, `[\n${rows.join(',\n')}\n]\n`);
console.log(`${rows.length} texts, ${fs.statSync(target).size} bytes`);
