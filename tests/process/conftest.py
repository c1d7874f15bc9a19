"""What redis-tests has (options, servers, raw client), and the load program."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "redis-tests"))

import pytest  # noqa: E402
from harness.fixtures import *  # noqa: E402,F401,F403
from loading import Load, build_load  # noqa: E402


@pytest.fixture(scope="session")
def load_binary(tmp_path_factory):
    return build_load(tmp_path_factory.mktemp("load"))


@pytest.fixture
def new_load(load_binary, tmp_path):
    """Starts load programs: new_load(server, writers=4). Their logs of what was acknowledged and shown stay in the
    test's temporary folder."""
    started = []

    def start(server, **options):
        logs = tmp_path / f"load-{len(started)}"
        logs.mkdir()
        started.append(Load(load_binary, server, logs, **options))
        return started[-1]

    yield start
    for load in started:
        load.close()
