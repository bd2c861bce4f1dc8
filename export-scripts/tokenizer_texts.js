// Texts that tokenizers disagree about, the same on every machine: texts(specials, count).
'use strict';
let state = 20240613;
const random = n => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 4294967296 * n); };
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
  () => from(0x4e00, 0x9fa5), () => from(0xac00, 0xd7a3), () => from(0x1d400, 0x1d454), () => from(0x1f600, 0x1f64f), () => from(0x20000, 0x2a6d6), () => from(0x1e900, 0x1e943), () => from(0x1d7ce, 0x1d7ff), () => from(0x1161, 0x1175), () => from(0x11a8, 0x11c2), () => from(0x0300, 0x036f), () => from(0xf900, 0xfaff), () => from(0x1f00, 0x1fff), ()=>from(0x9bc,0x9d7), ()=>from(0x1d15e,0x1d164),
];
const spaces = [' ', '  ', '   ', '\n', '\n\n', '\r\n', '\t', '\t\t', ' \n', '\n ', '\u00a0', '\u2003', '\u3000', '\u2028', '\u200b', '\ufeff', '\u0085', '\v', '\f', '▁', '▁▁', '     ', '         ', '                                  '];
const controls = ['\0', '\0\0', '\x01', '\x02', '\x07', '\x08', '\x1b[0m', '\x1c', '\x1f', '\x7f', '\x80', '\x9f', '\u00ad', '\u200d', '\u202e', '\ufffd', '\ue000', '\ufffe', '\u0378', '\u{e0001}', '\u{10ffff}'];
const marks = ['\u0301', '\u0308', '\u0327', '\u20dd', '\ufe0f', '\u0323', '\u0345'];
const emoji = ['🙂', '👩‍👩‍👧‍👦', '🏳️‍🌈', '👍🏽', '🇫🇷', '☃', '❤️', '1️⃣'];
const punctuation = ['.', ',', '!', '?', '...', '--', '—', '“', '”', '\'', '\'s', "'S", "'LL", "'Re", "'ſ", '"', '(', ')', '[[', '=>', '%', '$', '#', '@', '\\', '/', '*', ',,,,,', '——————', '.\n', ';\n\n', ')\r\n'];
module.exports = function texts(specials, count) {
  const special = specials[0] ?? '';
  const pieces = [
    () => pick(words), () => ' ' + pick(words), () => pick(spaces), () => pick(punctuation), () => pick(emoji), () => pick(controls),
    () => 'aeounAEIOU'[random(10)] + many(3, () => pick(marks)), () => { const letter = pick(alphabets); return many(6, letter); }, () => String(random(1e9)), ()=> random(4)?'':pick(specials),
  ];
  const texts = new Set([
    '', ' ', '  ', '   ', '\n', '\n\n', '\n\n\n', '\t', '\0', 'a', ' a', 'Hello world', 'Hello, world!', 'The capital of France is Paris.', 'constructor', 'toString __proto__', 
    'When Mary and John went to the store, John gave a drink to', ...specials, ...specials.map(s=>' '+s+' '), ...specials.map(s=>'a'+s+'b'), ...specials.map(s=>'a '+s+' b\n'+s), special + special, '  \n' + special + '  x', '<|endoftext|>', '<s>', '</s>', '<unk>', '<0x0A>', '< |endoftext|>',
    'a\u0085b', '\n\n\u0085x', ' \u0085 x', '\u0085', '\u0085\u0085  ', 'x \u0085\u0085 y\u0085 \n z', '\'s \'t \'re \'ve \'m \'ll \'d', '\'S \'T \'RE \'ſ \'VE \'lL', '\'\'s', 'a\'sb', 'don\u2019t', 'SolidGoldMagikarp', 'é e\u0301 ë̂ Å Å', 'ﬃ Ǆ ʼn ß İ', '½ ² Ⅷ ٣ 五', '∑∫√≠', '中文没有空格', 'العربية', 'हिन्दी', 'ไทย', '한국어 각 각', 'עברית', '1 12 123 1234 12345 123456', 'a1b22c333', '٣٤٥٦', '𝟏𝟐𝟑𝟒𝟓 𝐀𝐁𝐜', '𠀀𠀁', 'def f(x):\n    return x  # no\n\n\n\tif y:\n\t\tpass\n', 'ạ̈', 'q̣̇ q̣̇', 'x'.repeat(300), 'ab'.repeat(200), ' '.repeat(300), '\n'.repeat(150), '啊'.repeat(100), '🙂'.repeat(60), '0'.repeat(100), '.'.repeat(130), '=-'.repeat(70),
  ]);
  while (texts.size < count) {
    const one = pick(pieces);
    texts.add(random(4) ? many(8, () => pick(pieces)()) : random(2) ? many(6, one) : many(8, () => pick(random(3) ? spaces : random(2) ? controls : [...specials, 'x', '.', '7'])));
  }
  return [...texts];
};
