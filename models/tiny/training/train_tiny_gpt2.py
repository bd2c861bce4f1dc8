#!/usr/bin/env python3
"""Trains models/tiny, or models/deep (--layers 12): a byte-level BPE and a small GPT-2, in the Hugging Face layout.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
    python3 models/tiny/training/train_tiny_gpt2.py --corpus DIR --work WORK --out models/tiny

Environment: Debian 12, python3-torch 1.13, python3-numpy, python3-regex and libopenblas0-pthread.
OMP_WAIT_POLICY=passive matters: OpenMP's and OpenBLAS's threads spin against each other otherwise (5x slower). An OpenBLAS older
than the CPU takes its oldest kernels (OPENBLAS_VERBOSE=2 says which): OPENBLAS_CORETYPE=Cooperlake is 2.7x faster where there is AVX-512.

Steps:
1. Tokenizer: GPT-2's pre-tokenisation, byte symbols, 4,096 tokens with <|endoftext|> as the last.
2. Baseline: an interpolated Kneser-Ney trigram, its discounts tuned on a held-out slice of the training text.
3. Model: GPT-2's architecture, AdamW, warm-up and cosine. Most windows begin with <|endoftext|>, as prompts will.
4. Export: weights rounded to F16, and every figure measured again with the rounded weights.

WORK holds tokens and checkpoints; --resume goes on from the last one. The order of the data depends on seed and step only.
"""
import argparse
import gzip
import heapq
import json
import math
import os
import struct
import time
from collections import Counter, defaultdict

import numpy as np
import regex
import torch
import torch.nn.functional as F
from torch import nn

END = "<|endoftext|>"
PIECES = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
PROMPTS = ["Copyright (C", "Copyright (C) 2003 by the authors.\nCopyright (C"]


class Log:
    """Prints and keeps each line: the log is delivered with the weights."""

    def __init__(self, path, append):
        self.path = path
        if not append:
            open(path, "w").close()

    def __call__(self, line):
        print(line, flush=True)
        with open(self.path, "a") as f:
            f.write(line + "\n")


# ---------------------------------------------------------------- tokenizer

def byte_symbols():
    """GPT-2's map from bytes to printable characters, in the order of its vocabulary."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in keep]
    return {b: chr(c) for b, c in zip(keep + rest, keep + list(range(256, 256 + len(rest))))}


def documents(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as f:
        return [d.strip("\n") for d in f.read().split(END + "\n") if d.strip("\n")]


def train_bpe(word_counts, n_merges):
    """Merges the commonest pair, again and again; ties go to the smaller pair. Returns symbols and merges."""
    symbol_of = byte_symbols()
    symbols = list(symbol_of.values())
    id_of = {b: i for i, b in enumerate(symbol_of)}
    items = sorted(word_counts.items())
    words = [[id_of[b] for b in w.encode()] for w, _ in items]
    counts = [c for _, c in items]
    pair_counts, pair_words = Counter(), defaultdict(set)
    for i, w in enumerate(words):
        for pair in zip(w, w[1:]):
            pair_counts[pair] += counts[i]
            pair_words[pair].add(i)
    # Counts only change through `changed`, so a heap entry whose count is out of date is skipped.
    heap = [(-c, p) for p, c in pair_counts.items()]
    heapq.heapify(heap)
    merges = []
    while len(merges) < n_merges:
        c, pair = heapq.heappop(heap)
        if pair_counts[pair] != -c:
            continue
        new = len(symbols)
        symbols.append(symbols[pair[0]] + symbols[pair[1]])
        merges.append((symbols[pair[0]], symbols[pair[1]]))
        changed = set()
        for i in pair_words.pop(pair):
            old, words[i] = words[i], merge(words[i], pair, new)
            for p in zip(old, old[1:]):
                pair_counts[p] -= counts[i]
                changed.add(p)
            for p in zip(words[i], words[i][1:]):
                pair_counts[p] += counts[i]
                pair_words[p].add(i)
                changed.add(p)
        del pair_counts[pair]
        for p in changed:
            if pair_counts.get(p, 0) > 0:
                heapq.heappush(heap, (-pair_counts[p], p))
    return symbols, merges


def merge(word, pair, new):
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and word[i] == pair[0] and word[i + 1] == pair[1]:
            out.append(new)
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


class Tokenizer:
    """GPT-2's byte-level BPE, read from vocab.json and merges.txt."""

    def __init__(self, folder):
        with open(os.path.join(folder, "vocab.json"), encoding="utf-8") as f:
            self.id_of = json.load(f)
        with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as f:
            lines = f.read().split("\n")[1:]
        pairs = [tuple(line.split(" ")) for line in lines if line]
        self.rank = {p: i for i, p in enumerate(pairs)}
        self.symbol = byte_symbols()
        self.end = self.id_of[END]
        self.cache = {}

    def word(self, piece):
        ids = self.cache.get(piece)
        if ids is None:
            parts = [self.symbol[b] for b in piece.encode()]
            while len(parts) > 1:
                best = min(zip(parts, parts[1:]), key=lambda p: self.rank.get(p, 1 << 30))
                if best not in self.rank:
                    break
                parts = merge(parts, best, best[0] + best[1])
            ids = self.cache[piece] = [self.id_of[p] for p in parts]
        return ids

    def encode(self, text):
        return [i for piece in PIECES.findall(text) for i in self.word(piece)]

    def stream(self, docs):
        """All documents in a row, an <|endoftext|> before each and after the last."""
        parts = [np.array([self.end], np.uint16)]
        for d in docs:
            parts.append(np.array(self.encode(d) + [self.end], np.uint16))
        return np.concatenate(parts)


def write_tokenizer(folder, docs, vocab_size):
    counts = Counter()
    for d in docs:
        counts.update(PIECES.findall(d))
    # A word seen once cannot decide a merge that is worth a token, and such words are half of all.
    counts = {w: c for w, c in counts.items() if c > 1}
    symbols, merges = train_bpe(counts, vocab_size - 256 - 1)
    vocab = {s: i for i, s in enumerate(symbols + [END])}
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump(vocab, f, ensure_ascii=False)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


def token_streams(args, log):
    """The two token streams; made once and kept in the work folder."""
    paths = [os.path.join(args.work, n) for n in ("train.npy", "valid.npy")]
    if not (args.resume and all(map(os.path.exists, paths))):
        t0 = time.time()
        docs = [documents(os.path.join(args.corpus, n)) for n in ("train.txt.gz", "valid.txt.gz")]
        write_tokenizer(args.out, docs[0], args.vocab)
        log(f"tokenizer: {args.vocab} tokens, {time.time() - t0:.0f} s")
        tok = Tokenizer(args.out)
        for path, d in zip(paths, docs):
            stream = tok.stream(d)
            np.save(path, stream)
            log(f"{os.path.basename(path)}: {len(stream)} tokens, {sum(len(x.encode()) for x in d) / len(stream):.2f} bytes each")
        log(f"tokenised after {time.time() - t0:.0f} s")
    return [np.load(p) for p in paths]


# ---------------------------------------------------------------- trigram baseline

class Counts:
    """How often each key occurs, looked up for arrays of keys."""

    def __init__(self, keys, weights=None):
        self.keys, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        self.counts = counts.astype(np.float64) if weights is None else np.bincount(inverse, weights)

    def __call__(self, keys):
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.counts[at], 0.0)


class Trigram:
    """Interpolated Kneser-Ney (Chen & Goodman 1999, eq. 24-27), one discount per order."""

    def __init__(self, tokens, vocab):
        t = tokens.astype(np.int64)
        self.vocab = vocab
        self.tri = Counts((t[:-2] * vocab + t[1:-1]) * vocab + t[2:])
        kinds3 = self.tri.keys                                        # distinct trigrams
        self.tri_total = Counts(kinds3 // vocab, self.tri.counts)     # c(uv.)
        self.tri_kinds = Counts(kinds3 // vocab)                      # N1+(uv.)
        self.bi = Counts(kinds3 % vocab ** 2)                         # N1+(.vw)
        self.bi_total = Counts(self.bi.keys // vocab, self.bi.counts)
        self.bi_kinds = Counts(self.bi.keys // vocab)
        self.uni = Counts(self.bi.keys % vocab)                       # N1+(.w)

    def loss(self, tokens, discounts):
        """Mean -log p in nats of tokens[2:], each with its true two predecessors."""
        t, v = tokens.astype(np.int64), self.vocab
        a, b, c = t[:-2], t[1:-1], t[2:]
        p = (self.uni(c) + 0.5) / (self.uni.counts.sum() + 0.5 * v)
        p = self.step(self.bi(b * v + c), self.bi_total(b), self.bi_kinds(b), discounts[0], p)
        ab = a * v + b
        p = self.step(self.tri(ab * v + c), self.tri_total(ab), self.tri_kinds(ab), discounts[1], p)
        return float(-np.log(p).mean())

    @staticmethod
    def step(count, total, kinds, d, lower):
        seen = np.maximum(total, 1)
        p = np.maximum(count - d, 0) / seen + d * kinds / seen * lower
        return np.where(total > 0, p, lower)


def trigram_loss(train, valid, vocab):
    held = max(len(train) // 50, 1000)
    tuning, grid = Trigram(train[:-held], vocab), (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
    best = min(((a, b) for a in grid for b in grid), key=lambda d: tuning.loss(train[-held:], d))
    return Trigram(train, vocab).loss(valid, best), best


# ---------------------------------------------------------------- model

class Conv1D(nn.Module):
    """A linear map whose weight is stored [in, out], as in GPT-2's checkpoints."""

    def __init__(self, n_in, n_out, std):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_in, n_out) * std)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], -1)


class Attention(nn.Module):
    def __init__(self, d, heads, out_std):
        super().__init__()
        self.heads = heads
        self.c_attn = Conv1D(d, 3 * d, 0.02)
        self.c_proj = Conv1D(d, d, out_std)

    def forward(self, x, mask):
        b, t, d = x.shape
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.c_attn(x).split(d, 2))  # [b, h, t, d/h]
        scores = q @ k.transpose(2, 3) * (d // self.heads) ** -0.5 + mask[:t, :t]                    # [b, h, t, t]
        return self.c_proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, d))


class Mlp(nn.Module):
    def __init__(self, d, out_std):
        super().__init__()
        self.c_fc = Conv1D(d, 4 * d, 0.02)
        self.c_proj = Conv1D(4 * d, d, out_std)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))  # gelu_new


class Block(nn.Module):
    def __init__(self, d, heads, out_std):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(d, 1e-5), Attention(d, heads, out_std)
        self.ln_2, self.mlp = nn.LayerNorm(d, 1e-5), Mlp(d, out_std)


class Gpt2(nn.Module):
    """GPT-2; parameter names are Hugging Face's without the prefix `transformer.`."""

    def __init__(self, c):
        super().__init__()
        d, n = c["n_embd"], c["n_layer"]
        self.config = c
        self.wte, self.wpe = nn.Embedding(c["vocab_size"], d), nn.Embedding(c["n_positions"], d)
        self.h = nn.ModuleList([Block(d, c["n_head"], 0.02 / math.sqrt(2 * n)) for _ in range(n)])
        self.ln_f = nn.LayerNorm(d, 1e-5)
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe.weight, std=0.01)
        mask = torch.full((c["n_positions"],) * 2, -1e9).triu(1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, ids, hook=lambda site, x: x):
        """Logits; hook(site, x) sees each site and gives back what the model goes on with."""
        x = self.wte(ids) + self.wpe.weight[:ids.shape[1]]  # [b, t, d]
        for l, block in enumerate(self.h):
            x = hook(f"blocks.{l}.hook_resid_pre", x)
            x = x + hook(f"blocks.{l}.hook_attn_out", block.attn(block.ln_1(x), self.mask))
            x = x + hook(f"blocks.{l}.hook_mlp_out", block.mlp(block.ln_2(x)))
        x = hook(f"blocks.{len(self.h) - 1}.hook_resid_post", x)
        return self.ln_f(x) @ self.wte.weight.t()

    def loss(self, ids, targets, hook=lambda site, x: x):
        return F.cross_entropy(self(ids, hook).flatten(0, 1), targets.flatten())


def model_config(args):
    end = args.vocab - 1
    return {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": args.vocab,
        "n_positions": args.context, "n_ctx": args.context, "n_embd": args.width, "n_layer": args.layers, "n_head": args.heads,
        "n_inner": None, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "initializer_range": 0.02,
        "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False, "reorder_and_upcast_attn": False, "tie_word_embeddings": True,
        "bos_token_id": end, "eos_token_id": end, "use_cache": True, "torch_dtype": "float16",
    }


# ---------------------------------------------------------------- safetensors

def write_safetensors(path, tensors):
    """F16 tensors: an 8-byte length, a JSON header padded to 8 bytes, the raw data in the header's order."""
    header, offset, data = {"__metadata__": {"format": "pt"}}, 0, []
    for name, t in tensors.items():
        raw = t.detach().numpy().astype("<f2").tobytes()
        header[name] = {"dtype": "F16", "shape": list(t.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data.append(raw)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + b"".join(data))
    os.replace(path + ".part", path)


def read_safetensors(path):
    """F16 tensors as float32, so that whoever reads them computes with the rounded values."""
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(size)), f.read()
    tensors = {}
    for name, t in header.items():
        if name != "__metadata__":
            a, b = t["data_offsets"]
            values = np.frombuffer(data[a:b], "<f2").reshape(t["shape"]).astype(np.float32)
            tensors[name] = torch.from_numpy(values)
    return tensors


def load_model(folder):
    with open(os.path.join(folder, "config.json")) as f:
        model = Gpt2(json.load(f))
    prefix = "transformer."
    weights = read_safetensors(os.path.join(folder, "model.safetensors"))
    model.load_state_dict({k[len(prefix):]: v for k, v in weights.items()})
    return model.eval()


def save_model(folder, model):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(model.config, f, indent=2)
        f.write("\n")
    state = {"transformer." + k: v for k, v in model.state_dict().items()}
    write_safetensors(os.path.join(folder, "model.safetensors"), state)


# ---------------------------------------------------------------- data, training, evaluation

def windows(stream, starts, context, bos):
    """Inputs and targets [b, context]; the first input token of a row is replaced by bos where it is not negative."""
    at = starts[:, None] + np.arange(context + 1)
    both = stream[at].astype(np.int64)
    inputs, targets = both[:, :-1].copy(), both[:, 1:]
    inputs[:, 0] = np.where(bos >= 0, bos, inputs[:, 0])
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def training_batch(stream, step, args):
    """Batch number `step`: each pass cuts the stream anew, at another offset and in another order."""
    per_pass = (len(stream) - 2 * args.context) // args.context // args.batch
    epoch, i = divmod(step, per_pass)
    rng = np.random.default_rng([args.seed, epoch])
    offset, order = rng.integers(args.context), rng.permutation(per_pass * args.batch)
    starts = offset + order[i * args.batch:(i + 1) * args.batch] * args.context
    # A few rows keep their true first token, so that a prompt without BOS is not foreign to the model.
    keep = np.random.default_rng([args.seed, epoch, i]).random(args.batch) < args.no_bos
    return windows(stream, starts, args.context, np.where(keep, -1, args.vocab - 1))


def evaluation_batches(stream, context, bos, batch=32, limit=None):
    starts = np.arange(0, len(stream) - context - 1, context)[:limit and limit // context]
    for i in range(0, len(starts), batch):
        yield windows(stream, starts[i:i + batch], context, bos)


@torch.no_grad()
def evaluate(model, stream, limit=None, hook=lambda site, x: x):
    """Mean loss in nats; each window begins with BOS in place of the token before it."""
    total = count = 0
    for ids, targets in evaluation_batches(stream, model.config["n_positions"], model.config["bos_token_id"], limit=limit):
        total += float(model.loss(ids, targets, hook)) * targets.numel()
        count += targets.numel()
    return total / count


@torch.no_grad()
def closing_bracket(model, tok):
    """P(")") after each prompt, with and without BOS."""
    close, figures = tok.id_of[")"], []
    for text in PROMPTS:
        for bos in ([tok.end], []):
            p = model(torch.tensor([bos + tok.encode(text)]))[0, -1].softmax(-1)[close]
            figures.append(f"{float(p):.4f}")
    return " ".join(figures)


def learning_rate(step, steps, args):
    if step < args.warmup:
        return args.lr * (step + 1) / args.warmup
    x = (step - args.warmup) / max(1, steps - args.warmup)
    return args.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * x)))


def make_optimizer(model, args):
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": args.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.95), foreach=True)


def train(model, streams, tok, args, log):
    steps = args.tokens // (args.batch * args.context)
    opt, path = make_optimizer(model, args), os.path.join(args.work, "model.pt")
    first, elapsed, running = 0, 0.0, None
    if args.resume and os.path.exists(path):
        state = torch.load(path)
        model.load_state_dict(state["model"])
        opt.load_state_dict(state["opt"])
        first, elapsed = state["step"], state["elapsed"]
        log(f"resumed at step {first}")
    t0 = time.time() - elapsed
    for step in range(first, steps):
        for group in opt.param_groups:
            group["lr"] = learning_rate(step, steps, args)
        loss = model.loss(*training_batch(streams[0], step, args))
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        done = step + 1
        if done % 25 == 0:
            seen, took = done * args.batch * args.context, time.time() - t0
            line = f"step {done}/{steps} tokens {seen} train {running:.3f} {seen / took:.0f} tokens/s {took / 60:.1f} min"
            if done % args.every == 0 or done == steps:
                line += f" valid {evaluate(model, streams[1], 32768):.3f} P {closing_bracket(model, tok)}"
            log(line) if done % 100 == 0 or done == steps else print(line, flush=True)
        if done % args.every == 0 or done == steps:
            state = {"model": model.state_dict(), "opt": opt.state_dict(), "step": done, "elapsed": time.time() - t0}
            torch.save(state, path + ".part")
            os.replace(path + ".part", path)


def parse():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--corpus", required=True, help="folder with train.txt.gz and valid.txt.gz")
    p.add_argument("--work", required=True, help="folder for tokens and checkpoints")
    p.add_argument("--out", default="models/tiny")
    p.add_argument("--resume", action="store_true")
    p.add_argument("--export-only", action="store_true", help="export the last checkpoint of --work as it is")
    for name, default in dict(seed=0, vocab=4096, layers=4, width=128, heads=4, context=128, batch=32,
                              tokens=18_000_000, warmup=150, every=200, threads=2).items():
        p.add_argument("--" + name, type=int, default=default)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--weight-decay", type=float, default=0.1)
    p.add_argument("--no-bos", type=float, default=0.15, help="share of training windows without BOS")
    return p.parse_args()


def export(model, streams, tok, args, log):
    save_model(args.out, model)
    rounded = load_model(args.out)
    full, half = evaluate(model, streams[1]), evaluate(rounded, streams[1])
    log(f"valid: {full:.4f} nats, with F16 weights {half:.4f}; P(')') with F16 weights: {closing_bracket(rounded, tok)}")
    log(f"parameters: {sum(x.numel() for x in model.parameters())}")
    return half


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    for folder in (args.work, args.out):
        os.makedirs(folder, exist_ok=True)
    args.resume = args.resume or args.export_only
    log = Log(os.path.join(args.out, "train.log"), append=args.resume)
    streams = token_streams(args, log)
    tok, model = Tokenizer(args.out), Gpt2(model_config(args))
    if args.export_only:
        model.load_state_dict(torch.load(os.path.join(args.work, "model.pt"))["model"])
        export(model, streams, tok, args, log)
        return
    log(f"prompts for P(')'), each with and without BOS: {PROMPTS}")
    train(model, streams, tok, args, log)
    loss = export(model, streams, tok, args, log)
    baseline, discounts = trigram_loss(*streams, args.vocab)
    log(f"trigram (interpolated Kneser-Ney, discounts {discounts}): {baseline:.4f} nats; the model is {baseline - loss:+.4f} better")


if __name__ == "__main__":
    main()
