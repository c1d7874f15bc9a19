"""The server under test and the reference, started alike."""

from contextlib import contextmanager

from harness.server import Server, default_server, find_binary


class Pair:
    def __init__(self, ours, theirs):
        self.ours = ours
        self.theirs = theirs
        self.protocol = None  # of all connections; None: whichever they happen to choose


@contextmanager
def open_pair(server=None, against="redis-server", memory_only=False, **directives):
    """Both with 16 databases; ours durable (appendfsync always) unless told otherwise, and with the directives."""
    paths = [find_binary(server or default_server()), find_binary(against)]
    if None in paths:
        raise SystemExit(f"no server at {(server or default_server(), against)[paths.index(None)]}")
    keeping = {"appendonly": "no"} if memory_only else {"appendonly": "yes", "appendfsync": "always"}
    pair = Pair(Server(paths[0], databases=16, **keeping, **directives), Server(paths[1], databases=16, appendonly="no"))
    for server in (pair.ours, pair.theirs):
        if server.flavor == "redis":  # or it takes payloads that are none
            server.directives["sanitize-dump-payload"] = "yes"
    try:
        yield Pair(pair.ours.start(), pair.theirs.start())
    finally:
        pair.ours.remove()
        pair.theirs.remove()
