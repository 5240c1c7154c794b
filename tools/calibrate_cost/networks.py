"""Whole networks, which the fit does not see: estimates beside measurements."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from bitweir.importers import load_model
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.cost.model import estimate_pipeline
from bitweir_hw.lower import lower
from bitweir_hw.plan import plan_for_fps, plan_from_foldings
from bitweir_hw.popcount import Popcount
from support.shared_data import DATA, bnn_npz

from tools.calibrate_cost.measure import RESOURCES, measure

__all__ = ["compare", "print_head"]

#: Foldings of overlays that others published.
FOLDINGS = {
    "TFC_1W1A.onnx": ("49x16,8x8,8x8,8x10", "16x8,8x8,8x8,8x10", "112x16,64x4,64x4,64x1"),
    "SFC_1W1A_zybo.onnx": ("49x16,16x16,16x16,16x10", "98x32,64x16,64x16,64x2"),
}
LARGE = {
    "lfcW1A1_mnist.npz": "64x32,32x64,64x32,8x16",
    "cnvW1A1_cifar10.npz": "3x16,32x32,32x16,32x16,32x4,32x1,4x1,8x1,1x4",
}


def networks(family: str, *, quick: bool, large: bool) -> Iterator[tuple[str, Pipeline]]:
    """Accelerators that the fit has not seen."""
    popcount = Popcount.of(family)
    with resources.as_file(resources.files("bitweir.networks")) as folder:
        for name, rates in (("digits", (1e5, 1e6, 5e6)), ("cnn", (1e4, 1e5, 4e5))):
            network = load_model(folder / f"{name}.onnx", input_scale="1")
            for fps in rates[1:2] if quick else rates:
                plan = plan_for_fps(network, fps, 100e6, popcount=popcount)
                yield f"{name}, {fps:,.0f} frames/s", lower(network, plan)
    for file, foldings in FOLDINGS.items() if not quick else ():
        path = DATA / "models" / file
        if path.is_file():
            network = load_model(path, input_scale="1/255")
            for folding in foldings:
                name = f"{file.partition('_')[0]}, {folding}"
                yield name, lower(network, plan_from_foldings(network, folding, popcount=popcount))
    for name, folding in LARGE.items() if large else ():
        path = DATA / "models" / name
        if path.is_file():
            network = bnn_npz(path)
            plan = plan_from_foldings(network, folding, popcount=popcount)
            yield f"{name.partition('W')[0].upper()}, {folding}", lower(network, plan)


def compare(family: str, *, quick: bool, large: bool) -> list[dict[str, float]]:
    """Print estimates and measurements of whole networks; errors in per cent."""
    found = []
    for name, pipeline in networks(family, quick=quick, large=large):
        rows = measure(pipeline.blocks, family)
        estimated = estimate_pipeline(pipeline, family)[1]
        cells, error = [], {}
        for resource in RESOURCES:
            guess, real = getattr(estimated, resource), sum(row[resource] for row in rows)
            error[resource] = round(100 * (guess - real) / max(real, 1), 1)
            cells.append(f"{guess} / {real} ({error[resource]:+g} %)" if real or guess else "-")
        print(f"| {family} | {name} | " + " | ".join(cells) + " |", flush=True)
        found.append(error)
    return found


def print_head(title: str) -> None:
    """Print the head of a table of families, what they are compared on, and all resources."""
    print(f"| family | {title} | " + " | ".join(RESOURCES) + " |")
    print("|---" * (2 + len(RESOURCES)) + "|", flush=True)
