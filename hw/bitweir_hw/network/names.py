"""What networks and layers may be called: their names become those of files, Verilog modules and C++ classes."""

from __future__ import annotations

from ..errors import NetworkError

__all__ = ["LONGEST_NAME", "check_layer_name", "check_network_name"]

#: Characters. Blocks add to the names of layers, and file systems take 255 bytes.
LONGEST_NAME = 100

#: Reserved words of IEEE 1800-2017, annex B, which has those of IEEE 1364-2005 (Verilog) too.
_WORDS = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect
export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global highz0
highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input inside
instance int integer interconnect interface intersect join join_any join_none large let liblist library local
localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1
s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled signed small
soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on
sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand
trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var vectored virtual void
wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""
_VERILOG = frozenset(_WORDS.split())
#: Ports that every accelerator has: Verilator takes no module with the name of a signal in it.
_PORTS = frozenset({"clk", "rst"})


def check_network_name(name: object) -> None:
    """Refuse what cannot name files and a Verilog module that people instantiate.

    Raises
    ------
    NetworkError
        The name is no identifier of ASCII, too long, or means something else in Verilog.
    """
    _check("Network name", name)
    if name in _VERILOG:
        raise NetworkError(
            f"Network name must not be {name!r}, a word of Verilog: choose another (--name, in Python name=)."
        )
    if name in _PORTS:
        raise NetworkError(
            f"Network name must not be {name!r}, a port of each accelerator: choose another (--name, in Python name=)."
        )


def check_layer_name(name: object) -> None:
    """Refuse what cannot be a part of the names of modules.

    Raises
    ------
    NetworkError
        The name is no identifier of ASCII, or too long.
    """
    _check("Layer names", name)


def _check(what: str, name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier() or not name.isascii():
        raise NetworkError(f"{what} must be letters, digits and underscores, not {name!r}.")
    if len(name) > LONGEST_NAME:
        raise NetworkError(f"{what} must have at most {LONGEST_NAME} characters, not {len(name)}.")
