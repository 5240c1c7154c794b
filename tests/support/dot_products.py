"""Dot products of processing elements in plain Python."""

from bitweir_hw.popcount import DotProduct, Plane

__all__ = ["BYTES", "TERNARY", "dot_value"]

TERNARY = (Plane(), Plane(negative=True))
BYTES = (*(Plane(exponent=n) for n in range(7)), Plane(exponent=7, negative=True))


def dot_value(dot: DotProduct, x: int, w: int) -> int:
    """The sum, lane by lane, of inputs and one element's weights as they stand on the ports."""
    total = 0
    full = (1 << dot.bits) - 1
    for n, plane in enumerate(dot.planes):
        for s in range(dot.simd):
            code = x >> s * dot.bits & full
            mask = full * (w >> (n * dot.simd + s) & 1)
            word = ~(code ^ mask) & full if plane.xnor else code & mask ^ full * plane.negative
            total += word << plane.exponent
    return total
