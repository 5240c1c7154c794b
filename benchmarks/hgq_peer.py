"""Trains a network of two dense layers with HGQ2 and leaves what da4ml makes of it: a peer of `wired_accuracy`.

    python hgq_peer.py IMAGES.npz FOLDER

It runs in an environment of its own, with HGQ2, da4ml, and torch as the backend of Keras. A training has phases in
which bits cost more and more; behind each, the network is written to FOLDER/N, with its outputs on the test images.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from da4ml.codegen import VerilogModel
from da4ml.converter import trace_model
from da4ml.trace import FixedVariableArray, HWConfig, comb_trace
from da4ml.types import minimal_kif
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense
from hgq.utils import trace_minmax
from hgq.utils.sugar import BetaScheduler

HIDDEN = 16
BATCH = 64
#: Epochs, and what a bit operation costs in each phase.
PHASES = ((40, 1e-5), (20, 5e-5), (20, 2e-4))
RATES = (3e-3, 5e-4)


def main() -> None:
    data, folder = np.load(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    keras.utils.set_random_seed(0)
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", overflow_mode="SAT_SYM"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode="WRAP"),
        LayerConfigScope(enable_ebops=True, beta0=PHASES[0][1]),
    ):
        model = keras.Sequential([keras.layers.Input((64,)), QDense(HIDDEN, activation="relu"), QDense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(RATES[0]), loss=loss)
    rng, copies = np.random.default_rng(0), data["x"]
    epochs = 0
    for n, (count, beta) in enumerate(PHASES):
        scheduler = BetaScheduler(lambda epoch, beta=beta: beta)
        scheduler.set_model(model)
        scheduler.on_epoch_begin(0)
        for epoch in range(count):
            model.optimizer.learning_rate.assign(RATES[epoch >= count * 7 // 10])
            x = copies[epochs % len(copies)] / 16
            epochs += 1
            order = rng.permutation(len(x))
            for at in range(0, len(x) - BATCH + 1, BATCH):
                batch = order[at : at + BATCH]
                model.train_on_batch(x[batch], data["y"][batch])
        trace_minmax(model, copies.reshape(-1, 64) / 16)
        zeros, ones = np.zeros(64, int), np.ones(64, int)
        inputs = FixedVariableArray.from_kif(zeros, ones, 4 * ones, HWConfig(1, -1, -1))
        found = trace_model(model, inputs=inputs)
        logic = comb_trace(*found)
        VerilogModel(logic, "peer", folder / str(n) / "peer").write()
        told = {
            "beta": beta,
            "inputs": [[int(part) for part in minimal_kif(interval)] for interval in logic.inp_qint],
            "formats": [[int(part) for part in minimal_kif(interval)] for interval in logic.out_qint],
            "scores": np.asarray(model.predict(data["x_test"].astype(np.float32) / 16, verbose=0)).tolist(),
        }
        (folder / str(n) / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
