"""What nextpnr tells of its way, in words; lines as version 0.11 writes them."""

from bitweir.synthesis.phases import Phases

LOG = """\
Info: Packing LUT-FFs..
Info: Packing carries..
Info: Creating initial analytic placement for 276 cells, random placement wirelen = 10512.
Info:     at initial placer iter 2, wirelen = 97
Info:     at iteration #3, type ALL: wirelen solved = 109, spread = 956, legal = 1074; time = 0.03s
Info: iter=12 steplen=0.718257 a=7.500307 penalty=[0.01, 0.01, 0.01, 0.01]
Info:   at iteration #15: temp = 0.000000, timing cost = 83, wirelen = 754
Info: [ 69969,  70565) |**************
Info: Setting up routing queue.
Info: Routing 1059 arcs.
Info:            |   (re-)routed arcs  |   delta    | remaining|       time spent     |
Info:    IterCnt |  w/ripup   wo/ripup |  w/r  wo/r |      arcs| batch(sec) total(sec)|
Info:       1000 |      199        746 |  199   746 |       311|       0.60       0.60|
Warning: something
Info:     iter=2 wires=16431 overused=12 overuse=14 tmgfail=0 archfail=NA
Info: Routing complete.
Info:    routing  0.00  12.67 Net t_COUT (51,5) -> (51,5)
"""


def test_phases():
    read = Phases()
    assert [read(line) for line in LOG.splitlines()] == [
        "packing",
        "packing",
        None,
        "placing, start 2",
        "placing, iteration 3",
        "placing, iteration 12",
        "refining the placement, iteration 15",
        None,
        "routing",
        "routing, 1,059 connections left",
        None,
        None,
        "routing, 311 of 1,059 connections left",
        None,
        "routing, iteration 2, 12 wires in use twice",
        "computing times",
        None,
    ]


def test_a_table_of_something_else_is_not_of_the_router():
    assert Phases()("Info:       1000 |      199        746 |  199   746 |       311|       0.60       0.60|") is None
