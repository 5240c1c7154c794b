"""The model of the link: no wrong answer and always an end, and the same steps as the client and the gateware."""

import random
from dataclasses import replace

import numpy as np
import pytest
from bitweir.client.client import Client, frames_per_request
from bitweir.client.codec import Decoder, Packet, encode
from bitweir_hw.errors import LinkError
from bitweir_hw.link.protocol import ANSWER, Kind
from bitweir_sim.link_model import Faults, Job, Sizes, System, explore
from bitweir_sim.link_model.host import Answer, Host, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from support.link_reference import IDENTITY
from support.linkbench import ends_of, packet, wire
from support.linkendpoint import EndpointBench
from support.linkendpoint import answer as answer_of

CALLS = (Job((1, 2)),)
ROOM = Sizes(capacity=40)


@pytest.mark.parametrize(
    "faults",
    [
        Faults(),
        Faults(lose=True, reset=True),
        Faults(lose=True, exchange=True),
        Faults(lose=True, hasty=True),
        Faults(restart=True, interrupt=True, lose=True),
    ],
)
def test_every_answer_is_right_and_all_come(faults):
    found = explore(System(CALLS, ROOM, most=2, rounds=not (faults.exchange or faults.restart)), faults, limit=20_000)
    assert found.states > 20 and not found.wrong and not found.stuck


def test_no_answer_that_is_held_back_ever_passes():
    system = System((Job((1,)), Job((2,))), Sizes(capacity=32), most=1, rounds=0)
    found = explore(system, Faults(late=1), limit=20_000)
    assert found.states > 10_000 and not found.wrong and not found.stuck


def test_numbers_that_come_twice_let_an_old_answer_pass():
    system = System((Job((1,)), Job((2,))), Sizes(capacity=32), numbers=4, most=1, rounds=0)
    found = explore(system, Faults(lose=True, late=1))
    assert found.wrong == "frame 2 has the answer to frame 1" and any(step.startswith("hold") for step in found.trace)


def test_a_host_that_does_not_ask_again_gets_stuck(monkeypatch):
    monkeypatch.setattr(System, "timeout", lambda self, state: state)
    assert explore(System(CALLS, ROOM), Faults(lose=True)).stuck == "it goes round for ever"


def test_a_host_that_takes_answers_by_their_order_is_wrong(monkeypatch):
    receive = Host.receive
    monkeypatch.setattr(Host, "receive", lambda self, one: receive(self, one._replace(number=self.sent[0].number)))
    assert explore(System(CALLS, ROOM), Faults(lose=True)).wrong == "frame 1 has the answer to frame 2"


# ---- the client


def frame(content):
    return np.frombuffer(content.to_bytes(3, "little"), np.uint8)


class Script:
    """A transport whose wires and device are those of the model; what happens next is drawn."""

    seconds_per_byte = 1e-4

    def __init__(self, system, faults, rng):
        self.system, self.faults, self.rng = system, faults, rng
        self.state, self.time, self.sent, self.decoder = None, 0.0, [], Decoder()
        self.turns, self.wanted = 0, []

    def __str__(self):
        return "a model"

    def now(self):
        return self.time

    def close(self):
        pass

    def write(self, data):
        for one in self.decoder.feed(data):
            step = len(one.payload) // one.count if one.count else 0
            parts = [one.payload[at * step : (at + 1) * step] for at in range(one.count)]
            self.sent.append(Request(one.kind, one.number, tuple(int.from_bytes(part, "little") for part in parts)))

    def follow(self, state, before):
        """The model has made a step of the host: what it sends, the client must have sent."""
        self.state = state
        self.wanted += list(state.up[before:])

    def read(self, timeout):
        assert self.sent == self.wanted
        self.turns += 1
        faulty = self.turns < 60
        while True:
            steps = [*self.system.steps(self.state)]
            if faulty:
                steps += self.system.faults(self.state, self.faults)
            name, after = self.rng.choice(steps)
            if name == "receive":
                first = self.state.down[0]
                self.follow(after, len(self.state.up))
                return self.data(first)
            if name.startswith("timeout"):
                self.follow(after, len(self.state.up))
                self.time += timeout
                return b""
            self.state = after

    def data(self, answer):
        identity = replace(IDENTITY, capacity=self.system.sizes.capacity, digest=bytes([answer.device] * 16))
        if answer.kind == Kind.HELLO:
            payload = identity.to_bytes()
            return encode(Packet(answer.kind | ANSWER, answer.number, len(payload), payload))
        payload = bytes(10 * content + answer.device for content in answer.frames)
        return encode(Packet(answer.kind | ANSWER, answer.number, len(answer.frames), payload))


def begin(script):
    """The next call begins in the model; the client is about to do the same."""
    state = script.state
    (after,) = (after for name, after in script.system.steps(state) if name == "call")
    script.follow(after, len(state.up))


@settings(max_examples=4 * settings().max_examples)
@given(
    seed=st.integers(0, 1 << 32),
    calls=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    capacity=st.integers(14, 120),
    faults=st.builds(
        Faults, lose=st.booleans(), reset=st.booleans(), exchange=st.booleans(), late=st.integers(0, 2),
        hasty=st.booleans(),
    ),
)  # fmt: skip
def test_the_client_makes_the_steps_of_the_model(seed, calls, capacity, faults):
    rng = random.Random(seed)
    step = frames_per_request(capacity, 3, 1)
    contents = iter(range(1, 25))
    jobs = tuple(Job(tuple(next(contents) for _ in range(size)), step) for size in calls)
    system = System(jobs, Sizes(capacity=capacity), rounds=1 << 30)
    script = Script(system, faults, rng)
    number = rng.getrandbits(64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitweir.client.client.secrets.randbits", lambda bits: number)
        script.state = system.start(number)
        script.wanted = list(script.state.up)
        try:
            client = Client(script, rounds=1 << 20)
            for job in jobs:
                begin(script)
                found = client.ask(Kind.CLASSES, np.array([frame(one) for one in job.frames]), 1)
                assert script.sent == script.wanted and script.state.host.over and not system.wrong(script.state)
                wanted = [10 * content + device for content, device in script.state.host.answers]
                assert found[:, 0].tolist() == wanted
                assert wanted == [10 * content + script.state.host.known for content in job.frames]
        except LinkError as error:
            assert str(error).startswith("A different accelerator answers") and script.state.host.failed


@pytest.mark.parametrize("rule", ["order", "hello"])
def test_a_model_with_another_rule_is_not_the_client(monkeypatch, rule):
    lost = Host._lost
    if rule == "order":
        monkeypatch.setattr(Host, "_lost", lambda self, found: lost(self, found)[::-1])
    else:
        monkeypatch.setattr(Host, "_ends_with_hello", lambda self: bool(self.sent) and self.sent[-1].kind == Kind.HELLO)
    run = test_the_client_makes_the_steps_of_the_model.hypothesis.inner_test
    differ = 0
    for seed in range(12):
        try:
            run(seed=seed, calls=[5, 4], capacity=60, faults=Faults(lose=True, late=1, hasty=bool(seed & 1)))
        except AssertionError:
            differ += 1
    assert differ > 2


# ---- the gateware


@settings(max_examples=2)
@given(seed=st.integers(0, 1 << 32), count=st.integers(1, 6))
def test_the_gateware_takes_and_answers_like_the_device_of_the_model(seed, count):
    """What has room is taken, in its order; each is answered once, with its number, in the order of the requests."""
    rng = random.Random(seed)
    bench = EndpointBench(ends_of(), capacity=64)
    system = System((), Sizes(capacity=64, frame_bytes=8))
    state = system.start()._replace(up=())
    sent = []
    for _ in range(count):
        kind, number = rng.choice([Kind.HELLO, Kind.CLASSES, Kind.SCORES]), rng.getrandbits(64)
        size = 0 if kind == Kind.HELLO else rng.randrange(9)
        sent.append(packet(kind, number, size, rng.randbytes(8 * size)))
        state = system.arrive(state._replace(up=(Request(kind, number, tuple(range(size))),)))
        # The bench sends the next one when this one has left.
        while state.device:
            state = system.answer(state)
    starts = {sum(len(wire(one)) for one in sent[:at]) for at in range(count)}
    bench.run(b"".join(map(wire, sent)), waits=lambda bench, place: place in starts and bench.under_way, quiet=400)
    found = bench.answers()
    assert found == [answer_of(request, bench.identity) for request in bench.requests()]
    assert [(one[0] & 0x7F, int.from_bytes(one[1:9], "little")) for one in found] == [
        (one.kind, one.number) for one in state.down if isinstance(one, Answer)
    ]
