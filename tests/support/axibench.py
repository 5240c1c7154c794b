"""Packets as plain Python makes them, and the two ends of AXI4-Stream in Amaranth's simulator."""

import numpy as np
from amaranth.sim import Simulator
from bitweir_hw.axi import PacketLayout
from bitweir_hw.network import BIPOLAR, Affine, Dense, Network, check
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.simulators import cocotb
from bitweir_sim.values.frames import pack
from bitweir_sim.values.golden import run_slow
from support.strategies import identity_input

__all__ = [
    "broken",
    "drive_packets",
    "frame_bytes",
    "frames_and_results",
    "result_bytes",
    "run_icarus",
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
        best = [] if golden.classes is None else golden.classes[side].tolist()
        expected.append(result_bytes(scores, best, layout.score_bits, layout.class_bytes))
    return sent, expected


def drive_packets(
    dut, i, o, sent, expected, i_stalls=(), o_stalls=(), *, after=None, read=lambda ctx: None, limit=20000
):
    """Let transfers through, check rule 2 at the output, and that nothing is left over.

    Parameters
    ----------
    i, o : tuple
        Signals that hold what is carried, valid, and ready; what is carried is one value or a tuple.
    sent, expected : list
        What moves on both sides.
    after : callable, optional
        Called with the context in each cycle, before the clock.
    read : callable
        Called at the end; its result is returned, with the cycles in which outputs moved.
    """
    moved = []
    seen = []

    def put(ctx, signals, values):
        for signal, value in zip(signals, values, strict=True):
            ctx.set(signal, value)

    async def bench(ctx):
        taken, offered, held, quiet, cycle = 0, False, None, 0, 0
        while quiet < 12:
            assert cycle < limit, f"{len(expected) - len(moved)} of {len(expected)} transfers are missing"
            offered = offered or (taken < len(sent) and not (cycle < len(i_stalls) and i_stalls[cycle]))
            takes = not (cycle < len(o_stalls) and o_stalls[cycle])
            ready = None
            # What each side does first is the opposite: nothing of it may be seen on the other side.
            for flip in (1, 0):
                ctx.set(i[1], offered ^ flip)
                ctx.set(o[2], takes ^ flip)
                if taken < len(sent):
                    values = sent[taken]
                    put(
                        ctx,
                        i[0],
                        [~value & (1 << len(s)) - 1 if flip else value for s, value in zip(i[0], values, strict=True)],
                    )
                found = ctx.get(i[2]), ctx.get(o[1]), ctx.get(o[1]) and tuple(ctx.get(s) for s in o[0])
                assert ready in (None, found), f"a path through the block in cycle {cycle}"
                ready = found
            if held is not None:
                assert (True, held) == (bool(ready[1]), ready[2]), f"rule 2 in cycle {cycle}"
            held = ready[2] if ready[1] and not takes else None
            if ready[1]:
                assert len(moved) < len(expected), f"a transfer too many in cycle {cycle}"
                assert ready[2] == expected[len(moved)], f"transfer {len(moved)}"
            if ready[1] and takes:
                moved.append(cycle)
            if offered and ready[0]:
                taken, offered = taken + 1, False
            if after:
                after(ctx)
            quiet = quiet + 1 if len(moved) == len(expected) and taken == len(sent) else 0
            cycle += 1
            await ctx.tick()
        seen.append(read(ctx))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return moved, seen[0]


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
    runner = cocotb._runner("icarus")
    built = cocotb.build(sources, top=top, simulator="icarus")
    job = {"rounds": len(rounds), "shares": shares}
    for number, (loads, sent, results) in enumerate(rounds):
        job[f"results{number}"] = results
        for name, packets in ((f"load{number}", loads), (f"sent{number}", sent)):
            job[name] = np.frombuffer(b"".join(packets), np.uint8)
            job[f"{name}_sizes"] = np.array([len(packet) for packet in packets], np.int64)
    np.savez(folder / "job.npz", **job)
    runner.hdl_toplevel_lang, runner.sources, runner.waves = "verilog", [], False
    runner.test(
        test_module="support.axi_cocotb",
        hdl_toplevel=top,
        hdl_toplevel_lang="verilog",
        build_dir=built,
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        extra_env={"AXI_JOB": str(folder), "COCOTB_LOG_LEVEL": "WARNING"},
        log_file=folder / "run.log",
    )
    assert (folder / "found.npz").exists(), (folder / "run.log").read_text()[-2000:]
    with np.load(folder / "found.npz") as file:
        ends = np.cumsum(file["found_sizes"])
        found = [bytes(part) for part in np.split(file["found"], ends)[:-1]]
        assert file["left"] == 0, "a packet too many"
        return found, file["counts"].tolist()
