"""Conversion of frames to the bytes of requests, and of answers to scores, labels, codes and classes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from bitweir_hw.blocks.pipeline import Stream
from bitweir_hw.errors import LinkError
from bitweir_hw.link.protocol import Identity
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import Codes, batches, encode
from bitweir_sim.values.frames import pack, unpack
from numpy.typing import ArrayLike, NDArray

__all__ = ["checked_codes", "classes_of", "codes_of", "frame_bytes", "scores_of"]

Octets = NDArray[np.uint8]
Integers = NDArray[np.int64]


def checked_codes(identity: Identity, codes: ArrayLike | Codes) -> NDArray[Any]:
    """Check codes for a device whose network is not known to the host.

    Parameters
    ----------
    identity : Identity
    codes : array of integers, (N, vectors * length)
        In the order of the input stream.

    Raises
    ------
    LinkError
        They are not integers, have another shape, or need more bits.
    """
    array = np.asarray(codes.array if isinstance(codes, Codes) else codes)
    size = identity.vectors * identity.length
    if array.dtype.kind not in "iu" or array.ndim != 2 or array.shape[1] != size:
        raise LinkError(
            f"The network of the device is not known here, so it takes only integer codes of shape (N, {size}), "
            f"not {array.dtype} of shape {array.shape}."
        )
    bits = identity.lane_bits
    if array.size and not 0 <= array.min() <= array.max() < 1 << bits:
        raise LinkError(f"Codes must be 0 to {(1 << bits) - 1}; they go from {array.min()} to {array.max()}.")
    return array


def codes_of(network: Network, images: ArrayLike | Codes) -> NDArray[Any]:
    """Encode images as codes (N, K); see `encoding.encoded`.

    Images of another shape are taken if they have as many elements, in the same order.

    Raises
    ------
    NetworkError
        The images do not suit the network.
    """
    if isinstance(images, Codes):
        return encode(network.input, images)
    array, shape = np.asarray(images), network.input.shape
    if array.ndim > 1 and prod(array.shape[1:]) == prod(shape):
        array = array.reshape(len(array), *shape)
    return encode(network.input, array)


def frame_bytes(identity: Identity, codes: NDArray[Any]) -> Octets:
    """The frames of a request.

    Parameters
    ----------
    identity : Identity
    codes : array of integers, (N, vectors * length)

    Returns
    -------
    uint8 array, (N, identity.frame_bytes)
    """
    stream = Stream(
        name="i",
        layer="input",
        length=identity.length,
        vectors=identity.vectors,
        lanes=identity.lanes,
        lane_bits=identity.lane_bits,
        signed=False,
    )
    octets = np.zeros((len(codes), identity.frame_bytes), np.uint8)
    for part in batches(len(codes), identity.frame_bits):
        words = pack(codes[part], stream).astype("<u8", copy=False).view(np.uint8)
        bits = np.unpackbits(words, axis=1, count=stream.bits, bitorder="little")
        octets[part] = np.packbits(bits.reshape(-1, identity.frame_bits), axis=1, bitorder="little")
    return octets


def classes_of(identity: Identity, answers: Octets) -> Integers:
    """Classes from the last bytes of each answer.

    Parameters
    ----------
    identity : Identity
    answers : uint8 array, (N, at least identity.class_bytes)

    Returns
    -------
    int64 array, (N,)

    Raises
    ------
    LinkError
        There are not so many classes.
    """
    weights = np.left_shift(1, 8 * np.arange(identity.class_bytes, dtype=np.int64))
    classes: Integers = answers[:, answers.shape[1] - identity.class_bytes :].astype(np.int64) @ weights
    if classes.size and classes.max() >= identity.classes:
        raise LinkError(f"The device answers class {classes.max()}, but says that it has {identity.classes}.")
    return classes


def scores_of(identity: Identity, answers: Octets) -> Integers:
    """Scores, labels or codes from the first bytes of each answer.

    Parameters
    ----------
    identity : Identity
    answers : uint8 array, (N, at least identity.scores_bytes)

    Returns
    -------
    int64 array, (N, classes)
    """
    stream = Stream(
        name="o",
        layer="scores",
        length=identity.classes,
        vectors=1,
        lanes=identity.classes,
        lane_bits=identity.score_bits,
        signed=identity.result in ("class", "scores"),
    )
    words = np.zeros((len(answers), -(-identity.scores_bytes // 8) * 8), np.uint8)
    words[:, : identity.scores_bytes] = answers[:, : identity.scores_bytes]
    return unpack(words.view("<u8").astype(np.uint64), stream)
