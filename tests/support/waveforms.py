"""Waveforms as an independent reader sees them: wellen, with which Surfer reads."""

from functools import cached_property

import pywellen


class Waveform:
    """The signals of a VCD or FST file, by their paths."""

    def __init__(self, path):
        self._file = pywellen.Waveform(str(path))
        self._signals = {}

    @cached_property
    def variables(self):
        """The variables."""
        return {variable.full_name: variable for variable in self._file.all_vars()}

    def at(self, name, cycle):
        """The value at the end of a cycle of 10 ns, after two in reset; the clock rises in the middle of each."""
        if name not in self._signals:
            self._signals[name] = self.variables[name].signal
        return self._signals[name].value_at(24 + 10 * cycle)
