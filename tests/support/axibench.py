"""Packets as plain Python makes them, and the two ends of AXI4-Stream in Amaranth's simulator."""

from types import SimpleNamespace

import numpy as np
from amaranth.hdl import Cat, Value
from bitweir_hw.axi import PacketLayout
from bitweir_hw.network import BIPOLAR, Affine, Dense, Network, check
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.simulators import cocotb
from bitweir_sim.values.frames import pack
from bitweir_sim.values.golden import run_slow
from support import streams
from support.strategies import identity_input
from support.streams import Sink, Source

__all__ = [
    "broken",
    "drive_packets",
    "frame_bytes",
    "frames_and_results",
    "result_bytes",
    "run_icarus",
    "simulate_icarus",
    "transfers",
    "varied",
]


def varied(streams=1):
    """A small network whose scores differ from frame to frame, and a plan that divides nothing."""
    rng = np.random.default_rng(1)
    layers = []
    for index, (inputs, outputs) in enumerate(((45, 23), (23, 14), (14, 5))):
        thresholds = rng.integers(-4, 5, (outputs, 1)) if index < 2 else None
        output = BIPOLAR if index < 2 else None
        weights = rng.random((outputs, inputs)) < 0.5
        layers.append(Dense(name=f"dense{index}", weights=weights, thresholds=thresholds, output=output))
    layers.append(Affine(name="scores", scale=rng.integers(-9, 9, 5), offset=rng.integers(-99, 99, 5)))
    network = check(Network(name="odd", input=identity_input(45), layers=tuple(layers)))
    foldings = (Folding(pe=4, simd=8), Folding(pe=5, simd=3), Folding(pe=2, simd=14))
    return network, Plan(foldings=foldings, parallel_frames=streams)


def frame_bytes(beats, beat_bits):
    """The bytes of a frame: its beats one behind the other."""
    number = sum(beat << n * beat_bits for n, beat in enumerate(beats))
    return number.to_bytes(-(-len(beats) * beat_bits // 8), "little")


def result_bytes(scores, best, score_bits, class_bytes):
    """The bytes of a result: scores in the order in which beats carry them, filled up, then the classes."""
    number = sum((score % (1 << score_bits)) << n * score_bits for n, score in enumerate(scores))
    head = number.to_bytes(-(-len(scores) * score_bits // 8), "little")
    return head + b"".join(index.to_bytes(class_bytes, "little") for index in best)


def transfers(content, width, *, keep_all=False):
    """A packet of so many bytes a transfer."""
    parts = [content[at : at + width] for at in range(0, len(content), width)]
    return [
        (int.from_bytes(part, "little"), (1 << (width if keep_all else len(part))) - 1, n == len(parts) - 1)
        for n, part in enumerate(parts)
    ]


def broken(content, width, kind, rng):
    """A packet that is short or long, or in which a byte is missing."""
    good = transfers(content, width)
    if kind == "long":
        return transfers(
            content + rng.bytes(1 + (-len(content)) % width + int(rng.integers(0, 3 * len(content)))), width
        )
    if kind == "hole" or len(good) == 1:
        at = int(rng.integers(0, len(good)))
        data, keep, last = good[at]
        bits = [bit for bit in range(width) if keep >> bit & 1]
        good[at] = (data, keep & ~(1 << bits[int(rng.integers(0, len(bits)))]), last)
        return good
    kept = good[: int(rng.integers(1, len(good)))]
    return [*kept[:-1], (*kept[-1][:2], True)]


def frames_and_results(network, pipeline, frames, width):
    """Packets of the groups of frames, from beats and from the golden model."""
    layout = PacketLayout.of(pipeline, width)
    groups = -(-len(frames) // pipeline.parallel_frames)
    filled = np.zeros((groups * pipeline.parallel_frames, frames.shape[1]), frames.dtype)
    filled[: len(frames)] = frames
    beats = [int.from_bytes(row.tobytes(), "little") for row in pack(frames, pipeline.input)]
    golden = run_slow(network, filled)
    sent, expected = [], []
    for group in range(groups):
        of_group = beats[group * pipeline.input.beats : (group + 1) * pipeline.input.beats]
        sent.append(frame_bytes(of_group, pipeline.input.bits))
        side = slice(group * pipeline.parallel_frames, (group + 1) * pipeline.parallel_frames)
        scores = golden.scores[side].T.ravel().tolist()
        # Labels, scores and codes stand alone.
        best = golden.classes[side].tolist() if network.readout.kind == "class" else []
        expected.append(result_bytes(scores, best, layout.score_bits, layout.class_bytes))
    return sent, expected


def drive_packets(
    dut, i, o, sent, expected, i_stalls=(), o_stalls=(), *, after=None, read=lambda ctx: None, limit=20000
):
    """Let transfers through, check rule 2 at the output, and that nothing is left over.

    Parameters
    ----------
    i, o : tuple
        Signals that hold what is carried (a tuple), valid, and ready.
    sent, expected : list
        What moves on both sides.
    after : callable, optional
        Called with the context in each cycle, before the clock.
    read : callable
        Called at the end; its result is returned, with the cycles in which outputs moved.
    """
    source = Source(_stream(*i), [_joined(i[0], beat) for beat in sent], i_stalls)
    sink = Sink(_stream(*o), [_joined(o[0], beat) for beat in expected], o_stalls)
    seen = []

    def each(ctx, cycle):
        if after:
            after(ctx)
        seen[:] = [read(ctx)]

    streams.drive(dut, [source], [sink], each=each, quiet=12, limit=limit)
    return sink.cycles, seen[0]


def _stream(signals, valid, ready):
    return SimpleNamespace(payload=Cat(*signals), valid=valid, ready=ready)


def _joined(signals, values):
    """What some signals carry, as one number."""
    number = place = 0
    for signal, value in zip(signals, values, strict=True):
        number |= int(value) << place
        place += len(Value.cast(signal))
    return number


def run_icarus(sources, folder, *, top, rounds, shares):
    """Let packets through a wrapper in Icarus, with the sources and sinks of cocotbext-axi (`support.axi_cocotb`).

    Parameters
    ----------
    rounds : list of (list of bytes, list of bytes, int)
        Images to load, packets to send, results to wait for.
    shares : (float, float)
        Cycles in which sources and the sink pause.

    Returns
    -------
    list of bytes, list of int
        Packets that came out, and the counts of short and long ones.
    """
    job = {"rounds": len(rounds), "shares": shares}
    for number, (loads, sent, results) in enumerate(rounds):
        job[f"results{number}"] = results
        for name, packets in ((f"load{number}", loads), (f"sent{number}", sent)):
            job[name] = np.frombuffer(b"".join(packets), np.uint8)
            job[f"{name}_sizes"] = np.array([len(packet) for packet in packets], np.int64)
    np.savez(folder / "job.npz", **job)
    simulate_icarus(sources, folder, top=top, test="support.axi_cocotb")
    assert (folder / "found.npz").exists(), (folder / "run.log").read_text()[-2000:]
    with np.load(folder / "found.npz") as file:
        ends = np.cumsum(file["found_sizes"])
        found = [bytes(part) for part in np.split(file["found"], ends)[:-1]]
        assert file["left"] == 0, "a packet too many"
        return found, file["counts"].tolist()


def simulate_icarus(sources, folder, *, top, test):
    """Run a test of cocotb in Icarus, which finds its job in a folder."""
    runner = cocotb._runner("icarus")
    built = cocotb.build(sources, top=top, simulator="icarus")
    runner.hdl_toplevel_lang, runner.sources, runner.waves = "verilog", [], False
    runner.test(
        test_module=test,
        hdl_toplevel=top,
        hdl_toplevel_lang="verilog",
        build_dir=built,
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        extra_env={"AXI_JOB": str(folder), "COCOTB_LOG_LEVEL": "WARNING"},
        log_file=folder / "run.log",
    )
