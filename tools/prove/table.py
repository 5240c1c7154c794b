"""The table of claims, as it is printed and as it stands in docs/proofs.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .claim import Claim
from .registry import CLAIMS
from .run import Result

__all__ = ["PAGE", "row", "seconds", "static", "write"]

PAGE = Path(__file__).parents[2] / "docs" / "proofs.md"
BEGIN = "<!-- claims: written by python -m tools.prove --write -->\n"
END = "<!-- end of claims -->\n"
HEAD = """
| claim | for which parameters | method | tool | what would break it | CPU s |
|---|---|---|---|---|---|
"""


def static(claim: Claim) -> str:
    """The cells of a row that need no run, as they stand in the page."""
    cells = (f"**{claim.name}**: {claim.says}", claim.parameters, claim.method, claim.tool, claim.fault)
    return f"| {' | '.join(cells)} |"


def row(claim: Claim, found: Sequence[Result]) -> str:
    """A line that says what became of a claim."""
    proofs = [result for result in found if not result.planted]
    faults = [result for result in found if result.planted]
    proved, refuted = (sum(result.right for result in some) for some in (proofs, faults))
    result = f"proved {proved} of {len(proofs)}, planted faults refuted {refuted} of {len(faults)}"
    return " | ".join([claim.name, claim.parameters, claim.method, claim.tool, f"{seconds(found):.0f}", result])


def seconds(found: Sequence[Result]) -> float:
    """CPU seconds of all runs."""
    return sum(result.seconds for result in found)


def write(rows: Mapping[str, float]) -> None:
    """Write the table of the page.

    Parameters
    ----------
    rows : mapping of str to float
        CPU seconds by the names of claims. What is missing keeps its seconds.
    """
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    kept = {line.split("**")[1]: line.rsplit("|", 2)[1].strip() for line in table.splitlines() if "**" in line}
    cells = {**kept, **{name: f"{number:.0f}" for name, number in rows.items()}}
    lines = [f"{static(claim)} {cells.get(claim.name, '-')} |\n" for claim in CLAIMS]
    PAGE.write_text("".join([before, BEGIN, HEAD, *lines, END, after]), encoding="utf-8")
