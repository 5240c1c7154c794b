"""A simulated SDRAM chip that refuses whatever its data sheet does not allow."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bitweir_hw.offchip.sdram_parts import SdramPart

__all__ = ["SdramChip", "SdramError", "SdramPins"]

_MODE, _REFRESH, _PRECHARGE, _ACTIVATE, _WRITE, _READ, _STOP, _NOP = range(8)
#: Cycles by which DQM acts late on what is read (the data sheet's figures of DQM).
_DQM_LATENCY = 2
_NEVER = float("-inf")


class SdramError(AssertionError):
    """The chip was used against its data sheet."""


@dataclass(frozen=True, kw_only=True)
class SdramPins:
    """The pins of a chip at an edge of its clock."""

    cke: int = 1
    cs_n: int = 0
    ras_n: int = 1
    cas_n: int = 1
    we_n: int = 1
    ba: int = 0
    a: int = 0
    dqm: int = 0
    dq: int | None = None

    @property
    def command(self) -> int:
        """RAS#, CAS# and WE#, RAS# in the highest bit; no operation where the chip is not selected."""
        return _NOP if self.cs_n else self.ras_n << 2 | self.cas_n << 1 | self.we_n

    @property
    def idle(self) -> bool:
        """Whether they ask for nothing, and drive nothing."""
        return bool(self.cke) and self.command == _NOP and self.dq is None


@dataclass
class _Bank:
    row: int | None = None
    #: Times in ns of the last activate, of the beginning of the last precharge, of the last data written.
    activated: float = _NEVER
    precharged: float = _NEVER
    written: float = _NEVER
    #: When it precharges itself.
    closes: float | None = None


@dataclass
class _Refreshes:
    """Whether each row is refreshed in time, however late single refreshes are.

    For refreshes at times t, each k of them in a row must lie within ``k * period + late``, where
    ``rows * period + late`` is the time in which each row must be refreshed.
    """

    period: float
    late: float
    due: float = _NEVER
    count: int = field(default=0)

    def check(self, now: float) -> None:
        if self.count and now > self.due + self.late:
            raise SdramError(f"a refresh is {now - self.due - self.late:.0f} ns too late at {now:.0f} ns")

    def refresh(self, now: float) -> None:
        self.check(now)
        self.due = (min(self.due, now) if self.count else now) + self.period
        self.count += 1


class SdramChip:
    """What an `SdramPart` does at each edge of its clock, with burst length 1.

    Parameters
    ----------
    part : SdramPart
    clock : int
        Hz.
    late_refreshes : float
        Nanoseconds by which a refresh may be late against equal distances, which are that much shorter in sum.

    Attributes
    ----------
    content : dict of (bank, row, column) to int
        All that was written.
    counts : dict of str to int
        How many commands of each kind came.
    """

    def __init__(self, part: SdramPart, clock: int, *, late_refreshes: float) -> None:
        self.part, self.period = part, 1e9 / clock
        self.now = 0.0
        self.content: dict[tuple[int, int, int], int] = {}
        self.counts = dict.fromkeys(("activate", "read", "write", "precharge", "refresh", "mode"), 0)
        self._banks = [_Bank() for _ in range(1 << part.bank_bits)]
        self._latency: int | None = None
        self._first_command = self._closed_all = False
        self._ready_at = 0.0
        self._last_activate = _NEVER
        rows = 1 << part.row_bits
        whole = part.refresh_ms * 1e6
        self._refreshes = _Refreshes(period=(whole - late_refreshes) / rows, late=late_refreshes)
        # What is driven behind each of the next edges, and DQM at the last ones.
        self._out: deque[int | None] = deque([None] * 4)
        self._before: int | None = None
        self._dqm: deque[int] = deque([0] * _DQM_LATENCY, maxlen=_DQM_LATENCY)

    @property
    def quiet(self) -> bool:
        """Whether it drives nothing, as long as nothing is asked for."""
        return all(word is None for word in self._out) and self._before is None and len(set(self._dqm)) == 1

    def idle(self, edges: int) -> None:
        """So many edges at which nothing is asked for, while it is `quiet` and DQM stays."""
        self.now += edges * self.period

    def edge(self, pins: SdramPins) -> int | None:
        """An edge of the clock; what it drives from then on until the next one, or None.

        Raises
        ------
        SdramError
            The data sheet does not allow it.
        """
        self.now += self.period
        driven = self._out[0]
        if pins.dq is not None and driven is not None:
            self._refuse("both sides drive the data pins")
        self._close()
        if not pins.cke:
            self._refuse("CKE is low: the controller has no power down")
        if pins.command != _NOP:
            self._command(pins)
        if self._latency is not None:
            self._refreshes.check(self.now)
        if self._latency is None and pins.dqm != 3:
            self._refuse("DQM is low before the mode is set")
        self._before = self._out.popleft()
        self._out.append(None)
        self._dqm.append(pins.dqm)
        following = self._out[0]
        if following is not None:
            mask = self._dqm[0]
            if mask == 3:
                return None
            if mask:
                self._refuse("half a beat is masked while it is read")
        return following

    def _refuse(self, what: str) -> None:
        raise SdramError(f"{what} at {self.now:.1f} ns")

    def _since(self, then: float, least: float, what: str) -> None:
        # Sums of periods have errors of rounding.
        if self.now - then < least - 1e-3:
            self._refuse(f"{what}: {self.now - then:.1f} ns in place of {least}")

    def _close(self) -> None:
        """Banks that close themselves."""
        for bank in self._banks:
            if bank.closes is not None and self.now >= bank.closes - 1e-3:
                bank.row, bank.precharged, bank.closes = None, bank.closes, None

    def _command(self, pins: SdramPins) -> None:
        if not self._first_command:
            self._since(0.0, self.part.power_up_us * 1e3, "power up")
            if pins.command != _PRECHARGE or not pins.a >> 10 & 1:
                self._refuse("the first command must precharge all")
            self._first_command = True
        self._since(self._ready_at, 0.0, "a command before a refresh or the mode is done")
        bank = self._banks[pins.ba]
        if pins.command == _PRECHARGE:
            self._precharge(self._banks if pins.a >> 10 & 1 else [bank])
        elif pins.command == _REFRESH:
            self._refresh()
        elif pins.command == _MODE:
            self._mode(pins.a)
        elif self._latency is None:
            self._refuse("the mode register is not set")
        elif pins.command == _ACTIVATE:
            self._activate(bank, pins.a)
        elif pins.command in (_READ, _WRITE):
            self._access(bank, pins)
        else:
            self._refuse("a burst of one beat needs no end")

    def _precharge(self, banks: list[_Bank]) -> None:
        for bank in banks:
            if bank.closes is not None:
                self._refuse("a bank that closes itself is precharged")
            if bank.row is not None:
                self._since(bank.activated, self.part.t_ras, "tRAS")
                self._since(bank.written, self.part.t_wr, "tWR")
                bank.row = None
            bank.precharged = self.now
        self.counts["precharge"] += 1

    def _idle(self) -> None:
        for bank in self._banks:
            if bank.row is not None:
                self._refuse("a row is open")
            self._since(bank.precharged, self.part.t_rp, "tRP")
            self._since(bank.activated, self.part.t_rc, "tRC")

    def _refresh(self) -> None:
        self._idle()
        self._refreshes.refresh(self.now)
        self._ready_at = self.now + self.part.t_rfc
        self.counts["refresh"] += 1

    def _mode(self, value: int) -> None:
        self._idle()
        if self.counts["refresh"] < self.part.power_up_refreshes:
            self._refuse("too few refreshes before the mode is set")
        latency = value >> 4 & 7
        if value & ~(7 << 4) or latency not in (2, 3):
            self._refuse(f"no mode for bursts of one beat: {value:#x}")
        if self.period < self.part.t_ck[latency - 2] - 1e-6:
            self._refuse(f"a CAS latency of {latency} needs {self.part.t_ck[latency - 2]} ns")
        self._latency = latency
        self._ready_at = self.now + self.part.t_mrd
        self.counts["mode"] += 1

    def _activate(self, bank: _Bank, row: int) -> None:
        if bank.row is not None:
            self._refuse("a row of the bank is open")
        self._since(bank.precharged, self.part.t_rp, "tRP")
        self._since(bank.activated, self.part.t_rc, "tRC")
        self._since(self._last_activate, self.part.t_rrd, "tRRD")
        bank.row, bank.activated, self._last_activate = row, self.now, self.now
        bank.written = _NEVER
        self.counts["activate"] += 1

    def _access(self, bank: _Bank, pins: SdramPins) -> None:
        part, latency = self.part, self._latency
        assert latency is not None
        if bank.row is None or bank.closes is not None:
            self._refuse("no row of the bank is open")
        assert bank.row is not None
        self._since(bank.activated, part.t_rcd, "tRCD")
        if self.now - bank.activated > part.t_ras_most:
            self._refuse("a row is open for too long")
        column, itself = pins.a & (1 << part.column_bits) - 1, pins.a >> 10 & 1
        if pins.a & ~(1 << 10 | (1 << part.column_bits) - 1):
            self._refuse(f"no column: {pins.a:#x}")
        where = pins.ba, bank.row, column
        if pins.command == _READ:
            if pins.dq is not None:
                self._refuse("data pins are driven with a read")
            # To be sampled `latency` edges later: driven behind the edge before that.
            self._out[latency] = self.content.get(where, hash(where) & 0xFFFF)
            begins = self.now + self.period
        else:
            if pins.dq is None:
                self._refuse("a write without data")
            assert pins.dq is not None
            if self._before is not None:
                self._refuse("a write right behind data that was read")
            keep = sum(0xFF << 8 * byte for byte in range(2) if pins.dqm >> byte & 1)
            self.content[where] = self.content.get(where, 0) & keep | pins.dq & ~keep
            bank.written = self.now
            begins = self.now + part.t_wr
        self.counts["read" if pins.command == _READ else "write"] += 1
        if itself:
            if begins - bank.activated < part.t_ras - 1e-3:
                self._refuse("tRAS before a bank closes itself")
            bank.closes = begins
