"""Whether a class of layers is complete: in every table, drawn, sampled, and right against the plain loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from bitweir_hw.files import load_network, network_bytes
from bitweir_hw.lower import LOWERINGS, lower
from bitweir_hw.network import Network
from bitweir_hw.plan import Plan, weighted
from bitweir_sim.values.fast import run
from bitweir_sim.values.golden import EXECUTORS, trace
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from support.drawn_layers import DRAWN
from support.every_beat import check_every_beat
from support.reference import REFERENCES, reference
from support.samples import every_kind
from support.strategies import codes, networks, networks_with, plans

__all__ = ["faults"]

#: Networks in which a layer's values, and in which its beats are compared.
VALUES, BEATS = 30, 2


def faults(kind: type, folder: Any) -> list[str]:
    """What is missing or wrong of a class of layers, one line each; a new layer begins with this list.

    Parameters
    ----------
    kind : type
    folder : Path
        For files.
    """
    return list(_missing(kind)) or list(_wrong(kind, folder))


def _missing(kind: type) -> Iterator[str]:
    tables: dict[str, dict[type, Any]] = {
        "golden.EXECUTORS": EXECUTORS,
        "lower.LOWERINGS": LOWERINGS,
        "support.reference.REFERENCES": REFERENCES,
        "support.drawn_layers.DRAWN": DRAWN,
    }
    for name, table in tables.items():
        if not callable(table.get(kind)):
            yield f"{kind.__name__} has no entry in {name}"
    if not _has(kind, every_kind()[0]):
        yield f"{kind.__name__} is not in the network of support.samples.every_kind"


def _wrong(kind: type, folder: Any) -> Iterator[str]:
    checks: dict[str, Callable[[], None]] = {
        "is not drawn by support.strategies.networks": lambda: _is_drawn(kind),
        "has other values than the plain loops": lambda: _compare_values(kind),
        "has other beats than its golden model": lambda: _compare_beats(kind),
        "is not what it was before it was saved": lambda: _save(kind, folder / "network.npz"),
    }
    for told, check in checks.items():
        try:
            check()
        except Exception as error:  # a mistake may show in any way
            yield f"{kind.__name__} {told}: {type(error).__name__}: {str(error)[:300]}"


def _has(kind: type, network: Network) -> bool:
    return any(type(layer) is kind for layer, _, _ in network.placed())


def _few(count: int) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


def _is_drawn(kind: type) -> None:
    find(networks(), lambda network: _has(kind, network), settings=_few(300))


def _compare_values(kind: type) -> None:
    """Golden and fast path against `reference`, which knows nothing of them."""

    @_few(VALUES)
    @given(networks_with(kind), st.data())
    def compare(network: Network, data: Any) -> None:
        frames = data.draw(codes(network, 3))
        found, scores = trace(network, frames), run(network, frames).scores.tolist()
        for index, frame in enumerate(frames.tolist()):
            expected = reference(network, frame)
            assert {name: stream[index].tolist() for name, stream in found.items()} == expected
            assert scores[index] == expected[network.layers[-1].name], "the fast path has other scores"

    compare()


def _compare_beats(kind: type) -> None:
    """The gateware, beat by beat; and the lowering makes blocks under the layer's name."""
    network, plan = every_kind()
    named = {block.layer for block in lower(network, plan).blocks}
    for layer, _, _ in network.placed():
        assert type(layer) is not kind or layer.name in named, f"layer {layer.name!r} becomes no block"

    @_few(BEATS)
    @given(networks_with(kind, max_size=4), st.data())
    def compare(network: Network, data: Any) -> None:
        plan = data.draw(plans(network)) if weighted(network) else Plan(foldings=())
        frames = data.draw(codes(network, 2))
        check_every_beat(network, plan, frames, np.ones(0, bool), np.ones(0, bool))

    compare()


def _save(kind: type, path: Any) -> None:
    network, _ = every_kind()
    path.write_bytes(network_bytes(network))
    assert network_bytes(load_network(path)) == path.read_bytes()
