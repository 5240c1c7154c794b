"""When an SDRAM chip answers a reader of weights: exact for the controller of `bitweir_hw.offchip`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bitweir_hw.offchip import SdramSpec

__all__ = ["SdramPattern"]


@dataclass
class _Burst:
    """A burst in one of the two stages: the beats behind the one that is read next, and its bank."""

    bank: int
    more: int


class SdramPattern:
    """Steps an `SdramController` that only reads, without values, from reset on; a memory of `offchip.reader_supplies`.

    Parameters
    ----------
    spec : SdramSpec
    """

    def __init__(self, spec: SdramSpec) -> None:
        part, cycles = spec.part, spec.cycles
        self._spec = spec
        self._precharge, self._t_rcd = cycles(part.t_rp), cycles(part.t_rcd)
        self._active = max(cycles(part.t_ras), cycles(part.t_rc) - self._precharge)
        #: Cycles in which a timer is not done yet.
        self._banks = [0] * (1 << part.bank_bits)
        self._opening = self._row_active = self._column_active = 0
        self._row: _Burst | None = None
        self._column: _Burst | None = None
        self._is_open = self._may_open = False
        self._state, self._wait, self._since = "POWER", cycles(part.power_up_us * 1e3), 0
        self._refreshes, self._due = 0, False
        # What was read, in the cycles in which it is on its way.
        self._comes = deque([False] * (spec.cas_latency + 2 + spec.late))

    def beat(self, cycle: int) -> bool:
        """Whether a beat comes in a cycle; asked once a cycle."""
        return self._comes[0]

    def step(self, cycle: int, request: tuple[int, int] | None, beat: bool) -> bool:
        """End a cycle; returns whether the request, of an address in bytes and beats, was taken."""
        row, column = self._row, self._column
        running = self._state == "RUN"
        lets = running and not self._due
        activate = lets and self._may_open
        access = column is not None and not activate and (column.more > 0 or not self._column_active)
        ends = access and column is not None and column.more == 0
        moves = row is not None and self._is_open and not self._opening and (ends or column is None)
        takes = lets and row is None
        idle = column is None and not (row is not None and self._is_open) and not any(self._banks)
        in_use = row is not None and column is not None and column.bank == row.bank
        closed = row is not None and not self._banks[row.bank]
        self._may_open = row is not None and not self._is_open and closed and not in_use and not activate

        self._comes.popleft()
        self._comes.append(access)
        active_before = self._row_active
        self._banks = [max(left - 1, 0) for left in self._banks]
        self._opening, self._row_active = max(self._opening - 1, 0), max(self._row_active - 1, 0)
        self._column_active = max(self._column_active - 1, 0)
        if activate:
            self._is_open = True
            self._opening = max(1, self._t_rcd - 1) - 1
            self._row_active = max(1, self._active - 1) - 1
        if ends and column is not None:
            self._column = None
            self._banks[column.bank] = self._precharge + 1
        elif access and column is not None:
            column.more -= 1
        if moves:
            self._column, self._row, self._is_open = row, None, False
            self._column_active = max(active_before - 1, 0)
        self._keep_house(idle)
        if not takes or request is None:
            return False
        address, beats = request
        self._row = _Burst(bank=self._spec.location(address // 2)[0], more=beats - 1)
        return True

    def _keep_house(self, idle: bool) -> None:
        """The cycle of the machine that begins as the data sheet asks, and refreshes."""
        spec, part = self._spec, self._spec.part
        over, wait = self._since == spec.refresh_cycles - 1, self._wait
        self._since = 0 if over else self._since + 1
        due, self._due = self._due, self._due or over
        self._wait = max(wait - 1, 0)
        if self._state == "RUN":
            if due and idle:
                self._due, self._wait, self._state = False, spec.cycles(part.t_rfc) - 1, "SETTLE"
        elif wait:
            return
        elif self._state == "POWER":
            self._wait, self._state = self._precharge - 1, "REFRESHES"
        elif self._state == "REFRESHES":
            self._wait, self._refreshes = spec.cycles(part.t_rfc) - 1, self._refreshes + 1
            if self._refreshes == part.power_up_refreshes:
                self._state = "MODE"
        elif self._state == "MODE":
            self._wait, self._since, self._due, self._state = spec.cycles(part.t_mrd) - 1, 0, False, "SETTLE"
        else:
            self._state = "RUN"
