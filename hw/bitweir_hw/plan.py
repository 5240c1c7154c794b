"""The choices: how far each layer is folded, and what the datapath is made of."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from .arithmetic import ceil_div, divisors
from .checked import hertz, real, whole
from .errors import PlanError
from .memory import STREAM, WIRED
from .network.layers import Conv, Dense, Map
from .network.network import Network
from .popcount.dot_product import Popcount

__all__ = [
    "MAX_STREAMS",
    "MODERATE_LANES",
    "LOAD_WIDTHS",
    "WEIGHTS",
    "Folding",
    "Plan",
    "check_parallel_frames",
    "check_plan",
    "cycles_of",
    "group_channels",
    "groups_at_once",
    "least_cycles",
    "plan_for_fps",
    "plan_from_foldings",
    "plan_of_moderate_size",
    "several_groups",
    "step_counts",
    "weighted",
    "window_words",
    "wired",
    "word_choices",
    "words_of",
]

#: Where parameters come from.
WEIGHTS = ("rom", "ram")
#: Bytes of parameters in RAM that can be loaded in a cycle.
LOAD_WIDTHS = (1, 2, 4, 8, 16)
#: Frames side by side: more would be wider than any part.
MAX_STREAMS = 64
#: Lanes that a small part has room for.
MODERATE_LANES = 2048
#: What the accumulator and the threshold of an element cost, in lanes.
PE_LANES = 12
#: Pixels that share weights: each has accumulators of its own.
MAX_SHARE = 64
#: Beats that a FIFO may hold.
MAX_DEPTH = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Folding:
    """How much of a layer works in one cycle.

    Parameters
    ----------
    pe : int
        Processing elements: neurons computed at the same time. Of a convolution with groups, more than those of
        one group are those of several whole groups: see `groups_at_once`.
    simd : int
        Inputs of each that are taken in one cycle.
    memory : str
        Where its weights sit: ``"block"`` RAM, LUTs (``"lut"``), or what fits their size (``"auto"``); or
        ``"stream"``, outside the accelerator: they come over a stream of their own, in the order of use; or
        ``"wired"``, constants in logic that works on a whole vector each cycle: see `wired`.
    share : int
        Of a layer whose weights are streamed: M, pixels side by side in a row of its result that share each word of
        them, so that M times fewer come.
    steps : int
        Of a wired layer: cycles a vector, of which each takes as many bits of each input as any other, or fewer.
    """

    pe: int
    simd: int
    memory: str = "auto"
    share: int = 1
    steps: int = 1

    def __str__(self) -> str:
        where = f":{self.memory}" if self.memory != "auto" else ""
        shared = f"*{self.share}" if self.share > 1 else ""
        return f"{self.simd}x{self.pe}{where}{shared}" + (f"/{self.steps}" if self.steps > 1 else "")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is chosen beside the network.

    Parameters
    ----------
    foldings : tuple of Folding
        One for each layer with weights, in the order of `Network.placed`.
    popcount : Popcount
        How popcounts are built and pipelined.
    parallel_frames : int
        V, the parallel frames, which share each weight word.
    depths : tuple of (str, int)
        Beats that FIFOs hold, by the name of their block; others get room for more than they need.
    weights : str
        Where parameters (weights, thresholds and the like) come from: ``"rom"``, constants, or ``"ram"``, memories
        that are loaded before the first frame.
    limits : tuple of (str, int, int)
        Of parameters in RAM, by ``"LAYER.PARAMETER"``, the least and the highest value: see `reach.limits_for`.
    load_width : int
        Bytes of parameters in RAM that are loaded in a cycle, one of `LOAD_WIDTHS`; 1 where they are constants.
    """

    foldings: tuple[Folding, ...]
    popcount: Popcount = field(default_factory=Popcount)
    parallel_frames: int = 1
    depths: tuple[tuple[str, int], ...] = ()
    weights: str = "rom"
    limits: tuple[tuple[str, int, int], ...] = ()
    load_width: int = 1


def weighted(network: Network) -> list[tuple[Dense | Conv, Map]]:
    """The layers that have a folding, each with the map that it makes."""
    return [(layer, result) for layer, _, result in network.placed() if isinstance(layer, Dense | Conv)]


def groups_at_once(layer: Dense | Conv, pe: int) -> int:
    """Groups of channels that so many processing elements work on at the same time."""
    return max(1, pe // (layer.outputs // layer.groups))


def cycles_of(layer: Dense | Conv, result: Map, folding: Folding) -> int:
    """Cycles a frame of a layer that makes a map: pixels, times steps through the groups, neurons and inputs."""
    return result.pixels * words_of(layer, folding)


def check_plan(network: Network, plan: Plan) -> Plan:
    """Return `plan` if it fits `network`.

    PE and SIMD need not divide the layer; they may exceed it up to the next power of two. Several groups at once
    must divide the groups of their layer, and take whole pixels of each.

    Raises
    ------
    PlanError
        Names the layer, the rule, the value and the nearest legal value.
    """
    layers = weighted(network)
    if len(plan.foldings) != len(layers):
        raise PlanError(
            f"The folding must give SIMDxPE for each of the {len(layers)} layers with weights, "
            f"not for {len(plan.foldings)}."
        )
    check_parallel_frames(plan.parallel_frames)
    for (layer, _), folding in zip(layers, plan.foldings, strict=True):
        _check_folding(layer, folding)
    if plan.weights not in WEIGHTS:
        raise PlanError(f"Weights must be in {' or '.join(WEIGHTS)}, not {plan.weights!r}.")
    check_load_width(plan.weights, plan.load_width)
    for (layer, result), folding in zip(layers, plan.foldings, strict=True):
        if folding.memory == STREAM:
            _check_stream(layer, folding, plan)
        if folding.memory == WIRED:
            _check_wired(layer, folding, plan)
        if folding.steps != 1:
            _check_steps(network, layer, folding)
        if folding.share != 1:
            _check_share(layer, result, folding)
    for name, depth in plan.depths:
        if not 2 <= depth <= MAX_DEPTH:
            raise PlanError(f"The FIFO {name!r} must hold 2 to {MAX_DEPTH} beats, not {depth}.")
    for name, count in Counter(name for name, _ in plan.depths).items():
        if count > 1:
            raise PlanError(f"The plan must give the FIFO {name!r} one depth, not {count}.")
    return plan


def check_load_width(weights: str, width: int) -> None:
    """Check how many bytes of parameters are loaded in a cycle; where they are constants, it is 1.

    Raises
    ------
    PlanError
        There is no such width, or nothing is loaded.
    """
    if type(width) is not int or width not in LOAD_WIDTHS:
        known = f"{', '.join(map(str, LOAD_WIDTHS[:-1]))} or {LOAD_WIDTHS[-1]}"
        raise PlanError(f"Parameters must be loaded {known} bytes a cycle, not {width}.")
    if width > 1 and weights != "ram":
        raise PlanError(
            "Parameters must be in RAM to be loaded several bytes a cycle: choose --weights ram (in Python "
            "weights='ram'), or leave the width out."
        )


def _check_folding(layer: Dense | Conv, folding: Folding) -> None:
    """Raise a PlanError where PE or SIMD does not fit a layer."""
    neurons = layer.outputs // layer.groups
    of_group = " of a group" if layer.groups > 1 else ""
    for label, value, size, what in (
        ("PE", folding.pe, neurons, f"neurons{of_group}"),
        ("SIMD", folding.simd, layer.inputs, "inputs"),
    ):
        limit = _next_power(size)
        legal = [size * count for count in divisors(layer.groups) if count > 1] if label == "PE" else []
        if not 1 <= value <= limit and value not in legal:
            nearest = min([*legal, min(max(value, 1), limit)], key=lambda choice: abs(choice - value))
            several = f", or {size} times a divisor of its {layer.groups} groups" if legal else ""
            raise PlanError(
                f"{label} of layer {layer.name!r} must be 1 to {limit} for its {size} {what}{several}, not {value}; "
                f"the nearest is {nearest}."
            )
    at_once = groups_at_once(layer, folding.pe)
    if at_once == 1:
        return
    # Words of several groups are whole pixels: the channels of the groups side by side.
    channels = group_channels(layer)
    if folding.simd % channels:
        most = _next_power(layer.inputs) // channels * channels
        nearest = min(max(round(folding.simd / channels), 1) * channels, most)
        raise PlanError(
            f"SIMD of layer {layer.name!r} must be a multiple of the {channels} channels of a group, up to {most}, "
            f"since PE {folding.pe} works on {at_once} groups at once, not {folding.simd}; the nearest is {nearest}."
        )


def _check_stream(layer: Dense | Conv, folding: Folding, plan: Plan) -> None:
    """Raise a PlanError where the weights of a layer cannot come over a stream."""
    if plan.weights != "rom":
        raise PlanError(
            f"Weights of layer {layer.name!r} must not come over a stream where parameters are loaded: the image of "
            f"parameters would not have them; fold it {replace(folding, memory='auto')}, or choose --weights rom (in "
            "Python weights='rom')."
        )
    if words_of(layer, folding) == 1:
        raise PlanError(
            f"Weights of layer {layer.name!r} must be several words to come over a stream, and folded {folding} they "
            f"are one, which never changes: fold it {replace(folding, memory='auto')}, or with less SIMD or PE."
        )


def _check_wired(layer: Dense | Conv, folding: Folding, plan: Plan) -> None:
    """Raise a PlanError where the weights of a layer cannot be constants in logic."""
    if plan.weights != "rom":
        raise PlanError(
            f"Layer {layer.name!r} must not be wired where parameters are loaded: its weights would be constants in "
            f"logic; fold it {replace(folding, memory='auto')}, or choose --weights rom (in Python weights='rom')."
        )
    whole = wired(layer)
    if replace(folding, share=1, steps=1) != whole:
        raise PlanError(
            f"Layer {layer.name!r} must be wired with all of its weights at once, {whole}, not {folding}: logic of "
            "constants that does a part of the layer serves that part alone, so parts that take turns need no less. "
            "Parts that do share it are the bits of inputs: see wired/2."
        )


def _check_steps(network: Network, layer: Dense | Conv, folding: Folding) -> None:
    """Raise a PlanError where the inputs of a layer cannot be taken in so many steps."""
    if folding.memory != WIRED:
        raise PlanError(
            f"Layer {layer.name!r} takes the bits of its inputs in steps only if it is wired, not {folding}."
        )
    legal = step_counts(network, layer)
    if not legal:
        raise PlanError(
            f"Layer {layer.name!r} must be wired whole, {wired(layer)}, not {folding}: its inputs are sums, which have "
            "other bits in each plan."
        )
    if folding.steps not in legal:
        nearest = min(legal, key=lambda count: abs(count - folding.steps))
        raise PlanError(
            f"Layer {layer.name!r} must take the {legal[-1]} bits of its inputs in {', '.join(map(str, legal))} steps, "
            f"not {folding.steps}: each step takes as many, or fewer at the end; the nearest is {nearest}."
        )


def _check_share(layer: Dense | Conv, result: Map, folding: Folding) -> None:
    """Raise a PlanError where pixels of a layer cannot share weights."""
    columns = result.shape[1]
    if folding.memory != STREAM:
        raise PlanError(f"Pixels of layer {layer.name!r} share weights that are streamed, and these are not.")
    if layer.groups > groups_at_once(layer, folding.pe):
        raise PlanError(
            f"Pixels of layer {layer.name!r} must have all channels in one group to share weights, or all of its "
            f"{layer.groups} groups at once."
        )
    legal = [count for count in divisors(columns) if count <= MAX_SHARE]
    if folding.share not in legal:
        nearest = min(legal, key=lambda count: abs(count - folding.share))
        raise PlanError(
            f"Pixels of layer {layer.name!r} that share weights must be a divisor of its {columns} columns, up to "
            f"{MAX_SHARE}, not {folding.share}; the nearest is {nearest}."
        )


def wired(layer: Dense | Conv) -> Folding:
    """The folding of a layer whose weights are constants in logic: all inputs and all neurons, of all groups."""
    return Folding(pe=layer.outputs, simd=layer.inputs, memory=WIRED)


def step_counts(network: Network, layer: Dense | Conv) -> list[int]:
    """In how many steps a wired layer may take the bits of its inputs, ascending; nothing where these are sums.

    Steps that would need no fewer bits each than a lower number of them are left out.
    """
    (form,) = (source.format for other, source, _ in network.placed() if other is layer)
    bits = 0 if form is None else form.bits
    return sorted({ceil_div(bits, each) for each in range(1, bits + 1)})


def words_of(layer: Dense | Conv, folding: Folding) -> int:
    """Words of weights of a layer, of PE times SIMD weights each: the steps of a pixel of its result."""
    steps = folding.steps * layer.groups // groups_at_once(layer, folding.pe)
    return steps * ceil_div(layer.outputs // layer.groups, folding.pe) * ceil_div(layer.inputs, folding.simd)


def _next_power(size: int) -> int:
    """The least power of two that is no less."""
    return 1 << (size - 1).bit_length()


def group_channels(layer: Dense | Conv) -> int:
    """Channels of a pixel that a neuron sees."""
    return int(layer.weights.shape[-1])


def plan_from_foldings(
    network: Network, text: str, *, popcount: Popcount | None = None, parallel_frames: int = 1
) -> Plan:
    """A plan from foldings as a user writes them.

    Parameters
    ----------
    network : Network
    text : str
        ``SIMDxPE`` for each layer with weights, with commas between: ``"64x32,32x64:lut"``; behind a colon,
        where its weights sit, or ``stream``; ``stream*M`` where M pixels share each word of them. ``wired`` for a
        layer whose weights are constants in logic; alone, for all layers. ``wired/N`` where it takes the bits of its
        inputs in N steps; alone, for all layers, of which each takes N steps, or as many below as it can.
    popcount : Popcount, optional
    parallel_frames : int

    Raises
    ------
    PlanError
        The text has another form, or a folding does not fit its layer.
    """
    foldings = []
    layers, parts = weighted(network), text.split(",")
    wiring = re.compile(rf"\s*{WIRED}(?:/(\d{{1,4}}))?\s*")
    if len(layers) > 1 and (all_wired := wiring.fullmatch(text)):
        parts = _all_wired(network, int(all_wired[1] or 1))
    for number, part in enumerate(parts):
        alone = wiring.fullmatch(part)
        if alone:
            # More than there are layers are refused as others are.
            whole = wired(layers[number][0]) if number < len(layers) else Folding(pe=1, simd=1)
            foldings.append(replace(whole, steps=int(alone[1] or 1)))
            continue
        match = re.fullmatch(
            r"\s*(\d{1,9})x(\d{1,9})(?::(block|lut|stream|wired))?(?:\*(\d{1,4}))?(?:/(\d{1,4}))?\s*", part
        )
        if not match:
            raise PlanError(
                "A folding must be SIMDxPE, as 64x32, perhaps with :lut, :block, :stream or :stream*7, or wired, "
                f"or wired/2, not {part.strip()!r}."
            )
        simd, pe, memory, share, steps = match.groups()
        foldings.append(
            Folding(simd=int(simd), pe=int(pe), memory=memory or "auto", share=int(share or 1), steps=int(steps or 1))
        )
    return check_plan(
        network, Plan(foldings=tuple(foldings), popcount=popcount or Popcount(), parallel_frames=parallel_frames)
    )


def _all_wired(network: Network, steps: int) -> list[str]:
    """Texts of foldings: of each of several layers, wired in so many steps, or in the most below that it can take."""
    counts = [step_counts(network, layer) or [1] for layer, _ in weighted(network)]
    legal = sorted({count for each in counts for count in each})
    if steps not in legal:
        raise PlanError(
            f"wired/{steps} for all layers must be a number of steps that one of them can take, "
            f"{', '.join(map(str, legal))}; the nearest is {min(legal, key=lambda count: abs(count - steps))}."
        )
    return [f"{WIRED}/{max(count for count in each if count <= steps)}" for each in counts]


def plan_for_fps(
    network: Network, fps: float, clock: float, *, popcount: Popcount | None = None, parallel_frames: int = 1
) -> Plan:
    """The plan with the fewest lanes that reaches a frame rate.

    A frame may take ``parallel_frames * clock / fps`` cycles. Layers work at the same time, so each gets, by
    itself, the smallest folding that keeps within them; of equals, the one with the most SIMD, as a long
    popcount costs less for each lane than several short ones.

    Parameters
    ----------
    network : Network
    fps : float
        Frames a second.
    clock : float
        Hz.
    popcount : Popcount, optional
    parallel_frames : int

    Raises
    ------
    PlanError
        The rate is out of reach even with a lane for each weight.
    """
    check_parallel_frames(parallel_frames)
    fps, clock = real(fps, "The frame rate", over=True, unit="frames/s"), hertz(clock)
    # A rate such as 1e8 / 49 must not fall to 48 by rounding.
    cycles = int(parallel_frames * clock / fps * (1 + 1e-12))
    layers = weighted(network)
    if not layers:
        return check_plan(network, Plan(foldings=(), popcount=popcount or Popcount(), parallel_frames=parallel_frames))
    least = least_cycles(network)
    if cycles < least:
        most = parallel_frames * clock / least
        why = "gives at most one frame a cycle" if least == 1 else f"needs at least {least} cycles a frame"
        raise PlanError(
            f"The accelerator {why}, so at {clock / 1e6:,.10g} MHz the frame rate must be "
            f"{most:,.10g} or less, not {fps:,.10g}."
        )
    foldings = tuple(_smallest(layer, cycles // result.pixels) for layer, result in layers)
    return check_plan(
        network, Plan(foldings=foldings, popcount=popcount or Popcount(), parallel_frames=parallel_frames)
    )


def plan_of_moderate_size(
    network: Network, fps: float, clock: float, *, popcount: Popcount | None = None, parallel_frames: int = 1
) -> Plan:
    """The plan for a frame rate, or for a half, a quarter ... of it that needs no more than `MODERATE_LANES`."""
    check_parallel_frames(parallel_frames)
    layers = weighted(network)
    fps = min(fps, parallel_frames * clock / least_cycles(network))
    while True:
        plan = plan_for_fps(network, fps, clock, popcount=popcount, parallel_frames=parallel_frames)
        lanes = sum(folding.pe * folding.simd for folding in plan.foldings)
        if lanes * parallel_frames <= max(MODERATE_LANES, len(layers) * parallel_frames):
            return plan
        fps /= 2


def check_parallel_frames(parallel_frames: object) -> int:
    """Parallel frames as a plain number, or a PlanError."""
    return whole(parallel_frames, "The number of parallel frames (streams)", high=MAX_STREAMS)


def least_cycles(network: Network) -> int:
    """Cycles that a frame takes at least: a pixel of any map moves in one of them."""
    placed = network.placed()
    results = [result.pixels for layer, _, result in placed if isinstance(layer, Dense | Conv)]
    first = placed[0][0]
    # A dense layer takes the input in words of its own, whatever its pixels are.
    pixels = [source.pixels for layer, source, _ in placed if layer is not first or not isinstance(first, Dense)]
    return max(1, *results, *pixels)


def _smallest(layer: Dense | Conv, cycles: int) -> Folding:
    """Fewest lanes with which a pixel of the result takes at most so many cycles.

    Of convolutions a few more lanes are taken where they save more elsewhere. Words of which a window has a
    whole number come out of the window unit as they are; others need a width converter, which costs about as
    much as two lanes for each of its elements. And an element costs as much as `PE_LANES` lanes beside its own.
    """
    neurons = layer.outputs // layer.groups
    found: list[tuple[int, int, Folding]] = []
    whole = window_words(layer) if isinstance(layer, Conv) else []
    each = cycles // layer.groups
    for folds in range(1, min(neurons, each) + 1):
        pe = ceil_div(neurons, folds)
        least = ceil_div(layer.inputs, min(each // folds, layer.inputs))
        choices = {least: 2 * least + PE_LANES * pe if whole else 0}
        choices |= {simd: PE_LANES * pe for simd in whole if simd >= least}
        found += [(pe * simd + extra, -simd, Folding(pe=pe, simd=simd)) for simd, extra in choices.items()]
    for pe, least in several_groups(layer, cycles):
        choices = {least: 2 * least * (pe // neurons) + PE_LANES * pe}
        choices |= {simd: PE_LANES * pe for simd in whole if simd >= least and simd % group_channels(layer) == 0}
        found += [(pe * simd + extra, -simd, Folding(pe=pe, simd=simd)) for simd, extra in choices.items()]
    return min(found, key=lambda entry: entry[:2])[2]


def several_groups(layer: Dense | Conv, cycles: int) -> list[tuple[int, int]]:
    """PE of several groups at once, each with the least SIMD with which a pixel of the result takes so many cycles.

    PE that needs no less SIMD than a lower one is left out.
    """
    channels, least = group_channels(layer), _next_power(layer.inputs) + 1
    found = []
    for at_once in divisors(layer.groups):
        each = cycles * at_once // layer.groups
        if not each:
            continue
        simd = ceil_div(ceil_div(layer.inputs, min(each, layer.inputs)), channels) * channels
        if at_once > 1 and simd < least:
            found.append((at_once * layer.outputs // layer.groups, simd))
        least = min(least, simd)
    return found


def window_words(layer: Conv) -> list[int]:
    """Numbers of elements in which a window unit can hand out a window of a layer: see `word_choices`."""
    channels = layer.inputs // (layer.kernel[0] * layer.kernel[1])
    return sorted({lanes * taps for lanes, taps in word_choices(channels, layer.kernel)})


def word_choices(channels: int, kernel: tuple[int, int]) -> list[tuple[int, int]]:
    """Channels of a pixel, and pixels of a window, that a window unit can hand out in one beat.

    A part of the channels of one pixel, or all channels of several pixels: of a part of a kernel's row, or of
    several whole rows.
    """
    rows, columns = kernel
    several = [d for d in divisors(columns) if d > 1] + [columns * d for d in divisors(rows) if d > 1]
    return [(d, 1) for d in divisors(channels)] + [(channels, taps) for taps in several]
