"""From a trained binary neural network to a verified streaming FPGA accelerator.

The functions here do what the commands of the program do; ``docs/python.md`` shows them at work::

    net = bitweir.load("model.onnx", input_scale="1/255")
    design = bitweir.generate(net, "build/", part="ecp5-85k", goal="fps")
    design.simulate(images, labels).mismatches
    design.report(synthesise="ecp5")
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitweir_hw.boards import Board, BoardSpi, Pin
    from bitweir_hw.errors import BitweirError
    from bitweir_hw.parts import FpgaPart, Nextpnr

    from .accelerator import Accelerator
    from .api import (
        boards,
        build,
        check,
        connect,
        demo,
        demo_images,
        explore,
        generate,
        generate_chips,
        load,
        load_parameters,
        network,
        open,
        open_chips,
        parts,
        program,
        run,
        simulated_board,
    )
    from .arrays import conv, dense, max_pool
    from .comparing import compare
    from .model import Model

    __version__: str

__all__ = [
    "Accelerator",
    "AxiPorts",
    "BitweirError",
    "Board",
    "BoardSpi",
    "FpgaPart",
    "Model",
    "Nextpnr",
    "Pin",
    "__version__",
    "boards",
    "build",
    "check",
    "compare",
    "connect",
    "conv",
    "demo",
    "demo_images",
    "dense",
    "explore",
    "generate",
    "generate_chips",
    "load",
    "load_parameters",
    "max_pool",
    "network",
    "open",
    "open_chips",
    "parts",
    "program",
    "run",
    "simulated_board",
]

#: Where names come from that are not in `api`.
_HOMES = {
    "Accelerator": ".accelerator",
    "AxiPorts": "bitweir_hw.axi",
    "BitweirError": "bitweir_hw.errors",
    "Board": "bitweir_hw.boards",
    "BoardSpi": "bitweir_hw.boards",
    "FpgaPart": "bitweir_hw.parts",
    "Model": ".model",
    "compare": ".comparing",
    "Nextpnr": "bitweir_hw.parts",
    "Pin": "bitweir_hw.boards",
    "connect": ".client",
    "conv": ".arrays",
    "dense": ".arrays",
    "max_pool": ".arrays",
}


def __getattr__(name: str) -> Any:
    # So that a program pays only for what it uses.
    if name == "__version__":
        return metadata.version(__name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES.get(name, ".api"), __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
