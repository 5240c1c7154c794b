"""Phase-locked loops: which clocks a board's oscillator can be turned into, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from ..errors import PlanError

__all__ = ["LIMITS", "PLL_CORE", "PllLimits", "Pll", "feedback", "highest", "settings", "works_with"]


@dataclass(frozen=True, kw_only=True)
class PllLimits:
    """What a PLL can do; frequencies in Hz, lowest and highest.

    Parameters
    ----------
    cell : str
    reference : (int, int)
        Of the phase detector, after the input divider.
    vco : (int, int)
        Of the oscillator.
    output : (int, int)
    """

    cell: str
    reference: tuple[int, int]
    vco: tuple[int, int]
    output: tuple[int, int]


_MEGA = 1_000_000

#: That of an iCE40 whose oscillator is at any pin; `LIMITS` names that of an oscillator at the PLL's own pin.
PLL_CORE = "SB_PLL40_CORE"

_ICE40 = PllLimits(
    cell="SB_PLL40_2_PAD",
    reference=(10 * _MEGA, 133 * _MEGA),
    vco=(533 * _MEGA, 1066 * _MEGA),
    output=(16 * _MEGA, 275 * _MEGA),
)
#: By `FpgaPart.speed`. ECP5: Lattice FPGA-DS-02012, sysCLOCK PLL timing. iCE40: Lattice FPGA-DS-02008 (UltraPlus) and
#: FPGA-DS-02029 (LP/HX), which agree. GW1N: DS117, GW1NR-9 of grade C6/I5. GW2A: grade C8/I7, as gowin_pack of
#: Apicula has it.
LIMITS = {
    "ecp5": PllLimits(
        cell="EHXPLLL",
        reference=(10 * _MEGA, 400 * _MEGA),
        vco=(400 * _MEGA, 800 * _MEGA),
        output=(3_125_000, 400 * _MEGA),
    ),
    "up": _ICE40,
    "hx": _ICE40,
    "gw1n": PllLimits(
        cell="rPLL",
        reference=(3 * _MEGA, 400 * _MEGA),
        vco=(400 * _MEGA, 1200 * _MEGA),
        output=(3_125_000, 600 * _MEGA),
    ),
    "gw2a": PllLimits(
        cell="rPLL",
        reference=(3 * _MEGA, 500 * _MEGA),
        vco=(500 * _MEGA, 1250 * _MEGA),
        output=(3_906_250, 625 * _MEGA),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Pll:
    """One setting of a PLL.

    Parameters
    ----------
    kind : str
        A key of `LIMITS`.
    source : int
        Hz, of the oscillator.
    divide : int
        The source goes through this to the phase detector.
    multiply : int
        Cycles of the VCO in one of the phase detector.
    post : int
        The VCO goes through this to the output.
    """

    kind: str
    source: int
    divide: int
    multiply: int
    post: int

    @property
    def reference(self) -> Fraction:
        """Hz at the phase detector."""
        return Fraction(self.source, self.divide)

    @property
    def vco(self) -> Fraction:
        """Hz of the oscillator inside."""
        return self.reference * self.multiply

    @property
    def clock(self) -> Fraction:
        """Hz of the output."""
        return self.vco / self.post

    @property
    def legal(self) -> bool:
        """Whether all frequencies are within the limits, and the dividers exist."""
        limits = LIMITS[self.kind]
        return feedback(self.kind, self.multiply, self.post) is not None and all(
            low <= value <= high
            for value, (low, high) in (
                (self.reference, limits.reference),
                (self.vco, limits.vco),
                (self.clock, limits.output),
            )
        )


#: Input and output dividers. ECP5: all of 7 bits. iCE40: DIVR + 1, two to the DIVQ. Gowin: IDIV_SEL + 1, ODIV_SEL.
_DIVIDE = {"EHXPLLL": range(1, 129), "SB_PLL40_2_PAD": range(1, 17), "rPLL": range(1, 65)}
_POST: dict[str, Sequence[int]] = {
    "EHXPLLL": range(1, 129),
    "SB_PLL40_2_PAD": (2, 4, 8, 16, 32, 64),
    "rPLL": (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128),
}


def feedback(kind: str, multiply: int, post: int) -> tuple[int, int] | None:
    """The dividers between the VCO and the phase detector, whose product is `multiply`; None if it cannot be had.

    | kind       | first                                     | second           | source                     |
    |------------|-------------------------------------------|------------------|----------------------------|
    | ecp5       | CLKOP, 2 or more; the clock leaves at CLKOS | CLKFB, to 128  | Lattice FPGA-TN-02200      |
    | up, hx     | 1                                         | DIVF + 1, to 128 | Lattice FPGA-TN-02052      |
    | gw1n, gw2a | ODIV_SEL, which is `post`                 | FBDIV_SEL + 1, to 64 | Gowin UG286            |
    """
    cell = LIMITS[kind].cell
    if cell == "EHXPLLL":
        # CLKOP is an output, and must not be as fast as the VCO.
        return next(
            ((op, multiply // op) for op in range(2, 129) if multiply % op == 0 and multiply // op <= 128), None
        )
    if cell == "SB_PLL40_2_PAD":
        return (1, multiply) if multiply <= 128 else None
    return (post, multiply // post) if multiply % post == 0 and multiply // post <= 64 else None


def _all(kind: str, source: int) -> Iterator[Pll]:
    limits = LIMITS[kind]
    # Bounds on the dividers from those on the frequencies: what is in between is checked by `legal`.
    for divide in _DIVIDE[limits.cell]:
        if divide * limits.reference[0] > source:
            break
        for multiply in range(limits.vco[0] * divide // source, limits.vco[1] * divide // source + 1):
            for post in _POST[limits.cell]:
                pll = Pll(kind=kind, source=source, divide=divide, multiply=multiply, post=post)
                if pll.legal:
                    yield pll


@cache
def works_with(kind: str, source: int) -> bool:
    """Whether a PLL makes any clock of an oscillator; much faster than `settings`, which finds all.

    Parameters
    ----------
    kind : str
        A key of `LIMITS`.
    source : int
        Hz.
    """
    return next(_all(kind, source), None) is not None


@cache
def settings(kind: str, source: int) -> tuple[Pll, ...]:
    """All clocks that a PLL makes of an oscillator, ascending, one setting for each.

    Of several settings for one clock, that with the fastest phase detector and then the fastest VCO is
    taken: it has the least jitter.

    Parameters
    ----------
    kind : str
        A key of `LIMITS`.
    source : int
        Hz.
    """
    best: dict[Fraction, Pll] = {}
    for pll in _all(kind, source):
        known = best.get(pll.clock)
        if known is None or (pll.reference, pll.vco) > (known.reference, known.vco):
            best[pll.clock] = pll
    return tuple(best[clock] for clock in sorted(best))


def highest(kind: str, source: int, limit: float) -> Pll | None:
    """The fastest clock that is not above a limit; None if the oscillator itself is as good.

    Parameters
    ----------
    limit : float
        Hz.

    Raises
    ------
    PlanError
        Nothing is so slow.
    """
    found = [pll for pll in settings(kind, source) if pll.clock <= limit]
    if found and found[-1].clock > source:
        return found[-1]
    if source <= limit:
        return None
    if found:
        return found[-1]
    slowest = min(float(settings(kind, source)[0].clock), float(source))
    raise PlanError(
        f"The slowest clock that {LIMITS[kind].cell} makes of {source / 1e6:g} MHz is {slowest / 1e6:g} MHz; "
        f"{limit / 1e6:.4g} MHz cannot be had."
    )
