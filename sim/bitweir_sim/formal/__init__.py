"""Proofs: what holds of gateware for all inputs, in every cycle, found by solvers.

`Bench` puts what is claimed around a device, `circuit_of`, `from_rtlil` and `from_yosys` read a design, and `prove`,
`prove_by_induction`, `bounded`, `equivalent` and `compare_states` give a `Verdict`. The package python-sat must be
there.
"""

from .bench import Bench, circuit_of, from_rtlil, from_yosys
from .circuit import Circuit
from .prove import bounded, equivalent, miter, prove, prove_by_induction
from .states import Handshakes, compare_states
from .verdict import Status, Trace, Verdict

__all__ = [
    "Bench",
    "Circuit",
    "Handshakes",
    "Status",
    "Trace",
    "Verdict",
    "bounded",
    "circuit_of",
    "compare_states",
    "equivalent",
    "from_rtlil",
    "from_yosys",
    "miter",
    "prove",
    "prove_by_induction",
]
