"""What the reference does not know: SET with IFEQ, as in Valkey 8.1 and Redis 8.4, and DELIFEQ."""

import pytest
from harness.resp import Error

pytestmark = pytest.mark.dkv("conditional writes by value")


@pytest.mark.parametrize(
    "before, command, reply, after",
    [
        ("a", ("SET", "k", "new", "IFEQ", "a"), b"+OK\r\n", b"new"),
        ("a", ("SET", "k", "new", "IFEQ", "b"), b"$-1\r\n", b"a"),
        (None, ("SET", "k", "new", "IFEQ", "a"), b"$-1\r\n", None),
        (None, ("SET", "k", "new", "IFEQ", ""), b"$-1\r\n", None),
        ("", ("SET", "k", "new", "IFEQ", ""), b"+OK\r\n", b"new"),
        ("12", ("SET", "k", "new", "ifeq", "12"), b"+OK\r\n", b"new"),
        ("12", ("SET", "k", "new", "IFEQ", "012"), b"$-1\r\n", b"12"),
        ("a", ("SET", "k", "new", "IFEQ", "a", "GET"), b"$1\r\na\r\n", b"new"),
        ("a", ("SET", "k", "new", "IFEQ", "b", "GET"), b"$1\r\na\r\n", b"a"),
        (None, ("SET", "k", "new", "IFEQ", "b", "GET"), b"$-1\r\n", None),
        ("a", ("SET", "k", "new", "IFEQ", "a", "EX", "100"), b"+OK\r\n", b"new"),
        ("a", ("SET", "k", "new", "PX", "100000", "GET", "IFEQ", "a"), b"$1\r\na\r\n", b"new"),
        ("a", ("SET", "k", "new", "IFEQ", "a", "NX"), b"-ERR syntax error\r\n", b"a"),
        ("a", ("SET", "k", "new", "XX", "IFEQ", "a"), b"-ERR syntax error\r\n", b"a"),
        ("a", ("SET", "k", "new", "IFEQ"), b"-ERR syntax error\r\n", b"a"),
        ("a", ("SET", "k", "new", "IFEQ", "a", "IFEQ", "a"), b"-ERR syntax error\r\n", b"a"),
        ("a", ("DELIFEQ", "k", "a"), b":1\r\n", None),
        ("a", ("DELIFEQ", "k", "b"), b":0\r\n", b"a"),
        (None, ("DELIFEQ", "k", "a"), b":0\r\n", None),
        ("12", ("DELIFEQ", "k", "12"), b":1\r\n", None),
    ],
)
def test_conditional_write(connection, before, command, reply, after):
    if before is not None:
        connection.call("SET", "k", before)
    assert connection.raw(*command) == reply
    assert connection.call("GET", "k") == after


def test_time_to_live(connection):
    """A conditional SET drops the time to live as SET does, unless KEEPTTL; one that does not happen keeps it."""
    connection.call("SET", "k", "a", "EX", 1000)
    connection.call("SET", "k", "b", "IFEQ", "x")
    assert connection.call("TTL", "k") > 900
    connection.call("SET", "k", "b", "IFEQ", "a", "KEEPTTL")
    assert connection.call("TTL", "k") > 900
    connection.call("SET", "k", "c", "IFEQ", "b")
    assert connection.call("TTL", "k") == -1


def test_delifeq_arity(connection):
    assert isinstance(connection.call("DELIFEQ", "k"), Error)
    assert connection.call("COMMAND", "INFO", "delifeq")[0][1] == 3


def test_it_fails_a_watch_only_when_it_happens(server):
    with server.connect() as connection, server.connect() as other:
        connection.call("SET", "k", "a")
        for command, outcome in [(("SET", "k", "b", "IFEQ", "x"), [b"PONG"]), (("SET", "k", "b", "IFEQ", "a"), None),
                                 (("DELIFEQ", "k", "x"), [b"PONG"]), (("DELIFEQ", "k", "b"), None)]:  # fmt: skip
            connection.call("WATCH", "k")
            other.call(*command)
            connection.pipeline([("MULTI",), ("PING",)])
            assert connection.call("EXEC") == outcome, command


def test_it_survives_a_crash(durable_server):
    with durable_server.connect() as connection:
        connection.pipeline(
            [
                ("MSET", "a", "1", "b", "1", "c", "1", "d", "1"),
                ("SET", "a", "2", "IFEQ", "1", "PX", 1_000_000),
                ("SET", "b", "2", "IFEQ", "x"),
                ("DELIFEQ", "c", "1"),
                ("DELIFEQ", "d", "x"),
            ]
        )
    durable_server.restart(kill=True)
    with durable_server.connect() as connection:
        assert connection.call("MGET", "a", "b", "c", "d") == [b"2", b"1", None, b"1"]
        assert connection.call("PTTL", "a") > 900_000
