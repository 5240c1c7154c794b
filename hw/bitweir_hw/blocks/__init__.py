"""The blocks that a network and a plan come down to, with every derived size.

A block is a folder: its specification, its gateware, what it costs and its longest paths, put together as one `Block`.
`BLOCKS` is the only list of them. Specifications are the source of the gateware (what blocks are made of) and of the
cycle model (when they move); they hold integers and arrays, no hardware.

Times are in clock cycles. A *beat* is one transfer on a stream, of some *lanes* (elements). A *vector* is
what a block takes as a whole: beats never hold elements of two vectors, so the last beat of one may be
padded. Where V frames go side by side, each lane holds the element of all V, the first in the lowest bits.
"""

from amaranth.lib import wiring

from .add import ADD, AddSpec
from .base import Block, BlockSpec
from .chain import Chain, ChainSpec
from .channel import AFFINE, PIECEWISE, THRESHOLD, AffineSpec, ChannelSpec, PiecewiseSpec, ThresholdSpec
from .concat import CONCAT, ConcatSpec
from .fifo import FIFO, FifoSpec
from .fork import FORK, ForkSpec
from .machines import Buffered, Collect, Level, Machine
from .matvec import MATVEC, MatVecSpec
from .pipeline import Node, Pipeline, Stream
from .pool import POOL, PoolSpec
from .running import RUNNING_MAX, RunningMaxSpec
from .scores import ARGMAX, CHOICE, RESULT, VOTE, ArgmaxSpec, ChoiceSpec, EndSpec, ResultSpec, VoteSpec
from .select import SELECT, SelectSpec
from .upsample import UPSAMPLE, UpsampleSpec
from .width import WIDTH, WidthSpec
from .window import WINDOW, WindowSpec
from .wired import WIRED, WiredSpec

__all__ = [
    "BLOCKS",
    "AffineSpec",
    "ArgmaxSpec",
    "Block",
    "BlockSpec",
    "Buffered",
    "ChainSpec",
    "ChannelSpec",
    "ChoiceSpec",
    "Collect",
    "ConcatSpec",
    "EndSpec",
    "FifoSpec",
    "ForkSpec",
    "AddSpec",
    "Level",
    "Machine",
    "MatVecSpec",
    "Node",
    "PiecewiseSpec",
    "Pipeline",
    "PoolSpec",
    "ResultSpec",
    "RunningMaxSpec",
    "SelectSpec",
    "Stream",
    "ThresholdSpec",
    "UpsampleSpec",
    "VoteSpec",
    "WidthSpec",
    "WindowSpec",
    "WiredSpec",
    "block_of",
    "component_of",
]

#: Every kind of block. What gateware, cycle model, cost model, report and tests know of blocks, they read here.
BLOCKS: tuple[Block, ...] = (
    MATVEC, WIRED, WINDOW, WIDTH, FORK, FIFO, ADD, CONCAT, SELECT, UPSAMPLE, POOL, RUNNING_MAX, THRESHOLD, VOTE, CHOICE,
    AFFINE, PIECEWISE, ARGMAX, RESULT,
)  # fmt: skip
_OF_SPEC = {block.spec: block for block in BLOCKS}


def block_of(spec: BlockSpec) -> Block:
    """The kind of block that a specification is of."""
    return _OF_SPEC[type(spec)]


def component_of(place: BlockSpec) -> wiring.Component:
    """The hardware in a place of a pipeline: a block, or a chain."""
    return Chain(place) if isinstance(place, ChainSpec) else block_of(place).component(place)
