"""Accelerators whose parameters are loaded: a model of the loader, and runs with several loads between frames."""

import zlib
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from amaranth.hdl import Value
from amaranth.sim import Simulator
from bitweir_hw.accelerator import Accelerator, contents, image_beats, load_width, shape_crc
from bitweir_hw.network import Affine, Conv, Dense, Parallel, Piecewise, Threshold
from bitweir_sim.simulators.drive import Monitor
from bitweir_sim.time.cycles import schedule
from bitweir_sim.values.frames import element_masks, expected_beats, pack

__all__ = ["Load", "LoadModel", "beats_of", "other_parameters", "run_loads"]


def other_parameters(network, limits, rng):
    """A network of the same shape with drawn parameters, within limits by name."""

    def draw(name, shape, low, high):
        low, high = limits.get(name, (low, high))
        values = rng.integers(low, high + 1, shape)
        # All alike are the extremes.
        return np.full(shape, rng.choice([low, high])) if rng.random() < 0.2 else values

    def thresholds(rows):
        spread = int(rng.choice([2, 20, 400]))
        drawn = rng.integers(-spread, spread + 1, rows.shape)
        return np.sort(np.where(rng.random(rows.shape) < 0.1, rng.choice([-(2**61), 2**61], rows.shape), drawn), axis=1)

    def other(layer):
        changes = {}
        if isinstance(layer, Parallel):
            changes["branches"] = tuple(tuple(map(other, branch)) for branch in layer.branches)
        if isinstance(layer, Dense | Conv):
            bits = layer.weights.dtype == np.bool_
            drawn = draw(f"{layer.name}.weights", layer.weights.shape, 0, 1)
            changes["weights"] = drawn.astype(bool) if bits else drawn
        if isinstance(layer, Dense | Conv | Threshold | Piecewise) and layer.thresholds is not None:
            changes["thresholds"] = thresholds(layer.thresholds)
        if isinstance(layer, Affine | Piecewise):
            changes |= {what: draw(f"{layer.name}.{what}", layer.scale.shape, 0, 0) for what in ("scale", "offset")}
        return replace(layer, **changes)

    return replace(network, layers=tuple(map(other, network.layers)))


@dataclass(eq=False)
class Load:
    """A load, the cycle in which it begins to come at the earliest, and cycles from there without any beat of it.

    Of several bytes a beat, those whose numbers are in `bad` are marked so.
    """

    content: bytes
    start: int = 0
    stalls: Any = ()
    bad: Any = ()


def beats_of(content, width):
    """Bytes as the numbers that beats of so many carry; the last may have zeros behind."""
    return [int.from_bytes(content[at : at + width], "little") for at in range(0, len(content), width)]


class LoadModel:
    """The cycles of the loader: what it takes, and when frames may come."""

    def __init__(self, pipeline):
        parts = [part for block in pipeline.blocks for part in contents(block)]
        self._size, self._hops, self._initial = image_beats(pipeline), len(parts), shape_crc(pipeline)
        self._width = load_width(pipeline)
        self._waiting, self._taken = deque(), bytearray()
        self._state, self._left = "idle", 0
        self.loaded = self.closing = self.failed = False
        #: The last image that was right.
        self.image = b""

    def ready(self):
        return len(self._waiting) < 2

    def step(self, taken, quiet):
        """End a cycle in which (beat, first, bad) was taken, or None."""
        beat, first, bad = self._waiting[0] if self._waiting else (None, False, False)
        if self._state == "idle":
            if first:
                self._state, self.closing = "closing", True
            elif beat is not None:
                self._waiting.popleft()
        elif self._state == "closing":
            if quiet:
                self.loaded = self.closing = self.failed = False
                self._state, self._taken = "loading", bytearray()
        elif self._state == "loading":
            if first and self._taken:
                self._state, self.closing = "closing", True
            elif beat is not None:
                self._waiting.popleft()
                self._taken += beat.to_bytes(self._width, "little")
                if bad:
                    self.failed, self._state = True, "idle"
                elif len(self._taken) == self._size * self._width:
                    self._state = "checking" if self._width == 1 else "ending"
                    self._left = 3
        elif self._state == "ending":
            self._left -= 1
            self._state = "ending" if self._left else "checking"
        elif self._state == "checking":
            right = zlib.crc32(self._taken[:-4], self._initial) == int.from_bytes(self._taken[-4:], "little")
            self.image = bytes(self._taken) if right else self.image
            self.failed, self._state, self._left = not right, "placing" if right else "idle", self._hops
        elif self._left:
            self._left -= 1
        else:
            self.loaded, self._state = True, "idle"
        if taken:
            self._waiting.append(taken)


class _Source:
    """Offers values one by one; once offered, a value stays until it moves."""

    def __init__(self, values):
        self.values, self.at, self.offering = values, 0, False

    def offer(self, may):
        self.offering = self.offering or (may and self.at < len(self.values))
        return self.offering

    @property
    def value(self):
        return self.values[self.at]

    def move(self):
        self.at, self.offering = self.at + 1, False


def run_loads(pipeline, networks, loads, frames, i_stalls=(), o_stalls=(), *, limit=30000):
    """Loads and frames side by side; every signal of the loader in every cycle, then every beat of every stream.

    Parameters
    ----------
    networks : dict
        The network of each right image.
    loads : list of Load
        One behind the other.
    frames : array (N, K)
        Offered as soon as the accelerator takes them.

    Returns
    -------
    list
        The network that each frame, or each group of V frames, met.
    """
    dut, model = Accelerator(pipeline, taps=True), LoadModel(pipeline)
    beats, outputs = pipeline.input.beats, pipeline.output.beats
    streams = {"i": dut.i, **{s.name: getattr(dut, f"tap_{s.name}") for s in pipeline.inner}, "o": dut.o}
    monitors = {name: Monitor(name) for name in streams}
    source = _Source([int.from_bytes(row.tobytes(), "little") for row in pack(frames, pipeline.input)])
    width = load_width(pipeline)
    numbered = [(load, *each) for load in loads for each in enumerate(beats_of(load.content, width))]
    image = _Source([(beat, at == 0, at in load.bad, load) for load, at, beat in numbered])
    results = -(-len(frames) // pipeline.parallel_frames) * outputs
    shown, met, emptied = [], [], []

    def stalled(pattern, cycle):
        return cycle < len(pattern) and bool(pattern[cycle])

    async def bench(ctx):
        given_ = under_way = cycle = 0
        waits = False
        while given_ < results or image.at < len(image.values):
            assert cycle < limit, f"{given_} of {results} results came"
            if image.at < len(image.values):
                beat, first, bad, load = image.value
                image.offer(cycle >= load.start and not stalled(load.stalls, cycle - load.start))
                ctx.set(dut.load.payload.data, beat)
                ctx.set(dut.load.payload.first, first)
                if width > 1:
                    ctx.set(dut.load.payload.bad, bad)
            ctx.set(dut.load.valid, image.offering)
            offered = source.offer(not stalled(i_stalls, cycle))
            ctx.set(dut.i.valid, offered)
            if offered:
                ctx.set(dut.i.payload, source.value)
            takes = not stalled(o_stalls, cycle)
            ctx.set(dut.o.ready, takes)

            said = ctx.get(dut.load.ready), ctx.get(dut.loaded), ctx.get(dut.load_failed)
            assert said == (model.ready(), model.loaded, model.failed), f"cycle {cycle}"
            begins = source.at % beats == 0
            lets = model.loaded and not (model.closing and begins and not waits)
            assert lets or not ctx.get(dut.i.ready), f"a frame begins in cycle {cycle}"
            shown.append(offered and lets)
            for name, stream in streams.items():
                payload = ctx.get(Value.cast(stream.payload))
                monitors[name].observe(cycle, ctx.get(stream.valid), ctx.get(stream.ready), payload)

            quiet = begins and not waits and under_way == 0
            take = bool(offered and ctx.get(dut.i.ready))
            waits = shown[-1] and not take
            if take:
                source.move()
            if take and begins:
                met.append(networks[model.image])
                under_way += 1
            if ctx.get(dut.o.valid) and takes:
                given_ += 1
                under_way -= given_ % outputs == 0
            moves, was = image.offering and model.ready(), model.loaded
            model.step(image.value[:3] if moves else None, quiet)
            if moves:
                image.move()
            if was and not model.loaded:
                emptied.append((cycle, len(met)))
            cycle += 1
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    _compare(pipeline, frames, met, monitors, np.array(shown), np.array(o_stalls, bool), emptied)
    return met


def _compare(pipeline, frames, met, monitors, shown, o_stalls, emptied):
    """Every beat in the cycle of the model, with the value that the network says that its frame met.

    Loading does not change the schedule: to the accelerator it is a source that has nothing for a while.
    """
    last = schedule(pipeline, len(met), i_stalls=~shown, o_stalls=o_stalls)[-1][-1]
    # Bytes may still have come after the last result.
    times = schedule(pipeline, len(met), i_stalls=~shown, o_stalls=o_stalls, drain=len(shown) - 1 - int(last))
    filled = np.zeros((len(met) * pipeline.parallel_frames, frames.shape[1]), frames.dtype)
    filled[: len(frames)] = frames
    runs = {id(network): expected_beats(network, pipeline, filled) for network in {id(n): n for n in met}.values()}
    for number, (stream, cycles) in enumerate(zip(pipeline.streams, times, strict=True)):
        wanted = [runs[id(met[beat // stream.beats])][number][beat] for beat in range(len(cycles))]
        found = monitors[stream.name].beats(len(wanted[0]))
        assert found.cycles.tolist() == cycles.tolist(), f"stream {stream.name}"
        masks = None if stream is pipeline.output else element_masks(stream, len(met))
        for beat, cycle in enumerate(cycles.tolist()):
            # What no result needs may go on while other parameters come.
            late = any(cycle > since and beat // stream.beats < begun for since, begun in emptied)
            differs = found.payloads[beat] ^ wanted[beat]
            assert late or not (differs if masks is None else differs & masks[beat]).any(), f"{stream.name}, {beat}"
