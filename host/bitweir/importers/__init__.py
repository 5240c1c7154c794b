"""Model files to integer networks."""

from .errors import ModelError
from .load import load_model

__all__ = ["ModelError", "load_model"]
