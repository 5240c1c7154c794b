"""Networks and plans as files."""

from .store import digest, load_network, load_plan, network_bytes, plan_text, read_arrays, save_network

__all__ = ["digest", "load_network", "load_plan", "network_bytes", "plan_text", "read_arrays", "save_network"]
