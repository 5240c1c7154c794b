"""Keras and Larq files, layer by layer, as Keras writes them."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

__all__ = ["KerasModel"]


class KerasModel:
    """Layers one by one: class, configuration, weights, and what they follow."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.layers: list[tuple[str, str, dict, dict, list[str]]] = []
        self.shape = shape
        self.counts: Counter[str] = Counter()
        self("InputLayer", batch_input_shape=[None, *shape], dtype="float32")

    def __call__(self, kind: str, *inputs: str, weights: dict | None = None, **config) -> str:
        name = config.pop("name", f"{kind.lower()}_{len(self.layers)}")
        before = [*inputs] or ([self.layers[-1][1]] if self.layers else [])
        self.layers.append((kind, name, {"name": name, **config}, dict(weights or {}), before))
        return name

    def latent(self, *shape: int) -> np.ndarray:
        return self.rng.uniform(-1, 1, shape).astype(np.float32)

    def conv(self, channels: int, filters: int, *kernel: int, before: str | None = None, **config) -> str:
        weights = {"kernel": self.latent(*kernel, channels, filters)}
        config = {"kernel_quantizer": "ste_sign", "use_bias": False, "kernel_size": list(kernel), **config}
        if config["use_bias"]:
            weights["bias"] = self.rng.normal(scale=4, size=filters).astype(np.float32)
        return self("QuantConv2D", *filter(None, [before]), weights=weights, **config)

    def norm(self, channels: int, spread: float = 3, *, scale=True, center=True) -> str:
        def real(size):
            return self.rng.normal(scale=size, size=channels).astype(np.float32)

        weights = {"gamma": real(1)} if scale else {}
        weights |= {"beta": real(1)} if center else {}
        weights |= {"moving_mean": real(spread), "moving_variance": np.abs(real(2)) + np.float32(0.5)}
        return self("BatchNormalization", weights=weights, axis=[-1], epsilon=0.001, scale=scale, center=center)

    def head(self, inputs: int, classes: int = 5, **config) -> str:
        config = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "use_bias": False, **config}
        self("Flatten")
        return self("QuantDense", weights={"kernel": self.latent(inputs, classes)}, **config)

    # -- how Keras writes it

    def config(self, style: str = "sequential") -> dict:
        entries = []
        for kind, name, config, _, inputs in self.layers:
            entry = {"class_name": kind, "config": config, "name": name}
            if style == "keras2":
                entry["inbound_nodes"] = [[[x, 0, 0, {}] for x in inputs]] if inputs else []
            if style == "keras3":
                tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": [x, 0, 0]}} for x in inputs]
                args = tensors if len(tensors) == 1 else [tensors]
                entry["inbound_nodes"] = [{"args": args, "kwargs": {}}] if inputs else []
            entries.append(entry)
        if style == "sequential":
            return {"class_name": "Sequential", "config": {"name": "net", "layers": entries}}
        ends = [[self.layers[0][1], 0, 0], [self.layers[-1][1], 0, 0]]
        first, last = ends if style == "keras3" else [[end] for end in ends]
        inner = {"name": "net", "layers": entries, "input_layers": first, "output_layers": last}
        return {"class_name": "Functional", "config": inner}

    #: Of Keras, as the file says it; nothing if empty.
    version = ""

    def save(self, path: Path, style: str = "sequential", config: dict | None = None) -> Path:
        text = json.dumps(config or self.config(style))
        if path.suffix == ".keras":
            memory = io.BytesIO()
            with h5py.File(memory, "w") as file:
                numbers: Counter[str] = Counter()
                for kind, _, _, weights, _ in self.layers:
                    base = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)
                    base = re.sub("([a-z])([A-Z])", r"\1_\2", base).lower()
                    place = f"{base}_{numbers[base]}" if numbers[base] else base
                    numbers[base] += 1
                    for index, array in enumerate(weights.values()):
                        file[f"layers/{place}/vars/{index}"] = array
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("metadata.json", json.dumps({"keras_version": self.version} if self.version else {}))
                archive.writestr("config.json", text)
                archive.writestr("model.weights.h5", memory.getvalue())
            return path
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = text
            if self.version:
                file.attrs["keras_version"] = self.version
            for _, name, _, weights, _ in self.layers:
                group = file.create_group(f"model_weights/{name}")
                paths = {f"{name}/{weight}:0": array for weight, array in weights.items()}
                group.attrs["weight_names"] = [weight.encode() for weight in paths]
                for weight, array in paths.items():
                    group[weight] = array
        return path
