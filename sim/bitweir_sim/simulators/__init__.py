"""Simulators of what is generated: Verilog through CXXRTL, Verilator and cocotb, components in Amaranth."""
