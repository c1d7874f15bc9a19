"""A limit on a file's size (ulimit -f, LimitFSIZE=) and a disk quota: what cannot be made is refused with an error that
says why, everything else goes on, and nothing is left that the next start stumbles over (D12, D10)."""

import resource
import signal

import pytest
from folders import contents, info, rewrite
from harness.resp import Error, wait_until
from harness.web import Web, web_directives
from judging import assert_refuses_writes_clearly

pytestmark = pytest.mark.dkv("what it does at a limit on a file's size")

KIB = 1024
LIMIT = 256 * KIB
QUIET = {"auto_aof_rewrite_percentage": 0, "value_file_threshold": "64kb"}


def set_limit(server, bytes_):
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (bytes_, resource.RLIM_INFINITY))




def assert_usable(server, expected):
    with server.connect() as connection:
        assert connection.call("PING") == b"PONG"
        assert contents(connection) == expected
        assert info(connection)["dkv_disk_full"] == "no"
        assert connection.call("SET", "small", "1") == b"OK"
        assert connection.call("DEL", "small") == 1


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_value_beyond_the_limit(new_server, policy):
    """A SET that no file could hold is refused and has no effect; so is a transaction with it, one over HTTP, and what
    would make a file of the log too large. Smaller ones are taken, as are many that are too large together only."""
    server = new_server(appendonly="yes", appendfsync=policy, **QUIET, **web_directives()).start()
    set_limit(server, LIMIT)
    large = "x" * (LIMIT + 1)
    expected = {}
    with server.connect() as connection:
        for command in [("SET", "large", large), ("SETEX", "large", 10, large), ("MSET", "a", "1", "large", large)]:
            reply = connection.call(*command)
            assert isinstance(reply, Error) and b"the limit on a file's size is %d bytes" % LIMIT in reply, reply
        connection.call("MULTI")
        assert isinstance(connection.call("SET", "large", large), Error)
        assert connection.call("EXEC").code == "EXECABORT"
        parts = [part for i in range(6) for part in (f"part:{i}", "y" * (100 * KIB))]
        assert connection.call("MSET", *parts) == b"OK"
        expected.update((f"part:{i}".encode(), b"y" * (100 * KIB)) for i in range(6))
        for i in range(40):  # several segments
            assert connection.call("SET", f"key:{i}", "z" * (30 * KIB)) == b"OK"
            expected[b"key:%d" % i] = b"z" * (30 * KIB)
    assert Web(server).ask("PUT", "/kv/large", large)[0] in (400, 413)
    assert_usable(server, expected)
    assert server.stop() == 0
    server.start()
    assert_usable(server, expected)
    with server.connect() as connection:
        assert connection.call("SET", "large", large) == b"OK"


def test_start_below_the_limit(new_server):
    """A segment size above the limit is told and brought below it. A state that is larger than a file may be fails each
    rewrite with a line, and the log goes on; when the limit is lifted, the rewrite succeeds."""
    server = new_server(appendonly="yes", appendfsync="always", **QUIET).start()
    set_limit(server, LIMIT)
    expected = {}
    with server.connect() as connection:
        for i in range(30):
            assert connection.call("SET", f"key:{i}", "z" * (20 * KIB)) == b"OK"
            expected[b"key:%d" % i] = b"z" * (20 * KIB)
        assert not rewrite(connection)
        assert "File too large" in server.log() and "rewrite failed" in server.log()
        assert connection.call("SET", "after", "1") == b"OK"
        expected[b"after"] = b"1"
        assert contents(connection) == expected
        set_limit(server, resource.RLIM_INFINITY)
        assert rewrite(connection)
    server.restart(kill=True)
    assert_usable(server, expected)


def test_limit_below_what_there_is(new_server):
    """The limit falls below the place where the log is being written: writes go on in a new file."""
    server = new_server(appendonly="yes", appendfsync="always", **QUIET).start()
    expected = {}
    with server.connect() as connection:
        for i in range(20):
            assert connection.call("SET", f"key:{i}", "z" * (30 * KIB)) == b"OK"
            expected[b"key:%d" % i] = b"z" * (30 * KIB)
        set_limit(server, LIMIT)
        for i in range(20):
            connection_reply = connection.call("SET", f"more:{i}", "z" * (30 * KIB))
            assert connection_reply == b"OK", (i, connection_reply)
            expected[b"more:%d" % i] = b"z" * (30 * KIB)
    server.restart(kill=True)
    assert_usable(server, expected)


@pytest.mark.parametrize("error", ["EDQUOT", "EFBIG", "ENOSPC"])
@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_value_without_room(new_faulty, policy, error):
    """A quota that the free space says nothing of: the command is refused before it has any effect, and everybody else is
    served; values are taken when there is room again."""
    server = new_faulty(appendfsync=policy, **QUIET).start()
    expected = {b"key": b"value"}
    large = "x" * (300 * KIB)
    with server.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
        server.faults.add("fallocate", error=error, name="value-*")
        server.faults.add("fallocate", error=error, name="reserve-*")
        for _ in range(3):
            assert_refuses_writes_clearly(connection.call("SET", "large", large))
        with server.connect() as other:
            assert other.call("GET", "large") is None
            assert other.call("DBSIZE") == 1
            assert other.call("SCAN", 0)[1] == [b"key"]
            assert other.call("SET", "other", "1") == b"OK" and other.call("DEL", "other") == 1
            assert info(other, "everything")["dkv_disk_full"] == "yes"
        server.faults.clear()
        wait_until(lambda: connection.call("SET", "large", large) == b"OK")
        expected[b"large"] = large.encode()
    server.restart(kill=True)
    with server.connect() as connection:
        assert contents(connection) == expected
    assert server.stop() == 0
    assert not [path.name for path in server.data.iterdir() if path.name.startswith("reserve-")]


def test_reserve_is_given_to_the_value(new_faulty):
    """Somebody takes the room between the admission and the file: what was reserved for the value is given up for it."""
    server = new_faulty(**QUIET).start()
    large = "x" * (300 * KIB)
    with server.connect() as connection:
        assert connection.call("SET", "large", large) == b"OK"
        server.faults.add("fallocate", error="EDQUOT", name="value-*", count=1)
        assert connection.call("SET", "large", large + "2") == b"OK"
        assert server.faults.hits() == 1
        assert info(connection)["dkv_disk_full"] == "no"
    server.restart(kill=True)
    with server.connect() as connection:
        assert connection.call("GET", "large") == (large + "2").encode()


def test_stop_with_what_cannot_be_written(new_faulty):
    """What was executed and cannot be written ends neither the server by a signal nor the stop: it says what is lost, and
    nothing of it was acknowledged."""
    server = new_faulty(**QUIET).start()
    with server.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
        server.faults.add("fallocate", error="EDQUOT", name="value-*")
        with server.connect() as writer, server.connect() as other:
            writer.send("SET", "large", "x" * (300 * KIB))
            wait_until(lambda: server.faults.hits() > 1)
            assert other.call("PING") == b"PONG" and other.call("GET", "key") == b"value"
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 1
            with pytest.raises(ConnectionError):
                writer.read()
    assert "could not be written and are lost. None of it was acknowledged" in server.log()
    server.faults.clear()
    server.start()
    with server.connect() as connection:
        assert contents(connection) == {b"key": b"value"}
