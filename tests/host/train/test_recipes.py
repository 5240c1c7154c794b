"""Recipes: files of data sets, training that goes on, and networks that come out."""

import gzip

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-train")
pytest.importorskip("sklearn", reason="scikit-learn is not installed: make test-train")

import bitweir  # noqa: E402
from bitweir.train.recipes import cifar10, digits, files, mnist  # noqa: E402
from bitweir_hw.errors import FileError  # noqa: E402
from click.testing import CliRunner  # noqa: E402

RNG = np.random.default_rng(2)


def run(command, *words):
    done = CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def mnist_folder(tmp_path):
    for part, count, pack in (("train", 40, gzip.compress), ("t10k", 20, bytes)):
        x, y = RNG.integers(0, 256, (count, 28, 28), np.uint8), RNG.integers(0, 10, count, np.uint8)
        for name, magic, array in (("images-idx3", 2051, x), ("labels-idx1", 2049, y)):
            head = np.array([magic, *array.shape], ">i4").tobytes()
            suffix = ".gz" if pack is gzip.compress else ""
            (tmp_path / f"{part}-{name}-ubyte{suffix}").write_bytes(pack(head + array.tobytes()))
    return tmp_path


@pytest.fixture
def cifar_folder(tmp_path):
    for name in (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"):
        rows = RNG.integers(0, 256, (8, 3073), np.uint8)
        rows[:, 0] %= 10
        (tmp_path / name).write_bytes(rows.tobytes())
    return tmp_path


def test_mnist_is_trained_in_two_goes(mnist_folder, tmp_path):
    words = ["--data", mnist_folder, "--hidden", 16, "--batch", 20, "--seed", 3]
    run(mnist.main, *words, "--folder", tmp_path / "whole", "--epochs", 2)
    # The rate follows the number of all epochs, so an interruption is a checkpoint of the same run.
    kept = {}
    saving = files.saving

    def interrupted(path, model, told):
        save = saving(path, model, told)

        def once(done, optimiser):
            save(done, optimiser)
            if done == 1 and not kept:
                kept["done"] = done
                raise KeyboardInterrupt

        return once

    mnist.saving = interrupted
    try:
        with pytest.raises(KeyboardInterrupt):
            mnist.main.callback(mnist_folder, tmp_path / "parts", 2, 16, 20, False, 3, "cpu")
        told = run(mnist.main, *words, "--folder", tmp_path / "parts", "--epochs", 2)
    finally:
        mnist.saving = saving
    assert "epoch 1" not in told and "epoch 2" in told
    one, two = (bitweir.load(tmp_path / name / "mnist.npz", compare=False) for name in ("whole", "parts"))
    images = mnist.mnist(mnist_folder)[2]
    assert (one.run(images).scores == two.run(images).scores).all()


def test_mnist_with_shifts(mnist_folder, tmp_path):
    words = ["--data", mnist_folder, "--hidden", 16, "--batch", 20, "--epochs", 1, "--shift"]
    assert "mnist.npz" in run(mnist.main, *words, "--folder", tmp_path / "out")


@pytest.mark.parametrize("network", ["vgg", "cnv"])
def test_cifar10(network, cifar_folder, tmp_path):
    words = ["--network", network, "--data", cifar_folder, "--width", 0.04, "--batch", 20, "--epochs", 1]
    run(cifar10.main, *words, "--folder", tmp_path / "out")
    net = bitweir.load(tmp_path / "out" / f"{network}.npz", compare=False)
    assert net.shape == (3, 32, 32) and net.outputs == 10


@pytest.mark.parametrize(("build", "weights"), [(cifar10.cnv, 1_542_848), (cifar10.vgg, 14_022_016)])
def test_networks_have_the_sizes_of_their_papers(build, weights):
    layers = [part for part in build().modules() if isinstance(part, torch.nn.Linear | torch.nn.Conv2d)]
    assert len(layers) == 9 and sum(layer.weight.numel() for layer in layers) == weights


def test_damaged_and_missing_files(mnist_folder, cifar_folder, tmp_path):
    (mnist_folder / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x14")
    with pytest.raises(FileError, match=r"t10k-labels-idx1-ubyte' is no file of MNIST, or is cut off\.$"):
        files.mnist(mnist_folder)
    with pytest.raises(FileError, match="^There is no file .*: download MNIST, four files in the format IDX, for"):
        files.mnist(tmp_path / "none")
    (cifar_folder / "data_batch_2.bin").write_bytes(b"123")
    with pytest.raises(FileError, match=r"data_batch_2\.bin' is no file of CIFAR-10, or is cut off\.$"):
        files.cifar10(cifar_folder)
    with pytest.raises(FileError, match="^There is no file .*: download the binary version of CIFAR-10 from"):
        files.cifar10(tmp_path / "none")
    model = mnist.build(16)
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(FileError, match=r"is damaged, or of another model: remove it to begin anew\.$"):
        files.resumed(tmp_path / "checkpoint.pt", model, torch.optim.Adam(model.parameters()), "cpu")


def test_a_recipe_for_digits_writes_a_network(tmp_path):
    told = run(digits.main, "--method", "dorefa-w1a2", "--epochs", 2, "--out", tmp_path / "digits.npz")
    assert "codes and the order of all scores are equal" in told and "LUT sites" in told
    assert bitweir.load(tmp_path / "digits.npz", compare=False).outputs == 10
    assert "bnn+" in run(digits.main, "--list")


# Those whose training or network is of a kind of its own; test_export.py has the layers of the others.
@pytest.mark.parametrize("method", ["apprentice", "benn-boosting", "bit-widths", "bnn+", "distribution", "group-net"])
def test_methods_train_and_are_what_hardware_computes(method):
    model = digits.train_digits(method, epochs=2)
    x = digits.images(digits.METHODS[method])[2][:60]
    assert bitweir.check(model, x.numpy().astype(int), input_range=digits.PIXELS).difference is None
