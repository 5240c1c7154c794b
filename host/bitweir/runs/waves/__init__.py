"""Waveforms as a person opens them: below the name of the design, with decoded streams, and in order for viewers."""

from .recording import Recorder, check_waves

__all__ = ["Recorder", "check_waves"]
