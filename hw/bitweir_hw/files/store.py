"""Networks and plans in files: JSON and arrays, no pickle."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BitweirError, NetworkError, PlanError
from ..memory import STREAM, STYLES, WIRED
from ..network import LAYERS, Bound, Format, Input, Network, Readout, Stored, check
from ..plan import Folding, Plan
from ..popcount.dot_product import Popcount
from .arrays import read_arrays
from .types import check_types

__all__ = ["digest", "load_network", "load_plan", "network_bytes", "plan_text", "read_arrays", "save_network"]

#: Of networks, and of plans.
VERSION, PLAN_VERSION = 3, 2
#: Fields of networks that version 3 has added.
_LATER = {"edges"}
#: Fields that are left out where they hold their default, so that networks without them keep their bytes.
_RARE = {"by_pixel", "parts", "share", "steps", "load_width"}
#: Names of fields in files, where the classes have others.
_IN_FILES = {"parallel_frames": "streams"}
_IN_CLASSES: dict[str, str] = {name: field for field, name in _IN_FILES.items()}
#: A network file that claims to unpack to more is refused.
LIMIT_BYTES = 1 << 31

_KINDS: dict[str, type] = {
    kind.__name__: kind for kind in (Network, Bound, Input, Stored, Format, Readout, *LAYERS, Plan, Folding, Popcount)
}


def network_bytes(network: Network) -> bytes:
    """Content of a network's .npz file: arrays, and `network.json` as text in the array of that name.

    The same network gives the same bytes.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = {"format": "bitweir network", "version": VERSION, "network": _tree(network, "", arrays)}
    arrays["network.json"] = np.frombuffer(json.dumps(tree, indent=1).encode(), np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def save_network(network: Network, path: Path) -> None:
    """Write a network to one .npz file."""
    path.write_bytes(network_bytes(network))


def load_network(path: Path) -> Network:
    """Read and check a network.

    Raises
    ------
    NetworkError
        The file is missing or damaged, or the network in it is not legal.
    """
    if not path.is_file():
        raise NetworkError(f"There is no network file {str(path)!r}.")
    try:
        arrays = read_arrays(path, limit=LIMIT_BYTES)
        if "network.json" not in arrays:
            raise NetworkError(_of_something_else(path, list(arrays)))
        tree = json.loads(arrays["network.json"].tobytes())
        if tree["format"] != "bitweir network" or tree["version"] not in (2, VERSION):
            raise ValueError(f"format {tree['format']!r}, version {tree['version']!r}")
        if tree["version"] == 2:
            _from_version_2(tree["network"])
        network = _object(tree["network"], arrays)
        if not isinstance(network, Network) or not isinstance(network.readout, Readout):
            raise ValueError("it holds something else")
        return check(network)
    except BitweirError:
        raise
    except Exception as error:  # a damaged or hostile file fails in many ways
        told = " ".join(str(error).split()).rstrip(".")
        if isinstance(error, zipfile.BadZipFile) and zipfile.is_zipfile(path):
            # zipfile tells raw bytes.
            told = "it is damaged"
        told = "it is damaged" if not told.isprintable() or len(told) > 120 else told
        raise NetworkError(f"File {path.name!r} is not a bitweir network of version {VERSION}: {told}.") from error


def _of_something_else(path: Path, names: Sequence[str]) -> str:
    """The sentence about an .npz file that is no network."""
    held = f"the arrays {', '.join(map(repr, names[:5]))}" if names else "no arrays"
    if {"x", "codes"} & set(names):
        return (
            f"File {path.name!r} is not a bitweir network: it holds {held}, and looks like images. Name the file that "
            "import or Model.save wrote."
        )
    return f"File {path.name!r} is not a bitweir network: it holds {held}, and no network.json."


def _from_version_2(tree: dict[str, Any]) -> None:
    """Say of a network what version 3 says.

    In version 2 all results were classes, and a scale of pixels of 8 bits was all that was known of what is stored.
    Its thresholds stay: codes of frames are the same.
    """
    scale = tree["input"].pop("pixel_scale")
    tree["input"]["stored"] = None if scale is None else {"type": "Stored", "scale": [scale]}


def digest(network: Network) -> str:
    """Identity of a network: a hash of all that is in it but its bounds, 64 hexadecimal digits.

    Bounds follow from where a network came from, not from what it computes.

    What version 2 could tell is told as it did, so that boards which hold a network are known by it. Where the result
    is a class, what scores mean is left out: it does not change what the accelerator does.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = {"type": "Network", "name": network.name, "input": _input_tree(network.input, arrays)}
    for entry in fields(network):
        if entry.name not in tree and entry.name != "bounds":
            tree[entry.name] = _tree(getattr(network, entry.name), entry.name, arrays, later=False)
    if network.readout.kind == "class":
        del tree["readout"]
    total = hashlib.sha256(json.dumps(tree).encode())
    for name, array in arrays.items():
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def _input_tree(entry: Input, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """An input for `digest`: pixels of 8 bits and one scale have had a form of their own."""
    stored, scale = entry.stored, None
    if stored is not None:
        if stored != Stored(scale=stored.scale[:1]):
            return _tree(entry, "input", arrays)
        scale = stored.scale[0]
        if entry.thresholds is None:
            entry = replace(entry, thresholds=stored.floats()[1:].astype(np.float64)[None])
    tree = _tree(replace(entry, stored=None), "input", arrays)
    return {name: part for name, part in tree.items() if name != "stored"} | {"pixel_scale": scale}


def plan_text(plan: Plan) -> str:
    """Content of a plan's JSON file."""
    return json.dumps({"format": "bitweir plan", "version": PLAN_VERSION, "plan": _tree(plan, "", {})}, indent=1) + "\n"


def load_plan(path: Path) -> Plan:
    """Read a plan; `plan.check_plan` says whether it fits a network.

    Raises
    ------
    PlanError
        The file is missing or damaged.
    """
    if not path.is_file():
        raise PlanError(f"There is no plan file {str(path)!r}.")
    try:
        tree = json.loads(path.read_text())
        if tree["format"] != "bitweir plan" or tree["version"] != PLAN_VERSION:
            raise ValueError(f"format {tree['format']!r}, version {tree['version']!r}")
        plan = _object(tree["plan"], {})
        if not isinstance(plan, Plan):
            raise ValueError(f"a {type(plan).__name__}")
        _check_types(plan)
        return plan
    except BitweirError:
        raise
    except Exception as error:  # as above
        raise PlanError(f"File {path.name!r} is not a bitweir plan of version {PLAN_VERSION}: {error}.") from error


def _check_types(plan: Plan) -> None:
    if not isinstance(plan.popcount, Popcount) or not isinstance(plan.foldings, tuple):
        raise ValueError("a part is of another kind")
    if {type(plan.parallel_frames), type(plan.load_width)} != {int} or not isinstance(plan.depths, tuple):
        raise ValueError("a part is of another kind")
    for entry in plan.depths:
        if not isinstance(entry, tuple) or len(entry) != 2 or type(entry[0]) is not str or type(entry[1]) is not int:
            raise ValueError("a depth is not a name and an integer")
    if type(plan.weights) is not str or not isinstance(plan.limits, tuple):
        raise ValueError("a part is of another kind")
    for limit in plan.limits:
        if not isinstance(limit, tuple) or [type(part) for part in limit] != [str, int, int]:
            raise ValueError("a limit is not a name and two integers")
    for folding in plan.foldings:
        numbers = (folding.pe, folding.simd, folding.share, folding.steps) if isinstance(folding, Folding) else ("",)
        if {type(number) for number in numbers} != {int}:
            raise ValueError("a folding is not of integers")
        if folding.memory not in (*STYLES, STREAM, WIRED):
            raise ValueError(f"a memory is {folding.memory!r}")


def _tree(value: object, name: str, arrays: dict[str, np.ndarray[Any, Any]], *, later: bool = True) -> Any:
    """Plain JSON for a dataclass; its arrays go to `arrays` under a name that tells where they belong.

    Without `later`, fields that version 2 did not have are left out where they hold their default.
    """
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    if is_dataclass(value):
        tree: dict[str, Any] = {"type": type(value).__name__}
        for entry in fields(value):
            part = getattr(value, entry.name)
            if entry.name in _RARE and part == entry.default:
                continue
            if later or entry.name not in _LATER or part is not entry.default:
                tree[_IN_FILES.get(entry.name, entry.name)] = _tree(
                    part, f"{name}.{entry.name}".strip("."), arrays, later=later
                )
        return tree
    if isinstance(value, tuple):
        return [_tree(item, f"{name}{index}", arrays, later=later) for index, item in enumerate(value)]
    return value


def _object(tree: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Undo `_tree`."""
    if isinstance(tree, list):
        return tuple(_object(item, arrays) for item in tree)
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    kind = _KINDS[tree["type"]]
    parts: dict[str, Any] = {
        str(_IN_CLASSES.get(name, name)): _object(item, arrays) for name, item in tree.items() if name != "type"
    }
    value = kind(**parts)
    check_types(value)
    return value
