"""Changes of Keras files: their JSON, their groups and arrays, their archives."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from typing import Any

import numpy as np

from tools.fuzz_import.byte_changes import FLOATS, NUMBERS, STRANGE, Random, changed_bytes, pick

__all__ = ["changed_hdf", "changed_keras"]


def _change_json(tree: Any, rng: Random) -> str:
    """Change one place of a JSON tree."""
    places: list[tuple[Any, Any]] = []
    stack = [tree]
    while stack:
        part = stack.pop()
        keys = list(part) if isinstance(part, dict) else range(len(part))
        places += [(part, key) for key in keys]
        stack += [part[key] for key in keys if isinstance(part[key], (dict, list))]
    part, key = pick(rng, places)
    way = int(rng.integers(6))
    if way == 0:
        del part[key]
    elif way == 1:
        part[key] = pick(rng, (*NUMBERS, *STRANGE, None, [], {}, True, 1e400, -0.5, [[]]))
    elif way == 2:
        other, place = pick(rng, places)
        with contextlib.suppress(KeyError, IndexError):
            part[key] = json.loads(json.dumps(other[place]))
    elif way == 3 and type(part[key]) is int:
        part[key] += int(rng.integers(-2, 3))
    elif way == 4 and isinstance(part, list):
        part.append(json.loads(json.dumps(part[key])))
    else:
        words = ("same", "valid", "relu", "softmax", "SteSign", "QuantDense", "QuantConv2D", "Flatten", "Activation")
        part[key] = pick(rng, words)
    return f"{str(key)[:30]!r} changes in the configuration ({way})"


def changed_hdf(data: bytes, rng: Random) -> tuple[bytes, list[str]]:
    """Return an HDF5 file with one to three changes, and what they are."""
    import h5py

    if rng.random() < 0.4:
        return changed_bytes(data, rng)
    done = []
    file = io.BytesIO(data)
    # A change may not apply to what earlier ones left.
    mistakes = (ValueError, TypeError, KeyError, OverflowError, OSError, RuntimeError, MemoryError)
    with contextlib.suppress(*mistakes), h5py.File(file, "r+") as tree:
        for _ in range(int(rng.integers(1, 4))):
            with contextlib.suppress(*mistakes):
                done.append(_change_hdf(tree, rng))
    return file.getvalue(), done


def _change_hdf(tree: Any, rng: Random) -> str:
    import h5py

    config = tree.attrs.get("model_config")
    if config is not None and rng.random() < 0.5:
        parsed = json.loads(config)
        told = _change_json(parsed, rng)
        tree.attrs["model_config"] = json.dumps(parsed)
        return told
    found: list[str] = []
    tree.visit(found.append)
    name = pick(rng, found)
    part, way = tree[name], int(rng.integers(6))
    if way == 0:
        del tree[name]
    elif way == 1:
        del tree[name]
        tree[name] = h5py.SoftLink(pick(rng, ("/", f"/{name}", "/none", "/model_weights")))
    elif way == 2:
        del tree[name]
        tree[name] = h5py.ExternalLink(pick(rng, ("/etc/passwd", "m.h5", "../x.h5")), "/")
    elif way == 3 and isinstance(part, h5py.Dataset):
        shape, kind = part.shape[::-1], pick(rng, ("f4", "f8", "i4", "S5", "f2", "?"))
        del tree[name]
        tree.create_dataset(name, shape, kind)
    elif way == 4 and isinstance(part, h5py.Dataset) and part.size:
        array = part[()]
        flat = np.asarray(array).reshape(-1)
        flat[rng.integers(0, len(flat), 3)] = pick(rng, FLOATS)
        part[...] = flat.reshape(part.shape)
    else:
        del tree[name]
        tree.create_dataset(name, pick(rng, ((1 << 20, 1 << 20), (0,), (), (1 << 33,))), "f4", fillvalue=1)
    return f"{name[:50]!r} changes ({way})"


def changed_keras(data: bytes, rng: Random) -> tuple[bytes, list[str]]:
    """Return a Keras 3 archive with one to three changes, and what they are."""
    if rng.random() < 0.3:
        return changed_bytes(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    done = []
    for _ in range(int(rng.integers(1, 4))):
        way = int(rng.integers(8))
        name = pick(rng, sorted(parts))
        if way < 4 and "config.json" in parts:
            with contextlib.suppress(ValueError):
                tree = json.loads(parts["config.json"])
                done.append(_change_json(tree, rng))
                parts["config.json"] = json.dumps(tree).encode()
        elif way < 6 and "model.weights.h5" in parts:
            parts["model.weights.h5"], told = changed_hdf(parts["model.weights.h5"], rng)
            done += told
        elif way == 6:
            parts[pick(rng, ("../x", "/x", "config.json ", name + "2"))] = parts.pop(name)
            done.append(f"{name} is renamed")
        else:
            parts[name] = bytes(pick(rng, (0, 10, 1 << 22)))
            done.append(f"{name} is blank")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue(), done
