"""A bench in Verilog-2001 that checks itself: drawn frames in, with pauses, and the golden model's results."""

from __future__ import annotations

from typing import Any

import numpy as np
from bitweir_hw.accelerator import image_bytes
from bitweir_sim.values.frames import expected_beats
from numpy.typing import NDArray

from .facts import Facts

__all__ = ["bench", "can_be_benched"]

#: Frames, or groups of parallel ones.
_GROUPS = 4
_TEXT = """// A bench of {name}: {groups} groups of frames in, with pauses on both sides.
// The results are compared with those of the golden model. It prints PASS.
`timescale 1ns / 1ps
module {name}_tb;
  reg clk = 0, rst = 1, i__valid = 0, o__ready = 0, accepted = 0;
  reg [{i_high}:0] i__payload = 0;
  reg [{i_high}:0] sent [0:{i_last}];
  reg [{o_high}:0] wanted [0:{o_last}];
  wire i__ready, o__valid;
  wire [{o_high}:0] o__payload;
  integer place, found = 0, wrong = 0, i_seed = 1, o_seed = 2;

  {name} dut (
    .clk(clk), .rst(rst), .i__payload(i__payload), .i__valid(i__valid), .i__ready(i__ready),
    .o__payload(o__payload), .o__valid(o__valid), .o__ready(o__ready)
  );

  always #5 clk = !clk;

  initial begin : frames
{words}
    repeat (3) @(negedge clk);
    rst = 0;
    for (place = 0; place <= {i_last}; place = place + 1) begin
      while ($random(i_seed) & 1) @(negedge clk);
      i__payload = sent[place];
      i__valid = 1;
      accepted = 0;
      while (!accepted) @(posedge clk) accepted = i__ready;
      @(negedge clk) i__valid = 0;
    end
  end

  always @(negedge clk) o__ready = $random(o_seed);

  always @(posedge clk)
    if (!rst && o__valid && o__ready) begin
      if (o__payload !== wanted[found]) begin
        wrong = wrong + 1;
        $display("Beat %0d of the results is %h, not %h.", found, o__payload, wanted[found]);
      end
      found = found + 1;
      if (found > {o_last}) begin
        if (wrong) $display("FAIL");
        else $display("PASS");
        $finish;
      end
    end

  initial begin : patience
    repeat ({limit}) @(posedge clk);
    $display("FAIL: only %0d of {o_beats} beats came.", found);
    $finish;
  end
endmodule
"""


def can_be_benched(facts: Facts) -> bool:
    """Whether frames are all that the accelerator needs: no parameters to load, no weights from outside."""
    return not image_bytes(facts.pipeline) and not facts.pipeline.weight_streams


def bench(facts: Facts) -> dict[str, str]:
    """The bench of an accelerator, ``NAME_tb.v``.

    Padding of the last beat of a vector is compared as well; it is 0.
    """
    pipeline, network = facts.pipeline, facts.network
    frames = _GROUPS * pipeline.parallel_frames
    codes = np.random.default_rng(1).integers(0, network.input.format.codes, (frames, network.input.size))
    shown = expected_beats(network, pipeline, codes)
    sent, wanted = shown[0], shown[-1]
    i_bits, o_bits = pipeline.input.bits, pipeline.nodes[-1].block.o_bits

    def words(name: str, bits: int, beats: NDArray[Any]) -> list[str]:
        numbers = (int.from_bytes(row.tobytes(), "little") & (1 << bits) - 1 for row in np.atleast_2d(beats))
        return [f"    {name}[{at}] = {bits}'h{number:x};" for at, number in enumerate(numbers)]

    lines = words("sent", i_bits, sent) + words("wanted", o_bits, wanted)
    cycles = sum(block.cycles for block in pipeline.blocks) * (_GROUPS + 1) * 8 + 10000
    text = _TEXT.format(
        name=facts.name, groups=_GROUPS, i_high=i_bits - 1, o_high=o_bits - 1, i_last=len(sent) - 1,
        o_last=len(wanted) - 1, o_beats=len(wanted), words="\n".join(lines), limit=cycles,
    )  # fmt: skip
    return {f"{facts.name}_tb.v": text}
