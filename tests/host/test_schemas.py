"""Typed results: their JSON, its schema, and what is read from files that anybody may have written."""

from __future__ import annotations

import json
from dataclasses import dataclass

import jsonschema
import msgspec
import pytest
from bitweir import schemas
from bitweir.schemas import Count, Digest, Positive, Rate, read, schema, to_dict
from bitweir_hw.errors import FileError
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType


@dataclass(frozen=True, kw_only=True)
class Base:
    """What parts have in common.

    Parameters
    ----------
    name : str
        Of ``Base``.
    rate : float
        Not told.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class Part(Base):
    """A part
    of a thing.

    More about it.

    Parameters
    ----------
    long, wide : int
        In metres: one
        of two.
    rate : float, optional
        Of parts.

    Returns
    -------
    x : int
        Not a field.
    """

    long: Count
    wide: Positive
    rate: Rate | None
    more: tuple[float, ...] | UnsetType = UNSET


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """From here to there.

    Parameters
    ----------
    start : str
        Where it starts.
    """

    start: str = msgspec.field(name="from")
    to: Digest


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What has parts."""

    parts: dict[str, Part | None]
    ways: tuple[Way, ...]


numbers = st.floats(allow_nan=False, allow_infinity=False)
parts = st.builds(
    Part,
    long=st.integers(0, 2**63),
    wide=st.integers(1, 2**63),
    name=st.text(),
    rate=st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
    more=st.just(UNSET) | st.lists(numbers).map(tuple),
)
ways = st.builds(Way, start=st.text(), to=st.text("0123456789abcdef", min_size=64, max_size=64))
things = st.builds(Thing, parts=st.dictionaries(st.text(), st.none() | parts), ways=st.lists(ways).map(tuple))


@given(thing=things)
def test_what_is_written_follows_the_schema_and_is_read_again(thing, tmp_path_factory):
    told = to_dict(thing)
    jsonschema.validate(told, schema(Thing, title="thing"))
    file = tmp_path_factory.getbasetemp() / "thing.json"
    file.write_text(json.dumps(told))
    assert read(file, Thing, "write it again") == thing


def test_names_and_descriptions():
    tree = schema(Thing, title="bitweir thing", description="What is written.")
    jsonschema.Draft202012Validator.check_schema(tree)
    assert tree["title"] == "bitweir thing" and tree["description"] == "What is written."
    assert schema(Part, title="a")["description"] == "A part of a thing."
    part, way = tree["$defs"]["Part"], tree["$defs"]["Way"]
    assert part["description"] == "A part of a thing." and part["additionalProperties"] is False
    assert part["properties"]["long"]["description"] == "In metres: one of two."
    assert part["properties"]["wide"] == {"type": "integer", "minimum": 1, "description": "In metres: one of two."}
    assert part["properties"]["rate"]["description"] == "Of parts."
    assert part["properties"]["name"] == {"type": "string", "description": "Of Base."}
    # What may be left out of the JSON is what may be unset.
    assert part["required"] == ["name", "long", "wide", "rate"] and "default" not in part["properties"]["more"]
    assert way["properties"]["from"]["description"] == "Where it starts." and way["required"] == ["from", "to"]
    assert schemas.schema_text(tree).endswith("}\n") and json.loads(schemas.schema_text(tree)) == tree


GOOD = {"long": 0, "wide": 1, "name": "a", "rate": None}


@pytest.mark.parametrize(
    "change",
    [{"long": -1}, {"wide": 0}, {"long": True}, {"long": 1.5}, {"long": "1"}, {"name": None}, {"rate": 0}, {"more": 1}],
)
def test_the_schema_and_the_reader_refuse_the_same(change, tmp_path):
    file = tmp_path / "part.json"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(GOOD | change, schema(Part, title="part"))
    file.write_text(json.dumps(GOOD | change))
    with pytest.raises(FileError, match=r"part\.json' is damaged: write it again\.$"):
        read(file, Part, "write it again")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff", b"{}", b'{"a": "\xff"}', b'{"rate": NaN}', b'{"a":' + b"[" * 100_000,
        json.dumps(GOOD | {"rate": "x"}).replace('"x"', "NaN").encode(),
        json.dumps(GOOD | {"rate": "x"}).replace('"x"', "1e999").encode(),
        json.dumps(GOOD | {"name": "x"}).encode().replace(b"x", b"\xff"),
    ],
)  # fmt: skip
def test_files_that_hold_something_else(content, tmp_path):
    file = tmp_path / "part.json"
    file.write_bytes(content)
    with pytest.raises(FileError, match="is damaged: write it again"):
        read(file, Part, "write it again")


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(FileError, match="is damaged"):
        read(tmp_path / "missing.json", Part, "write it again")
    with pytest.raises(FileError, match="is damaged"):
        read(tmp_path, Part, "write it again")
    file = tmp_path / "part.json"
    file.write_text(json.dumps(GOOD))
    assert read(file, Part, "write it again") == Part(**GOOD)
    monkeypatch.setattr(schemas, "_LIMIT_BYTES", file.stat().st_size - 1)
    with pytest.raises(FileError, match="is damaged"):
        read(file, Part, "write it again")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_that_json_cannot_hold(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_dict(Part(long=1, wide=1, name="", rate=value))
