"""Tables of text, and how they write numbers."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UnsetType

#: What readers call resources.
RESOURCE_NAMES = {
    "lut": "LUT",
    "ff": "FF",
    "bram": "Block RAM",
    "sites": "LUT sites",
    "carry": "Carry",
    "lutram": "LUT RAM",
    "dsp": "DSP",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Parameters
    ----------
    key : str
        Short, of letters, unique in its table.
    title : str
    unit : str
        Of its numbers, or what they are.
    numeric : bool
        Whether numbers stand in it, aligned at their ends.
    """

    key: str
    title: str
    unit: str = ""
    numeric: bool = True


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table.

    Parameters
    ----------
    text : str
    value : float or None
        What to sort by, where it is a number.
    strong : bool
    """

    text: str
    value: float | None = None
    strong: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under columns; the first column names the row.

    Parameters
    ----------
    name : str
        Short, of letters, unique in a report.
    caption : str
    columns : tuple of Column
    rows : tuple of tuple of Cell
    total : tuple of Cell
        A last row, or none.
    remark : str
        What must be known of it, or nothing.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] = ()
    remark: str = ""


def number(value: float | None, digits: int = 0) -> str:
    """With commas between thousands; nothing for None."""
    return "" if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, *, sign: bool = False) -> str:
    """With one digit behind the point; nothing for None."""
    return "" if share is None else f"{share:{'+' if sign else ''}.1%}"


def significant(value: float) -> str:
    """Three digits, never an exponent."""
    return f"{value:,.{next((digits for limit, digits in ((100, 0), (10, 1), (1, 2)) if abs(value) >= limit), 3)}f}"


def words(*items: str | None) -> list[Cell]:
    """Return a cell for each text; none is empty."""
    return [Cell(text=item or "") for item in items]


def numbers(*values: float | UnsetType | None, zero: bool = False) -> list[Cell]:
    """Cells of whole numbers; a zero is left out unless it tells something."""
    return [Cell(text=number(value) if value or (zero and value == 0) else "", value=value or 0) for value in values]


def share(value: float | None, *, sign: bool = False) -> Cell:
    """Return a share as a cell: percent for readers, the number for programs."""
    return Cell(text=percent(value, sign=sign), value=value)


def make_columns(*columns: tuple[str, str, str] | tuple[str, str, str, bool]) -> tuple[Column, ...]:
    """Return columns from keys, titles and units; a fourth element makes one of text."""
    return tuple(Column(key=column[0], title=column[1], unit=column[2], numeric=len(column) == 3) for column in columns)
