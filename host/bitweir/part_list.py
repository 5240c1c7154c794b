"""Parts: the listed ones, and one's own from a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from bitweir_hw.checked import shown
from bitweir_hw.cost import fmax_basis, fmax_error
from bitweir_hw.errors import FileError, PlanError
from bitweir_hw.parts import BLOCK_RAM, COUNTED_AS, PARTS, FpgaPart, Nextpnr, part_of
from msgspec import Meta

from .report.model import Family
from .schemas import Count, Json, Positive, one_of, schema, to_dict

__all__ = [
    "PartFile",
    "PartInfo",
    "PartList",
    "find_part",
    "list_parts",
    "own_part",
    "parts_schema",
    "read_part",
    "toml_of",
    "toml_trouble",
]

#: Bytes of a file of a part, at most.
_LIMIT_BYTES = 1 << 16


_T = TypeVar("_T")


class _NextpnrFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file says of how nextpnr calls the chips of a part: the fields of `Nextpnr`."""

    devices: list[str]
    packages: list[str] = []
    grades: list[str] = []
    pll_pads: list[str] = []


class PartFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file of a part says: the fields of `FpgaPart`."""

    name: str
    family: str
    luts: int
    ffs: int
    block_rams: int
    source: str
    dsps: int = 0
    lut_rams: int | None = None
    speed: str = ""
    nextpnr: _NextpnrFile | None = None


def own_part(file: PartFile) -> FpgaPart:
    """The part that a file describes.

    Raises
    ------
    PlanError
        A name, a family or a number is not possible.
    """
    told = msgspec.structs.asdict(file)
    if file.nextpnr:
        lists = msgspec.structs.asdict(file.nextpnr)
        told["nextpnr"] = Nextpnr(**{what: tuple(names) for what, names in lists.items()})
    return FpgaPart(**told)


def toml_of(path: Path, kind: type[_T], limit: int) -> _T:
    """The content of a file in TOML that anybody may have written.

    Raises
    ------
    FileError
        It cannot be read, or is longer than `limit` bytes.
    msgspec.MsgspecError, ValueError, RecursionError
        It is not TOML, or not of this kind.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise FileError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    if len(content) > limit:
        raise FileError(f"{str(path)!r} has more than {limit:,} bytes, which no such file takes.")
    # Editors of Windows put a byte order mark in front.
    return msgspec.toml.decode(content.removeprefix(b"\xef\xbb\xbf"), type=kind)


def toml_trouble(error: Exception) -> str:
    """What is wrong with a file in TOML, in place of what its parser says."""
    told = " ".join(str(error).split()).rstrip(".")
    if found := re.match(r"'utf-8' codec can't decode .* in position ([0-9]+)", told):
        return f"it is not a text in UTF-8, at byte {int(found[1]):,}"
    if isinstance(error, RecursionError):
        return "its values are nested too deep"
    found = re.fullmatch(r"(.*?)(?: - at `\$\.?(.*)`)?", told)
    assert found
    what, where = found[1], found[2]
    of = f" of the table {where}" if where else ""
    if missing := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"it lacks the field {missing[1]}{of}"
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        return f"it has a field {unknown[1]}{of}, which is not known"
    if kinds := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
        wanted, got = (_kinds(kinds[number]) for number in (1, 2))
        return f"{where or 'it'} must be {wanted}, not {got}"
    return what[:300]


def _kinds(told: str) -> str:
    """Types as TOML calls them."""
    names = {
        "str": "a text",
        "int": "an integer",
        "float": "a number",
        "bool": "true or false",
        "object": "a table",
        "array": "a list",
        "null": "left out",
    }
    return " or ".join(names.get(kind, kind) for kind in told.split(" | ") if kind != "null")


def read_part(path: Path | str) -> FpgaPart:
    """Read a part from a file in TOML.

    Parameters
    ----------
    path : path

    Returns
    -------
    FpgaPart

    Raises
    ------
    FileError
        The file cannot be read, is not TOML, lacks a figure, has one that is not possible or one too many, or has the
        name of a listed part; the text says which.
    """
    path = Path(path)
    try:
        part = own_part(toml_of(path, PartFile, _LIMIT_BYTES))
    except (msgspec.MsgspecError, ValueError, RecursionError, PlanError) as error:
        raise FileError(
            f"{str(path)!r} is no part ({toml_trouble(error)}): it takes name, family, luts, ffs, block_rams "
            "and source, and perhaps dsps, lut_rams, speed and a table nextpnr."
        ) from error
    if part.name in PARTS:
        raise FileError(f"{str(path)!r} has the name of a listed part, {part.name}: give it another.")
    return part


def find_part(part: FpgaPart | Path | str) -> FpgaPart:
    """A part as a user names it.

    Parameters
    ----------
    part : FpgaPart or path or str
        A part; a file in TOML, whose name ends so; or the name of a listed part.

    Raises
    ------
    PlanError
        No listed part has the name, or one of one's own has it.
    FileError
        As of `read_part`.
    """
    if isinstance(part, FpgaPart):
        if part.name in PARTS and part != PARTS[part.name]:
            raise PlanError(f"Part {part.name} differs from the listed part of the same name: give it another.")
        return part
    if not isinstance(part, str | Path):
        raise PlanError(
            f"A part must be the name of a listed one, such as 'ecp5-25k', a file in TOML, or an FpgaPart, not "
            f"{shown(part)}."
        )
    return read_part(part) if isinstance(part, Path) or part.endswith(".toml") else part_of(part)


@dataclass(frozen=True, kw_only=True)
class PartInfo:
    """A listed part.

    Parameters
    ----------
    name : str
    family : str
    luts, ffs : int
        LUT sites and flip-flops.
    block_rams : int
        In units of block_ram.
    block_ram : str
        The cell in which block RAMs are counted.
    block_ram_bits : int
        Bits of one.
    dsps : int
    large_rams : int
        Larger RAMs (UltraRAM, or LRAM of Nexus), which no plan uses.
    counted_as : str
        The family whose formulas and coefficients of the cost model count it.
    clock_from : str
        What its estimated clock rests on: designs that were routed, or a model of a family of which nothing was.
    clock_error : float
        The share by which that may be off.
    source : str
        Where the figures are from.
    """

    name: str
    family: Family
    luts: Positive
    ffs: Positive
    block_rams: Positive
    block_ram: str
    block_ram_bits: Positive
    dsps: Count
    large_rams: Count
    counted_as: Family
    clock_from: Annotated[str, one_of("routed", "model")]
    clock_error: Annotated[float, Meta(ge=0)]
    source: str


@dataclass(frozen=True, kw_only=True)
class PartList:
    """The listed parts.

    Parameters
    ----------
    parts : tuple of PartInfo
        By family, the smallest first.
    """

    parts: tuple[PartInfo, ...]

    def to_dict(self) -> Json:
        """What ``bitweir parts --json`` prints."""
        return to_dict(self)


def list_parts() -> PartList:
    """The listed parts."""
    families = list(BLOCK_RAM)
    ordered = sorted(PARTS.values(), key=lambda part: (families.index(part.family), part.luts))
    return PartList(
        parts=tuple(
            PartInfo(
                name=part.name, family=part.family, luts=part.luts, ffs=part.ffs, block_rams=part.block_rams,
                block_ram=BLOCK_RAM[part.family].name, block_ram_bits=BLOCK_RAM[part.family].bits, dsps=part.dsps,
                large_rams=part.large_rams, counted_as=COUNTED_AS[part.family],
                clock_from=fmax_basis(part), clock_error=fmax_error(part), source=part.source,
            )
            for part in ordered
        )
    )  # fmt: skip


def parts_schema() -> Json:
    """The JSON schema of the listed parts."""
    return schema(PartList, title="bitweir parts", description="Printed by bitweir parts --json.")
