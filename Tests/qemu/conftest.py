# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Guests for tests. Where QEMU or the kernel cannot be had the tests are skipped with one line that says what lacks;
AGENTD_QEMU_REQUIRED=1 makes that a failure."""

import os
import pathlib

import pytest
from bed import Guest, Unavailable

LONG = os.environ.get("AGENTD_LONG") == "1"
ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("AGENTD_BUILD", ROOT / ".build" / "debug"))


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only with AGENTD_LONG=1: machines are emulated here, and slow")


def pytest_collection_modifyitems(config, items):
    if LONG:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture(scope="session")
def boot():
    """Boots a guest, for `with`; skips the test when there can be none."""

    def make(**options):
        try:
            return Guest(**options)
        except Unavailable as error:
            if os.environ.get("AGENTD_QEMU_REQUIRED") == "1":
                raise
            pytest.skip(f"no guest: {error}")

    return make
