"""What clients can make the server keep: those that have not authenticated a few kilobytes each, those that do not read
what they are answered a share of the memory for all of them together."""

import socket

import pytest

from harness.resp import Closed, Error, encode

REFUSED = b"-NOAUTH Authentication required.\r\n"


def info(connection, name):
    lines = connection.call("INFO", "everything").decode().split("\r\n")
    return int(next(line for line in lines if line.startswith(name + ":")).split(":")[1])


@pytest.fixture
def closed_server(start_server):
    return start_server(requirepass="pw", slowlog_log_slower_than=0)


def user(server):
    connection = server.connect()
    assert connection.call("AUTH", "pw") == b"OK"
    return connection


UNREAD = {
    "ping": b"PING\r\n" * 1000,
    "wrong": encode("AUTH", "x" * 100) * 300,
    "unknown": encode("a" * 128, *["b" * 128] * 5) * 40,
    "hello": encode("HELLO", "3", "z" * 128) * 100,
    "multi": b"MULTI\r\nEXEC\r\n" * 500,
    "get": encode("GET", "k") * 500,
    "reset": b"RESET\r\n" * 1000,
}


@pytest.mark.parametrize("name", UNREAD)
def test_replies_that_a_stranger_does_not_read(closed_server, name):
    """Whatever it is answered: it is closed when a little waits. The log has one line for all of them, INFO counts."""
    before = closed_server.resident_bytes()
    for tcp in (True, False):
        with closed_server.connect(tcp=tcp) as connection:
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                for _ in range(100_000):
                    connection.send_bytes(UNREAD[name])
    assert closed_server.resident_bytes() - before < 3 << 20
    with user(closed_server) as connection:
        assert info(connection, "unauthenticated_client_disconnections") == 2
        assert info(connection, "client_output_buffer_limit_disconnections") == 2
    assert closed_server.log().count("before it has authenticated") == 1


def test_a_stranger_who_reads(closed_server):
    """A pipeline of any length is answered, as long as it is read; and the password ends the limits."""
    with closed_server.connect() as connection:
        for _ in range(5):
            connection.send_bytes(b"PING\r\n" * 2000)
            assert [connection.read_raw() for _ in range(2000)] == [REFUSED] * 2000
        connection.send_bytes(encode("AUTH", "pw") + encode("SET", "k", "v" * 100_000) + encode("GET", "k"))
        assert [connection.read() for _ in range(3)] == [b"OK", b"OK", b"v" * 100_000]


KEPT = {
    "argument": b"*2\r\n$4\r\nAUTH\r\n$16384\r\n" + b"x" * 16383,
    "arguments": b"*10\r\n" + (b"$1800\r\n" + b"x" * 1800 + b"\r\n") * 9,
    "line": b"x" * 60_000,
    "number": b"*1\r\n$" + b"0" * 60_000,
    "numbers": b"*2\r\n$16000\r\n" + b"x" * 16000 + b"\r\n$" + b"0" * 40_000,
    "names": encode("AUTH", "x" * 16_000, "y"),
    "set-names": encode("HELLO", "3", "SETNAME", "x" * 16_000) + encode("CLIENT", "SETNAME", "y" * 16_000),
    "queue": b"MULTI\r\n" + encode("SET", "k", "x" * 16_000) * 100,
    "pipeline": encode("ECHO", "x" * 10_000) * 100,
}


@pytest.mark.parametrize("name", KEPT)
def test_what_a_stranger_leaves_there(closed_server, name):
    """Of what is not a whole command yet, and of what was: a few kilobytes each."""
    count = 400
    before = closed_server.resident_bytes()
    strangers = []
    for _ in range(count):
        stranger = socket.create_connection(("127.0.0.1", closed_server.port))
        stranger.setblocking(False)
        try:
            stranger.send(KEPT[name])
        except (BrokenPipeError, ConnectionResetError):
            pass
        strangers.append(stranger)
    with user(closed_server) as connection:
        assert connection.call("PING") == b"PONG"
        assert closed_server.resident_bytes() - before < count * 25_000 + (4 << 20)
    for stranger in strangers:
        stranger.close()


def test_names_of_strangers_in_logs(closed_server):
    """ACL LOG and SLOWLOG keep the beginnings of what was refused."""
    with closed_server.connect() as stranger, user(closed_server) as connection:
        before = info(connection, "used_memory")
        for i in range(128):
            assert stranger.call("AUTH", f"{i:04}" * 4000, "x").code == "WRONGPASS"
        assert info(connection, "used_memory") - before < 1 << 20
        entry = connection.call("ACL", "LOG", "1")[0]
        entry = dict(zip(entry[::2], entry[1::2]))
        assert entry[b"username"] == b"0127" * 256
        connection.call("CLIENT", "SETNAME", "n" * 1_000_000)
        connection.call("SLOWLOG", "RESET")
        connection.call("ACL", "LOG", "RESET")
        before = info(connection, "used_memory")
        for i in range(100):
            connection.call("PING")
            assert isinstance(connection.call("AUTH", f"user{i}", "x"), Error)
        assert info(connection, "used_memory") - before < 1 << 20
        assert connection.call("SLOWLOG", "GET", "1")[0][5] == b"n" * 128


def test_a_pipeline_that_nobody_reads(start_server):
    """Stops at client-output-total. Others are served, keys stay, and every reply comes when it is read at last."""
    server = start_server(maxmemory="200mb", maxmemory_policy="allkeys-lru", client_output_total="16mb")
    with server.connect(tcp=True) as stuck, server.connect() as other:
        other.call("SET", "k", "v" * 10_000)
        other.call("SET", "victim", "x" * 1_000_000)
        before = server.resident_bytes()
        stuck.socket.setblocking(False)
        sent, piece = 0, encode("GET", "k")
        pieces = piece * 2000
        while info(other, "unread_clients") == 0 or sent % len(piece) != 0:
            try:
                sent += stuck.socket.send(pieces[sent % len(piece) :])
            except BlockingIOError:
                pass
        # And as much as it likes.
        try:
            while True:
                sent += stuck.socket.send(pieces[sent % len(piece) :])
        except BlockingIOError:
            pass
        assert other.call("PING") == b"PONG"
        assert info(other, "client_output_total") < 24 << 20
        assert server.resident_bytes() - before < 40 << 20
        assert info(other, "evicted_keys") == 0 and other.call("EXISTS", "victim") == 1
        stuck.socket.setblocking(True)
        for _ in range(sent // len(piece)):
            assert stuck.read() == b"v" * 10_000
        assert info(other, "unread_clients") == 0
    assert "does not read its replies" in server.log()


def test_a_pipeline_that_is_read_when_all_is_written(start_server):
    """As many client libraries do: a client that blocks while it writes, and whose replies are much larger than what
    sockets hold. It must not wait for the server while the server waits for it."""
    server = start_server()
    with server.connect(tcp=True) as connection:
        connection.call("SET", "k", "v" * 1_000)
        connection.send_bytes(encode("GET", "k") * 100_000)
        for _ in range(100_000):
            assert connection.read() == b"v" * 1_000


def test_a_query_that_is_too_large(start_server):
    """Counted and told."""
    server = start_server(client_query_buffer_limit="1mb")
    with server.connect() as connection, server.connect() as other:
        connection.send_bytes(b"*2\r\n$4\r\nECHO\r\n$2000000\r\n")
        assert connection.read() == b"ERR Protocol error: query buffer limit exceeded"
        with pytest.raises(Closed):
            connection.read()
        assert info(other, "client_query_buffer_limit_disconnections") == 1
    assert "larger than client-query-buffer-limit" in server.log()
