"""Mutants of a source file: the same text with one small fault in it.

The operators are those of Offutt et al., "An experimental determination of sufficient mutant operators", 1996 (ROR,
AOR, LCR, UOI), as far as Python and Amaranth have them, with numbers that are off by one, statements that are left out,
and choices that are swapped.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Mutant", "mutants"]

_COMPARED = {
    ast.Eq: ("!=",), ast.NotEq: ("==",), ast.Lt: ("<=", ">="), ast.LtE: ("<", ">"), ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
}  # fmt: skip
_COMPUTED = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.FloorDiv: "*", ast.Mod: "//", ast.LShift: ">>", ast.RShift: "<<",
    ast.BitAnd: "|", ast.BitOr: "&", ast.BitXor: "|",
}  # fmt: skip
_SIGNS = re.compile(r"==|!=|<=|>=|<<|>>|//|[-<>+*%&|^]|\band\b|\bor\b")
#: Nothing in these is mutated: what is raised, asserted or told is text for people, or a check of the code itself.
_LEFT_OUT = ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Mutant:
    """A fault in a file.

    Parameters
    ----------
    file : str
        Path from the root of the repository.
    line : int
    operator : str
        ``"compare"``, ``"number"``, ``"arithmetic"``, ``"logic"``, ``"statement"`` or ``"choice"``.
    before, after : str
        What stands there, and in the mutant.
    start, end : int
        Bytes of the file that are replaced.
    """

    file: str
    line: int
    operator: str
    before: str
    after: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.operator}: {self.before} -> {self.after}"

    @property
    def key(self) -> str:
        """A name that stays the same until the line or its place in the file changes."""
        return hashlib.sha256(f"{self} {self.start}".encode()).hexdigest()[:16]

    def of(self, text: bytes) -> bytes:
        """The file with the fault in it."""
        return text[: self.start] + self.after.encode() + text[self.end :]


def mutants(file: str, text: bytes) -> list[Mutant]:
    """All mutants of a file, in the order of its lines."""
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    found = _Finder(file, text, lines).found(ast.parse(text))
    return sorted(set(found), key=lambda mutant: (mutant.start, mutant.end, mutant.after))


class _Finder:
    def __init__(self, file: str, text: bytes, lines: list[int]) -> None:
        self.file, self.text, self.lines = file, text, lines

    def found(self, node: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, _LEFT_OUT):
            return
        yield from self._of(node)
        for child in _children(node):
            yield from self.found(child)

    def _of(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare(left=left, ops=operators, comparators=others):
                for (one, other), operator in zip(pairwise([left, *others]), operators, strict=True):
                    for new in _COMPARED.get(type(operator), ()):
                        yield self._between("compare", one, other, new)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _COMPUTED:
                yield self._between("arithmetic", left, right, _COMPUTED[type(operator)])
            case ast.BoolOp(op=operator, values=values):
                for one, other in pairwise(values):
                    yield self._between("logic", one, other, "or" if isinstance(operator, ast.And) else "and")
            case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub(), operand=operand):
                yield self._mutant("logic", node, self._text(operand))
            case ast.Constant(value=bool()):
                yield self._mutant("logic", node, str(not node.value))
            case ast.Constant(value=int()):
                yield self._mutant("number", node, str(node.value + 1))
                if node.value:
                    yield self._mutant("number", node, str(node.value - 1))
            case ast.IfExp(test=test, body=body, orelse=other):
                yield self._mutant("choice", node, f"{self._text(other)} if {self._text(test)} else {self._text(body)}")
            case ast.Call(func=ast.Name(id="Mux"), args=[choice, one, other]):
                swapped = f"Mux({self._text(choice)}, {self._text(other)}, {self._text(one)})"
                yield self._mutant("choice", node, swapped)
            case ast.AugAssign() | ast.Expr(value=ast.Call()):
                yield self._mutant("statement", node, "pass")

    def _place(self, line: int, column: int) -> int:
        return self.lines[line - 1] + column

    def _ends(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._place(node.lineno, node.col_offset), self._place(node.end_lineno, node.end_col_offset)

    def _text(self, node: ast.expr) -> str:
        """With parentheses, where it might fall apart without."""
        start, end = self._ends(node)
        text = self.text[start:end].decode()
        whole = isinstance(node, ast.Name | ast.Constant | ast.Call | ast.Attribute | ast.Subscript)
        return text if whole else f"({text})"

    def _mutant(self, operator: str, node: ast.expr | ast.stmt, after: str) -> Mutant:
        start, end = self._ends(node)
        before = self.text[start:end].decode()
        return Mutant(self.file, node.lineno, operator, before, after, start, end)

    def _between(self, operator: str, one: ast.expr, other: ast.expr, new: str) -> Mutant:
        """An operator between two operands, of which parentheses may be around either."""
        start, end = self._ends(one)[1], self._ends(other)[0]
        old = self.text[start:end].decode()
        # Parentheses, comments and ends of lines stay where they are.
        sign = _SIGNS.search(old)
        assert sign
        place = start + len(old[: sign.start()].encode())
        line = self.text[:place].count(b"\n") + 1
        return Mutant(self.file, line, operator, sign[0], new, place, place + len(sign[0]))


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Of a node, what is computed: no annotations, decorators or defaults of types."""
    match node:
        case ast.FunctionDef():
            yield from node.body
        case ast.ClassDef():
            yield from node.body
        case ast.AnnAssign(value=value):
            if value is not None:
                yield value
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return
        case ast.Call(func=function, args=arguments, keywords=keywords):
            # What `zip` checks is no behaviour.
            yield from (function, *arguments, *(one.value for one in keywords if one.arg != "strict"))
        case _:
            yield from ast.iter_child_nodes(node)
