"""The C++ that Yosys writes, made quick to compile, and safe.

CXXRTL joins bits with a template nested as deep as there are parts: for a popcount, most of the
time that a C++ compiler takes. The same as shifts and masks of 32-bit words compiles many times as
fast, and runs faster. What stands left of an assignment stays as it is: a copy would take the value
in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["adapt"]

_NAME = r"[A-Za-z_]\w*(?:\.curr)?"
_SLICE = rf"(?P<name>{_NAME})(?:\.slice<(?P<high>\d+)(?:,(?P<low>\d+))?>\(\))?"
_CONSTANT = r"value<(?P<bits>\d+)>\{(?P<words>[0-9a-fxu,]+)\}"
_PART = re.compile(f"(?:{_CONSTANT}|{_SLICE})")
_PLAIN = re.sub(r"\?P<\w+>", "?:", _PART.pattern)
_JOINED = re.compile(rf"(?<![\w.>])({_PLAIN}(?:\.concat\({_PLAIN}\)){{1,}})(?:\.val\(\))?(?![.\w]| = )")
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
        first, *others = match[1].split(".concat(")
        at, words = 0, list[list[str]]()
        for text in reversed([first, *(other.removesuffix(")") for other in others)]):
            part = _PART.fullmatch(text)
            assert part
            bits = _bits(part, widths)
            words += [[] for _ in range(-(-(at + bits) // 32) - len(words))]
            for word, piece in _pieces(part, at, bits):
                words[word].append(piece)
            at += bits
        return f"value<{at}>{{{', '.join(' | '.join(word) or '0u' for word in words)}}}"

    # The address of a memory of one word has no bits, and the runtime would read its first chunk all the same.
    return _JOINED.sub(flat, code).replace("memory_index(value<0>(),", "memory_index(value<1>(),")


def _bits(part: re.Match[str], widths: dict[str, int]) -> int:
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
