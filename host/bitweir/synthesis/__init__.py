"""Yosys runs that measure a design."""
