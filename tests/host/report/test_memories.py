"""The memories of a report are those of the gateware: words, bits of a word, copies."""

import re
from collections import Counter
from dataclasses import replace

import pytest
from amaranth.back import rtlil
from bitweir.design import write_design
from bitweir.report.collect import _block as block_report
from bitweir.report.collect import collect
from bitweir.report.html import page
from bitweir_hw.blocks import (
    MatVecSpec,
    PoolSpec,
    RunningMaxSpec,
    UpsampleSpec,
    WidthSpec,
    WindowSpec,
    block_of,
)
from bitweir_hw.blocks.channel import ChannelSpec
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.popcount import Popcount
from hypothesis import given, settings
from hypothesis import strategies as st
from support.samples import dense_network, every_kind
from support.strategies import networks, plans

#: Blocks of which the first memory of data is no FIFO; that of others is one.
STORES = (PoolSpec, RunningMaxSpec, UpsampleSpec, WindowSpec)


def built(block):
    """Words and bits of each memory in the RTLIL of a block."""
    text = rtlil.convert(block_of(block).component(block))
    found = re.findall(r"^\s*memory width (\d+) size (\d+) ", text, re.MULTILINE)
    return Counter((int(depth), int(width)) for width, depth in found)


def parts(row, memory, *, fifo):
    """Words and bits of the memories that hold a row of a report."""
    if row.depth == 1:
        return []
    if fifo:
        # The output register has a word, and the register behind a block RAM another.
        words = row.depth - 1 - (row.kind == "block")
        return [(words, row.width)] if words > 1 else []
    if memory.layout.shared:
        return [(memory.layout.depth, row.width * memory.layout.banks)]
    firsts = range(0, row.depth, memory.layout.depth)
    shares = [bits.stop - bits.start for bits in memory.layout.shares(row.width)]
    return [(min(memory.layout.depth, row.depth - first), bits) for first in firsts for bits in shares]


def told(block, rows):
    """The memories that a report says a block has."""
    found = Counter()
    buffers = 0
    for number, (row, memory) in enumerate(zip(rows, block.memories(), strict=True)):
        assert (row.depth, row.width, row.copies) == (memory.depth, memory.width, memory.copies)
        data = row.role == "buffer"
        buffers += data
        if isinstance(block, MatVecSpec):
            fifo = number == len(rows) - 1 and block.batch == 1
        else:
            fifo = data and not (isinstance(block, STORES) and buffers == 1 and len(rows) > 1)
        if not data and row.kind == "lut" and not memory.writable and isinstance(block, ChannelSpec):
            # Constants in logic, without what is the same in all of them.
            continue
        found.update(parts(row, memory, fifo=fifo) * row.copies)
    return +found


def check(pipeline):
    for block in pipeline.blocks:
        if isinstance(block, WidthSpec):
            continue  # told as the elements that it holds
        row = block_report(block, 1.0)
        if isinstance(block, MatVecSpec) and block.unrolled:
            assert [memory.kind for memory in row.memories[:2]] == ["constant"] * 2, row
        logic = isinstance(block, ChannelSpec) and row.memories[0].kind != "block" and not block.memory.writable
        found, expected = built(block), told(block, row.memories)
        assert not expected - found if logic else expected == found, (block, expected, found)
        riding = block.riding_bits if isinstance(block, MatVecSpec) else 0
        assert row.threshold_bits >= riding * row.memories[0].depth
        assert row.weight_bits + row.threshold_bits + row.buffer_bits == sum(each.bits for each in row.memories)


@pytest.mark.parametrize(("style", "kind"), [("ecp5", "class"), ("fused", "scores"), ("tree", "class")])
def test_memories_of_every_kind_are_those_of_the_gateware(style, kind):
    check(lower(*every_kind(style=style, kind=kind, streams=2 if style == "fused" else 1)))


def test_loaded_memories_are_those_of_the_gateware():
    network, plan = every_kind(wired=False)
    check(lower(network, with_loadable_parameters(network, plan)))


@settings(max_examples=5)
@given(st.data())
def test_memories_of_drawn_designs_are_those_of_the_gateware(data):
    network = data.draw(networks())
    check(lower(network, data.draw(plans(network))))


@pytest.mark.parametrize("memory", ["block", "lut", "auto", "stream"])
@pytest.mark.parametrize("style", ["ecp5", "tree"])
def test_memories_of_dense_layers(memory, style):
    network = dense_network(37, 29, 23)
    plan = plan_from_foldings(network, "1x1,1x1", popcount=Popcount(style=style, levels_per_stage=1))
    check(lower(network, replace(plan, foldings=tuple(replace(each, memory=memory) for each in plan.foldings))))


def test_thresholds_that_ride_are_bits_of_the_words_of_weights(tmp_path):
    """As in the Verilog of such a layer: one memory of 1,073 words of 2 bits, and none of thresholds."""
    network = dense_network(37, 29, 23)
    plan = plan_from_foldings(network, "1x1,1x1", popcount=Popcount.of("ecp5", 1))
    report = collect(write_design(network, plan, tmp_path / "build"), clock=100e6)
    layer = next(block for block in report.blocks if block.weight_bits == 1073)
    first = layer.memories[0]
    assert (first.role, first.depth, first.width, first.riding) == ("weights", 37 * 29, 2, 1)
    assert [memory.role for memory in layer.memories] == ["weights", "buffer", "buffer"]
    assert layer.threshold_bits == 1073 and first.held_in("ecp5").full == pytest.approx(2 * 1073 / 18432)
    text = page(report)
    assert "weights and thresholds" in text
    assert f"also has some bits of the thresholds of the next neurons: 1 in {layer.name}" in text
