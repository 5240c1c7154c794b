"""The ends of networks, and votes: blocks that take the scores, labels or codes of a frame.

A frame takes ``ceil(M / lanes)`` cycles. A result is written in the cycle in which its (last) beat is taken.
"""

from ..base import Block
from ..fifo.spec import FifoSpec
from .argmax import Argmax
from .cost import argmax_cost, result_cost, scores_paths, vote_cost
from .result import Result
from .spec import ArgmaxSpec, EndSpec, ResultSpec, VoteSpec
from .vote import Vote

__all__ = ["ARGMAX", "RESULT", "VOTE", "ArgmaxSpec", "EndSpec", "ResultSpec", "VoteSpec"]

VOTE = Block(spec=VoteSpec, component=Vote, cost=vote_cost, paths=scores_paths, title="vote", group="score")
ARGMAX = Block(spec=ArgmaxSpec, component=Argmax, cost=argmax_cost, paths=scores_paths, title="argmax", group="score")
#: It is a FIFO of two places, and a counter, as larger FIFOs have.
RESULT = Block(spec=ResultSpec, component=Result, cost=result_cost, title="result", group="score", cost_as=FifoSpec)
