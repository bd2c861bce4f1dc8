"""Reads and writes .safetensors: 8 bytes header length, a JSON header, then the raw tensors."""
import json
import struct

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1"}


def read_safetensors(path):
    """All tensors of a file as numpy arrays of the type they are stored in (BF16 as F32)."""
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(size))
        data = f.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        if entry["dtype"] == "BF16":
            value = (np.frombuffer(data[start:end], "<u2").astype("<u4") << 16).view("<f4")
        else:
            value = np.frombuffer(data[start:end], TYPES[entry["dtype"]])
        tensors[name] = value.reshape(entry["shape"]).copy()
    return tensors


def write_safetensors(path, tensors, metadata=None):
    """Writes numpy arrays, names sorted, so that equal tensors make equal files."""
    letters = {np.dtype(v): k for k, v in TYPES.items()}
    header, blobs, offset = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name])
        blob = value.tobytes()
        header[name] = {"dtype": letters[value.dtype], "shape": list(value.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        for blob in blobs:
            f.write(blob)
