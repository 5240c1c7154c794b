"""The option for boards, and the list of those that are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from bitweir_hw.boards import BOARDS
from click.shell_completion import CompletionItem
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..board_list import BoardList, board_info, board_toml, find_board, list_boards
from .console import Output
from .options import with_output

__all__ = ["BOARD", "boards_command"]


class BoardType(click.ParamType[str]):
    """The name of a listed board, or a file in TOML, which is read later: its errors are not of the command line."""

    name = "board"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        if value not in BOARDS and not str(value).endswith(".toml"):
            self.fail(
                f"{value!r} is not one of {', '.join(sorted(BOARDS))}, nor a file in TOML, as my.toml.", param, ctx
            )
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """See `click.ParamType`: names, and files."""
        named = [CompletionItem(name) for name in sorted(BOARDS) if name.startswith(incomplete)]
        return named or [CompletionItem(incomplete, type="file")]

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """See `click.ParamType`."""
        return "[NAME|FILE.toml]"


#: For `click.option`.
BOARD = BoardType()


@click.command("boards")
@click.argument("board", metavar="[BOARD]", required=False, type=BOARD)
@click.option("--toml", "as_toml", is_flag=True, help="Print BOARD as a file from which another one can be made.")
@with_output
def boards_command(output: Output, board: str | None, as_toml: bool) -> None:
    """List the boards that are known, or BOARD alone; with --toml, print BOARD as a file.

    Such a file describes a board of one's own, for --board FILE.toml; docs/boards.md has its fields. A file is checked
    in the same way: bitweir boards my.toml --toml.
    """
    if as_toml and board is None:
        raise click.UsageError("--toml needs a board: bitweir boards NAME --toml.")
    if board is not None and as_toml:
        text = board_toml(find_board(board))
        output.text(text)
        output.result({"toml": text})
        return
    found = list_boards() if board is None else BoardList(boards=(board_info(find_board(board)),))
    output.show(*_table(found))
    output.result(found.to_dict())


def _table(found: BoardList) -> Iterator[RenderableType]:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("board", no_wrap=True)
    table.add_column("made by", min_width=20)
    table.add_column("part", no_wrap=True)
    for name in ("MHz", "link", "baud"):
        table.add_column(name, justify="right", no_wrap=True)
    family = ""
    for board in found.boards:
        if family and board.family != family:
            table.add_section()
        family = board.family
        table.add_row(
            board.name, board.title, board.part, f"{board.oscillator_mhz:g}",
            board.link.upper() if board.baud else board.link, f"{board.baud:,}" if board.baud else "",
        )  # fmt: skip
    yield table
    yield Text("MHz: of the oscillator; baud: bits/s of the link, with SPI of SCK", style="dim")
    for board in found.boards:
        if board.memory_bytes:
            yield Text(f"{board.name} has {board.memory_bytes >> 20} MiB of memory for streamed weights", style="dim")
    for board in found.boards:
        if board.source:
            yield Text(f"{board.name}: {board.source}", style="dim")
