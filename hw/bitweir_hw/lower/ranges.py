"""How far values reach whatever is loaded: bounds that follow from shapes and limits, not from parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic import signed_bits
from ..errors import NetworkError, PlanError
from ..network.layers import SUM_BITS, Affine, Branched, Conv, Dense, Layer, Map, Piecewise, Threshold
from ..network.network import Network
from ..plan import Plan, check_load_width

__all__ = ["ParameterRange", "ValueRanges", "limits_for", "with_loadable_parameters"]

#: Layers with parameters.
LOADED = (Dense, Conv, Threshold, Affine, Piecewise)
#: The least and the highest value that something may have.
ParameterRange = tuple[int, int]


def with_loadable_parameters(network: Network, plan: Plan, *, load_width: int = 1) -> Plan:
    """The plan with parameters in RAM, wide enough for those of `network`.

    Parameters
    ----------
    network : Network
    plan : Plan
    load_width : int
        See `Plan`.

    Raises
    ------
    PlanError
        The network has no parameters, or there is no such width.
    """
    if not any(isinstance(layer, LOADED) for layer, _, _ in network.placed()):
        raise PlanError(f"Network {network.name!r} must have weights or thresholds to load; it has none.")
    found = [entry for layer, _, _ in network.placed() for entry in limits_for(layer).items()]
    limits = tuple((name, low, high) for name, (low, high) in found)
    check_load_width("ram", load_width)
    return replace(plan, weights="ram", limits=limits, load_width=load_width)


def limits_for(layer: Layer) -> dict[str, ParameterRange]:
    """For each parameter whose width its shape does not tell, the limits that its values ask for.

    Weights of -1 and +1 need none, nor do thresholds. Other integers get as many bits as they need in two's
    complement, weights of -1, 0 and +1 no more than these.
    """
    found = {}
    for name, (low, high) in _ends(layer).items():
        if name.endswith(".weights") and low >= -1 and high <= 1:
            found[name] = (-1, 1)
        elif name.endswith(".edges") and layer.edges is None:  # type: ignore[union-attr]
            found[name] = (0, 0)
        else:
            found[name] = _power(low, high)
    return found


def _ends(layer: Layer) -> dict[str, ParameterRange]:
    """The least and the highest value of each parameter that has limits."""
    arrays: dict[str, NDArray[Any]] = {}
    if isinstance(layer, Dense | Conv) and layer.weights.dtype != np.bool_:
        arrays["weights"] = layer.weights
    if isinstance(layer, Conv) and (any(layer.pads) or layer.by_pixel):
        arrays["edges"] = np.zeros(1, np.int64) if layer.edges is None else layer.edges
    if isinstance(layer, Affine | Piecewise):
        arrays = {"scale": layer.scale, "offset": layer.offset}
    return {f"{layer.name}.{what}": (int(values.min()), int(values.max())) for what, values in arrays.items()}


def _power(low: int, high: int) -> ParameterRange:
    """The range of the two's complement numbers that hold both."""
    top = 1 << (signed_bits(low, high) - 1)
    return -top, top - 1


class ValueRanges:
    """What layers hand on at most, whatever parameters are loaded.

    Parameters
    ----------
    network : Network
    plan : Plan
        Its limits hold for the parameters that it names; others may be as large as those of the network.

    Raises
    ------
    PlanError
        A parameter of the network is beyond its limits.
    """

    def __init__(self, network: Network, plan: Plan) -> None:
        given = {name: (low, high) for name, low, high in plan.limits}
        self._limits: dict[str, ParameterRange] = {}
        for layer, _, _ in network.placed():
            self._limits |= {name: given.get(name, usual) for name, usual in limits_for(layer).items()}
            for name, (low, high) in _ends(layer).items():
                least, most = self._limits[name]
                if low < least or high > most:
                    what = name.rpartition(".")[2]
                    raise PlanError(
                        f"Layer {layer.name!r} must have {what} of {least} to {most}, for which the accelerator has "
                        f"room, not of {low} to {high}."
                    )
        for name in given:
            if name not in self._limits:
                raise PlanError(f"The plan must give limits of parameters of its network, not of {name!r}.")

    def limits(self, layer: Layer, what: str) -> ParameterRange:
        """What a parameter of a layer may be; weights of -1 and +1 have these as limits."""
        return self._limits.get(f"{layer.name}.{what}", (-1, 1))

    def output_map(self, layer: Layer, source: Map) -> Map:
        """What leaves a layer: as its own `output_map`, but with the bounds of all parameters that could be loaded."""
        if isinstance(layer, Branched):
            return _checked(layer, layer.meet([self._series(branch, source) for branch in layer.branches]))
        result = layer.output_map(source)
        if isinstance(layer, Dense | Conv) and layer.thresholds is None:
            low, high = source.low, source.high
            if isinstance(layer, Conv) and (any(layer.pads) or layer.by_pixel):
                low, high = min(low, layer.pad_value), max(high, layer.pad_value)
            ends = _products(self.limits(layer, "weights"), (low, high))
            low, high = (layer.inputs * end for end in ends)
            if isinstance(layer, Conv) and layer.edges is not None:
                edges = self.limits(layer, "edges")
                low, high = low + min(0, edges[0]), high + max(0, edges[1])
            return _checked(layer, replace(result, low=low, high=high))
        if isinstance(layer, Affine | Piecewise):
            ends, offset = (
                _products(self.limits(layer, "scale"), (source.low, source.high)),
                self.limits(layer, "offset"),
            )
            whole = _checked(layer, replace(result, low=ends[0] + offset[0], high=ends[1] + offset[1]))
            shift = layer.shift if isinstance(layer, Piecewise) else 0
            return replace(whole, low=whole.low >> shift, high=whole.high >> shift)
        return result

    def _series(self, layers: tuple[Layer, ...], source: Map) -> Map:
        for layer in layers:
            source = self.output_map(layer, source)
        return source


def _products(a: ParameterRange, b: ParameterRange) -> ParameterRange:
    """The least and the highest product."""
    products = [x * y for x in a for y in b]
    return min(products), max(products)


def _checked(layer: Layer, result: Map) -> Map:
    if max(abs(result.low), abs(result.high)) >> SUM_BITS:
        raise NetworkError(
            f"Layer {layer.name!r} must output values of at most {SUM_BITS} bits whatever is loaded, "
            f"not {result.low} to {result.high}."
        )
    return result
