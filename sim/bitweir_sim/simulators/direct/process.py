"""Processes of RTLIL as multiplexers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .rtlil import Bits, Module, Switch, UnknownError, cut, joined, width_of

__all__ = ["Process"]


class Process:
    """What a process assigns, as multiplexers: a later assignment counts, the first case that matches is taken."""

    def __init__(self, make: Callable[[str, int, list[Any]], Any], module: Module) -> None:
        self.make, self.module = make, module

    def run(self, body: list[Any]) -> dict[str, Bits]:
        return self.body(body, {})

    def body(self, body: list[Any], values: dict[str, Bits]) -> dict[str, Bits]:
        for statement in body:
            if isinstance(statement, Switch):
                values = self.switch(statement, values)
                continue
            left, right = statement
            at = 0
            for wire, low, width in left:
                total = self.module.widths[wire]
                old = values.get(wire)
                new = cut(right, at, width)
                if width != total:
                    # What is not assigned until now is nothing.
                    old = old or ((None, 0, total),)
                    new = cut(old, 0, low) + new + cut(old, low + width, total - low - width)
                values[wire] = new
                at += width
        return values

    def switch(self, switch: Switch, before: dict[str, Bits]) -> dict[str, Bits]:
        merged = dict(before)
        for patterns, body in reversed(switch.cases):
            taken = self.body(body, dict(before))
            if not patterns:
                merged = taken
                continue
            select = self.matches(switch.on, patterns)
            for wire in {**taken, **merged}:
                if taken.get(wire) is not merged.get(wire):
                    merged[wire] = self.choose(select, merged.get(wire), taken.get(wire))
        return merged

    def matches(self, on: Bits, patterns: list[str]) -> Bits:
        any_of: Bits = ()
        for pattern in patterns:
            digits = pattern[::-1]
            asked = [index for index, digit in enumerate(digits) if digit != "-"]
            if len(digits) != width_of(on):
                raise UnknownError(f"the pattern {pattern}")
            bits = joined(piece for index in asked for piece in cut(on, index, 1))
            value = sum((digits[index] == "1") << n for n, index in enumerate(asked))
            if len(asked) == 1 and value:
                one: Bits = bits
            else:
                one = ((self.node("eq", 1, [bits, ((value, 0, len(asked)),) if asked else ()]), 0, 1),)
            any_of = ((self.node("or", 1, [any_of, one]), 0, 1),) if any_of else one
        return any_of

    def choose(self, select: Bits, no: Bits | None, yes: Bits | None) -> Bits:
        if no is None or yes is None:
            raise UnknownError("a process that leaves a value open")
        found: list[Any] = []
        edges = sorted({edge for side in (no, yes) for edge in _edges(side)})
        run: list[int] = []
        for low, high in [*zip(edges, edges[1:], strict=False), (edges[-1], edges[-1])]:
            a, b = cut(no, low, high - low), cut(yes, low, high - low)
            if low < high and a != b:
                run = [run[0] if run else low, high]
                continue
            if run:
                width = run[1] - run[0]
                ins = [select, joined(cut(no, run[0], width)), joined(cut(yes, run[0], width))]
                found.append((self.node("mux", width, ins), 0, width))
                run = []
            found += a
        return tuple(found)

    def node(self, op: str, width: int, ins: list[Any]) -> Any:
        if any(what is None for runs in ins for what, _, _ in runs):
            raise UnknownError("a process that leaves a value open")
        return self.make(op, width, ins)


def _edges(runs: Bits) -> Iterator[int]:
    at = 0
    yield at
    for _, _, width in runs:
        at += width
        yield at
