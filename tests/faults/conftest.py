"""What redis-tests and tests/process have (options, servers, the load program), and servers under the interposer."""

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "redis-tests"))
sys.path.insert(0, str(HERE.parent / "process"))

import pytest  # noqa: E402
from faults import FaultyServer, build_interposer  # noqa: E402
from harness.fixtures import *  # noqa: E402,F401,F403
from history import Recording  # noqa: E402

_spec = importlib.util.spec_from_file_location("process_fixtures", HERE.parent / "process" / "conftest.py")
_process = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_process)
load_binary = _process.load_binary
new_load = _process.new_load


@pytest.fixture(scope="session")
def full(request):
    """Whether to take as long as a release deserves."""
    return request.config.getoption("--full")


@pytest.fixture(scope="session")
def interposer(tmp_path_factory):
    return build_interposer(tmp_path_factory.mktemp("interposer"))


@pytest.fixture
def new_faulty(interposer, server_binary):
    """Makes servers under the interposer that are not started yet: new_faulty(appendfsync="always")."""
    made = []

    def make(**directives):
        directives = {"port": 0, "appendonly": "yes", "appendfsync": "always", **directives}
        made.append(FaultyServer(interposer, server_binary, **directives))
        return made[-1]

    yield make
    for server in made:
        server.remove()


@pytest.fixture
def faulty(new_faulty):
    return new_faulty().start()


@pytest.fixture
def recording(tmp_path, seed):
    """Starts clients that write down their history: recording(server)."""
    made = []

    def start(server, **options):
        folder = tmp_path / f"recording-{len(made)}"
        folder.mkdir()
        made.append(Recording(server, folder, seed, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()
