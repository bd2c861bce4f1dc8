#!/usr/bin/env python3
"""Cuts the prompts of docs/results/validation-prompts.jsonl from held-out text: what models/tiny was never trained on.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
    python3 tests/references/held_out_prompts.py --corpus CORPUS > docs/results/validation-prompts.jsonl

CORPUS holds train.txt.gz and valid.txt.gz (models/tiny/README.md, "Data and licences").
Environment: Debian 12, python3-torch 1.13, python3-numpy, python3-regex. Deterministic: what looks like chance is a SHA-256 of the text.

Steps:
1. Every sentence of every held-out document is read by the model, BOS in front.
2. A cut after 8 to 15 tokens is a candidate where the next word is one token, the target, and the model gives it at least LEAST.
3. A sentence yields one candidate at most, a document at most as many as its length allows, so that the long ones do not
   crowd out the others.
4. What stands in the training text word for word, prompt and target together, is left out: licences repeat each other.
"""
import argparse
import gzip
import hashlib
import json
import os
import sys

import regex
import torch

from reference import END, PIECES, Gpt2, byte_symbols, encode

SHORTEST, LONGEST = 8, 15   # tokens of a prompt, BOS not counted
LEAST = 0.05                # probability of the target
SPACES = 4                  # a prompt is words, not a path or an address
SENTENCE = regex.compile(r'(?<=[.!?;:]"?) +(?=[A-Z"(])')


def read(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as f:
        return f.read()


def chance(text):
    """A number that has nothing to do with the text but that it is always the same."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def most(document):
    return 1 if len(document) < 1000 else 2 if len(document) < 100_000 else 8


def sentences(document):
    for line in document.split("\n"):
        for s in SENTENCE.split(line.strip()):
            if s and (s[0].isalnum() or s[0] in '"(') and "  " not in s and "\t" not in s:
                yield s


def word_ends(folder, sentence):
    """Token ids of a sentence, and at which numbers of tokens a word ends."""
    ids, ends = [], [0]
    for piece in PIECES.findall(sentence):
        ids += encode(folder, piece)
        ends.append(len(ids))
        if len(ids) > LONGEST:
            break
    return ids, ends


def candidate(model, folder, bos, text_of, sentence):
    """Prompt, target and the target's probability; None where no cut will do."""
    ids, ends = word_ends(folder, sentence)
    cuts = [a for a, b in zip(ends, ends[1:]) if SHORTEST <= a <= LONGEST and b == a + 1]
    if not cuts:
        return None
    with torch.no_grad():
        p = model.run([bos] + ids[:cuts[-1]]).softmax(-1)
    sure = [n for n in cuts if p[n, ids[n]] >= LEAST]
    sure = [n for n in sure if (text_of([ids[n]]) or "").strip().isalpha()] or sure   # words before punctuation
    if not sure:
        return None
    n = sure[chance(sentence) % len(sure)]
    prompt, target = text_of(ids[:n]), text_of([ids[n]])
    if prompt is None or target is None or prompt.count(" ") < SPACES:
        return None
    if encode(folder, prompt + target) != ids[:n + 1] or encode(folder, target) != [ids[n]]:
        return None
    return prompt, target, float(p[n, ids[n]])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--model", default=os.path.join(here, "..", "..", "models", "tiny"))
    args = parser.parse_args()
    with open(os.path.join(args.model, "config.json")) as f:
        bos = json.load(f)["bos_token_id"]
    with open(os.path.join(args.model, "vocab.json"), encoding="utf-8") as f:
        symbols = {i: s for s, i in json.load(f).items()}
    byte_of = {s: b for b, s in byte_symbols().items()}

    def text_of(ids):
        try:
            return bytes(byte_of[c] for i in ids for c in symbols[i]).decode()
        except UnicodeDecodeError:
            return None

    model = Gpt2(args.model)
    trained_on = read(os.path.join(args.corpus, "train.txt.gz"))
    documents = [d.strip("\n") for d in read(os.path.join(args.corpus, "valid.txt.gz")).split(END + "\n") if d.strip("\n")]
    seen, probabilities = set(), []
    for number, document in enumerate(documents):
        count = 0
        for s in sorted(set(sentences(document)), key=chance):
            if count == most(document):
                break
            found = candidate(model, args.model, bos, text_of, s)
            if found is None or found[0] in seen or found[0] + found[1] in trained_on:
                continue
            seen.add(found[0])
            count += 1
            probabilities.append(found[2])
            print(json.dumps({"id": f"valid-{number:02}-{count}", "prompt": found[0], "target": found[1]}, ensure_ascii=False))
    probabilities.sort()
    print(f"{len(probabilities)} prompts of {len(documents)} documents; P(target) {probabilities[0]:.3f} to {probabilities[-1]:.3f}, "
          f"median {probabilities[len(probabilities) // 2]:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
