"""CONFIG SET appendonly yes on a server that had no log: from then on all promises hold, for what was there, too."""

import random
import threading

import pytest
from harness.resp import Error, wait_until

pytestmark = pytest.mark.dkv("redis-server writes its file beside, and promises nothing until that is done")

NO_LOG = {"appendonly": "no", "segment_size": "64kb", "auto_aof_rewrite_percentage": 0}


def fill(connection, count):
    commands = [("SET", f"key:{i}", f"value {i} " + "x" * (i % 300)) for i in range(count)]
    commands += [("SELECT", 3), ("SET", "mortal", "v", "EX", 100000), ("SET", "large", "y" * 3_000_000), ("PFADD", "s", "a")]
    commands += [("SELECT", 0)]
    assert not any(isinstance(reply, Error) for reply in connection.pipeline(commands))


@pytest.mark.parametrize("count", [0, 5000])
@pytest.mark.parametrize("directives", [{}, {"value_file_threshold": "1mb"}], ids=["", "value files"])
def test_what_was_in_memory_lasts(start_server, count, directives):
    """All keys with their times, in all databases, and all writes since, after a crash; and again after a rewrite."""
    server = start_server(**NO_LOG, **directives)
    with server.connect() as connection:
        if count:
            fill(connection, count)
        assert connection.call("CONFIG", "SET", "appendonly", "yes") == b"OK"
        assert connection.call("CONFIG", "GET", "appendonly") == [b"appendonly", b"yes"]
        assert b"aof_enabled:1" in connection.call("INFO", "persistence")
        before = connection.call("DEBUG", "DIGEST")
    server.kill()
    server.start(appendonly="yes")
    with server.connect() as connection:
        assert connection.call("DEBUG", "DIGEST") == before
        if count:
            connection.call("SELECT", 3)
            assert 90_000 < connection.call("TTL", "mortal") <= 100_000
            connection.call("SELECT", 0)
        assert connection.call("SET", "later", "z" * 2_000_000) == b"OK"
        assert connection.call("INCR", "n") == 1
        assert b"started" in connection.call("BGREWRITEAOF")
        wait_until(lambda: b"aof_rewrite_in_progress:0" in connection.call("INFO", "persistence"))
        assert b"aof_last_bgrewrite_status:ok" in connection.call("INFO", "persistence")
        before = connection.call("DEBUG", "DIGEST")
    server.kill()
    server.start(appendonly="yes")
    with server.connect() as connection:
        assert connection.call("DEBUG", "DIGEST") == before


def test_under_load(start_server, seed):
    """Beside clients that write all the time; the server is killed some time after the OK. What was acknowledged after
    that is there, and so is the last value from before."""
    rng = random.Random(seed)
    server = start_server(**NO_LOG)
    over = threading.Event()
    written = [{} for _ in range(4)]

    def write(which):
        with server.connect() as connection:
            for i in range(10**9):
                key, value = f"{which}:{i % 500}", str(i)
                try:
                    if connection.call("SET", key, value) != b"OK":
                        return
                except ConnectionError:
                    return
                written[which][key] = i
                if over.is_set():
                    return

    threads = [threading.Thread(target=write, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: all(len(keys) == 500 for keys in written))
        with server.connect() as connection:
            assert connection.call("CONFIG", "SET", "appendonly", "yes") == b"OK"
        over.wait(rng.uniform(0, 0.5))
    finally:
        server.kill()
        over.set()
        for thread in threads:
            thread.join()
    server.start(appendonly="yes")
    with server.connect() as connection:
        for keys in written:
            found = connection.call("MGET", *keys)
            # One more may have been written than was acknowledged.
            assert all(int(value) in (i, i + 500) for value, i in zip(found, keys.values()))


def test_refusals(start_server):
    """Not onto data of an earlier life, not in a transaction, not together with others, and there is no way back. What
    is refused changes nothing."""
    server = start_server(appendonly="yes")
    with server.connect() as connection:
        connection.call("SET", "old", "1")
        refused = connection.call("CONFIG", "SET", "appendonly", "no")
        assert refused.startswith(b"ERR CONFIG SET failed (possibly related to argument 'appendonly') - the log cannot be")
    server.restart(appendonly="no")
    with server.connect() as connection:
        assert connection.call("EXISTS", "old") == 0
        assert b"earlier life" in connection.call("CONFIG", "SET", "appendonly", "yes")
        assert connection.call("CONFIG", "GET", "appendonly") == [b"appendonly", b"no"]
        told = b"ERR CONFIG SET failed (possibly related to argument 'appendonly') - it has to be set by itself"
        assert connection.call("CONFIG", "SET", "appendonly", "yes", "timeout", "5").startswith(told)
        reply = connection.pipeline([("MULTI",), ("CONFIG", "SET", "appendonly", "yes"), ("EXEC",)])[-1]
        assert reply[0].startswith(told)
        assert connection.call("CONFIG", "GET", "timeout") == [b"timeout", b"0"]
        assert connection.call("CONFIG", "SET", "appendonly", "no") == b"OK"
        assert connection.call("SET", "k", "v") == b"OK"
    server.restart(appendonly="yes")
    with server.connect() as connection:
        assert connection.call("GET", "old") == b"1" and connection.call("EXISTS", "k") == 0


def test_one_server_a_folder(start_server):
    """The lock is taken then: a second server is refused, and a second log, too."""
    server = start_server(**NO_LOG)
    other = start_server(**NO_LOG)
    other.directives["dir"] = server.data
    other.restart()
    with server.connect() as connection, other.connect() as second:
        assert connection.call("CONFIG", "SET", "appendonly", "yes") == b"OK"
        refused = second.call("CONFIG", "SET", "appendonly", "yes")
        assert isinstance(refused, Error) and second.call("SET", "k", "v") == b"OK"
