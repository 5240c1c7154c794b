"""What tests share: samples, what Hypothesis draws, references, drivers of streams, data."""

from pathlib import Path

__all__ = ["ROOT"]

#: The repository.
ROOT = Path(__file__).resolve().parents[2]
