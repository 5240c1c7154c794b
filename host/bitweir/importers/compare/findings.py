"""What a comparison of an imported network with its model file found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Agreement", "Difference", "LayerAgreement"]

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One element of which network and file say different things.

    Parameters
    ----------
    image, row, column, channel : int
    expected, found : float or str
        As the tensor of the file has it; texts where that is no finite number.
    """

    image: int
    row: int
    column: int
    channel: int
    expected: float | str
    found: float | str


@dataclass(kw_only=True, eq=False)
class LayerAgreement:
    """Codes of one layer beside the tensor of the file.

    Parameters
    ----------
    layer, tensor : str
    codes : int
        How many were compared.
    differ : int
        Those that are wrong.
    ties : int
        Those that differ because floats are rounded: there, or at an earlier layer of the same frame.
    bounded : int
        Those that differ because the network holds real numbers only up to a bound, which explains them.
    first : Difference or None
        The first code that is wrong.
    """

    layer: str
    tensor: str
    codes: int = 0
    differ: int = 0
    ties: int = 0
    bounded: int = 0
    first: Difference | None = None


@dataclass(kw_only=True, eq=False)
class Agreement:
    """What a comparison of one file found.

    A difference is none where the file itself, computed in floats, could say the same: see `rounding`; nor where
    integers stand for real numbers and it lies within the bound of their error. Such ones are counted apart.

    Parameters
    ----------
    path : Path
    title : str
        What texts call it, where it is not the file.
    reference : str or None
        What ran the file; None if nothing could.
    remark : str
        Why it was not another one; else empty.
    layers : list of LayerAgreement
        In the order of the network.
    kind : str
        Of the result; see `Readout`.
    results : array, (N,) or (N, M), or None
        That the reference found; see `outcomes.decided`.
    results_differ : int
        Images of which the result is wrong.
    orders_differ : int
        Images of which the scores of a class are in a wrong order.
    first_result : Difference or None
        The first result that is wrong.
    differ : bool array, (N,)
        Images of which the result is another one.
    excused : bool array, (N,)
        Those of them of which the result is not wrong.
    tied : bool array, (N,)
        Images of which result or order of scores is another one, but neither is wrong.
    bounded : bool array, (N,)
        Images of which something differs that rounded floats alone do not explain, but the bound of a sum does.
    last : str
        Layer that hands on the scores.
    """

    path: Path
    title: str = ""
    reference: str | None = None
    remark: str = ""
    layers: list[LayerAgreement]
    kind: str = "class"
    results: Array | None = None
    results_differ: int = 0
    orders_differ: int = 0
    first_result: Difference | None = None
    differ: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    excused: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    tied: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    bounded: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    last: str = ""

    @property
    def ran(self) -> bool:
        """Whether anything was compared."""
        return self.results is not None

    @property
    def agrees(self) -> bool:
        """Whether nothing is wrong in all that was compared."""
        return not self.results_differ and not self.orders_differ and not any(layer.differ for layer in self.layers)
