"""The search through all states of a block and of its machine."""

from types import SimpleNamespace

import numpy as np
import pytest
from bitweir_hw.blocks import Level
from bitweir_hw.gateware.fifo import Fifo
from bitweir_sim.formal import Bench, Handshakes, compare_states
from bitweir_sim.time.machines import stepped

NAMES = Handshakes(offered=("i_valid",), ready=("show_i_ready",), valid=("show_o_valid",), taken=("o_ready",))


def fifo(depth, *, spoilt=False):
    """A FIFO of four bits; a spoilt one hides a beat whose payload is 7."""
    bench, dut = Bench(), Fifo(width=4, depth=depth)
    bench.m.submodules.dut = dut
    bench.m.d.comb += [
        dut.i.valid.eq(bench.free(1, "i_valid")),
        dut.i.payload.eq(bench.free(4, "i_payload")),
        dut.o.ready.eq(bench.free(1, "o_ready")),
    ]
    bench.show("i_ready", dut.i.ready)
    bench.show("o_valid", dut.o.valid & ~((dut.o.payload == 7) & spoilt))
    return bench.circuit()


def machine(room):
    return stepped(SimpleNamespace(machine=Level(room=room, leave=1, amounts=np.ones(1, np.int64))))


@pytest.mark.parametrize("depth", (2, 4, 11))
def test_a_fifo_is_its_machine(depth):
    verdict = compare_states(fifo(depth), NAMES, machine(depth - 1))
    assert verdict.status == "proved"
    # The states that the machine has are the fewest there can be.
    assert int(verdict.told.split()[0]) >= depth + 1


def test_a_place_too_many_shows_after_as_many_beats():
    verdict = compare_states(fifo(4), NAMES, machine(4))
    assert verdict.status == "refuted"
    assert verdict.trace.broken == ("show_i_ready",)
    # Four beats come, none leaves, and the fifth has no place.
    assert verdict.trace.signals == {"i_valid": (1, 1, 1, 1, 0), "o_ready": (0,) * 5}


def test_handshakes_that_depend_on_data_are_not_proved():
    verdict = compare_states(fifo(2, spoilt=True), NAMES, machine(1))
    assert verdict.status == "unknown"
    assert "i_payload" in verdict.told


def test_it_gives_up_in_time():
    assert compare_states(fifo(11), NAMES, machine(10), most=5).status == "unknown"
