"""The ends of networks, and votes: blocks that take the scores, labels or codes of a frame.

A frame takes ``ceil(M / lanes)`` cycles. A result is written in the cycle in which its (last) beat is taken.
"""

from ..base import Block
from ..fifo.spec import FifoSpec
from .argmax import Argmax
from .choice import Choice
from .cost import argmax_cost, choice_cost, result_cost, scores_paths, vote_cost
from .result import Result
from .spec import ArgmaxSpec, ChoiceSpec, EndSpec, ResultSpec, VoteSpec
from .vote import Vote

__all__ = ["ARGMAX", "CHOICE", "RESULT", "VOTE", "ArgmaxSpec", "ChoiceSpec", "EndSpec", "ResultSpec", "VoteSpec"]

VOTE = Block(spec=VoteSpec, component=Vote, cost=vote_cost, paths=scores_paths, title="vote", group="score")
CHOICE = Block(
    spec=ChoiceSpec,
    component=Choice,
    cost=choice_cost,
    paths=scores_paths,
    title="class of a pixel",
    group="score",
    cost_as=VoteSpec,
)
ARGMAX = Block(spec=ArgmaxSpec, component=Argmax, cost=argmax_cost, paths=scores_paths, title="argmax", group="score")
#: It is a FIFO of two places, and a counter, as larger FIFOs have.
RESULT = Block(spec=ResultSpec, component=Result, cost=result_cost, title="result", group="score", cost_as=FifoSpec)
