"""Proofs of values: the definition on words is the golden model, and bursts end only where nothing new can come."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from bitweir_sim.formal import circuit_of
from bitweir_sim.formal.graph import Graph
from support.samples import every_kind

from tools.prove import equal
from tools.prove.bursts import LooseError, Player
from tools.prove.definition import Definition
from tools.prove.small_networks import small_networks


@pytest.mark.parametrize("network", [*(small.network for small in small_networks()), every_kind()[0]])
def test_the_definition_is_the_golden_model(network):
    graph = Graph()
    assert equal._differs(graph, network, Definition(graph, {}), equal.frame(graph, network)) == ""


def test_a_definition_of_something_else_is_told():
    network = next(small_networks()).network
    graph = Graph()

    class Wrong(Definition):
        def reached(self, thresholds, sums):
            return super().reached(thresholds + 2, sums)

    assert "golden" in equal._differs(graph, network, Wrong(graph, {}), equal.frame(graph, network))


class Element(wiring.Component):
    """A register between two streams; what it does to a bit depends on what it has seen."""

    def __init__(self, what):
        self.what = what
        super().__init__({"i": In(stream.Signature(1)), "o": Out(stream.Signature(1))})

    def elaborate(self, platform):
        m = Module()
        count, last = Signal(3), Signal()
        take = self.i.valid & self.i.ready
        waits = last if self.what == "data" else 0
        m.d.comb += self.i.ready.eq((~self.o.valid | self.o.ready) & ~waits)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(take):
            flips = {"count": count == 5, "history": last}.get(self.what, 0)
            m.d.sync += [
                self.o.valid.eq(1), self.o.payload.eq(self.i.payload ^ flips), last.eq(self.i.payload),
                count.eq(count + 1),
            ]  # fmt: skip
        return m


def played(what):
    """Bits in, and those that come out of each burst of two."""
    circuit = circuit_of(Element(what))
    circuit = type(circuit)(**{**vars(circuit), "initial": (0,) * len(circuit.registers)})
    graph = Graph()
    bits = [graph.leaf() for _ in range(2)]
    player = Player(circuit, graph, lambda cycle: (1, 1))
    return bits, [[literal for (literal,) in found] for found in player.bursts([[bit] for bit in bits], 2)]


def test_bursts_are_played_until_their_state_repeats():
    bits, found = played("count")
    # Counts of 0, 2, 4 and 6 are before a burst, and one of them sees the beat that is turned over; 0 comes twice, as
    # the first burst alone begins with the zeros that follow reset.
    assert [row == bits for row in found] == [True, True, False, True, True]


def test_what_frames_leave_is_anything():
    bits, found = played("history")
    assert found[0][0] == bits[0]
    # The second burst sees a register that may be either.
    assert all(row[0] not in bits for row in found[1:])


def test_handshakes_that_depend_on_data_are_refused():
    with pytest.raises(LooseError, match="depends on data"):
        played("data")
