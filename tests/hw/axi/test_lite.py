"""Registers on AXI4-Lite: what they count, what they start, and that no write is left without an answer."""

import random
import re
import subprocess
import zlib

import numpy as np
import pytest
from amaranth.sim import Simulator
from bitweir_hw.accelerator import parameter_image, with_parameters_of
from bitweir_hw.axi import (
    TDATA_BYTES,
    AxiLiteAccelerator,
    AxiPorts,
    AxiTop,
    register,
    register_header,
    register_table,
)
from bitweir_hw.axi.control import HOLD_CYCLES
from bitweir_hw.axi.registers import MAGIC, MAP_VERSION, REGISTERS, WINDOW, WINDOW_BYTES
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower, with_loadable_parameters
from support import ROOT
from support.axibench import frames_and_results, transfers, varied
from support.loadbench import other_parameters
from support.samples import streamed_example

RESULT, LOADED, ERROR = 1, 2, 4
#: Frames whose results fill all places behind the accelerator, and one that must stay in it.
WAITING = 8
RESET, CLEAR, START_LOAD = 1, 2, 4


class Host:
    """Writes and reads registers, with pauses; packets go in, and whatever comes out is kept."""

    def __init__(self, dut, seed):
        self.dut, self.rng = dut, random.Random(seed)
        self.cycles, self.waited, self.refused = 0, 0, 0
        self.out, self.packet, self.takes = [], b"", True

    async def tick(self, ctx):
        """A cycle, in which a result may leave."""
        dut = self.dut
        ctx.set(dut.m_axis_tready, self.takes)
        if self.takes and ctx.get(dut.m_axis_tvalid):
            keep = ctx.get(dut.m_axis_tkeep).bit_count()
            self.packet += ctx.get(dut.m_axis_tdata).to_bytes(len(dut.m_axis_tkeep), "little")[:keep]
            if ctx.get(dut.m_axis_tlast):
                self.out, self.packet = [*self.out, self.packet], b""
        self.refused += ctx.get(dut.m_axis_tvalid) and not self.takes
        self.waited += ctx.get(dut.s_axis_tvalid) and not ctx.get(dut.s_axis_tready)
        await ctx.tick()
        self.cycles += 1

    async def write(self, ctx, offset, value, strobe=15):
        """Write a word; the address and the data come in any order."""
        dut, channels = self.dut, {"aw": self.rng.randrange(3), "w": self.rng.randrange(3)}
        ctx.set(dut.s_axi_awaddr, offset)
        ctx.set(dut.s_axi_wdata, value)
        ctx.set(dut.s_axi_wstrb, strobe)
        for cycle in range(HOLD_CYCLES + 10):
            for name, begin in channels.items():
                ctx.set(getattr(dut, f"s_axi_{name}valid"), cycle >= begin)
            took = [n for n, at in channels.items() if cycle >= at and ctx.get(getattr(dut, f"s_axi_{n}ready"))]
            await self.tick(ctx)
            for name in took:
                del channels[name]
                ctx.set(getattr(dut, f"s_axi_{name}valid"), 0)
            if not channels:
                break
        else:
            raise AssertionError("the write was never taken")
        for _ in range(HOLD_CYCLES + 10):
            ready = self.rng.random() < 0.6
            ctx.set(dut.s_axi_bready, ready)
            answered = ctx.get(dut.s_axi_bvalid)
            assert not answered or ctx.get(dut.s_axi_bresp) == 0
            await self.tick(ctx)
            if ready and answered:
                ctx.set(dut.s_axi_bready, 0)
                return
        raise AssertionError("the write was never answered")

    async def read(self, ctx, name):
        """What a register reads as."""
        dut = self.dut
        ctx.set(dut.s_axi_araddr, name if isinstance(name, int) else register(name).offset)
        ctx.set(dut.s_axi_arvalid, 1)
        while not ctx.get(dut.s_axi_arready):
            await self.tick(ctx)
        await self.tick(ctx)
        ctx.set(dut.s_axi_arvalid, 0)
        for _ in range(20):
            ready, valid, data = self.rng.random() < 0.6, ctx.get(dut.s_axi_rvalid), ctx.get(dut.s_axi_rdata)
            ctx.set(dut.s_axi_rready, ready)
            await self.tick(ctx)
            if ready and valid:
                ctx.set(dut.s_axi_rready, 0)
                return data
        raise AssertionError("the read was never answered")

    async def send(self, ctx, content):
        """A packet with a frame."""
        dut = self.dut
        for data, keep, last in transfers(content, len(dut.s_axis_tkeep)):
            ctx.set(dut.s_axis_tdata, data)
            ctx.set(dut.s_axis_tkeep, keep)
            ctx.set(dut.s_axis_tlast, last)
            ctx.set(dut.s_axis_tvalid, 1)
            for _ in range(5000):
                took = ctx.get(dut.s_axis_tready)
                await self.tick(ctx)
                if took:
                    break
            else:
                raise AssertionError("the frame was never taken")
        ctx.set(dut.s_axis_tvalid, 0)

    async def results(self, ctx, count):
        """Wait for so many results in all."""
        for _ in range(20000):
            if len(self.out) >= count:
                return
            await self.tick(ctx)
        raise AssertionError(f"{len(self.out)} results came, not {count}")

    async def load(self, ctx, image):
        """Write an image through the window, anywhere in it."""
        await self.write(ctx, register("CONTROL").offset, START_LOAD)
        for at in range(0, len(image), 4):
            word = image[at : at + 4]
            offset = WINDOW + 4 * self.rng.randrange(WINDOW_BYTES // 4)
            await self.write(ctx, offset, int.from_bytes(word, "little"), (1 << len(word)) - 1)

    async def idle(self, ctx, cycles=40):
        for _ in range(cycles):
            await self.tick(ctx)


def run(pipeline, ports, bench, *, seed=1):
    """A bench that takes the context and a host, after reset."""
    dut = AxiTop(AxiLiteAccelerator(pipeline, ports, network=0x89ABCDEF))
    host = Host(dut, seed)

    async def wrapped(ctx):
        await host.idle(ctx, 2)
        ctx.set(dut.aresetn, 1)
        await bench(ctx, host)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(wrapped)
    simulator.run()
    return host


def test_counts_events_and_checksums():
    network, plan = varied()
    pipeline, seen = lower(network, plan), {}
    ports = AxiPorts(frame_bytes=4, result_bytes=2, lite=True, checksums=True)
    good, results = frames_and_results(network, pipeline, np.random.default_rng(3).integers(0, 2, (4, 45)), 4)

    async def bench(ctx, host):
        for name in ("ID", "VERSION", "NETWORK", "FEATURES", "FRAME_BYTES", "RESULT_BYTES", "IMAGE_BYTES", "STATUS"):
            seen[name] = await host.read(ctx, name)
        await host.write(ctx, register("IRQ_ENABLE").offset, 0xFF | ERROR << 8, 0b10)
        assert await host.read(ctx, "IRQ_ENABLE") == 0
        await host.write(ctx, register("IRQ_ENABLE").offset, ERROR)
        host.takes = False
        await host.send(ctx, good[0])
        await host.idle(ctx, 300)
        assert await host.read(ctx, "STATUS") == 0b11 and await host.read(ctx, "IRQ_STATUS") == 0
        host.takes = True
        await host.results(ctx, 1)
        await host.idle(ctx, 3)
        assert await host.read(ctx, "STATUS") == 0b10 and await host.read(ctx, "IRQ_STATUS") == RESULT
        assert ctx.get(host.dut.irq) == 0
        await host.write(ctx, register("IRQ_STATUS").offset, RESULT | ERROR)
        assert await host.read(ctx, "IRQ_STATUS") == 0
        # A short packet and a long one are errors; frames go on.
        await host.send(ctx, good[1][:-1])
        await host.idle(ctx, 3)
        assert ctx.get(host.dut.irq) == 1
        await host.write(ctx, register("IRQ_STATUS").offset, RESULT)
        assert ctx.get(host.dut.irq) == 1
        await host.write(ctx, register("IRQ_STATUS").offset, ERROR)
        await host.idle(ctx, 3)
        assert ctx.get(host.dut.irq) == 0
        for content in (good[1], good[2], good[0] + bytes(9), good[3]):
            await host.send(ctx, content)
        await host.results(ctx, 4)
        await host.idle(ctx)
        for one in REGISTERS:
            seen[one.name] = await host.read(ctx, one.name)
            if one.name == "CYCLES":
                seen["cycles"] = host.cycles
        # Nothing is there, and nothing happens.
        await host.write(ctx, 0x7FC, 0xFFFFFFFF)
        await host.write(ctx, WINDOW, 0xFFFFFFFF)
        assert await host.read(ctx, 0x7FC) == await host.read(ctx, WINDOW) == 0
        await host.write(ctx, register("CONTROL").offset, CLEAR)
        for name in ("FRAMES_IN", "FRAMES_OUT", "SHORT_PACKETS", "LONG_PACKETS", "INPUT_STALLS", "OUTPUT_STALLS"):
            assert await host.read(ctx, name) == 0
        assert await host.read(ctx, "FRAMES_CRC") == await host.read(ctx, "RESULTS_CRC") == 0

    host = run(pipeline, ports, bench)
    assert host.out == results
    layout = ports.layout(pipeline)
    assert seen["ID"] == MAGIC and seen["VERSION"] == MAP_VERSION and seen["NETWORK"] == 0x89ABCDEF
    assert seen["FEATURES"] == 0b10 and seen["IMAGE_BYTES"] == 0 and seen["STATUS"] == 0b10
    assert (seen["FRAME_BYTES"], seen["RESULT_BYTES"]) == (layout.frame_bytes, layout.result_bytes)
    assert (seen["FRAMES_IN"], seen["FRAMES_OUT"]) == (4, 4)
    assert (seen["SHORT_PACKETS"], seen["LONG_PACKETS"]) == (1, 1)
    assert (seen["INPUT_STALLS"], seen["OUTPUT_STALLS"]) == (host.waited, host.refused) and host.refused > 0
    assert 0 <= seen["cycles"] - seen["CYCLES"] < 30
    assert seen["FRAMES_CRC"] == zlib.crc32(b"".join(good)) and seen["RESULTS_CRC"] == zlib.crc32(b"".join(results))


def loadable(load_width=1):
    network, plan = varied()
    plan = with_loadable_parameters(network, plan, load_width=load_width)
    return network, plan, lower(network, plan)


@pytest.mark.parametrize("load_width", [1, 4])
def test_parameters_through_the_window(load_width):
    network, plan, pipeline = loadable(load_width)
    rng = np.random.default_rng(9)
    other = other_parameters(network, {name: (low, high) for name, low, high in plan.limits}, rng)
    images = [parameter_image(with_parameters_of(each, network, plan)) for each in (network, other)]
    frames = rng.integers(0, 2, (3, 45))
    pairs = [frames_and_results(each, pipeline, frames, 4) for each in (network, other)]
    ports = AxiPorts(frame_bytes=4, lite=True, class_only=True)

    async def bench(ctx, host):
        offset = register("IRQ_STATUS").offset
        assert await host.read(ctx, "FEATURES") == 0b1001 and await host.read(ctx, "STATUS") == 0
        assert await host.read(ctx, "IMAGE_BYTES") == len(images[0])
        await host.write(ctx, register("IRQ_ENABLE").offset, LOADED | ERROR)
        for image, (good, _) in zip(images, pairs, strict=True):
            # A cut image, a damaged one or one with a gap, and the right one.
            await host.load(ctx, image[:28])
            if load_width == 1 or image is images[0]:
                await host.load(ctx, image[:-1] + bytes([image[-1] ^ 1]))
            else:
                await host.load(ctx, image[:7])
            await host.idle(ctx)
            assert await host.read(ctx, "IRQ_STATUS") == ERROR and await host.read(ctx, "STATUS") == 0b100
            assert await host.read(ctx, "LOADED_CRC") == 0
            await host.write(ctx, offset, ERROR)
            await host.load(ctx, image)
            await host.idle(ctx)
            assert ctx.get(host.dut.irq) == 1
            assert await host.read(ctx, "IRQ_STATUS") == LOADED and await host.read(ctx, "STATUS") == 0b10
            assert await host.read(ctx, "LOADED_CRC") == int.from_bytes(image[-4:], "little")
            for content in good:
                await host.send(ctx, content)
            await host.results(ctx, len(host.out) + len(good))
            await host.idle(ctx, 5)
            await host.write(ctx, offset, 0xFFFFFFFF)

    # The class is the last byte of a result.
    assert run(pipeline, ports, bench).out == [result[-1:] for _, results in pairs for result in results]


@pytest.mark.parametrize(("load_width", "pace"), [(1, 4), (2, 2), (4, 2)])
def test_a_host_that_never_pauses_waits_for_the_width_alone(load_width, pace):
    # The port itself takes a write each two cycles.
    _, _, pipeline = loadable(load_width)
    image = parameter_image(pipeline)
    words = [int.from_bytes(image[at : at + 4], "little") for at in range(0, len(image), 4)]

    async def bench(ctx, host):
        dut, taken = host.dut, []
        await host.write(ctx, register("CONTROL").offset, START_LOAD)
        ctx.set(dut.s_axi_awaddr, WINDOW)
        ctx.set(dut.s_axi_wstrb, 15)
        ctx.set(dut.s_axi_awvalid, 1)
        ctx.set(dut.s_axi_bready, 1)
        for word in words:
            ctx.set(dut.s_axi_wvalid, 1)
            ctx.set(dut.s_axi_wdata, word)
            while not ctx.get(dut.s_axi_wready):
                await host.tick(ctx)
            taken.append(host.cycles)
            await host.tick(ctx)
        ctx.set(dut.s_axi_awvalid, 0)
        ctx.set(dut.s_axi_wvalid, 0)
        # Where a load begins, the loader needs a few cycles, for which words wait in the FIFOs on the way.
        assert set(np.diff(taken)[0 if load_width == 4 else 10 :]) == {pace}
        await host.idle(ctx)
        assert await host.read(ctx, "STATUS") == 0b10

    run(pipeline, AxiPorts(frame_bytes=4, lite=True), bench)


def test_a_load_that_cannot_begin_blocks_no_bus_and_is_told():
    network, plan, pipeline = loadable()
    image = parameter_image(pipeline)
    good, results = frames_and_results(network, pipeline, np.random.default_rng(2).integers(0, 2, (2, 45)), 4)

    async def bench(ctx, host):
        await host.load(ctx, image)
        await host.idle(ctx)
        # Results that nobody takes keep the next load from beginning.
        host.takes = False
        for _ in range(WAITING):
            await host.send(ctx, good[0])
        await host.idle(ctx, 300)
        await host.load(ctx, image[:40])
        assert await host.read(ctx, "STATUS") == 0b1011 and await host.read(ctx, "IRQ_STATUS") & ERROR
        host.takes = True
        await host.results(ctx, WAITING)
        await host.load(ctx, image)
        await host.idle(ctx)
        assert await host.read(ctx, "STATUS") == 0b10
        await host.send(ctx, good[1])
        await host.results(ctx, WAITING + 1)
        # A reset discards what is under way, and the parameters.
        host.takes = False
        await host.send(ctx, good[0])
        await host.idle(ctx, 300)
        await host.write(ctx, register("CONTROL").offset, RESET)
        host.takes = True
        await host.idle(ctx, 300)
        assert len(host.out) == WAITING + 1 and await host.read(ctx, "STATUS") == 0
        await host.load(ctx, image)
        await host.send(ctx, good[1])
        await host.results(ctx, WAITING + 2)

    assert run(pipeline, AxiPorts(frame_bytes=8, lite=True), bench).out == [results[0]] * WAITING + [results[1]] * 2


def test_registers_say_where_streamed_weights_are():
    network, plan = streamed_example()

    async def bench(ctx, host):
        base, enable = register("WEIGHTS_BASE").offset, register("WEIGHTS_ENABLE").offset
        assert await host.read(ctx, "FEATURES") == 0b100
        await host.write(ctx, base, 0x12345600)
        await host.write(ctx, base, 0xAABBCCDD, 0b0100)
        assert await host.read(ctx, "WEIGHTS_BASE") == 0x12BB5600
        await host.write(ctx, base, 0x12345600)
        assert not ctx.get(host.dut.m_axi_arvalid)
        await host.write(ctx, enable, 1)
        await host.idle(ctx, 20)
        assert ctx.get(host.dut.m_axi_arvalid) and ctx.get(host.dut.m_axi_araddr) == 0x12345600
        assert await host.read(ctx, "WEIGHTS_ENABLE") == 1

    run(lower(network, plan), AxiPorts(frame_bytes=4, lite=True), bench)


def test_the_header_is_c_and_tells_the_map(tmp_path):
    (tmp_path / "net_regs.h").write_text(register_header("net"))
    names = re.findall(r"^#define (\S+) +0x", register_header("net"), flags=re.MULTILINE)
    assert len(set(names)) == len(names) and {f"NET_{one.name}" for one in REGISTERS} < set(names)
    shown = "".join(f'printf("{name} %u\\n", (unsigned)({name}));' for name in names)
    (tmp_path / "main.c").write_text(
        f'#include <stdio.h>\n#include "net_regs.h"\nint main(void) {{ {shown} return 0; }}'
    )
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(["gcc", *flags, "main.c", "-o", "main"], cwd=tmp_path, check=True)
    told = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()
    values = dict(zip(told[::2], map(int, told[1::2]), strict=True))
    for one in REGISTERS:
        assert values[f"NET_{one.name}"] == one.offset
        for field in one.fields:
            assert values[f"NET_{one.name}_{field.name}"] == field.mask
    assert values["NET_ID_VALUE"] == MAGIC == int.from_bytes(b"WEIR", "little")


def test_the_map_overlaps_nowhere():
    offsets = [one.offset for one in REGISTERS]
    assert offsets == sorted(set(offsets)) and all(offset % 4 == 0 for offset in offsets) and offsets[-1] < WINDOW
    for one in REGISTERS:
        masks = [field.mask for field in one.fields]
        assert sum(masks) < 1 << 32 and sum(mask.bit_count() for mask in masks) == sum(masks).bit_count()
    page = (ROOT / "docs" / "axi-lite.md").read_text()
    assert register_table() in page
    assert register_table().count("\n") == 3 + len(REGISTERS) + sum(len(one.fields) for one in REGISTERS)


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ({"frame_bytes": 4, "result_bytes": 3}, "An AXI4-Stream must be 1, 2, 4, 8, 16, 32 or 64 bytes wide, not 3."),
        (
            {"frame_bytes": 4, "lite": True, "load_bytes": 4},
            "With AXI4-Lite, parameters are loaded through its registers: leave out the width of a stream for them.",
        ),
    ],
)
def test_ports_that_there_are_not(ports, text):
    with pytest.raises(PlanError) as error:
        AxiPorts(**ports)
    assert str(error.value) == text


def test_ports_need_what_they_are_for():
    pipeline = lower(*varied())
    with pytest.raises(PlanError) as error:
        AxiPorts(frame_bytes=4, load_bytes=4).check(pipeline)
    assert str(error.value) == "A stream for parameters needs parameters in RAM: add --weights ram (weights='ram')."
    _, _, wide = loadable(8)
    for ports, what in ((AxiPorts(frame_bytes=8, load_bytes=4), "their stream"),
                        (AxiPorts(frame_bytes=8, lite=True), "the window of AXI4-Lite")):  # fmt: skip
        with pytest.raises(PlanError) as error:
            ports.check(wide)
        assert str(error.value) == (
            f"Parameters must be loaded at most 4 bytes a cycle, as many as {what} has, not 8: choose a smaller "
            "--load-width (in Python load_width=), or leave it out."
        )
    assert [AxiPorts(frame_bytes=width).load_width for width in TDATA_BYTES] == [1, 2, 4, 8, 8, 8, 8]
