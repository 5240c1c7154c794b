"""Prints accuracy beside LUT sites of small networks: wired, folded as far as it goes, and wired by da4ml.

    python benchmarks/wired_accuracy.py [--network NAME ...] [--family ecp5 xilinx] [--without-da4ml] [--hgq FOLDER]

Networks of two dense layers are trained here on the handwritten digits of scikit-learn (1437 to train with, 360 to test
with; one seed, last epoch, nothing selected), as integers: batch norm and rounding become thresholds. Accuracy is
that of the golden model on the test images. "wired" and "da4ml" are logic without argmax, mapped by the same Yosys, and
every netlist is evaluated on all test images against the golden scores. "accelerator" is a whole one for ECP5, with
argmax and handshakes: wired, and the smallest that the search finds, for 1,000 frames/s or more.

`--hgq` adds networks that HGQ2 trains on the same images (`hgq_peer`) and da4ml makes logic of; the folder keeps them.

It needs ``pip install 'bitweir[train]'``. da4ml (0.6.*) and HGQ2 (0.2.*) are installed into environments of their own,
in `--peers`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitweir
import numpy as np
import torch
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from bitweir.networks.training import BATCH, CLASSES, PIXELS, SEED, augment, split_digits
from bitweir.synthesis import flows
from bitweir.synthesis.measure import synthesise
from bitweir_hw.arithmetic import signed_bits
from bitweir_hw.tools import convert, run_yosys
from bitweir_hw.wired import STYLE, Circuit, build, wire
from bitweir_hw.wired.arithmetic import elaborate, stages
from torch import nn
from torch.nn import functional

sys.path += [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parent)]
from support.netlist_eval import Netlist
from wired_luts import environment, peer_rtlil, plain_environment, run_peer

EPOCHS = 200
RATE = 0.01
#: Levels of logic between registers of what is wired here.
LEVELS = 2


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A network to train.

    Parameters
    ----------
    inputs : tuple of float, or int
        Thresholds of pixels, each of which gives an input of -1 and 1; or the highest code of an input from 0.
    weights : int
        Highest magnitude of a weight; 0 for weights of -1 and 1.
    levels : int
        Highest code of an activation; 0 for -1 and 1.
    """

    inputs: tuple[float, ...] | int
    weights: int
    levels: int
    hidden: int

    @property
    def size(self) -> int:
        return PIXELS * (1 if isinstance(self.inputs, int) else len(self.inputs))

    def codes(self, x: torch.Tensor) -> torch.Tensor:
        """The inputs of images: 0 and 1, or codes."""
        if isinstance(self.inputs, int):
            return torch.floor(x.clamp(0, 16) * self.inputs / 16 + 0.5)
        return torch.cat([(x > t).float() for t in self.inputs], dim=1)


THERMOMETER = (3.5, 7.5, 11.5)
NETWORKS = {
    "W1A1": Kind(inputs=(7.5,), weights=0, levels=0, hidden=32),
    "W1A1, thermometer": Kind(inputs=THERMOMETER, weights=0, levels=0, hidden=32),
    "W1A1, thermometer, 64": Kind(inputs=THERMOMETER, weights=0, levels=0, hidden=64),
    "ternary, A1, thermometer": Kind(inputs=THERMOMETER, weights=1, levels=0, hidden=32),
    "ternary, A2": Kind(inputs=3, weights=1, levels=3, hidden=16),
    "W3A3": Kind(inputs=7, weights=3, levels=7, hidden=16),
    "W4A4": Kind(inputs=15, weights=7, levels=15, hidden=16),
}


# ---- training


def through(exact: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
    """The first one, with the gradient of the other."""
    return smooth + (exact - smooth).detach()


class Quantised(nn.Module):  # type: ignore[misc, unused-ignore]
    """Two dense layers with weights that are integers, batch norm and rounding between them."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.first = nn.Parameter(torch.empty(kind.hidden, kind.size).uniform_(-1, 1))
        self.last = nn.Parameter(torch.empty(CLASSES, kind.hidden).uniform_(-1, 1))
        self.norm = nn.BatchNorm1d(kind.hidden)
        if kind.levels:
            nn.init.constant_(self.norm.weight, 0.5)

    def integers(self, latent: torch.Tensor) -> torch.Tensor:
        if not self.kind.weights:
            return through(torch.where(latent >= 0, 1.0, -1.0), latent.clamp(-1, 1))
        scaled = latent.clamp(-1, 1) * self.kind.weights
        return through(torch.round(scaled), scaled)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kind = self.kind
        inputs = kind.codes(x)
        inputs = inputs if isinstance(kind.inputs, int) else 2 * inputs - 1
        hidden = self.norm(inputs @ self.integers(self.first).T)
        if kind.levels:
            scaled = hidden.clamp(0, 1) * kind.levels
            hidden = through(torch.floor(scaled + 0.5), scaled)
        else:
            hidden = through(torch.where(hidden >= 0, 1.0, -1.0), hidden.clamp(-1, 1))
        return hidden @ self.integers(self.last).T


@dataclass(frozen=True)
class Trained:
    """Two layers of integers; thresholds of the first, ascending."""

    kind: Kind
    first: Any
    thresholds: Any
    last: Any

    @property
    def model(self) -> bitweir.Model:
        kind = self.kind
        bits = not isinstance(kind.inputs, int)
        layers = [bitweir.dense(self.first, self.thresholds, name="hidden"), bitweir.dense(self.last, name="scores")]
        return bitweir.network(
            layers, shape=(kind.size,), low=0, high=1 if bits else kind.inputs, threshold=0.5 if bits else None,
            name="net",
        )  # fmt: skip

    def arguments(self) -> list[dict[str, Any]]:
        """Those of `wire` for each layer, whose inputs are codes."""
        found = []
        for weights, thresholds, most in (
            (self.first, self.thresholds, self.kind.inputs), (self.last, None, self.kind.levels)
        ):  # fmt: skip
            codes = isinstance(most, int) and most > 0
            found.append(
                {
                    "matrix": weights if codes else 2 * weights,
                    "inputs": [(0, most if codes else 1)] * weights.shape[1],
                    "constants": None if codes else -weights.sum(1),
                    "thresholds": thresholds,
                }
            )
        return found


def trained(kind: Kind) -> Trained:
    """Train a network; the same one at every call."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    digits = split_digits()
    x, y = torch.from_numpy(digits.x), torch.from_numpy(digits.y)
    net = Quantised(kind)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    steps = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * steps)
    scale = 2 / (kind.hidden**0.5 * max(kind.weights, 1) * max(kind.levels, 1))
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x))[: steps * BATCH].view(steps, BATCH):
            loss = functional.cross_entropy(net(augment(x[batch])) * scale, y[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for latent in (net.first, net.last):
                    latent.clamp_(-1, 1)
    net.eval()
    with torch.no_grad():
        first, last = (net.integers(latent).numpy().astype(np.int64) for latent in (net.first, net.last))
        norm = net.norm
        slope = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).numpy().astype(np.float64)
        shift = norm.bias.numpy().astype(np.float64) - slope * norm.running_mean.numpy()
    # A code is at least k where slope * sum + shift >= (k - 1/2) / levels; a bit is 1 where it is at least 0.
    steps_at = (np.arange(1, kind.levels + 1) - 0.5) / kind.levels if kind.levels else np.zeros(1)
    slope = np.where(slope == 0, 1e-30, slope)
    first = np.where(slope[:, None] < 0, -first, first)
    thresholds = np.ceil((steps_at[None] - shift[:, None]) / np.abs(slope)[:, None])
    return Trained(kind, first, np.clip(thresholds, -(1 << 30), 1 << 30).astype(np.int64), last)


# ---- logic


class Wires(wiring.Component):
    """Both layers, with registers after every so many levels of logic and behind each layer."""

    def __init__(self, circuits: list[Circuit], bits: list[int]) -> None:
        self.circuits, self.bits = circuits, bits
        super().__init__({"x": In(len(circuits[0].inputs) * bits[0]), "y": Out(len(circuits[-1].outputs) * bits[-1])})

    @property
    def latency(self) -> int:
        return sum(stages(circuit, LEVELS) + 1 for circuit in self.circuits)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        codes: Any = [self.x.word_select(n, self.bits[0]) for n in range(len(self.circuits[0].inputs))]
        for n, circuit in enumerate(self.circuits):
            m.submodules[f"layer{n}"] = part = Module()
            found = elaborate(part, circuit, codes, levels_per_stage=LEVELS)
            codes = []
            for i, (value, offset) in enumerate(found):
                number = Signal(signed(self.bits[n + 1]), name=f"y{n}_{i}", reset_less=True)
                m.d.sync += number.eq(value + offset)
                codes.append(number.as_unsigned())
        m.d.comb += self.y.eq(Cat(*codes))
        return m


def words(rows: Any, bits: int) -> list[int]:
    """Numbers side by side in one word, a row each."""
    return [sum((int(value) & (1 << bits) - 1) << n * bits for n, value in enumerate(row)) for row in rows]


def mapped(folder: Path, family: str) -> int:
    """LUT sites of design.il in the folder, whose module is ``top``; its netlist is left there."""
    run_yosys(flows.script(family, top="top"), folder)
    module = json.loads((folder / "netlist.json").read_text())["modules"]["top"]
    cells = Counter(cell["type"] for cell in module["cells"].values())
    return flows.sites(family, cells, lone=flows.lone_carries(family, module))


def outputs(folder: Path, ports: tuple[str, str], frames: list[int], latency: int) -> list[int]:
    """What the netlist in the folder makes of frames."""
    netlist = Netlist(folder / "netlist.json", "top", len(frames))
    netlist.set(ports[0], frames)
    for _ in range(latency):
        netlist.tick()
    return netlist.get(ports[1])


def wired(net: Trained, family: str, frames: Any, scores: Any, folder: Path) -> tuple[int, int, int]:
    """LUT sites, cycles of latency, and frames for which the netlist is wrong."""
    layers = net.arguments()
    circuits = [build(wire(**layer, family=family).graph, STYLE[family]) for layer in layers]
    most = [layer["inputs"][0][1] for layer in layers]
    last = int(np.abs(net.last).sum(1).max()) * max(net.kind.levels, 1)
    bits = [*(high.bit_length() for high in most), signed_bits(-last, last)]
    component = Wires(circuits, bits)
    (folder / "design.il").write_text(convert(component, name="top"))
    sites = mapped(folder, family)
    found = outputs(folder, ("x", "y"), words(frames, bits[0]), component.latency)
    wrong = sum(got != word for got, word in zip(found, words(scores, bits[-1]), strict=True))
    return sites, component.latency, wrong


_DA4ML = """
import json, sys, numpy as np
from pathlib import Path
from da4ml.trace import FixedVariableArray, HWConfig, comb_trace
from da4ml.codegen import VerilogModel
from da4ml.types import minimal_kif
data, folder = np.load(sys.argv[1]), Path(sys.argv[2])
size, bits = data["w0"].shape[1], int(data["bits"])
zeros, ones = np.zeros(size, int), np.ones(size, int)
x = inputs = FixedVariableArray.from_kif(zeros, bits * ones, zeros, HWConfig(1, -1, -1))
for n in range(2):
    weights, thresholds, bipolar = data[f"w{n}"].astype(float), data[f"t{n}"], bool(data[f"b{n}"])
    total = weights.sum(1)
    x = x @ weights.T
    if not thresholds.size:
        x = x * 2 - total if bipolar else x
        continue
    # 2 x - total >= threshold, as thresholds of x; a code is how many are reached.
    steps = np.ceil((thresholds + total[:, None]) / 2) if bipolar else thresholds
    x = sum((x >= step for step in steps.T[1:]), x >= steps.T[0])
logic = comb_trace(inputs, x)
VerilogModel(logic, "peer", folder).write()
print(json.dumps([[int(part) for part in minimal_kif(interval)] for interval in logic.out_qint]))
"""


def by_da4ml(net: Trained, family: str, frames: Any, scores: Any, folder: Path, peers: Path) -> tuple[int, int]:
    """LUT sites of what da4ml makes, and frames for which it is wrong."""
    bits = not isinstance(net.kind.inputs, int)
    width = 1 if isinstance(net.kind.inputs, tuple) else net.kind.inputs.bit_length()
    np.savez(
        folder / "layers.npz", w0=net.first, t0=net.thresholds, b0=bits, w1=net.last, t1=np.zeros(0),
        b1=not net.kind.levels, bits=width,
    )  # fmt: skip
    formats = run_peer(peers, _DA4ML, folder)
    peer_rtlil(folder)
    sites = mapped(folder, family)
    found = outputs(folder, ("model_inp", "model_out"), words(frames, width), 0)
    expected = [packed(row, formats) for row in scores]
    return sites, sum(got != word for got, word in zip(found, expected, strict=True))


def packed(row: Any, formats: list[list[int]]) -> int:
    """Numbers as da4ml hands them out: sign bit, bits before and after the point of each."""
    word = place = 0
    for value, (sign, before, after) in zip(row, formats, strict=True):
        bits = sign + before + after
        word |= (int(value * 2.0**after) & (1 << bits) - 1) << place
        place += bits
    return word


def of_hgq(options: argparse.Namespace, digits: Any) -> None:
    """Print networks of HGQ2: accuracy, and LUT sites of what da4ml makes of them."""
    folder = options.hgq.resolve()
    if not folder.exists():
        folder.mkdir(parents=True)
        torch.manual_seed(SEED)
        x = torch.from_numpy(digits.x)
        copies = np.stack([augment(x).round().clamp(0, 16).numpy() for _ in range(20)])
        np.savez(folder / "images.npz", x=copies, y=digits.y, x_test=digits.x_test)
        python = environment(options.peers.resolve() / "hgq", "hgq2==0.2.*", "da4ml==0.6.*", "torch")
        peer = Path(__file__).with_name("hgq_peer.py")
        subprocess.run([python, peer, folder / "images.npz", folder], check=True, env=plain_environment())
    for phase in sorted(path for path in folder.iterdir() if path.is_dir()):
        told = json.loads((phase / "told.json").read_text())
        scores = np.array(told["scores"])
        right = (scores.argmax(axis=1) == digits.y_test).mean()
        print(f"\nHGQ2, 64-16-10, beta {told['beta']:g}: {right:.2%} of {len(scores)} right", flush=True)
        # A pixel that the network does not need has no bits.
        frames = [packed(row, told["inputs"]) for row in digits.x_test / 16]
        peer_rtlil(phase)
        for family in options.family:
            sites = mapped(phase, family)
            found = outputs(phase, ("model_inp", "model_out"), frames, 0)
            wrong = sum(got != packed(row, told["formats"]) for got, row in zip(found, scores, strict=True))
            print(f"  {family:6} da4ml  {sites:6} LUT sites, no registers, wrong: {wrong}", flush=True)


def accelerators(model: bitweir.Model, folder: Path) -> dict[str, Any]:
    """Sites, cycles a frame and latency of whole accelerators on ECP5: wired, and the smallest."""
    found = {}
    for name, wishes in (
        ("wired", {"folding": "wired", "family": "ecp5"}),
        ("folded", {"part": "ecp5-25k", "goal": "area", "fps": 1000}),
    ):
        design = bitweir.generate(model, folder / name, **wishes)
        total = synthesise(design.written, "ecp5").total
        found[name] = {
            "sites": total.sites, "bram": total.bram, "cycles": design.cycles_per_frame,
            "latency": design.latency_cycles, "folding": ",".join(map(str, design.plan.foldings)),
        }  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--family", nargs="*", default=("ecp5", "xilinx"), choices=flows.FAMILIES)
    parser.add_argument("--without-da4ml", action="store_true")
    parser.add_argument("--peers", type=Path, default=Path("peers"), help="folder of the peers' environments")
    parser.add_argument("--hgq", type=Path, help="folder of networks of HGQ2, which are trained if it is not there")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args()
    digits, rows = split_digits(), []
    for name in options.network:
        net = trained(NETWORKS[name])
        frames = net.kind.codes(torch.from_numpy(digits.x_test)).numpy().astype(np.int64)
        golden = net.model.run(frames)
        shape = f"{net.kind.size}-{net.kind.hidden}-{CLASSES}"
        row: dict[str, Any] = {"network": name, "shape": shape, "weights": net.first.size + net.last.size}
        row["accuracy"] = float((golden.classes == digits.y_test).mean())
        rows.append(row)
        print(f"\n{name}, {shape}: {row['accuracy']:.2%} of {len(frames)} right", flush=True)
        for family in options.family:
            with tempfile.TemporaryDirectory(dir=".") as work:
                sites, latency, wrong = wired(net, family, frames, golden.scores, Path(work))
            row[family] = {"wired": sites, "latency": latency, "wrong": wrong}
            print(f"  {family:6} wired  {sites:6} LUT sites, {latency} cycles, wrong: {wrong}", flush=True)
            if not options.without_da4ml:
                with tempfile.TemporaryDirectory(dir=".") as work:
                    folder = Path(work).resolve()
                    sites, wrong = by_da4ml(net, family, frames, golden.scores, folder, options.peers.resolve())
                row[family] |= {"da4ml": sites, "da4ml wrong": wrong}
                print(f"  {family:6} da4ml  {sites:6} LUT sites, no registers, wrong: {wrong}", flush=True)
        with tempfile.TemporaryDirectory(dir=".") as work:
            row["accelerator"] = accelerators(net.model, Path(work))
        for way, told in row["accelerator"].items():
            print(f"  ecp5   accelerator, {way:6} {told}", flush=True)
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1) + "\n")
    if options.hgq:
        of_hgq(options, digits)


if __name__ == "__main__":
    main()
