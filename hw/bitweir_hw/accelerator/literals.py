"""What memories begin with: taken out of RTLIL, and put into Verilog in few bytes.

Yosys writes a statement for each word of a memory, and reads such Verilog in half a millisecond and 8 KB a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Contents", "first_words", "put_contents", "take_contents"]

#: Bits of a literal that holds several words: Icarus takes longer for each word of longer ones, and Verilator for each
#: literal.
_LITERAL = 512
#: From so many words in a literal on, a loop is shorter than a statement for each.
_SEVERAL = 8
_CELL = re.compile(
    r"^  cell \$meminit_v2 \S+\n"
    r'    parameter \\MEMID "\\\\(?P<memory>\w+)"\n'
    r"    parameter \\ABITS 0\n"
    r"    parameter \\WIDTH (?P<width>\d+)\n"
    r"    parameter \\WORDS \d+\n"
    r"    parameter \\PRIORITY 0\n"
    r"    connect \\ADDR \{  \}\n"
    r"    connect \\DATA \d+'(?P<bits>[01]+)\n"
    r"    connect \\EN \d+'1+\n"
    r"  end\n\n?",
    flags=re.MULTILINE,
)
_MODULE = re.compile(r"^module \\?(\S+).*?^end(?:module)?$", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Contents:
    """The words of one memory.

    Parameters
    ----------
    module, memory : str
        The names.
    width : int
        Bits of a word.
    bits : str
        Word 0 at the end.
    """

    module: str
    memory: str
    width: int
    bits: str

    def chunks(self, size: int) -> Iterator[tuple[int, int, int]]:
        """Runs of so many words, the last one shorter: the first, how many, and the words as one number."""
        words = len(self.bits) // self.width
        for first in range(0, words, size):
            count = min(size, words - first)
            end = len(self.bits) - first * self.width
            yield first, count, int(self.bits[end - count * self.width : end], 2)


def take_contents(rtlil: str) -> tuple[str, list[Contents]]:
    """RTLIL as Amaranth writes it without what memories begin with, and that."""
    return _replaced(rtlil, lambda cell: "")


def first_words(rtlil: str) -> tuple[str, list[Contents]]:
    """RTLIL as Amaranth writes it in which memories begin with their first word alone, and all of their words.

    What Yosys finds in a memory that is only read and begins with nothing, it takes for undefined.
    """

    def first(cell: re.Match[str]) -> str:
        width = int(cell["width"])
        text = re.sub(r"\bWORDS \d+", "WORDS 1", cell[0])
        return re.sub(r"\bDATA \d+'[01]+", f"DATA {width}'{cell['bits'][-width:]}", text)

    return _replaced(rtlil, first)


def _replaced(rtlil: str, other: Callable[[re.Match[str]], str]) -> tuple[str, list[Contents]]:
    """RTLIL with other cells in place of those that tell what memories begin with, and what these tell."""
    found: list[Contents] = []

    def of_module(module: re.Match[str]) -> str:
        def taken(cell: re.Match[str]) -> str:
            found.append(Contents(module[1], cell["memory"], int(cell["width"]), cell["bits"]))
            return other(cell)

        return _CELL.sub(taken, module[0])

    return _MODULE.sub(of_module, rtlil), found


def put_contents(verilog: str, contents: list[Contents], files: dict[str, str] | None = None) -> str:
    """Verilog of such RTLIL, as Yosys writes it, with what memories begin with.

    Parameters
    ----------
    verilog : str
    contents : list of Contents
    files : dict, optional
        Takes a file, by its name, for each memory that begins with anything but zeros: the Verilog reads it.
    """
    by_module: dict[str, dict[str, Contents]] = {}
    for one in contents:
        by_module.setdefault(one.module, {})[one.memory] = one

    def filled(module: re.Match[str]) -> str:
        name = module[1].partition("(")[0]
        memories = by_module.pop(name, {})

        def followed(declaration: re.Match[str]) -> str:
            one = memories.pop(declaration[1], None)
            return "\n".join([declaration[0], *(_statements(one, files) if one else ())])

        text = re.sub(r"^  reg \[\d+:0\] (\w+) \[\d+:\d+\];$", followed, module[0], flags=re.MULTILINE)
        if memories:
            raise AssertionError(f"Module {name} must have the memories {', '.join(memories)}.")
        return text

    text = _MODULE.sub(filled, verilog)
    if by_module:
        raise AssertionError(f"There must be modules {', '.join(by_module)}.")
    return text


def _file_lines(contents: Contents) -> str:
    """The words in hexadecimal digits, one a line, as $readmemh reads them."""
    digits = -(-contents.width // 4)
    return "".join(f"{word:0{digits}x}\n" for _, _, word in contents.chunks(1))


def _statements(contents: Contents, files: dict[str, str] | None) -> Iterator[str]:
    """What gives a memory its words, understood as the same by all tools.

    An `initial` for each statement: Yosys reads a block of them in a time that grows with the square of its length.
    No loop of more than some hundred rounds, and no wide literal: tools limit both.
    """
    name, width = contents.memory, contents.width
    if files is not None and "1" in contents.bits:
        file = f"{contents.module}.mem" if name == "memory" else f"{contents.module}__{name}.mem"
        files[file] = _file_lines(contents)
        # With addresses, as versions of the standard begin at different ends of a memory.
        yield f'  initial $readmemh("{file}", {name}, 0, {len(contents.bits) // width - 1});'
        return
    size = _LITERAL // width
    if size < _SEVERAL or len(contents.bits) < _SEVERAL * width:
        for word, _, value in contents.chunks(1):
            yield f"  initial {name}[{word}] = {width}'h{value:x};"
        return
    for number, (first, count, words) in enumerate(contents.chunks(size)):
        part, n = f"{name}_words_{number}", f"{name}_n_{number}"
        bits = count * width
        yield f"  localparam [{bits - 1}:0] {part} = {bits}'h{words:x};"
        yield f"  integer {n};"
        at = f"{part}[{n} * {width} +: {width}]"
        yield f"  initial for ({n} = 0; {n} < {count}; {n} = {n} + 1) {name}[{first} + {n}] = {at};"
