"""The memory of streamed weights on a board, and what it makes of the time of an accelerator."""

from __future__ import annotations

from bitweir_hw.accelerator.board_memory import BURST_BEATS, BoardMemory, board_layout, reader_spec
from bitweir_hw.blocks.pipeline import Pipeline, refuse_weight_streams
from bitweir_hw.boards import BOARDS, Board, BoardSdram
from bitweir_hw.boards.sdram_clock import HIGHEST, window
from bitweir_hw.offchip import ImageLayout, ReaderSpec, SdramSpec, StreamedWeights
from bitweir_sim.time.cycles import Timing

from .weight_memory import WeightMemory

__all__ = [
    "board_reader_spec",
    "check_memory",
    "least_bandwidth",
    "memory_of_board",
    "memory_on_board",
    "timing_on_board",
]


def check_memory(pipeline: Pipeline, board: Board) -> None:
    """Refuse streamed weights on a board without a memory.

    Raises
    ------
    PlanError
        Names a layer, and what to do.
    """
    if board.sdram is None:
        boards = " or ".join(name for name, other in BOARDS.items() if other.sdram)
        refuse_weight_streams(
            pipeline, f"{board.title} board", remedy=f"fold the layer without :stream, or take another board: {boards}"
        )


def least_bandwidth(chip: BoardSdram, clock: float) -> float:
    """Bytes/s that the memory of a board gives at least at a clock in Hz, whatever the layers."""
    some = ImageLayout(
        streams=(StreamedWeights(name="some", width=16, depth=1),), beat_bytes=2, burst_beats=BURST_BEATS
    )
    return SdramSpec(part=chip.part, clock=round(clock), layout=some).least_rate


def board_reader_spec(pipeline: Pipeline) -> ReaderSpec:
    """The reader of an accelerator's weights on a board.

    Raises
    ------
    PlanError
        No weights are streamed.
    """
    return reader_spec(board_layout(pipeline))


def memory_of_board(pipeline: Pipeline, board: Board | None, clock: float) -> WeightMemory | None:
    """The least that the memory of a board gives an accelerator at a clock; None where it has none, or needs none.

    Parameters
    ----------
    pipeline : Pipeline
    board : Board or None
    clock : float
        Hz.
    """
    chip = board.sdram if board else None
    if chip is None or not pipeline.weight_streams:
        return None
    return WeightMemory(bandwidth=least_bandwidth(chip, min(clock, HIGHEST)))


def memory_on_board(pipeline: Pipeline, board: Board, clock: float) -> BoardMemory | None:
    """The memory of an accelerator's weights; None where none are streamed.

    Parameters
    ----------
    pipeline : Pipeline
    board : Board
    clock : float
        Hz, of the accelerator and of the memory.

    Raises
    ------
    PlanError
        The board has none, the image does not fit, or the memory cannot have such a clock.
    """
    if not pipeline.weight_streams:
        return None
    check_memory(pipeline, board)
    assert board.sdram
    part = board.sdram.part
    return BoardMemory.of(pipeline, part, clock=round(clock), late=window(part, clock).late)


def timing_on_board(pipeline: Pipeline, timing: Timing, board: Board, clock: float) -> Timing:
    """The time of an accelerator on a board, with the least that its memory gives where weights come from there.

    Parameters
    ----------
    pipeline : Pipeline
    timing : Timing
        Where weights always come.
    board : Board
    clock : float
        Hz.
    """
    memory = memory_on_board(pipeline, board, clock)
    if memory is None:
        return timing
    # Words are read ahead of the frames, so there is no latency.
    return WeightMemory(bandwidth=memory.sdram.least_rate).weights(pipeline, timing, clock).timing
