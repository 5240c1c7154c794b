"""C++ of a design whose values fit words: loops over lanes, and single values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .lanes import Group, Places, type_bits
from .netlist import Netlist, Node, Run, Runs, Write
from .rtlil import cut, width_of

__all__ = ["stride", "unit_code"]

_SIGNED = {"lt", "le", "gt", "ge"}
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_PLAIN = {"and": "&", "or": "|", "xor": "^", "add": "+", "sub": "-", "mul": "*"}


#: Runs of neighbours up to which they are copied one by one.
_RUNS = 8


def stride(width: int) -> int:
    """Bytes of a word of a memory."""
    return max(1, -(-width // 64)) * 8


class _Function:
    """The statements that compute some groups, in an order that keeps lanes together."""

    def __init__(self, places: Places, constants: dict[str, int]) -> None:
        self.places, self.constants = places, constants
        self.lines: list[str] = []
        self.here: set[Group] = set()
        self.stored: set[Group] = set()
        self.before: list[str] = []
        self.count = 0

    # ---- operands

    def index(self, indices: Sequence[int]) -> str:
        """An index for each lane `j`, as an expression."""
        first = indices[0]
        step = indices[1] - first if len(indices) > 1 else 0
        if all(index == first + step * lane for lane, index in enumerate(indices)):
            return f"{first}" if not step else f"{first} + {step} * j"
        return self.table(indices, 32)

    def table(self, values: Sequence[int], bits: int) -> str:
        """A number for each lane, from a table."""
        text = f"const u{bits} k{{}}[] = {{{', '.join(f'{value:#x}' for value in values)}}};"
        return f"k{self.constants.setdefault(text, len(self.constants))}[j]"

    def each(self, array: str, bits: int, indices: Sequence[int]) -> str:
        """An element of an array for each lane `j`; what is out of order is put in order before the loop."""
        text = self.index(indices)
        if not text.startswith("k"):
            return f"{array}[{text}]"
        name = f"g{self.count}"
        self.count += 1
        self.before.append(f"u{bits} {name}[{len(indices)}];")
        runs = [0, *(n for n in range(1, len(indices)) if indices[n] != indices[n - 1] + 1), len(indices)]
        if len(runs) <= _RUNS:
            for start, end in zip(runs, runs[1:], strict=False):
                size = (end - start) * bits // 8
                self.before.append(f"memcpy({name} + {start}, {array} + {indices[start]}, {size});")
        else:
            self.before.append(f"for (unsigned j = 0; j < {len(indices)}; j++) {name}[j] = {array}[{text}];")
        return f"{name}[j]"

    def value(self, whats: Sequence[Node]) -> str:
        """The value of a node for each lane."""
        if whats[0].op == "reg":
            bits = self.places.registers[whats[0]][0]
            return self.each(f"s.r{bits}", bits, [self.places.registers[what][1] for what in whats])
        group = self.places.lane[whats[0]][0]
        lanes = [self.places.lane[what][1] for what in whats]
        if len(group.lanes) == 1 or (group in self.here and lanes == list(range(len(group.lanes)))):
            return f"v{group.number}"
        if whats[0].op == "row":
            return f"t{group.number}[{self.index(lanes)}]"
        return self.each(f"t{group.number}", type_bits(whats[0].width), lanes)

    def run(self, runs: Sequence[Run], at: int, bits: int) -> str:
        """Some bits of the operand of each lane, moved to the bit `at` of a type."""
        what, low, width = runs[0]
        if isinstance(what, int):
            values = [value << at for value, _, _ in runs]
            return _number(values[0], bits) if len({*values}) == 1 else self.table(values, bits)
        text = self.value([other for other, _, _ in runs])
        if low:
            text = f"({text} >> {low})"
        if low + width < what.width:
            text = f"({text} & {_number((1 << width) - 1, type_bits(what.width))})"
        text = f"(u{bits}){text}"
        return f"(u{bits})({text} << {at})" if at else text

    def operand(self, lanes: Sequence[Node], number: int, bits: int) -> str:
        """The operand of each lane, as a value of a type."""
        return self.joined([node.ins[number] for node in lanes], bits)

    def joined(self, each: Sequence[Runs], bits: int) -> str:
        found, at = [], 0
        for part in range(len(each[0])):
            runs = [one[part] for one in each]
            if any(what != 0 for what, _, _ in runs):
                found.append(self.run(runs, at, bits))
            at += runs[0][2]
        return f"(u{bits})({' | '.join(found)})" if len(found) > 1 else found[0] if found else f"(u{bits})0"

    # ---- operations

    def expression(self, lanes: Sequence[Node]) -> str:
        """The value of each lane, with bits above its width where `masked` says so."""
        node = lanes[0]
        if node.op in ("load", "input"):
            row = "in" if node.op == "input" else self.value([lane.ins[0][0][0] for lane in lanes])
            return _load(row, self.index([lane.low for lane in lanes]), node.width, {lane.low % 8 for lane in lanes})
        widths = [width_of(runs) for runs in node.ins]
        if node.op == "row":
            assert node.memory
            depth, bits = node.memory.depth, type_bits(widths[0])
            at = self.operand(lanes, 0, bits)
            within = f"({at} < {depth}u ? {at} : {depth}u)" if widths[0] and depth < 1 << widths[0] else at
            return f"m{node.memory.number} + (size_t){within} * {stride(node.memory.width)}"
        if node.op == "mux":
            bits = type_bits(node.width)
            select, no, yes = (self.operand(lanes, n, 8 if n == 0 else bits) for n in range(3))
            # In a loop without branches, which compilers know how to turn into vectors.
            both = f"{no} ^ (({no} ^ {yes}) & (u{bits})(0u - (u{max(bits, 32)}){select}))"
            return both if len(lanes) > 1 else f"{select} ? {yes} : {no}"
        return self.operation(lanes, widths)

    def operation(self, lanes: Sequence[Node], widths: list[int]) -> str:
        node = lanes[0]
        if node.op in _COMPARE:
            width = max(widths)
            bits = type_bits(width)
            ins = [self.extended(lanes, n, widths[n], width, bits) for n in range(2)]
            if node.signed and node.op in _SIGNED:
                ins = [f"(s{bits}){one}" for one in ins]
            return f"{ins[0]} {_COMPARE[node.op]} {ins[1]}"
        if node.op in ("any", "none", "all", "odd"):
            bits = type_bits(widths[0])
            one = self.operand(lanes, 0, bits)
            return {
                "any": f"{one} != 0",
                "none": f"{one} == 0",
                "all": f"{one} == {_number((1 << widths[0]) - 1, bits)}",
                "odd": f"__builtin_parityll({one})",
            }[node.op]
        if node.op == "shr":
            width = max(widths[0], node.width)
            bits = type_bits(width)
            one, by = self.extended(lanes, 0, widths[0], width, bits), self.operand(lanes, 1, type_bits(widths[1]))
            if node.signed:
                return f"(s{bits}){one} >> ({by} < {bits} ? {by} : {bits - 1})"
            return f"{by} < {bits} ? {one} >> {by} : 0"
        bits = type_bits(node.width)
        if node.op == "shl":
            one, by = self.extended(lanes, 0, widths[0], node.width, bits), self.operand(lanes, 1, type_bits(widths[1]))
            return f"{by} < {bits} ? (u{max(bits, 32)}){one} << {by} : 0"
        ins = [self.extended(lanes, n, width, node.width, bits) for n, width in enumerate(widths[:2])]
        if node.op == "pos":
            return ins[0]
        if node.op in ("not", "neg"):
            return f"{'~' if node.op == 'not' else '0u - '}{ins[0]}"
        if node.op == "mul":
            ins[0] = f"(u{max(bits, 32)}){ins[0]}"
        text = f"{ins[0]} {_PLAIN[node.op]} {ins[1]}"
        return f"{text} + {self.operand(lanes, 2, bits)}" if len(widths) == 3 else text

    def extended(self, lanes: Sequence[Node], number: int, width: int, to: int, bits: int) -> str:
        """An operand with the bits of another width: its sign goes on as far as the type does."""
        if width > to:
            return self.joined([cut(node.ins[number], 0, to) for node in lanes], bits)
        text = self.operand(lanes, number, bits)
        if not lanes[0].signed or not width or (width == bits and width == to):
            return text
        return f"(u{bits})((s{bits})({text} << {bits - width}) >> {bits - width})" if width < bits else text

    # ---- statements

    def statement(self, group: Group) -> str:
        node = group.lanes[0]
        if node.op == "next":
            bits = type_bits(node.width)
            at = self.index([self.places.registers[self.places.target[lane]][1] for lane in group.lanes])
            return f"n.r{bits}[{at}] = {self.operand(group.lanes, 0, bits)};"
        text = self.expression(group.lanes)
        if node.op == "row":
            return f"const u8 *const v{group.number} = {text};"
        bits = type_bits(node.width)
        exact = node.op in ("and", "or", "xor") and not node.signed
        if not exact and node.op not in ("mux", "load", "input", *_COMPARE) and node.width < 64:
            text = f"({text}) & {_number((1 << node.width) - 1, bits)}"
        return f"const u{bits} v{group.number} = (u{bits})({text});"

    def reads(self, group: Group) -> list[tuple[Group, list[int]]]:
        """The groups that a group reads, with a lane for each of its own."""
        found = []
        for number, runs in enumerate(group.lanes[0].ins):
            for at, (what, _, _) in enumerate(runs):
                if isinstance(what, Node) and what.op != "reg":
                    lanes = [self.places.lane[node.ins[number][at][0]] for node in group.lanes]
                    assert all(lane[0] is lanes[0][0] for lane in lanes)
                    found.append((lanes[0][0], [lane for _, lane in lanes]))
        return found

    def schedule(self, groups: Iterable[Group]) -> Iterator[list[Group]]:
        """Groups that a loop computes together: where one reads another, each lane reads its own."""
        reads = {group: self.reads(group) for group in groups}
        users: dict[Group, list[Group]] = {}
        missing = {group: len(others) for group, others in reads.items()}
        ready: dict[int, list[Group]] = {}
        for group, others in reads.items():
            for other, _ in others:
                users.setdefault(other, []).append(group)
            if not others:
                ready.setdefault(len(group.lanes), []).append(group)
        while ready:
            # What all lanes read comes first, then the longest loop.
            size = 1 if 1 in ready else max(ready)
            loop, later, lanes = ready.pop(size), list[Group](), list(range(size))
            inside = set(loop)
            for group in loop:
                for user in users.get(group, ()):
                    missing[user] -= 1
                    if missing[user]:
                        continue
                    if len(user.lanes) == size and all(at == lanes for one, at in reads[user] if one in inside):
                        loop.append(user)
                        inside.add(user)
                    else:
                        later.append(user)
            for group in later:
                ready.setdefault(len(group.lanes), []).append(group)
            yield loop

    def copies(self, groups: Iterable[Group]) -> Iterator[str]:
        """Registers that take the whole value of others, as many neighbours at once as there are."""
        pairs = sorted(
            (self.places.registers[self.places.target[node]], self.places.registers[node.ins[0][0][0]])
            for group in groups
            for node in group.lanes
        )
        start = 0
        for end in range(1, len(pairs) + 1):
            (bits, to), (_, of) = pairs[start]
            if end < len(pairs) and pairs[end] == ((bits, to + end - start), (bits, of + end - start)):
                continue
            yield f"memcpy(n.r{bits} + {to}, s.r{bits} + {of}, {(end - start) * bits // 8});"
            start = end

    def compute(self, groups: Sequence[Group], direct: Iterable[Runs]) -> list[str]:
        """The statements."""
        plain = [group for group in groups if _copies(group)]
        self.lines += self.copies(plain)
        loops = list(self.schedule(group for group in groups if not _copies(group)))
        for loop in loops:
            inside = set(loop)
            for group in loop:
                for other, lanes in self.reads(group):
                    if other not in inside or lanes != list(range(len(other.lanes))):
                        self.stored.add(other)
        for runs in direct:
            self.stored |= {
                self.places.lane[what][0] for what, _, _ in runs if isinstance(what, Node) and what.op != "reg"
            }
        for loop in loops:
            self.here = set(loop)
            size = len(loop[0].lanes)
            lines = []
            for group in loop:
                lines.append(self.statement(group))
                if size > 1 and group in self.stored:
                    node = group.lanes[0]
                    kind = "const u8 *" if node.op == "row" else f"u{type_bits(node.width)}"
                    self.before.append(f"{kind} t{group.number}[{size}];")
                    lines.append(f"t{group.number}[j] = v{group.number};")
            self.here = set()
            before, self.before = self.before, []
            if size == 1:
                self.lines += [*before, *lines]
            else:
                self.lines += [
                    *before,
                    f"for (unsigned j = 0; j < {size}; j++) {{",
                    *(f"    {line}" for line in lines),
                    "}",
                ]
        return self.lines


def _copies(group: Group) -> bool:
    """Whether the lanes are next values that are whole registers."""
    node = group.lanes[0]
    runs = node.ins[0] if node.op == "next" else ()
    return len(runs) == 1 and isinstance(what := runs[0][0], Node) and what.op == "reg" and what.width == node.width


def _number(value: int, bits: int) -> str:
    return f"(u{bits}){value:#x}{'ull' if value >> 32 else 'u'}"


def _load(row: str, low: str, width: int, shifts: set[int]) -> str:
    bits = type_bits(width)
    if shifts == {0}:
        text = f"load<u{bits}>({row} + ({low}) / 8)"
        return text if width == bits else f"{text} & {_number((1 << width) - 1, bits)}"
    return f"bits<{width}>({row}, {low})"


def _closure(places: Places, function: _Function, sinks: Iterable[Runs], *, registers: bool) -> list[Group]:
    """The groups that some values need, each behind those that it reads."""
    needed: set[Group] = set()
    stack = [
        places.lane[what][0] for runs in sinks for what, _, _ in runs if isinstance(what, Node) and what.op != "reg"
    ]
    if registers:
        stack += [group for group in places.groups if group.lanes[0].op == "next"]
    while stack:
        group = stack.pop()
        if group not in needed:
            needed.add(group)
            stack += [other for other, _ in function.reads(group)]
    return [group for group in places.groups if group in needed]


def unit_code(net: Netlist, places: Places) -> str:
    """The C++ of a design; see unit.h for its functions."""
    constants: dict[str, int] = {}
    step = _Function(places, constants)
    moves = [runs for write in net.writes for runs in (write.address, write.data, write.enable)]
    lines = step.compute(_closure(places, step, moves, registers=True), moves)
    lines += ["bool wrote = false;", *(line for write in net.writes for line in _write(step, write))]
    show = _Function(places, constants)
    values = list(net.values.values())
    shown = list(show.compute(_closure(places, show, values, registers=False), values))
    at = 0
    for name, runs in net.values.items():
        width = net.outputs[name]
        for low in range(0, max(width, 1), 64):
            shown.append(f"out[{at}] = {show.joined([cut(runs, low, 64)], 64)};")
            at += 1
    places_in = sum(max(1, -(-width // 64)) for width in net.inputs.values())
    memories = [f"u8 *const m{one.number} = u.memories[{one.number}]; (void)m{one.number};" for one in net.memories]
    unused = "(void)s, (void)n, (void)in, (void)u;"
    return "\n".join(
        [
            f"#define INPUTS {places_in}",
            f"#define OUTPUTS {at}",
            f"#define MEMORIES {len(net.memories)}",
            "#include <unit.h>",
            f"static const size_t sizes[2 * MEMORIES + 1] = {{{', '.join(_sizes(net))}}};",
            f"struct Registers {{ {' '.join(_arrays(places))} }};",
            f"static const Registers first = {{{', '.join(_firsts(places))}}};",
            *(f"static {text.replace('{}', str(number), 1)}" for text, number in constants.items()),
            "struct Unit;",
            "MANY static bool advance(const Registers &__restrict s, Registers &__restrict n, const u8 *in, Unit &u);",
            "static void show(const Registers &s, const u8 *in, Unit &u, u64 *out);",
            "#include <unit_functions.h>",
            "MANY static bool advance(const Registers &__restrict s, Registers &__restrict n, const u8 *in, Unit &u) {",
            *(f"    {line}" for line in [unused, *memories, *lines, "return wrote;"]),
            "}",
            "static void show(const Registers &s, const u8 *in, Unit &u, u64 *out) {",
            *(f"    {line}" for line in ["(void)s, (void)in, (void)u, (void)out;", *memories, *shown]),
            "}",
            "",
        ]
    )


def _sizes(net: Netlist) -> Iterator[str]:
    yield from (str(one.depth * stride(one.width)) for one in net.memories)
    yield from (str(stride(one.width)) for one in net.memories)
    yield "0"


def _arrays(places: Places) -> Iterator[str]:
    for bits, count in sorted(places.counts.items(), reverse=True):
        yield f"u{bits} r{bits}[{count}];"
    if not places.counts:
        yield "u8 none[1];"


def _firsts(places: Places) -> Iterator[str]:
    for bits in sorted(places.counts, reverse=True):
        values = [0] * places.counts[bits]
        for node, (kind, index) in places.registers.items():
            if kind == bits:
                values[index] = node.init
        yield "{" + ", ".join(f"{value:#x}{'ull' if bits == 64 else ''}" for value in values) + "}"
    if not places.counts:
        yield "{0}"


def _write(function: _Function, write: Write) -> Iterator[str]:
    """What writes to a memory."""
    memory = write.memory
    at = function.joined([write.address], 64)
    row = f"(u64 *)(m{memory.number} + {at} * {stride(memory.width)})"
    bits = {cut(write.enable, index, 1)[0] for index in range(memory.width)}
    inside = f"{at} < {memory.depth}u"
    if len(bits) == 1:
        yield f"if ({function.joined([(next(iter(bits)),)], 8)} && {inside}) {{"
        yield f"    u64 *const row = {row};"
        for low in range(0, memory.width, 64):
            yield f"    row[{low // 64}] = {function.joined([cut(write.data, low, 64)], 64)};"
    else:
        yield f"if ({inside}) {{"
        yield f"    u64 *const row = {row};"
        for low in range(0, memory.width, 64):
            word, mask = (function.joined([cut(runs, low, 64)], 64) for runs in (write.data, write.enable))
            yield f"    {{ const u64 mask = {mask}; row[{low // 64}] = (row[{low // 64}] & ~mask) | ({word} & mask); "
            yield "      wrote |= mask != 0; }"
    if len(bits) == 1:
        yield "    wrote = true;"
    yield "}"
