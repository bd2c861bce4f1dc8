"""Writes canonical-forms.txt beside this script: what Unicode's canonical composition (NFC) needs, from Python's unicodedata.

The program runs without ICU, and .NET normalizes nothing then. Lines: `D code to...` a full canonical decomposition,
`C code a b` a pair that composes to code, `R class first last` a range of a combining class. Hangul is computed.
"""
import os
import unicodedata as u

target = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'canonical-forms.txt')
lines = [f'# Unicode {u.unidata_version}, by canonical_forms.py']
codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and not 0xAC00 <= c <= 0xD7A3]
for c in codes:
    text = chr(c)
    full = u.normalize('NFD', text)
    if full != text:
        lines.append('D %X %s' % (c, ' '.join('%X' % ord(x) for x in full)))
        if u.normalize('NFC', text) == text:
            a, b = u.decomposition(text).split()
            lines.append(f'C {c:X} {int(a, 16):X} {int(b, 16):X}')
run = None
for c in codes + [0x110000]:
    k = u.combining(chr(c)) if c < 0x110000 else 0
    if run and run[0] == k and run[2] == c - 1:
        run[2] = c
        continue
    if run:
        lines.append('R %d %X %X' % tuple(run))
    run = [k, c, c] if k else None
with open(target, 'w') as f:
    f.write('\n'.join(lines) + '\n')
