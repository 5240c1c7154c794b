"""The C++ that Yosys writes, made quick to compile, and safe.

CXXRTL joins bits with a template nested as deep as there are parts: for a popcount, most of the
time that a C++ compiler takes. The same as shifts and masks of 32-bit words compiles many times as
fast, and runs faster. Joined bits on the left of an assignment, as of a layer whose constant weights leave
single bits of a word, become an assignment for each part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

__all__ = ["adapt", "compiler_options"]

#: What is included first where nothing is optimised.
_CALLED = Path(__file__).parent / "shim_called.h"
#: Bytes of C++ from which on fewer instructions are combined.
_LARGE = 1 << 18

_NAME = r"[A-Za-z_]\w*(?:\.curr)?"
_SLICE = rf"(?P<name>{_NAME})(?:\.slice<(?P<high>\d+)(?:,(?P<low>\d+))?>\(\))?"
_CONSTANT = r"value<(?P<bits>\d+)>\{(?P<words>[0-9a-fxu,]+)\}"
_PART = re.compile(f"(?:{_CONSTANT}|{_SLICE})")
_PLAIN = re.sub(r"\?P<\w+>", "?:", _PART.pattern)
_JOINED = re.compile(rf"(?<![\w.>])({_PLAIN}(?:\.concat\({_PLAIN}\)){{1,}})(?:\.val\(\))?(?![.\w]| = )")
_TARGET = r"[A-Za-z_]\w*(?:\.next)?(?:\.slice<\d+(?:,\d+)?>\(\))?"
_ASSIGNED = re.compile(rf"^(\t*)({_TARGET}(?:\.concat\({_TARGET}\))+) = (.+);$", flags=re.MULTILINE)
_WIDTH = re.compile(r"\b(?:value|wire)<(\d+)> (\w+)\b")


def adapt(code: str, header: str) -> str:
    """`code` with joined bits as words, and no memory read out of bounds.

    Parameters
    ----------
    code, header : str
        The two files that ``write_cxxrtl`` writes.
    """
    widths = {name: int(bits) for bits, name in _WIDTH.findall(header + code)}

    def flat(match: re.Match[str]) -> str:
        return _value([_part(text) for text in _joined(match[1])], widths)

    def apart(match: re.Match[str]) -> str:
        indent, left, right = match.groups()
        targets = [(text, _bits(_part(text.replace(".next", "")), widths)) for text in _joined(left)]
        total = sum(bits for _, bits in targets)
        lines, at = [f"{indent}{{ const value<{total}> joined = {right};"], 0
        for text, bits in targets:
            value = _value([_part(f"joined.slice<{at + bits - 1},{at}>()")], widths)
            lines.append(f"{indent}  {text} = {value};")
            at += bits
        return "\n".join([*lines, f"{indent}}}"])

    code = _ASSIGNED.sub(apart, _JOINED.sub(flat, code))
    # The address of a memory of one word has no bits, and the runtime would read its first chunk all the same.
    return code.replace("memory_index(value<0>(),", "memory_index(value<1>(),")


def compiler_options(code: str, flags: Sequence[str]) -> list[str]:
    """Options of the C++ compiler for adapted code that is compiled with `flags`.

    GCC combines up to 4 instructions to one, in a time that grows with the square of a function: 119 of 130 s for an
    unrolled layer of 64 inputs and 32 neurons. Pairs take 9 s, and give a simulation that is a tenth slower. Other
    compilers know no such parameter, and ignore it.

    What is not optimised gains nothing from functions that must be inlined: a netlist of 1,800 registers compiles in
    half of the time when they are called.
    """
    pairs = ["--param", "max-combine-insns=2"] if len(code) >= _LARGE else []
    return [*pairs, *(["-include", str(_CALLED)] if "-O0" in flags else [])]


def _joined(text: str) -> list[str]:
    """The parts of joined bits, the lowest first."""
    first, *others = text.split(".concat(")
    return [first, *(other.removesuffix(")") for other in others)][::-1]


def _part(text: str) -> re.Match[str]:
    part = _PART.fullmatch(text)
    assert part
    return part


def _value(parts: Sequence[re.Match[str]], widths: Mapping[str, int]) -> str:
    """Some parts, the lowest first, as one value of 32-bit words."""
    at, words = 0, list[list[str]]()
    for part in parts:
        bits = _bits(part, widths)
        words += [[] for _ in range(-(-(at + bits) // 32) - len(words))]
        for word, piece in _pieces(part, at, bits):
            words[word].append(piece)
        at += bits
    return f"value<{at}>{{{', '.join(' | '.join(word) or '0u' for word in words)}}}"


def _bits(part: re.Match[str], widths: Mapping[str, int]) -> int:
    if part["bits"]:
        return int(part["bits"])
    if part["high"]:
        return int(part["high"]) - int(part["low"] or part["high"]) + 1
    return widths[part["name"].removesuffix(".curr")]


def _pieces(part: re.Match[str], at: int, bits: int) -> Iterator[tuple[int, str]]:
    """The word of the result and the expression, for each run of bits within one word on both sides."""
    constants = [int(word.rstrip("u"), 16 if "x" in word else 10) for word in (part["words"] or "").split(",") if word]
    low = int(part["low"] or part["high"] or 0)
    while bits:
        count = min(bits, 32 - at % 32, 32 - low % 32)
        mask = (1 << count) - 1
        if constants:
            value = constants[low // 32] >> low % 32 & mask
            if value:
                yield at // 32, f"{value << at % 32:#x}u"
        else:
            yield at // 32, f"({part['name']}.data[{low // 32}] >> {low % 32} & {mask:#x}u) << {at % 32}"
        at, low, bits = at + count, low + count, bits - count
