"""RTLIL as Amaranth writes it, straight to C++ in which equal elements are lanes of loops."""
