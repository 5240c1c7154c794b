"""Settings of all tests."""

import gc
import os
import signal
import warnings

import pytest
from amaranth.hdl import UnusedElaboratable
from hypothesis import HealthCheck, is_hypothesis_test, settings

# Shared machines are slow at times: a deadline would test the machine. Derandomised, a failure in CI
# is a failure everywhere; `--hypothesis-profile=search` looks for new ones.
FIXED = settings(deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", FIXED)
# All examples that a test names. With `ci` it draws a part of them: the same ones, as far as it goes.
settings.register_profile("full", FIXED)
settings.register_profile("search", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")

#: The part of its examples that a test draws with `ci`, and how many are never too many.
DAILY_PART, ALWAYS = 0.2, 8
#: Seconds that a test of `make test-long` may take: routing of a large design.
LONG_SECONDS = 7200


def daily(examples: int) -> int:
    """How many examples are drawn with the profile `ci` by a test that asks for so many."""
    return max(min(examples, ALWAYS), round(DAILY_PART * examples))


def pytest_configure(config):
    # Builds cost more than short runs. `make test-long` compiles as users do.
    if _daily(config):
        os.environ.setdefault("BITWEIR_OPTIMISE", "0")
    # Nor do tests go by the configuration of whoever runs them.
    os.environ["BITWEIR_CONFIG"] = ""
    # No test cuts the power, and other processes see what is written without it. A disk takes 10 ms each time.
    os.fsync = lambda _: None
    # Amaranth makes many objects that do not live long: to look for cycles among them took a sixth of the time.
    gc.set_threshold(50_000, 20, 50)
    # A shell that starts tests in the background has SIGINT ignored, and so would have what they interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "drawn: draws examples; all of them in `make test-long`")


def _daily(config):
    return config.getoption("--hypothesis-profile") in (None, "ci")


def pytest_collection_modifyitems(config, items):
    fewer = _daily(config)
    seen = set()
    for item in items:
        long = item.get_closest_marker("long")
        if long and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_SECONDS))
        test = getattr(item, "obj", None)
        if long or not is_hypothesis_test(test):
            continue
        item.add_marker(pytest.mark.drawn)
        if fewer and test not in seen:
            # Cases of one test share its settings.
            seen.add(test)
            asked = getattr(test, "_hypothesis_internal_use_settings", settings.default)
            test._hypothesis_internal_use_settings = settings(asked, max_examples=daily(asked.max_examples))


def pytest_collection_finish(session):
    # Modules and tests stay: no need to look at them again.
    gc.collect()
    gc.freeze()


@pytest.fixture
def left_unused():
    """For a test that makes gateware and does not use it: a refusal, or an example of a page.

    What the traceback of a refusal holds goes some time later, and would warn in another test.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        gc.collect()
