"""JSON of typed results: writing, its schema, and reading.

A result is a frozen dataclass, or a `msgspec.Struct` where a key of the JSON is a word of Python. Its docstring
describes its fields in a numpydoc section Parameters, and the schema takes the descriptions from there.
"""

from __future__ import annotations

import json
import re
from dataclasses import is_dataclass
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec
from bitweir_hw.errors import FileError
from msgspec import Meta
from msgspec.structs import fields as struct_fields

__all__ = ["Count", "Digest", "Json", "Positive", "Rate", "one_of", "read", "schema", "schema_text", "to_dict"]

#: An integer that is not negative.
Count = Annotated[int, Meta(ge=0)]
#: An integer above 0.
Positive = Annotated[int, Meta(ge=1)]
#: A number above 0.
Rate = Annotated[float, Meta(gt=0)]
#: A hash, as `hashlib.sha256` prints it.
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


def one_of(*words: str) -> Meta:
    """What says of a text that it is one of some words: ``Annotated[str, one_of("a", "b")]``."""
    return Meta(pattern=f"^({'|'.join(map(re.escape, words))})$")


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
    classes = {found.__name__: found for found in _classes(kind, set())}
    definitions = {name: _described(entry, classes[name]) for name, entry in tree["$defs"].items()}
    top = definitions.pop(tree["$ref"].removeprefix("#/$defs/"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **top,
        "title": title,
        **({"description": description} if description else {}),
        **({"$defs": dict(sorted(definitions.items()))} if definitions else {}),
    }


def schema_text(tree: Json) -> str:
    """A schema as it is written into a file: what fits a line of 120 characters stands on one."""
    return _lines(tree, "") + "\n"


def _lines(value: Any, indent: str, key: str = "") -> str:
    text = indent + key + json.dumps(value, ensure_ascii=False)
    if not value or not isinstance(value, dict | list) or (len(text) < 120 and indent):
        return text
    inner = indent + "  "
    if isinstance(value, list):
        items, (start, end) = [_lines(item, inner) for item in value], "[]"
    else:
        items, (start, end) = [_lines(item, inner, f"{json.dumps(name)}: ") for name, item in value.items()], "{}"
    return f"{indent}{key}{start}\n" + ",\n".join(items) + f"\n{indent}{end}"


def _classes(kind: Any, found: set[type]) -> set[type]:
    """All classes with fields that a type is made of."""
    for part in get_args(kind):
        _classes(part, found)
    if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, msgspec.Struct)) and kind not in found:
        found.add(kind)
        for part in get_type_hints(kind).values():
            _classes(part, found)
    return found


def _described(entry: Json, kind: type) -> Json:
    """The schema of one class, with the descriptions of its fields, and without other fields."""
    fields: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        text, told = _documented(base.__doc__ or "")
        fields |= told
    names = {field.name: field.encode_name for field in struct_fields(kind)} if issubclass(kind, msgspec.Struct) else {}
    properties, required = {}, []
    for name, hint in get_type_hints(kind).items():
        key = names.get(name, name)
        properties[key] = entry["properties"][key] | ({"description": fields[name]} if name in fields else {})
        # A field with a default value may be left out in Python, but not in the JSON.
        properties[key].pop("default", None)
        if msgspec.UnsetType not in get_args(hint):
            required.append(key)
    return entry | {
        "description": text, "properties": properties, "required": required, "additionalProperties": False,
    }  # fmt: skip


def _documented(docstring: str) -> tuple[str, dict[str, str]]:
    """The first paragraph of a docstring, and what its section Parameters says of each field."""
    head, *rest = _SECTION.split(cleandoc(docstring), maxsplit=1)
    fields = {}
    for names, told in _FIELDS.findall(rest[0] + "\n") if rest else ():
        for name in names.split(", "):
            if told.strip():
                fields[name] = " ".join(told.replace("``", "").split())
    return " ".join(head.partition("\n\n")[0].split()), fields
