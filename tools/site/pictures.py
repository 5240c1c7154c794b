"""The drawing of the first page."""

from __future__ import annotations

from bitweir.report.svg import element
from markupsafe import Markup

__all__ = ["flow"]

#: Steps in the order of the flow; two rows, the second from right to left.
_STEPS = (
    ("model file", "ONNX or Keras"),
    ("network", "of integers"),
    ("plan", "SIMD x PE"),
    ("blocks", "and streams"),
    ("Verilog", "the accelerator"),
    ("chip", "a board, or yours"),
)
#: What compares a step with the one before it; none where there is nothing to compare.
_CHECKS = ("every code", "", "", "every cycle", "")
_WIDTH, _BOX, _HIGH, _GAP = 560, 140, 58, 50
#: Sums of a neuron, one a frame, and its threshold.
_SUMS = (-3, 1, 5, 9, 7, 3, -1, 2, 6, 11, 8, 4, -2, -5, 1, 4, 10, 6, 2, -3, 3, 8, 5, -1)
_THRESHOLD = 4
_STYLE = """
text { font-family: system-ui, sans-serif; font-size: 17px; fill: #1c1f23; text-anchor: middle; }
.small { font-size: 14px; fill: #5a5f66; } .check { font-size: 14px; fill: #a94634; font-style: italic; }
.box { fill: #fff; stroke: #c6c1b6; } .arrow { stroke: #5a5f66; stroke-width: 2; fill: none; }
.low { fill: #c9d3dc; } .high { fill: #2b5c8a; } .weir { stroke: #a94634; stroke-width: 2; }
"""


def flow() -> str:
    """The steps from a model file to a chip, below the sums of a neuron and the threshold that makes bits of them.

    It is as narrow as a phone allows with text that can be read, and has a ground of its own, for dark pages.
    """
    ground = element("rect", width=_WIDTH, height=358, rx=10, fill="#f5f3ee")
    drawn = [element("style", Markup(_STYLE)), ground, *_weir(), *_steps()]
    return str(element("svg", *drawn, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDTH} 358", role="img"))


def _weir() -> list[Markup]:
    """Sums as bars; those that reach the threshold are dark, and a 1 stands below them."""
    step, ground = (_WIDTH - 40) / len(_SUMS), 106
    drawn = []
    for place, total in enumerate(_SUMS):
        x, height = 20 + place * step, 5.0 * (total + 6)
        passes = total >= _THRESHOLD
        drawn.append(
            element("rect", x=x + 3, y=ground - height, width=step - 6, height=height, class_=("low", "high")[passes])
        )
        drawn.append(element("text", str(int(passes)), x=x + step / 2, y=ground + 18, class_="small"))
    y = ground - 5.0 * (_THRESHOLD + 6)
    return [*drawn, element("line", x1=20, x2=_WIDTH - 20, y1=y, y2=y, class_="weir")]


def _steps() -> list[Markup]:
    drawn = []
    for number, (name, about) in enumerate(_STEPS):
        x, y = _corner(number)
        drawn += [
            element("rect", x=x, y=y, width=_BOX, height=_HIGH, rx=6, class_="box"),
            element("text", name, x=x + _BOX / 2, y=y + 25),
            element("text", about, x=x + _BOX / 2, y=y + 46, class_="small"),
        ]
    for number, check in enumerate(_CHECKS):
        (x1, y1), (x2, y2) = _corner(number), _corner(number + 1)
        if y1 == y2:
            way = 1 if x2 > x1 else -1
            start = x1 + (_BOX if way > 0 else 0)
            line = f"M{start:g} {y1 + _HIGH / 2:g}h{way * (_GAP - 4):g}"
            drawn.append(_arrow(line, f"l{-7 * way} -5m{7 * way} 5l{-7 * way} 5"))
            drawn.append(element("text", check, x=start + way * _GAP / 2, y=y1 - 8, class_="check"))
        else:
            drawn.append(_arrow(f"M{x1 + _BOX / 2:g} {y1 + _HIGH:g}V{y2 - 4:g}", "l-5 -7m5 7l5 -7"))
    return drawn


def _corner(number: int) -> tuple[float, float]:
    row, column = divmod(number, 3)
    return 20 + (column if not row else 2 - column) * (_BOX + _GAP), 165 + row * 110


def _arrow(line: str, head: str) -> Markup:
    return element("path", d=line + head, class_="arrow")
