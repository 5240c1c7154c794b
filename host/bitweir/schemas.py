"""JSON of typed results: what they become, the schema of it, and how files of it are read.

A result is a frozen dataclass, or a `msgspec.Struct` where a key of the JSON is a word of Python. Its docstring
describes its fields in a numpydoc section Parameters, and the schema takes the descriptions from there.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from bitweir_hw.errors import FileError
from msgspec import Meta

__all__ = ["Count", "Digest", "Json", "Positive", "Rate", "read", "schema", "schema_text", "to_dict"]

#: An integer that is not negative.
Count = Annotated[int, Meta(ge=0)]
#: An integer above 0.
Positive = Annotated[int, Meta(ge=1)]
#: A number above 0.
Rate = Annotated[float, Meta(gt=0)]
#: A hash, as `hashlib.sha256` prints it.
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

#: A JSON object.
Json = dict[str, Any]

_T = TypeVar("_T")
#: No file of a result comes near to this size.
_LIMIT_BYTES = 1 << 26
_SECTION = re.compile(r"\n+Parameters\n-{10}\n")
_FIELDS = re.compile(r"^(\w[\w, ]*?) : [^\n]*\n((?: +[^\n]*\n?)*)", re.MULTILINE)


def to_dict(value: Any) -> Json:
    """The JSON object of a result; a field that is `msgspec.UNSET` is left out.

    Raises
    ------
    ValueError
        A number is not finite, which JSON cannot hold.
    """
    # Through text, as arrays in JSON are lists, and tuples in results.
    result: Json = json.loads(json.dumps(msgspec.to_builtins(value), allow_nan=False))
    return result


def read(path: Path, kind: type[_T], remedy: str) -> _T:
    """Read a result from a JSON file that anybody may have written; keys that the result does not have are left out.

    Parameters
    ----------
    path : Path
    kind : type
        What `to_dict` was called for.
    remedy : str
        What a user can do if the file holds something else, as half a sentence.

    Raises
    ------
    FileError
        The file holds something else, or cannot be read.
    """
    try:
        if path.stat().st_size <= _LIMIT_BYTES:
            return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.MsgspecError, ValueError, OSError, RecursionError) as error:
        raise FileError(f"{str(path)!r} is damaged: {remedy}.") from error
    raise FileError(f"{str(path)!r} is damaged: {remedy}.")


def schema(kind: type, *, title: str, description: str = "") -> Json:
    """The JSON schema of what `to_dict` makes of a result.

    Parameters
    ----------
    kind : type
        A dataclass.
    title : str
    description : str
        In place of the first paragraph of its docstring.
    """
    tree = msgspec.json.schema(kind)
    definitions = {name: _described(entry) for name, entry in tree["$defs"].items()}
    top = definitions.pop(tree["$ref"].removeprefix("#/$defs/"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **top,
        "title": title,
        **({"description": description} if description else {}),
        **({"$defs": dict(sorted(definitions.items()))} if definitions else {}),
    }


def schema_text(tree: Json) -> str:
    """A schema as it is written into a file."""
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def _described(entry: Json) -> Json:
    """The schema of one class, with the descriptions of its fields, and without other fields."""
    if "properties" not in entry:
        return entry
    text, fields = _documented(entry.get("description", ""))
    properties = {}
    for key, value in entry["properties"].items():
        # Results name every field; that one may be left out in Python says nothing about the JSON.
        value.pop("default", None)
        properties[key] = value | ({"description": fields[key]} if fields.get(key) else {})
    return entry | {"description": text, "properties": properties, "additionalProperties": False}


def _documented(docstring: str) -> tuple[str, dict[str, str]]:
    """The first paragraph of a docstring, and what its section Parameters says of each field."""
    head, *rest = _SECTION.split(docstring, maxsplit=1)
    fields = {}
    for names, told in _FIELDS.findall(rest[0] + "\n") if rest else ():
        for name in names.split(", "):
            fields[name] = " ".join(told.split())
    return " ".join(head.partition("\n\n")[0].split()), fields
