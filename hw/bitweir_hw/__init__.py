"""Everything that becomes hardware: networks, plans, blocks, gateware."""
