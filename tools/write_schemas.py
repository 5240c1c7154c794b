"""Writes the JSON schemas of results into their files.

python -m tools.write_schemas
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import bitweir
from bitweir.board_list import boards_schema
from bitweir.doctor import doctor_schema
from bitweir.import_report import schema as import_schema
from bitweir.part_list import parts_schema
from bitweir.planning.exploration import exploration_schema
from bitweir.report.collect import schema as report_schema
from bitweir.report.comparison import comparison_schema
from bitweir.runs.activity import activity_schema
from bitweir.schemas import Json, schema_text
from bitweir.synthesis.results import routed_schema

__all__ = ["FOLDER", "SCHEMAS"]

#: What the names of files are relative to.
FOLDER = Path(bitweir.__file__).parent
#: What generates each file.
SCHEMAS: Mapping[str, Callable[[], Json]] = {
    "boards_schema.json": boards_schema,
    "doctor_schema.json": doctor_schema,
    "import_schema.json": import_schema,
    "parts_schema.json": parts_schema,
    "planning/explore_schema.json": exploration_schema,
    "runs/activity_schema.json": activity_schema,
    "report/comparison_schema.json": comparison_schema,
    "report/schema.json": report_schema,
    "report/routed_schema.json": routed_schema,
}


def main() -> None:
    """Write all of them."""
    for name, tree in SCHEMAS.items():
        (FOLDER / name).write_text(schema_text(tree()))


if __name__ == "__main__":
    main()
