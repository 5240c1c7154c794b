"""The blocks that a network and a plan come down to, with every derived size.

One set of these specifications is the source of both the gateware (what the blocks are made of)
and the cycle model (when they move). A specification holds integers and arrays, no hardware.

Times are in clock cycles. A *beat* is one transfer on a stream, of some *lanes* (elements). A *vector* is
what a block takes as a whole: beats never hold elements of two vectors, so the last beat of one may be
padded. Where V frames go side by side, each lane holds the element of all V, the first in the lowest bits.
"""

from ..memory import Memory
from .elementwise import AffineSpec, JoinSpec, PoolSpec, ThresholdSpec
from .machines import Buffered, Collect, Level, Machine
from .matvec.spec import MatVecSpec
from .moving import FifoSpec, ForkSpec, WidthSpec
from .scores.spec import ArgmaxSpec, EndSpec, ResultSpec, VoteSpec
from .window.spec import WindowSpec

__all__ = [
    "AffineSpec",
    "ArgmaxSpec",
    "BlockSpec",
    "Buffered",
    "Collect",
    "EndSpec",
    "FifoSpec",
    "ForkSpec",
    "JoinSpec",
    "Level",
    "Machine",
    "MatVecSpec",
    "Memory",
    "PoolSpec",
    "ResultSpec",
    "ThresholdSpec",
    "VoteSpec",
    "WidthSpec",
    "WindowSpec",
]

BlockSpec = (
    MatVecSpec
    | WindowSpec
    | WidthSpec
    | ForkSpec
    | FifoSpec
    | JoinSpec
    | PoolSpec
    | ThresholdSpec
    | AffineSpec
    | VoteSpec
    | ArgmaxSpec
    | ResultSpec
)
