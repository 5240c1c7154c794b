"""A network on several chips: channels between them, one chip with the ends of its channels, and all as one."""

from .channel import MAX_CREDITS, MAX_LATENCY, ChannelSpec, CreditReceiver, CreditSender, Transport
from .chip import Chip, Chips, chip_ports
from .joined import Joint, joined, joint, with_credits

__all__ = [
    "MAX_CREDITS",
    "MAX_LATENCY",
    "ChannelSpec",
    "Chip",
    "Chips",
    "CreditReceiver",
    "CreditSender",
    "Joint",
    "Transport",
    "chip_ports",
    "joined",
    "joint",
    "with_credits",
]
