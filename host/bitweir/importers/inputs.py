"""What the integers mean that a model's images are stored as, where the user or the file says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from bitweir_hw.errors import NetworkError
from bitweir_hw.network import Stored

from .errors import ModelError, shown

__all__ = ["parsed_range", "parsed_rule", "stored_input"]

#: Of the text of a rule, of the nesting of its parentheses, and of what is calculated on the way.
_MAX_TEXT, _MAX_DEPTH, _MAX_BITS = 4096, 16, 200
# Numbers have no exponents, which could be astronomical; `_NUMBER_LIKE` finds numbers that go beyond `_TOKEN`.
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]{1,12}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})|(?P<sign>[-+*/()\[\],x]))", re.ASCII
)
_NUMBER_LIKE = re.compile(r"[0-9.]+(?:e[-+]?[0-9]*)?", re.ASCII)
_RANGE = re.compile(r"\s*(-?[0-9]{1,9})\s*:\s*(-?[0-9]{1,9})\s*", re.ASCII)
_SIGNED = re.compile(r"\s*int([2-9]|1[0-6])\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class _Line:
    """``scale * x + offset``, with one number each, or one for each channel; and whether x was named."""

    scale: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]
    named: bool = False


_ZERO = (Fraction(0),)


class _Wrong(Exception):  # noqa: N818 - it never leaves this module
    """What is wrong with a text: the end of a sentence."""


def stored_input(scale: str | None = None, span: str | None = None) -> Stored:
    """The integers that a user names, and what they mean.

    Parameters
    ----------
    scale : str or None
        The rule from an integer to what the model takes; see `parsed_rule`. ``"int8"``, and others of 2 to 16 bits,
        stand for the range of signed numbers of so many bits, as the model takes them. None: as the model takes them.
    span : str or None
        Which integers arrive, ``"LOW:HIGH"``; None: pixels of 0 to 255.

    Raises
    ------
    ModelError
        One is not of its form, or both do not go together.
    """
    signed = _SIGNED.fullmatch(scale or "")
    if signed:
        if span is not None:
            raise ModelError(f"Input scale {shown(scale)} says the range of the input, too: leave out the input range.")
        half = 1 << int(signed[1]) - 1
        return Stored(low=-half, high=half - 1)
    scales, offsets = parsed_rule("x" if scale is None else scale)
    low, high = (0, 255) if span is None else parsed_range(span)
    try:
        return Stored.of(scales, offsets, low, high)
    except NetworkError as error:
        raise ModelError(str(error)) from error


def parsed_range(text: str) -> tuple[int, int]:
    """The two ends of ``LOW:HIGH``.

    Raises
    ------
    ModelError
        It is not of this form.
    """
    found = _RANGE.fullmatch(text)
    if not found:
        why = "it must be two integers of up to 9 digits with a colon between them"
    elif int(found[1]) >= int(found[2]):
        why = "LOW must be less than HIGH"
    else:
        return int(found[1]), int(found[2])
    raise ModelError(f"Input range must be LOW:HIGH, as in 0:255 or -128:127, not {shown(text)}: {why}.")


def parsed_rule(text: str) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Scales and offsets of a rule from an integer x to what the model takes.

    ::

        rule   := ["-"] term (("+" | "-") term)*
        term   := factor (("*" | "/") factor)*
        factor := number | "x" | list | "(" rule ")"
        list   := "[" ["-"] number ["/" number] ("," ["-"] number ["/" number])* "]"
        number := digits, with a decimal point or without one

    A list has a number for each channel. Without an x the first term is what x is multiplied with: ``1/255`` is
    ``x*1/255``, and ``1/127.5-1`` is ``x*1/127.5-1``.

    Parameters
    ----------
    text : str

    Returns
    -------
    scales, offsets : tuple of Fraction
        As many of one as of the other: 1, or one for each channel.

    Raises
    ------
    ModelError
        It is none of these, or not a rising or falling line in x.
    """
    try:
        line = _Parser(text.lower()).whole()
        if not any(line.scale):
            raise _Wrong("it must depend on x")
        if not all(line.scale):
            raise _Wrong("it must not multiply x by 0")
        scales, offsets = _alike(line.scale, line.offset)
        return scales, offsets
    except _Wrong as error:
        raise ModelError(
            f"Input scale must be a rule from a stored integer x to what the model takes, such as 1/255, x/127.5-1, "
            f"(x-33)/79, or (x-[124,116,104])/[58,57,57] for channels, or int2 to int16 for signed integers, "
            f"not {shown(text)}: {error}."
        ) from error


def _alike(a: tuple[Fraction, ...], b: tuple[Fraction, ...]) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Both with as many numbers, where one may stand for all."""
    if 1 not in (len(a), len(b)) and len(a) != len(b):
        raise _Wrong(f"its lists have {len(a)} and {len(b)} numbers")
    many = max(len(a), len(b))
    return (a * many if len(a) == 1 else a), (b * many if len(b) == 1 else b)


def _each(
    f: Callable[[Fraction, Fraction], Fraction], a: tuple[Fraction, ...], b: tuple[Fraction, ...]
) -> tuple[Fraction, ...]:
    result = tuple(f(*pair) for pair in zip(*_alike(a, b), strict=True))
    if any(max(number.numerator.bit_length(), number.denominator.bit_length()) > _MAX_BITS for number in result):
        raise _Wrong(f"as an exact fraction, a number in it needs more than {_MAX_BITS} bits: use shorter numbers")
    return result


class _Parser:
    """Recursive descent over a short text."""

    def __init__(self, text: str) -> None:
        if len(text) > _MAX_TEXT:
            raise _Wrong(f"it has more than {_MAX_TEXT} characters")
        self._tokens: list[str] = []
        place, text = 0, text.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if not found:
                raise _Wrong(f"{shown(text[place:].strip()[:12])} is neither a number nor one of + - * / ( ) [ ] , x")
            like = found["number"] and _NUMBER_LIKE.match(text, found.start("number"))
            if like and like.end() > found.end():
                raise _Wrong(
                    f"{shown(like[0])} is not a decimal number: it may have up to 12 digits before the point and 20 "
                    f"after "
                    "it, and no exponent"
                )
            self._tokens.append(found[found.lastgroup or 0])
            place = found.end()
        self._depth = 0

    def whole(self) -> _Line:
        """The rule, all of it."""
        line = self._rule(first=True)
        if self._tokens:
            following = shown(self._tokens[0])
            raise _Wrong(
                f"{following} is out of place"
                if self._tokens[0] in ")],+-*/"
                else f"an operator is missing before {following}"
            )
        return line

    def _take(self, *signs: str) -> str:
        """The next token if it is one of these, else an empty text."""
        return self._tokens.pop(0) if self._tokens and self._tokens[0] in signs else ""

    def _rule(self, *, first: bool = False) -> _Line:
        turned = self._take("-")
        line = self._term()
        if turned:
            line = _product(line, _Line(_ZERO, (Fraction(-1),)))
        others = []
        while sign := self._take("+", "-"):
            others.append((sign, self._term()))
        if first and not line.named and not any(other.named for _, other in others):
            line = _Line(line.offset, _ZERO, named=True)
        for sign, other in others:
            line = _sum(line, other if sign == "+" else _product(other, _Line(_ZERO, (Fraction(-1),))))
        return line

    def _term(self) -> _Line:
        line = self._factor()
        while sign := self._take("*", "/"):
            other = self._factor()
            line = _product(line, other if sign == "*" else _inverse(other))
        return line

    def _factor(self) -> _Line:
        if self._take("x"):
            return _Line((Fraction(1),), _ZERO, named=True)
        if self._take("("):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise _Wrong(f"it has more than {_MAX_DEPTH} nested parentheses")
            line = self._rule()
            self._depth -= 1
            self._close(")")
            return line
        if self._take("["):
            numbers = [self._entry()]
            while self._take(","):
                numbers.append(self._entry())
            self._close("]")
            return _Line(_ZERO, tuple(numbers))
        return _Line(_ZERO, (self._number(),))

    def _close(self, sign: str) -> None:
        if not self._take(sign):
            raise _Wrong(f"a {sign} is missing")

    def _entry(self) -> Fraction:
        """A number of a list."""
        turned, number = self._take("-"), self._number()
        if self._take("/"):
            under = self._number()
            if not under:
                raise _Wrong("it divides by 0")
            number /= under
        return -number if turned else number

    def _number(self) -> Fraction:
        if not self._tokens or self._tokens[0][0] not in ".0123456789":
            raise _Wrong(
                f"a number or x is missing {f'before {shown(self._tokens[0])}' if self._tokens else 'at its end'}"
            )
        return Fraction(self._tokens.pop(0))


def _sum(a: _Line, b: _Line) -> _Line:
    scale, offset = (_each(Fraction.__add__, *pair) for pair in ((a.scale, b.scale), (a.offset, b.offset)))
    return _Line(scale, offset, a.named or b.named)


def _product(a: _Line, b: _Line) -> _Line:
    if a.named and b.named:
        raise _Wrong("it must not multiply x by x")
    line, factor = (a, b.offset) if a.named or not b.named else (b, a.offset)
    scale, offset = (_each(Fraction.__mul__, part, factor) for part in (line.scale, line.offset))
    return _Line(scale, offset, line.named)


def _inverse(line: _Line) -> _Line:
    if line.named:
        raise _Wrong("it must not divide by x")
    if not all(line.offset):
        raise _Wrong("it divides by 0")
    return _Line(_ZERO, tuple(1 / number for number in line.offset))
