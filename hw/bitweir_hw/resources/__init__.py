"""What primitives cost: cells of a family, counted before a run of Yosys."""
