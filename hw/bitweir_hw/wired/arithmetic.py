"""Gateware of a planned circuit: LUTs and adders, with registers after every so many levels."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

from ..popcount.dot_product import FULL_CHAIN
from ..popcount.ecp5 import Chains, Position
from .circuit import ONE, ZERO, Adder, Circuit, Fn, Gate, Number, evaluated, reduced
from .gates import gates
from .schedule import schedule

__all__ = ["elaborate", "stages"]


def stages(circuit: Circuit, levels_per_stage: int) -> int:
    """Registers between inputs and outputs, see `schedule`."""
    return schedule(circuit, levels_per_stage).last


def chain_limit(circuit: Circuit, levels_per_stage: int) -> int:
    """Positions of the longest chain that adders share, as `Popcount.chain`: timing analysis takes it for one path."""
    return min(circuit.style.chain, {0: circuit.style.chain, 1: FULL_CHAIN}.get(levels_per_stage, 32))


def elaborate(
    m: Module,
    circuit: Circuit,
    inputs: Sequence[Value],
    *,
    levels_per_stage: int = 0,
    enable: Value | None = None,
    portable: bool = False,
    name: str = "",
) -> list[tuple[Value, int]]:
    """Build a circuit.

    Parameters
    ----------
    m : Module
        Gets the logic, and registers of its domain sync, which have no reset.
    inputs : sequence of Value
        Each input minus the least value of its range, unsigned.
    levels_per_stage : int
        Levels of LUTs and adders between registers; 0 for none.
    enable : Value, optional
        Registers move in cycles with it only.
    portable : bool
        Without vendor cells, for simulators; the same values in every cycle.
    name : str
        What names of cells begin with; another one for each circuit of a module.

    Returns
    -------
    list of (Value, int)
        For each output an unsigned number and its offset: the output is their sum, `stages` cycles after the inputs.
    """
    return _Builder(m, circuit, inputs, levels_per_stage, enable, portable, name).outputs()


class _Builder:
    """The wires of a circuit, in each stage in which something takes them."""

    def __init__(
        self,
        m: Module,
        circuit: Circuit,
        inputs: Sequence[Value],
        each: int,
        enable: Value | None,
        portable: bool,
        name: str,
    ) -> None:
        self.m, self.circuit, self.name = m, circuit, name
        self.chain = chain_limit(circuit, each)
        self.cells = "" if portable else circuit.style.name
        self.schedule = schedule(circuit, each)
        self.last = self.schedule.last
        moving: dict[int, list[int]] = {}
        for number, stages in self.schedule.taps(circuit).items():
            for later in range(self.schedule.wires[number] + 1, stages[-1] + 1):
                moving.setdefault(later, []).append(number)
        self.wires: dict[tuple[int, int], Value] = {}
        registers: dict[int, Signal] = {}
        for stage, numbers in sorted(moving.items()):
            registers[stage] = Signal(len(numbers), name=f"stage{stage}", reset_less=True)
            for n, number in enumerate(sorted(numbers)):
                self.wires[number, stage] = registers[stage][n]
        for pins, value in zip(circuit.inputs, inputs, strict=True):
            for n, number in enumerate(pins):
                self.wires[number, 0] = value[n]
        self._logic()
        with m.If(Const(1, 1) if enable is None else enable):
            for stage, register in registers.items():
                m.d.sync += register.eq(Cat(*(self.wires[number, stage - 1] for number in sorted(moving[stage]))))

    def _logic(self) -> None:
        together: dict[tuple[int, int], list[tuple[Gate | Adder, int]]] = {}
        for step, turn, stage in zip(self.circuit.steps, self.schedule.turns, self.schedule.steps, strict=True):
            together.setdefault((step.level, turn), []).append((step, stage))
        for (level, turn), steps in sorted(together.items()):
            stage = steps[0][1]
            adders = [step for step, _ in steps if isinstance(step, Adder)]
            for step, _ in steps:
                if isinstance(step, Gate):
                    gate = Signal(name=f"gate{step.output}")
                    self.m.d.comb += gate.eq(self.value(Fn(step.inputs, step.table), stage))
                    self.wires[step.output, stage] = gate
            name = f"{level}_{turn}" if self.schedule.parts > 1 else f"{level}"
            if self.cells == "ecp5":
                self._chains(adders, stage, name)
            elif self.cells == "xc7":
                self._carry4(adders, stage, name)
            elif self.chain:
                self._fused(adders, stage, name)
            else:
                for adder in adders:
                    self._adder(adder, stage)

    def value(self, bit: Fn, stage: int) -> Value:
        """A bit in a stage."""
        wires = [self.wires[number, stage] for number in bit.wires]
        found: Value = gates(len(wires), bit.table).build(wires, Const(0, 1), Const(1, 1))
        return found

    def _adder(self, adder: Adder, stage: int) -> None:
        """A carry chain of its own."""
        a, b = ([self.value(bit, stage) for bit in bits] for bits in (adder.a, adder.b))
        total = Signal(len(a) + 1, name=f"sum{adder.outputs[0]}")
        if adder.carry == ZERO:
            self.m.d.comb += total.eq(Cat(*a) + Cat(*b))
        elif adder.carry == ONE:
            self.m.d.comb += total.eq(Cat(*a) + Cat(*b) + 1)
        else:
            # 1 + c in the lowest position makes c the carry into the next.
            carry = self.value(adder.carry, stage)
            self.m.d.comb += total.eq((Cat(Const(1, 1), *a) + Cat(carry, *b)) >> 1)
        for n, number in enumerate(adder.outputs):
            self.wires[number, stage] = total[n]

    def _fused(self, adders: list[Adder], stage: int, level: str) -> None:
        """Adders in long chains; between two is a position that hands out a carry, and takes one in."""
        first: list[Value] = []
        second: list[Value] = []
        waiting: list[tuple[Adder, int]] = []
        chains = 0

        def close() -> None:
            nonlocal chains
            chain = Signal(len(first) + 1, name=f"chain{level}_{chains}")
            chains += 1
            self.m.d.comb += chain.eq(Cat(*first) + Cat(*second))
            for adder, start in waiting:
                for n, number in enumerate(adder.outputs):
                    self.wires[number, stage] = chain[start + n]
            first.clear()
            second.clear()
            waiting.clear()

        for adder in adders:
            if waiting and len(first) + 1 + len(adder.a) > self.chain:
                close()
            carry = self.value(adder.carry, stage)
            if first or adder.carry != ZERO:
                first.append(carry)
                second.append(carry)
            waiting.append((adder, len(first)))
            first += [self.value(bit, stage) for bit in adder.a]
            second += [self.value(bit, stage) for bit in adder.b]
        if waiting:
            close()

    def _chains(self, adders: list[Adder], stage: int, level: str) -> None:
        """Adders in CCU2C cells, which take functions of two wires."""
        chains = Chains(self.m, f"{self.name}wired{level}", self.chain)
        for adder in adders:
            positions = [self._position(u, v, stage) for u, v in zip(adder.a, adder.b, strict=True)]

            def done(sums: list[Value], adder: Adder = adder) -> None:
                for number, value in zip(adder.outputs, sums, strict=True):
                    self.wires[number, stage] = value

            chains.add(self._separator(adder.carry, stage), positions, len(adder.outputs), done)
        chains.close()

    def _separator(self, carry: Fn, stage: int) -> Position:
        """A position that neither adds nor hands a carry on, but starts one."""
        pins = [self.wires[number, stage] for number in carry.wires]
        low = sum((carry.table >> (index & (1 << len(pins)) - 1) & 1) << index for index in range(4))
        a, b = (*pins, Const(0, 1), Const(0, 1))[:2]
        plain = not pins or carry.table == 2
        # The sum is 0 for D = 1; what it generates is the lower half at C = D = 0.
        return Position((a, b, Const(1, 1), Const(1, 1)), low, self.value(carry, stage) if plain else None)

    def _position(self, u: Fn, v: Fn, stage: int) -> Position:
        """Adds two functions: p is their XOR, g is the first where that is 0.

        g is p at C = D = 0. So the second is on C and D, and must be 0 there if it needs both; else D is 1.
        """
        first = [self.wires[number, stage] for number in u.wires]
        second = [self.wires[number, stage] for number in v.wires]
        wide = len(second) == 2
        init = 0
        for index in range(16):
            one = u.table >> (index & (1 << len(first)) - 1) & 1
            if wide:
                bit = one ^ (v.table >> (index >> 2) & 1)
            elif index < 8:
                bit = one
            else:
                bit = one ^ (v.table >> (index >> 2 & (1 << len(second)) - 1) & 1)
            init |= bit << index
        zero, high = Const(0, 1), Const(1, 1)
        a, b = (*first, zero, zero)[:2]
        c, d = second if wide else ((*second, zero)[0], high)
        return Position((a, b, c, d), init)

    def _carry4(self, adders: list[Adder], stage: int, level: str) -> None:
        """Adders in CARRY4 cells, each position with a LUT of both operands; the first is a wire."""
        chain: list[tuple[Value, Value]] = []
        waiting: list[tuple[Adder, int]] = []
        chains = 0

        def close() -> None:
            nonlocal chains
            name = f"{self.name}carry{level}_{chains}"
            chains += 1
            end = waiting[-1][1] + len(waiting[-1][0].outputs)
            while len(chain) < end or len(chain) % 4:
                chain.append((Const(0, 1), Const(0, 1)))
            sums = Signal(len(chain), name=name)
            carries = Signal(len(chain), name=f"{name}_out")
            for at in range(0, len(chain), 4):
                self.m.submodules[f"{name}_{at}"] = Instance(
                    "CARRY4",
                    i_S=Cat(*(half for half, _ in chain[at : at + 4])),
                    i_DI=Cat(*(value for _, value in chain[at : at + 4])),
                    i_CI=carries[at - 1] if at else Const(0, 1),
                    i_CYINIT=Const(0, 1),
                    o_O=sums[at : at + 4],
                    o_CO=carries[at : at + 4],
                )
            for adder, start in waiting:
                for n, number in enumerate(adder.outputs):
                    self.wires[number, stage] = sums[start + n]
            chain.clear()
            waiting.clear()

        for adder in adders:
            if waiting and len(chain) + 2 + len(adder.a) > self.chain:
                close()
            if chain or adder.carry != ZERO:
                # Hands out the carry of the adder before, and takes this one's.
                chain.append((Const(0, 1), self.value(adder.carry, stage)))
            waiting.append((adder, len(chain)))
            for n, (u, v) in enumerate(zip(adder.a, adder.b, strict=True)):
                chain.append((self._half(u, v, stage, f"{self.name}half{adder.outputs[0]}_{n}"), self.value(u, stage)))
        if waiting:
            close()

    def _half(self, u: Fn, v: Fn, stage: int, name: str) -> Value:
        """The XOR of two functions: one LUT."""
        pins = tuple(dict.fromkeys((*u.wires, *v.wires)))
        table = 0
        for index in range(1 << len(pins)):
            state = {number: index >> n & 1 for n, number in enumerate(pins)}
            table |= (evaluated(u, state) ^ evaluated(v, state)) << index
        half = Signal(name=name)
        self.m.d.comb += half.eq(self.value(reduced(pins, table), stage))
        return half

    def number(self, number: Number) -> Value:
        """The bits of an output."""
        return Cat(*(self.value(bit, self.last) for bit in number.bits))

    def outputs(self) -> list[tuple[Value, int]]:
        return [(self.number(output), output.offset) for output in self.circuit.outputs]
