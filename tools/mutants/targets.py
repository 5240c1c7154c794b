"""Which files are mutated, and which tests must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["TARGETS", "Target", "files_of"]

_BLOCKS, _TESTS = "hw/bitweir_hw/blocks", "tests/hw/blocks"
_MATVEC = (f"{_TESTS}/matvec/test_matvec.py", f"{_TESTS}/matvec/test_planes.py")
_POPCOUNT = ("tests/hw/popcount/test_elements.py", "tests/hw/popcount/test_dot_product.py")
_PARAMETERS = "tests/hw/accelerator/test_parameters.py"
_SERIES = "test_scales_that_come_in_series_are_loaded"
_LINK = ("tests/hw/link/test_endpoint.py", "tests/sim/simulators/test_link_device.py")
_CLIENT = ("tests/host/client/test_codec.py", "tests/host/client/test_client.py")


@dataclass(frozen=True)
class Target:
    """Files that the same tests look at.

    Parameters
    ----------
    files : str
        A pattern, from the root of the repository.
    tests : tuple of str
        What is run, the cheapest first; the first failure ends it.
    """

    files: str
    tests: tuple[str, ...]


def _block(name: str, *more: str) -> Target:
    return Target(f"{_BLOCKS}/{name}/gateware.py", (f"{_TESTS}/{name}/test_{name}.py", *more))


#: The first pattern that fits a file is its target.
TARGETS = (
    _block("add"),
    _block("concat"),
    _block("fifo"),
    _block("fork"),
    _block("pool"),
    _block("running"),
    _block("select"),
    _block("upsample"),
    _block("width"),
    _block("window"),
    _block("wired"),
    Target(f"{_BLOCKS}/width/*.py", (f"{_TESTS}/width/test_width.py",)),
    Target(f"{_BLOCKS}/matvec/*.py", _MATVEC),
    Target(f"{_BLOCKS}/channel/affine.py", (f"{_TESTS}/channel/test_affine.py",)),
    Target(f"{_BLOCKS}/channel/piecewise.py", (f"{_TESTS}/channel/test_piecewise.py",)),
    Target(f"{_BLOCKS}/channel/serial.py", (f"{_TESTS}/channel/test_affine.py", f"{_PARAMETERS}::{_SERIES}")),
    Target(f"{_BLOCKS}/channel/*.py", (f"{_TESTS}/channel/test_threshold.py", f"{_TESTS}/channel/test_piecewise.py")),
    Target(f"{_BLOCKS}/scores/vote.py", (f"{_TESTS}/scores/test_vote.py",)),
    Target(f"{_BLOCKS}/scores/choice.py", (f"{_TESTS}/scores/test_choice.py",)),
    Target(f"{_BLOCKS}/scores/result.py", ("tests/sim/test_accelerator.py::test_every_beat_of_results_of_pixels",)),
    Target(f"{_BLOCKS}/scores/*.py", (f"{_TESTS}/scores",)),
    Target(
        "hw/bitweir_hw/gateware/counters.py", ("tests/hw/gateware/test_counters.py", f"{_TESTS}/window/test_window.py")
    ),
    Target("hw/bitweir_hw/gateware/values.py", ("tests/hw/gateware/test_values.py", *_MATVEC)),
    Target("hw/bitweir_hw/gateware/rom.py", ("tests/hw/gateware/test_rom.py", *_MATVEC)),
    Target("hw/bitweir_hw/gateware/store.py", ("tests/hw/gateware/test_store.py", f"{_TESTS}/pool/test_pool.py")),
    Target("hw/bitweir_hw/gateware/crc.py", ("tests/hw/gateware/test_crc.py",)),
    Target("hw/bitweir_hw/gateware/loading.py", (_PARAMETERS, "tests/sim/simulators/test_link_loading.py")),
    Target("hw/bitweir_hw/gateware/prefetch.py", (*_MATVEC, "tests/sim/test_streamed_weights.py")),
    Target(
        "hw/bitweir_hw/gateware/credits.py", (f"{_TESTS}/fifo/test_fifo.py", "tests/sim/test_wired_chains.py", *_MATVEC)
    ),
    Target("hw/bitweir_hw/gateware/*.py", (f"{_TESTS}/fifo/test_fifo.py", *_MATVEC, f"{_TESTS}/channel")),
    Target("hw/bitweir_hw/popcount/ecp5.py", (*_POPCOUNT, "tests/host/synthesis/test_synthesis.py")),
    Target("hw/bitweir_hw/popcount/*.py", _POPCOUNT),
    Target("hw/bitweir_hw/link/cobs.py", ("tests/hw/link/test_cobs.py",)),
    Target("hw/bitweir_hw/link/crossing.py", ("tests/hw/link/test_crossing.py",)),
    Target("hw/bitweir_hw/link/reader.py", ("tests/hw/link/test_reader.py", *_LINK)),
    Target("hw/bitweir_hw/link/receiver.py", ("tests/hw/link/test_receiver.py", *_LINK)),
    Target("hw/bitweir_hw/link/ring.py", ("tests/hw/link/test_ring.py", *_LINK)),
    Target("hw/bitweir_hw/link/uart.py", ("tests/hw/link/test_uart.py",)),
    Target("hw/bitweir_hw/link/protocol.py", ("tests/hw/link/test_identity.py", *_CLIENT, *_LINK)),
    Target("hw/bitweir_hw/link/*.py", _LINK),
    Target("host/bitweir/client/client.py", _CLIENT),
    Target("host/bitweir/client/codec.py", _CLIENT),
    Target("host/bitweir/client/frames.py", _CLIENT),
    Target("host/bitweir/client/linked.py", (*_CLIENT, "tests/host/client/test_loading.py")),
    Target("sim/bitweir_sim/time/machines.py", (f"{_TESTS}/fork/test_fork.py", f"{_TESTS}/matvec/test_matvec.py")),
    Target("sim/bitweir_sim/values/golden.py", ("tests/sim/values/test_golden.py", "tests/sim/test_every_layer.py")),
)
#: No gateware: what these tell is compared with it by the tests of costs and timing.
_NOT = ("__init__.py", "spec.py", "cost.py", "unrolled.py")


def files_of(root: Path) -> dict[str, Target]:
    """All files that are mutated, each with its target."""
    found: dict[str, Target] = {}
    for target in TARGETS:
        for path in sorted(root.glob(target.files)):
            if path.name not in _NOT:
                found.setdefault(path.relative_to(root).as_posix(), target)
    return found
