"""What is special inside MULTI and EXEC beyond what the differential test mixes."""

import time

import pytest


@pytest.mark.dkv("the log is the save file")
@pytest.mark.parametrize("rewrite", ["BGREWRITEAOF", "BGSAVE"])
@pytest.mark.parametrize("place", [0, 1])
def test_rewrite_inside_a_transaction(durable_server, rewrite, place):
    """A rewrite that a transaction asks for is put off until the transaction's unit has ended."""
    queue = [("SET", "a", "1"), ("SET", "b", "2")]
    queue.insert(place, (rewrite,))
    with durable_server.connect() as connection:
        connection.call("MULTI")
        for command in queue:
            connection.call(*command)
        replies = connection.call("EXEC")
        assert b"scheduled" in replies[place]
        assert connection.call("GET", "b") == b"2"


# What two databases hold of a key that is watched in the first, and whether SWAPDB changes it to its watcher, for
# whom a key whose time has passed is not there.
SWAPS = [
    (None, None, False),
    (None, "alive", True),
    (None, "expired", False),
    ("alive", None, True),
    ("alive", "alive", True),
    ("alive", "expired", True),
    ("expired", None, False),
    ("expired", "alive", True),
    ("expired", "expired", False),
]


@pytest.mark.parametrize("here, there, changed", SWAPS)
def test_swapped_databases_and_watched_keys(server, here, there, changed):
    """A watched key is changed by what comes in its place, unless there was nothing and nothing alive comes."""
    with server.connect() as watcher, server.connect() as other:
        other.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        for database, state in enumerate([here, there]):
            other.call("SELECT", database)
            if state:
                other.call("SET", "k", "v", "PX", 1 if state == "expired" else 1000000)
        time.sleep(0.005)
        watcher.call("WATCH", "k")
        assert other.call("SWAPDB", "0", "1") == b"OK"
        watcher.pipeline([("MULTI",), ("PING",)])
        assert watcher.call("EXEC") == (None if changed else [b"PONG"])
        other.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
