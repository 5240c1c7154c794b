"""Every class of layers is complete; and a class that is not is found out."""

import sys
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
from bitweir_hw.files import store
from bitweir_hw.lower import LOWERINGS
from bitweir_hw.network import LAYERS, Affine, Layer, Network, check
from bitweir_sim.values import fast
from bitweir_sim.values.golden import EXECUTORS, values
from support import every_layer
from support.drawn_layers import DRAWN
from support.every_layer import faults
from support.reference import REFERENCES, Stream
from support.samples import every_kind


@pytest.mark.parametrize("kind", LAYERS)
def test_a_class_of_layers_is_complete(kind, tmp_path):
    assert faults(kind, tmp_path) == []


def test_no_table_has_what_is_no_layer():
    assert set(EXECUTORS) == set(LOWERINGS) == set(REFERENCES) == set(DRAWN) == set(LAYERS)


# ---- a new class, right and wrong


@dataclass(frozen=True, kw_only=True, eq=False)
class Twice:
    """Hands on two times what arrives."""

    name: str

    def as_affine(self, source):
        return Affine(name=self.name, scale=np.full(source.channels, 2), offset=np.zeros(source.channels, np.int64))

    def output_map(self, source):
        return self.as_affine(source).output_map(source)


def lowered(builder, layer, tip):
    return LOWERINGS[Affine](builder, layer.as_affine(tip.map), tip)


def not_lowered(builder, layer, tip):
    return tip


def executed(layer, stream, source, factor=2):
    return factor * values(stream, source)


def looped(layer, stream, found):
    return Stream({cell: 2 * value for cell, value in stream.values().items()})


def drawn(layers, source, depth):
    return Twice(name=layers._name("twice"))


def sampled():
    network, plan = every_kind()
    return check(replace(network, layers=(*network.layers, Twice(name="twice")))), plan


#: Table, and what is right in it.
TABLES = {
    "golden.EXECUTORS": (EXECUTORS, executed),
    "lower.LOWERINGS": (LOWERINGS, lowered),
    "support.reference.REFERENCES": (REFERENCES, looped),
    "support.drawn_layers.DRAWN": (DRAWN, drawn),
}


@pytest.fixture
def new_class(monkeypatch):
    for table, entry in TABLES.values():
        monkeypatch.setitem(table, Twice, entry)
    monkeypatch.setitem(store._KINDS, "Twice", Twice)
    monkeypatch.setattr(sys.modules[Network.__module__], "Layer", Layer | Twice)
    monkeypatch.setattr(every_layer, "every_kind", sampled)
    return monkeypatch


def test_a_right_new_class_is_complete(new_class, tmp_path):
    assert faults(Twice, tmp_path) == []


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("entry", ["none", "missing"])
def test_a_table_without_the_class(new_class, tmp_path, name, entry):
    table = TABLES[name][0]
    new_class.setitem(table, Twice, None)
    if entry == "missing":
        del table[Twice]
    assert faults(Twice, tmp_path) == [f"Twice has no entry in {name}"]


def test_a_class_that_no_sample_has(new_class, tmp_path):
    new_class.setattr(every_layer, "every_kind", every_kind)
    assert faults(Twice, tmp_path) == ["Twice is not in the network of support.samples.every_kind"]


def test_a_class_that_cannot_be_saved(new_class, tmp_path):
    new_class.delitem(store._KINDS, "Twice")
    (told,) = faults(Twice, tmp_path)
    assert told.startswith("Twice is not what it was before it was saved: NetworkError")


def test_a_wrong_executor(new_class, tmp_path):
    new_class.setitem(EXECUTORS, Twice, partial(executed, factor=3))
    told, *others = faults(Twice, tmp_path)
    assert told.startswith("Twice has other values than the plain loops: AssertionError")
    # The gateware does what the class says, and so differs from a golden model that does not.
    assert [line.partition(":")[0] for line in others] == ["Twice has other beats than its golden model"]


def test_a_wrong_fast_path(new_class, tmp_path):
    new_class.setattr(fast, "EXECUTORS", {**EXECUTORS, Twice: partial(executed, factor=3)})
    (told,) = faults(Twice, tmp_path)
    assert told.startswith("Twice has other values") and "the fast path has other scores" in told


def test_a_lowering_that_makes_nothing(new_class, tmp_path):
    new_class.setitem(LOWERINGS, Twice, not_lowered)
    (told,) = faults(Twice, tmp_path)
    assert told.startswith("Twice has other beats than its golden model") and "becomes no block" in told


def test_a_wrong_lowering(new_class, tmp_path):
    def wrong(builder, layer, tip):
        layer = layer.as_affine(tip.map)
        return LOWERINGS[Affine](builder, replace(layer, offset=layer.offset + 1), tip)

    new_class.setitem(LOWERINGS, Twice, wrong)
    (told,) = faults(Twice, tmp_path)
    assert told.startswith("Twice has other beats than its golden model: SimulationError")
