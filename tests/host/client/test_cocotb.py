"""A device with a trained network at its pins, in Icarus: bits in, bits out."""

import json
from importlib import resources

import numpy as np
import pytest
from bitweir.images import load_images
from bitweir.importers import load_model
from bitweir_hw.accelerator import rtlil_to_verilog
from bitweir_hw.link.board_core import Device, device_rtlil
from bitweir_hw.lower import lower
from bitweir_hw.plan import plan_for_fps
from bitweir_sim.simulators import cocotb
from bitweir_sim.values.frames import pack
from bitweir_sim.values.golden import run_slow
from support.linkbench import CLASSES, HELLO, SCORES, identity_of, packet, packets, wire

CYCLE, RATIO = 1000, 4  # ns of a cycle of the link, cycles a bit


def run_icarus(source, folder, *, top, data, answers, off, core_cycle):
    """The bytes on tx, and whether the device is busy at the end; `core_cycle` of the accelerator in ns."""
    built = cocotb.build([source], top=top, simulator="icarus")
    bit = CYCLE * RATIO
    job = {
        "data": data.hex(), "answers": answers, "cycle": CYCLE, "core_cycle": core_cycle, "bit": bit,
        "bit_sent": round(bit * (1 + off)), "patience": 100,
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
    runner = cocotb._runner("icarus")
    runner.hdl_toplevel_lang, runner.sources, runner.waves = "verilog", [], False
    runner.test(
        test_module="support.link_cocotb",
        hdl_toplevel=top,
        hdl_toplevel_lang="verilog",
        build_dir=built,
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        extra_env={"LINK_JOB": str(folder), "COCOTB_LOG_LEVEL": "WARNING"},
        log_file=folder / "run.log",
    )
    assert (folder / "found.json").exists(), (folder / "run.log").read_text()[-2000:]
    found = json.loads((folder / "found.json").read_text())
    return bytes.fromhex(found["data"]), found["busy"]


@pytest.mark.parametrize(("off", "core_cycle"), [(0.02, 290), (-0.02, 1310)])
def test_digits(tmp_path, off, core_cycle):
    if missing := cocotb.available("icarus"):
        pytest.skip(missing)
    files = resources.files("bitweir.networks")
    with resources.as_file(files / "digits.onnx") as model, resources.as_file(files / "digits_test.npz") as images:
        network = load_model(model, input_scale="1")
        codes = load_images(images, network, limit=3).codes
    pipeline = lower(network, plan_for_fps(network, 1e5, 12e6))
    clock = 10**9 // CYCLE
    identity = identity_of(pipeline, clock=clock)
    source = tmp_path / "device.v"
    device = Device(pipeline, identity, link_clock=clock, baud=clock // RATIO)
    source.write_text(rtlil_to_verilog(device_rtlil(device, name="digits")))

    # A frame's beats, one behind the other, as whole bytes.
    beats = pack(codes, pipeline.input)[:, 0].reshape(3, -1).tolist()
    numbers = [sum(beat << place * identity.beat_bits for place, beat in enumerate(frame)) for frame in beats]
    frames = [number.to_bytes(identity.frame_bytes, "little") for number in numbers]
    sent = [(HELLO, 1, 0, b""), (SCORES, 2, 2, frames[0] + frames[1]), (CLASSES, 3, 3, b"".join(frames))]
    broken = wire(packet(CLASSES, 4, 1, frames[0])[:-1] + b"\0")
    data = b"\0" + b"".join([wire(packet(*sent[0])), broken, *(wire(packet(*each)) for each in sent[1:])])
    found, busy = run_icarus(
        source, tmp_path, top="digits_device", data=data, answers=3, off=off, core_cycle=core_cycle
    )

    golden, bits = run_slow(network, codes), identity.score_bits
    with_scores = b"".join(
        sum((score % (1 << bits)) << place * bits for place, score in enumerate(scores)).to_bytes(
            identity.scores_bytes, "little"
        )
        + bytes([best])
        for scores, best in zip(golden.scores[:2].tolist(), golden.classes[:2].tolist(), strict=True)
    )
    assert packets(found) == [
        packet(HELLO | 0x80, 1, identity.SIZE, identity.to_bytes()),
        packet(SCORES | 0x80, 2, 2, with_scores),
        packet(CLASSES | 0x80, 3, 3, bytes(golden.classes.tolist())),
    ]
    assert not busy
    assert len(np.unique(golden.classes)) > 1
