"""A refusal: what is not supported, and what to do instead."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Refusal"]


@dataclass(frozen=True)
class Refusal:
    """The end of a sentence that begins with a node or a layer.

    Parameters
    ----------
    reason : str
        What is not supported.
    remedy : str
        What to do instead.
    """

    reason: str
    remedy: str

    def of(self, subject: str) -> str:
        """The whole sentence."""
        return f"{subject} {self.reason}: {self.remedy}."
