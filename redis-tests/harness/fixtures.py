"""Options, markers and fixtures of both test folders; each conftest.py takes everything from here."""

import os

import pytest

from harness import figures
from harness import server as servers


def pytest_addoption(parser):
    try:
        parser.addoption(
            "--server",
            default=servers.default_server(),
            help="server under test: a path or a program of PATH (default: $DKV_SERVER or build/dkv-server)",
        )
        parser.addoption("--full", action="store_true", help="as many rounds as a release needs")
        parser.addoption("--seed", type=int, help="replay one seed in tests that draw a fresh one")
        parser.addoption("--set", action="append", default=[], metavar="NAME=VALUE", help="a directive for all servers")
        parser.addoption("--rounds", type=int, help="kill rounds of each kind")
    except ValueError:
        pass  # the other folder's conftest.py runs in the same session and was first


def pytest_configure(config):
    servers.everywhere.update(given.split("=", 1) for given in config.getoption("--set", default=[]))
    if config.getoption("--full", default=False) and not config.pluginmanager.hasplugin("failures-at-once"):
        config.pluginmanager.register(FailuresAtOnce(config), "failures-at-once")
    config.addinivalue_line("markers", "dkv(reason): shows what only dkv has; skipped with another server")
    config.addinivalue_line("markers", "redis72(reason): new since the reference server's 7.0; needs 7.2 or dkv")


def pytest_report_header(config):
    return f"server under test: {config.getoption('--server')}"


def pytest_sessionstart(session):
    if session.config.option.collectonly:
        return
    name = session.config.getoption("--server")
    if servers.find_binary(name) is None:
        raise pytest.UsageError(f"no server at {name}: run `make`, or say --server=PATH")


def pytest_collection_modifyitems(config, items):
    if config.option.collectonly:
        return
    if servers.flavor_of(servers.find_binary(config.getoption("--server"))) == "dkv":
        return
    for item in items:
        for name in ("dkv", "redis72"):
            for mark in item.iter_markers(name):
                item.add_marker(pytest.mark.skip(reason="not in this server: " + mark.args[0]))


class FailuresAtOnce:
    """A full run takes long, and what failed is worth knowing before its end."""

    def __init__(self, config):
        self.config = config

    def pytest_runtest_logreport(self, report):
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        if report.failed and reporter:
            reporter.write_line(f"\nFAILED {report.nodeid}\n{report.longreprtext[-3000:]}")


def pytest_terminal_summary(terminalreporter):
    line = figures.take_line()
    if line:
        terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def nothing_reported():
    """A server that a sanitizer ended looks like one that was killed, so what it said is looked for."""
    yield
    found, servers.reports[:] = list(servers.reports), []
    assert not found, found[0]


@pytest.fixture(scope="session")
def server_binary(request):
    return servers.find_binary(request.config.getoption("--server"))


@pytest.fixture(scope="session")
def flavor(server_binary):
    return servers.flavor_of(server_binary)


@pytest.fixture(scope="session")
def known_commands(server_binary):
    """Names of the commands that the server under test has."""
    server = servers.Server(server_binary).start()
    try:
        with server.connect() as connection:
            return {name.decode() for name in connection.call("COMMAND", "LIST")}
    finally:
        server.remove()


@pytest.fixture(scope="session")
def reference_binary():
    found = servers.find_binary("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed")
    return found


@pytest.fixture(scope="session")
def newer_binary():
    """A redis-server of 8.2: the reference for what Debian's does not know."""
    found = servers.newer_reference()
    if found is None:
        pytest.skip("no redis-server 8.2: tests/bench/newer.py brings one, or $DKV_NEWER_REDIS names it")
    return found


@pytest.fixture
def new_server(server_binary):
    """Makes servers that are not started yet: new_server(appendfsync="always")."""
    made = []

    def make(binary=server_binary, **directives):
        made.append(servers.Server(binary, **directives))
        return made[-1]

    yield make
    for server in made:
        server.remove()


@pytest.fixture
def start_server(new_server):
    """Starts servers: start_server(requirepass="x")."""
    return lambda *arguments, **directives: new_server(*arguments, **directives).start()


@pytest.fixture
def durable_server(start_server):
    return start_server(appendonly="yes", appendfsync="always")


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture
def connection(server):
    with server.connect() as opened:
        yield opened


@pytest.fixture
def seed(request):
    """Drawn afresh unless --seed says which; pytest shows what is printed when a test fails."""
    chosen = request.config.getoption("--seed")
    if chosen is None:
        chosen = int.from_bytes(os.urandom(4), "big")
    print(f"seed {chosen}: replay with --seed={chosen}")
    return chosen
