"""The interface of runners of images, and the comparison of their results with those of the golden model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from bitweir_hw.network import Network
from bitweir_sim.trace import Trace
from bitweir_sim.values import fast
from bitweir_sim.values.comparison import Differences, compare
from bitweir_sim.values.golden import Result
from numpy.typing import NDArray

from ..images import Images
from ..progress import Progress, silent

__all__ = ["Run", "Runner", "compared_with_golden"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """Results of images, and the time of the run.

    Parameters
    ----------
    result : Result
    seconds : float
        Duration of the run alone, without what prepares it; in the time in which the runner lives, which may be
        simulated.
    simulator : str
        What ran it.
    trace : Trace or None
        When the beats moved; None where nobody observed them.
    """

    result: Result
    seconds: float
    simulator: str
    trace: Trace | None = None


#: Runs images; shows what is under way.
Runner = Callable[[Images, Progress], Run]


def compared_with_golden(
    network: Network,
    images: Images,
    result: Result,
    *,
    late: NDArray[np.bool_] | None = None,
    progress: Progress = silent,
) -> Differences:
    """Compare the results of images with those of the golden model; `late` as for `comparison.compare`."""
    with progress("Comparing with the golden model") as done:
        expected = fast.run(network, images.codes, done)
    return compare(result, expected, network.readout.kind, late=late, start=images.first)
