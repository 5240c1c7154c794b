"""Evaluates mapped netlists of four FPGA families, many vectors at once (one bit of an integer each).

Written from the cell models that Yosys ships (share/*/cells_sim.v), as an independent check of
what synthesis made. Clocked cells step together: one clock.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Netlist"]

Bits = dict[str, list[Any]]


class Netlist:
    """The mapped top module of a flattened ``write_json`` file.

    Parameters
    ----------
    path : Path
        The JSON file.
    top : str
        Module to evaluate.
    vectors : int
        Independent simulations that run at the same time.
    """

    def __init__(self, path: Path, top: str, vectors: int) -> None:
        self.module = json.loads(path.read_text())["modules"][top]
        self.ones = (1 << vectors) - 1
        self.vectors = vectors
        self.values: dict[Any, int] = {"0": 0, "1": self.ones, "x": 0, "z": 0}
        self.state: list[tuple[Any, Callable[[], int]]] = []
        jobs: list[tuple[list[Any], list[Any], Callable[[], None]]] = []
        for cell in self.module["cells"].values():
            kind, pins = cell["type"], cell["connections"]
            parameters = cell.get("parameters", {})
            if kind == "$scopeinfo":
                continue
            if kind in _FLIP_FLOPS:
                data, enable = _FLIP_FLOPS[kind](pins, parameters)
                for q in pins["Q"]:
                    self.values[q] = 0
                    self.state.append((q, self._next(q, data, enable)))
                continue
            if kind in ("SRL16E", "SRLC32E"):
                self._shift_register(pins)
                continue
            if kind not in _CELLS:
                raise NotImplementedError(f"cell {kind}")
            outputs = [bit for name, way in cell["port_directions"].items() if way == "output" for bit in pins[name]]
            inputs = [bit for name, way in cell["port_directions"].items() if way == "input" for bit in pins[name]]
            jobs.append((inputs, outputs, self._evaluate(_CELLS[kind], pins, parameters)))
        self.order = self._sort(jobs)

    def _shift_register(self, pins: Bits) -> None:
        """One of which a constant address selects the last bit that is used."""
        address = [bit for name in ("A", "A0", "A1", "A2", "A3") for bit in pins.get(name, ())]
        last = sum(int(bit) << n for n, bit in enumerate(address))
        chain = [pins["D"][0], *(("shift", id(pins), n) for n in range(last)), pins["Q"][0]]
        for before, q in itertools.pairwise(chain):
            self.values[q] = 0
            self.state.append((q, self._next(q, before, pins["CE"][0])))

    def _next(self, q: Any, data: Any, enable: Any) -> Callable[[], int]:
        value = self.values

        def step() -> int:
            if enable is None:
                return value[data]
            return value[enable] & value[data] | (self.ones ^ value[enable]) & value[q]

        return step

    def _evaluate(
        self, cell: Callable[..., dict[str, Any]], pins: Bits, parameters: dict[str, str]
    ) -> Callable[[], None]:
        def run() -> None:
            get = lambda name, i=0: self.values[pins[name][i]] if i < len(pins.get(name, ())) else 0  # noqa: E731
            for name, result in cell(get, parameters, self.ones).items():
                for bit, value in zip(
                    pins.get(name, ()), result if isinstance(result, list) else [result], strict=False
                ):
                    self.values[bit] = value & self.ones

        return run

    def _sort(self, jobs: list[tuple[list[Any], list[Any], Callable[[], None]]]) -> list[Callable[[], None]]:
        """Cells in an order in which each comes after its inputs."""
        ports = [b for p in self.module["ports"].values() if p["direction"] == "input" for b in p["bits"]]
        known = set(self.values) | set(ports)
        users: dict[Any, list[int]] = {}
        missing = []
        for n, (inputs, _, _) in enumerate(jobs):
            needed = {bit for bit in inputs if bit not in known}
            missing.append(len(needed))
            for bit in needed:
                users.setdefault(bit, []).append(n)
        ready = [n for n, count in enumerate(missing) if not count]
        order = []
        while ready:
            n = ready.pop()
            order.append(jobs[n][2])
            for bit in jobs[n][1]:
                for user in users.pop(bit, ()):
                    missing[user] -= 1
                    if not missing[user]:
                        ready.append(user)
        if len(order) != len(jobs):
            raise ValueError(f"{len(jobs) - len(order)} cells of {len(jobs)} have an undriven input or form a loop.")
        return order

    def set(self, port: str, values: list[int]) -> None:
        """Give each simulation its value of an input."""
        for i, bit in enumerate(self.module["ports"][port]["bits"]):
            self.values[bit] = sum((value >> i & 1) << n for n, value in enumerate(values))

    def get(self, port: str) -> list[int]:
        """Value of an output in each simulation."""
        self._settle()
        bits = [self.values[bit] for bit in self.module["ports"][port]["bits"]]
        return [sum((bit >> n & 1) << i for i, bit in enumerate(bits)) for n in range(self.vectors)]

    def tick(self) -> None:
        """One clock cycle."""
        self._settle()
        following = [(q, step()) for q, step in self.state]
        self.values.update(following)

    def _settle(self) -> None:
        for run in self.order:
            run()


def _lut(table: int, inputs: list[int], ones: int) -> int:
    """Shannon expansion, the highest input first."""
    if not table:
        return 0
    if table == (1 << (1 << len(inputs))) - 1:
        return ones
    half = 1 << (len(inputs) - 1)
    low, high, select = table & ((1 << half) - 1), table >> half, inputs[-1]
    return _lut(low, inputs[:-1], ones) & ~select | _lut(high, inputs[:-1], ones) & select


def _plain_lut(names: str, table: str, output: str) -> Callable[..., dict[str, Any]]:
    pins = names.split()
    return lambda get, par, ones: {output: _lut(int(par.get(table, "0"), 2), [get(pin) for pin in pins], ones)}


def _mux(low: str, high: str, select: str, output: str) -> Callable[..., dict[str, Any]]:
    return lambda get, par, ones: {output: get(low) & ~get(select) | get(high) & get(select)}


def _ccu2c(get: Any, par: Any, ones: int) -> dict[str, Any]:
    assert par["INJECT1_0"] == par["INJECT1_1"] == "NO"
    carry, sums = get("CIN"), {}
    for half in "01":
        init = int(par[f"INIT{half}"], 2)
        pins = [get(pin + half) for pin in "ABCD"]
        p, g = _lut(init, pins, ones), _lut(init & 15, pins[:2], ones)
        sums[f"S{half}"] = p ^ carry
        carry = ~p & g | p & carry
    return {**sums, "COUT": carry}


def _carry4(get: Any, par: Any, ones: int) -> dict[str, Any]:
    carry, carries, sums = get("CI") | get("CYINIT"), [], []
    for i in range(4):
        sums.append(get("S", i) ^ carry)
        carry = get("S", i) & carry | ~get("S", i) & get("DI", i)
        carries.append(carry)
    return {"O": sums, "CO": carries}


def _alu(get: Any, par: Any, ones: int) -> dict[str, Any]:
    mode = int(par["ALU_MODE"], 2)
    half = get("I0") ^ get("I1")
    p = {0: half, 1: ~half, 2: ~(half ^ get("I3"))}[mode]
    return {"SUM": p ^ get("CIN"), "COUT": p & get("CIN") | ~p & get("I0")}


def _sb_carry(get: Any, par: Any, ones: int) -> dict[str, Any]:
    a, b, c = get("I0"), get("I1"), get("CI")
    return {"CO": a & b | (a | b) & c}


_CELLS: dict[str, Callable[..., dict[str, Any]]] = {
    "CCU2C": _ccu2c,
    "CARRY4": _carry4,
    "ALU": _alu,
    "SB_CARRY": _sb_carry,
    "SB_LUT4": _plain_lut("I0 I1 I2 I3", "LUT_INIT", "O"),
    "PFUMX": _mux("BLUT", "ALUT", "C0", "Z"),
    "L6MUX21": _mux("D0", "D1", "SD", "Z"),
    "INV": lambda get, par, ones: {"O": ~get("I")},
    "VCC": lambda get, par, ones: {"V": ones, "P": ones},
    "GND": lambda get, par, ones: {"G": 0},
}
for _n in (5, 6, 7, 8):
    _CELLS[f"MUX2_LUT{_n}"] = _mux("I0", "I1", "S0", "O")
for _n in (7, 8, 9):
    _CELLS[f"MUXF{_n}"] = _mux("I0", "I1", "S", "O")


def _lut_n(size: int) -> Callable[..., dict[str, Any]]:
    # Three families share the names LUT1 to LUT4; only the pins differ.
    def cell(get: Any, par: Any, ones: int) -> dict[str, Any]:
        table = int(par["INIT"], 2)
        value = _lut(table, [get(f"I{i}") for i in range(size)], ones)
        ecp5 = {"Z": _lut(table, [get(pin) for pin in "ABCD"], ones)} if size == 4 else {}
        return {"F": value, "O": value, **ecp5}

    return cell


for _n in range(1, 7):
    _CELLS[f"LUT{_n}"] = _lut_n(_n)


def _trellis_ff(pins: Bits, par: dict[str, str]) -> tuple[Any, Any]:
    assert par.get("CLKMUX", "CLK") == "CLK" and pins.get("LSR", ["0"])[0] in ("0", 0)
    assert par.get("CEMUX", "1").strip() in ("CE", "1")  # JSON adds a space to strings that look like numbers
    return pins["DI"][0], pins["CE"][0] if par.get("CEMUX") == "CE" else None


def _simple_ff(enable: str | None) -> Callable[[Bits, dict[str, str]], tuple[Any, Any]]:
    return lambda pins, par: (pins["D"][0], pins[enable][0] if enable else None)


def _fdre(pins: Bits, par: dict[str, str]) -> tuple[Any, Any]:
    assert pins["R"][0] == "0"
    return pins["D"][0], pins["CE"][0]


_FLIP_FLOPS: dict[str, Callable[[Bits, dict[str, str]], tuple[Any, Any]]] = {
    "TRELLIS_FF": _trellis_ff,
    "SB_DFF": _simple_ff(None),
    "SB_DFFE": _simple_ff("E"),
    "DFF": _simple_ff(None),
    "DFFE": _simple_ff("CE"),
    "FDRE": _fdre,
}
