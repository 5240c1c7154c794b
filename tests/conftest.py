"""Settings of all tests."""

import pytest
from hypothesis import HealthCheck, settings

# Shared machines are slow at times: a deadline would test the machine. Derandomised, a failure in CI
# is a failure everywhere; `--hypothesis-profile=search` looks for new ones.
settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")

#: Seconds that a test of `make test-long` may take: routing of a large design.
LONG_SECONDS = 7200


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_SECONDS))
