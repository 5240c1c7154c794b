"""The client against a device in plain Python: right answers, or a clear error, whatever the link does."""

from dataclasses import replace

import numpy as np
import pytest
from bitweir.client.client import HOST_BUFFER, Client, frames_per_request
from bitweir.client.faults import KINDS, Faults, FaultyTransport
from bitweir.client.linked import LinkedDevice
from bitweir_hw.errors import LinkError
from bitweir_hw.link.protocol import NUMBER_BITS, Identity
from hypothesis import given, settings
from hypothesis import strategies as st
from support.link_reference import IDENTITY, ReferenceDevice, crc32, packet, scores_and_class, stuff

RNG = np.random.default_rng(3)
CODES = RNG.integers(0, 2, (700, 20))


def expected(codes, answer=scores_and_class, identity=IDENTITY):
    """Scores and classes, from integers alone."""
    scores, classes = [], []
    bits, width = identity.lane_bits, identity.score_bits
    for frame in codes:
        number = sum(int(code) << at * bits for at, code in enumerate(frame))
        told, best = answer(number.to_bytes(identity.frame_bytes, "little"))
        fields = [int.from_bytes(told, "little") >> at * width & (1 << width) - 1 for at in range(identity.classes)]
        scores.append([field - (1 << width) if field >> width - 1 else field for field in fields])
        classes.append(int.from_bytes(best, "little"))
    return np.array(scores).reshape(-1, identity.classes), np.array(classes)


def connected(transport, **settings):
    return LinkedDevice(Client(transport, **settings))


def check(device, codes=CODES):
    scores, classes = expected(codes)
    assert np.array_equal(device.classify(codes), classes)
    result = device.run(codes)
    assert np.array_equal(result.scores, scores) and np.array_equal(result.classes, classes)


# ---- without faults


@pytest.mark.parametrize("frames", [0, 1, 2, 83, 84, 85, 700])
def test_batches_of_any_size(frames):
    transport = ReferenceDevice()
    with connected(transport) as device:
        check(device, CODES[:frames])
    assert device.identity == IDENTITY
    assert transport.refused == transport.overfull == device.client.lost == 0
    assert transport.frames == 2 * frames and transport.closed == 1


@given(
    capacity=st.integers(14, 3000),
    classes=st.one_of(st.integers(2, 20), st.just(300)),
    lane_bits=st.integers(1, 9),
    baud=st.sampled_from([9_600, 115_200, 12_000_000]),
    cycles=st.integers(1, 2000),
    slow=st.sampled_from([0.5, 1.0]),
    frames=st.integers(0, 60),
)
def test_devices_of_all_kinds(capacity, classes, lane_bits, baud, cycles, slow, frames):
    identity = replace(
        IDENTITY, classes=classes, lane_bits=lane_bits, cycles=cycles, lanes=1, length=3, score_bits=13,
        capacity=max(capacity, 11 + (3 * lane_bits + 7) // 8),
    )  # fmt: skip

    def answer(frame):
        scores, best = scores_and_class(frame)
        return (scores * 40)[: identity.scores_bytes], int(best[0] % classes).to_bytes(identity.class_bytes, "little")

    transport = ReferenceDevice(identity, answer, baud=baud, slow=slow)
    codes = np.random.default_rng(frames).integers(0, 1 << lane_bits, (frames, 3))

    def sized(frame):  # `expected` reads whole bytes only
        scores, best = answer(frame)
        return (int.from_bytes(scores, "little") & (1 << classes * 13) - 1).to_bytes(len(scores), "little"), best

    scores, right = expected(codes, sized, identity)
    with connected(transport) as device:
        assert np.array_equal(device.classify(codes), right)
        assert np.array_equal(device.run(codes).scores, scores)
    # Nothing was sent twice, and no buffer was ever too small for what the host let come.
    assert transport.frames == 2 * frames and transport.refused == transport.overfull == 0
    assert transport.longest <= max(HOST_BUFFER, 2 * identity.scores_bytes + 20)


@pytest.mark.parametrize(
    ("capacity", "frame_bytes"), [(700, 3), (2048, 1), (1024, 24), (2048, 24), (4096, 98), (65536, 98)]
)
def test_most_of_the_wire_carries_frames(capacity, frame_bytes):
    identity = replace(IDENTITY, capacity=capacity, length=8 * frame_bytes, cycles=10)
    transport = ReferenceDevice(identity, baud=1_000_000)
    with connected(transport) as device:
        codes = np.zeros((40_000 // frame_bytes, 8 * frame_bytes), int)
        before, start = transport.received, transport.now()
        device.classify(codes)
    share = len(codes) * frame_bytes / (transport.received - before)
    used = len(codes) * frame_bytes * transport.seconds_per_byte / (transport.now() - start)
    assert share >= 0.95 and used >= 0.93


def test_a_device_without_room_for_a_frame():
    with connected(ReferenceDevice(replace(IDENTITY, capacity=13))) as device, pytest.raises(LinkError) as told:
        device.classify(CODES)
    assert str(told.value) == "The device has room for 13 bytes, but a request of one frame takes 14."
    assert frames_per_request(14, 3, 1) == 1


# ---- a link with faults


@settings(max_examples=4 * settings().max_examples)
@given(
    seed=st.integers(0, 1 << 32),
    up=st.sampled_from([0, 0.002, 0.01, 0.02]),
    down=st.sampled_from([0, 0.002, 0.01, 0.02]),
    kinds=st.sets(st.sampled_from(KINDS), min_size=1),
    frames=st.integers(1, 200),
    slow=st.sampled_from([0.3, 1.0, 1.2]),
)
def test_right_answers_over_a_bad_link(seed, up, down, kinds, frames, slow):
    inner = ReferenceDevice(slow=slow)
    kinds = sorted(kinds)
    transport = FaultyTransport(
        inner, Faults(up, seed, kinds=kinds, reset=inner.reset), Faults(down, seed + 1, kinds=kinds)
    )
    # An identity alone is so long that at the worst rate most of them do not come through.
    with connected(transport, rounds=100) as device:
        check(device, CODES[:frames])


@given(seed=st.integers(0, 1 << 32), rate=st.sampled_from([0.01, 0.02, 0.03]))
def test_right_answers_or_an_error_over_a_worse_one(seed, rate):
    inner = ReferenceDevice()
    transport = FaultyTransport(inner, Faults(rate, seed, reset=inner.reset), Faults(rate, seed + 1))
    answers = None
    try:
        with connected(transport, rounds=4) as device:
            answers = device.classify(CODES[:60])
    except LinkError as error:
        assert "attempts in a row had no answer" in str(error)
    if answers is not None:
        assert np.array_equal(answers, expected(CODES[:60])[1])
    assert inner.closed or answers is None


@given(at=st.integers(0, 1100), same=st.booleans())
def test_a_device_that_is_exchanged(at, same):
    """At any byte: the answers are right, or there is an error, and not one frame of the other device counts."""
    transport = ReferenceDevice()
    count = 0

    def exchange(byte):
        nonlocal count
        count += 1
        if count == at:
            transport.exchange(**({} if same else {"digest": b"another network."}))
            transport.answer = scores_and_class if same else lambda frame: scores_and_class(frame, b"other")

    right = expected(CODES[:300])[1]
    try:
        with connected(transport) as device:
            transport.on_byte = exchange
            assert np.array_equal(device.classify(CODES[:300]), right)
            assert np.array_equal(device.classify(CODES[:3]), right[:3])
    except LinkError as error:
        assert not same
        assert str(error) == (
            "A different accelerator answers than before: one of network 616e6f74686572206e6574776f726b2e, "
            "not 000102030405060708090a0b0c0d0e0f."
        )


@pytest.mark.parametrize("slow", [5, 100])
def test_a_device_slower_than_it_says(slow):
    """The accelerator takes longer than the host waits: late answers count, none twice."""
    transport = ReferenceDevice(replace(IDENTITY, cycles=2000), slow=slow)
    with connected(transport, margin=0.01) as device:
        assert np.array_equal(device.classify(CODES[:200]), expected(CODES[:200])[1])
    assert transport.frames < 300


def test_a_device_that_does_not_answer():
    transport = ReferenceDevice()
    transport.write = lambda data: None
    with pytest.raises(LinkError) as told:
        connected(transport, rounds=3)
    assert str(told.value) == "The device at a device in Python does not answer: 4 attempts in a row had no answer."
    assert transport.now() < 10


def test_a_device_that_takes_no_frames():
    transport = ReferenceDevice()
    with connected(transport, rounds=3) as device:
        transport.told, transport.identity = IDENTITY.to_bytes(), replace(IDENTITY, lane_bits=3)
        with pytest.raises(LinkError) as told:
            device.classify(CODES)
    assert str(told.value) == "The device at a device in Python takes no frames: 4 attempts in a row had no answer."


def test_after_an_error_the_next_call_is_right():
    transport = ReferenceDevice()
    with connected(transport, rounds=1) as device:
        write, transport.write = transport.write, lambda data: None
        with pytest.raises(LinkError):
            device.classify(CODES)
        transport.write = write
        check(device, CODES[:50])


def test_an_interrupted_call():
    transport = ReferenceDevice()
    with connected(transport) as device:
        read, calls = transport.read, 0

        def interrupt(timeout):
            nonlocal calls
            calls += 1
            if calls == 12:
                raise KeyboardInterrupt
            return read(timeout)

        transport.read = interrupt
        with pytest.raises(KeyboardInterrupt):
            device.classify(CODES)
        check(device)
    assert transport.overfull == 0


def test_a_host_that_vanished_in_a_packet():
    """What it left in the device and on the wire is no answer to the next one."""
    transport = ReferenceDevice()
    with connected(transport) as device:
        device.classify(CODES[:9])
    transport.closed = 0
    first = device.client._number
    # Requests that a program sent before it ended, with the numbers that the next one will use.
    for number in range(first, first + 40):
        transport.write(packet(2, number % (1 << 64), 2, bytes(6)))
    transport.write(packet(2, 7, 2, bytes(6))[:9])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitweir.client.client.secrets.randbits", lambda bits: first)
        with connected(transport) as device:
            check(device)


def test_noise_while_nothing_is_sent_costs_nothing():
    transport = ReferenceDevice()
    with connected(transport) as device:
        for _ in range(3):
            transport.write(b"\x55")
            check(device, CODES[:20])
    assert device.client.lost == 0


@pytest.mark.parametrize("requests", [1, 256, 1 << 16, 1 << 32])
def test_an_answer_that_was_held_back_for_long(requests):
    """It has the kind and the size of what the host waits for, and once even the low bits of its number."""
    transport = ReferenceDevice()
    with connected(transport) as device:
        number = device.client._number
        right = expected(CODES[:39])[1]
        assert np.array_equal(device.classify(CODES[:39]), right) and right.any()
        device.client._number = (number + requests) % (1 << NUMBER_BITS)
        read, late = transport.read, [packet(130, number, 39, bytes(39))]
        transport.read = lambda timeout: late.pop() if late else read(timeout)
        assert np.array_equal(device.classify(CODES[:39]), right)
    assert not late and device.client.lost == 0


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_device_of_an_older_version(version):
    """It takes no packet of today; but it answers a hello of its own, of which a device of today takes none."""
    old = b"weir" + bytes([version]) + IDENTITY.to_bytes()[5:]
    body = bytes([0x81, 0, 0, len(old), 0]) + old
    answer = stuff(body + crc32(body)) + b"\0"
    hello = bytes([1, 0, 0, 0, 0])
    asked = stuff(hello + crc32(hello)) + b"\0"
    transport, came, going = ReferenceDevice(), bytearray(), bytearray()

    def write(data):
        came.extend(data)
        going.extend(answer * data.count(asked))

    def read(timeout):
        transport.time += timeout
        data = bytes(going)
        going.clear()
        return data

    transport.write, transport.read = write, read
    with pytest.raises(LinkError) as told:
        connected(transport)
    assert str(told.value) == (
        f"The device at a device in Python speaks version {version} of the protocol, this host version 4: build its "
        "bitstream again."
    )
    today = ReferenceDevice()
    today.write(asked)
    assert today.read(1.0) == b"" and today.refused == 1


def test_numbers_begin_anew():
    transport = ReferenceDevice()
    with connected(transport) as device:
        device.client._number = (1 << 64) - 3
        check(device)
        assert device.client._number < 100
    assert device.client.lost == 0


# ---- answers that are no answers


def test_other_things_that_answer():
    def connect_to(told):
        transport = ReferenceDevice()
        transport.told = told
        connected(transport)

    with pytest.raises(LinkError, match="^What answers is no bitweir accelerator.$"):
        connect_to(b"hello")
    with pytest.raises(LinkError, match="^The device speaks version 9 of the protocol, this host version 4.$"):
        connect_to(b"weir\x09" + IDENTITY.to_bytes()[5:])


@pytest.mark.parametrize(("kind", "bits"), [("labels", 1), ("scores", 5), ("codes", 3)])
def test_results_that_are_no_class(kind, bits):
    identity = replace(IDENTITY, result=kind, score_bits=bits, classes=3)
    assert (identity.class_bytes, identity.scores_bytes) == (0, (3 * bits + 7) // 8)
    transport = ReferenceDevice(identity, lambda frame: (scores_and_class(frame)[0][: identity.scores_bytes], b""))
    fields = []
    for frame in CODES:
        number = sum(int(code) << at for at, code in enumerate(frame)).to_bytes(identity.frame_bytes, "little")
        told = int.from_bytes(scores_and_class(number)[0], "little")
        fields.append([told >> at * bits & (1 << bits) - 1 for at in range(3)])
    wanted = np.array(fields)
    if kind == "scores":
        wanted = np.where(wanted >> bits - 1, wanted - (1 << bits), wanted)
    with connected(transport) as device:
        assert device.identity == identity and device.result == kind
        result = device.run(CODES)
        assert np.array_equal(result.scores, wanted) and result.classes is None
        if kind == "labels":
            assert np.array_equal(result.labels, wanted == 1) and np.array_equal(device.classify(CODES), wanted == 1)
        else:
            told = f"^The result of the network is {kind}, neither a class nor labels: use run.$"
            with pytest.raises(LinkError, match=told):
                device.classify(CODES)


def test_versions_and_flags_of_identities():
    assert IDENTITY.to_bytes()[4:6] == b"\x04\x00" and replace(IDENTITY, loads=True).to_bytes()[4:6] == b"\x04\x01"
    for flags, kind in ((2, "labels"), (4, "scores"), (6, "codes")):
        for loads in (False, True):
            identity = replace(IDENTITY, result=kind, loads=loads)
            data = identity.to_bytes()
            assert data[4:6] == bytes([4, flags + loads]) and Identity.from_bytes(data) == identity


def test_a_class_that_there_is_not():
    transport = ReferenceDevice(answer=lambda frame: (bytes(15), b"\x0a"))
    told = "^The device answers class 10, but says that it has 10.$"
    with connected(transport) as device, pytest.raises(LinkError, match=told):
        device.classify(CODES)


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (CODES[:, :19], "integer codes of shape (N, 20), not int64 of shape (700, 19)."),
        (CODES.astype(float), "integer codes of shape (N, 20), not float64 of shape (700, 20)."),
        (CODES + 1, "Codes must be 0 to 1; they go from 1 to 2."),
        (CODES - 1, "Codes must be 0 to 1; they go from -1 to 0."),
    ],
)
def test_codes_that_do_not_fit(codes, told):
    with connected(ReferenceDevice()) as device:
        assert device.network is None
        with pytest.raises(LinkError) as error:
            device.classify(codes)
    assert str(error.value).endswith(told)
