"""MIGRATE: keys that move from one server to another, whichever of the two is a redis-server."""

import contextlib
import socket
import threading

import pytest
DATA = {
    b"text": b"hello world",
    b"number": b"12345",
    b"long": b"x" * 100_000,
    b"": b"at the empty key",
    b"\x00\xff\r\n": b"\x00\r\n\xff",
    b"nothing": b"",
}


@pytest.fixture(params=["to its like", "to redis", "from redis"])
def servers(request, start_server, server_binary, reference_binary):
    """(the one that has the keys, the other)"""
    binaries = {
        "to its like": (server_binary, server_binary),
        "to redis": (server_binary, reference_binary),
        "from redis": (reference_binary, server_binary),
    }
    return [start_server(binary) for binary in binaries[request.param]]


@pytest.fixture
def two(servers):
    with servers[0].connect() as here, servers[1].connect() as there:
        assert here.call("MSET", *[word for pair in DATA.items() for word in pair]) == b"OK"
        yield here, there, servers[1].port


def test_a_key_moves(two):
    here, there, port = two
    for key, value in DATA.items():
        if key:  # the empty key stands for KEYS
            assert here.call("MIGRATE", "127.0.0.1", port, key, 0, 5000) == b"OK"
            assert there.call("GET", key) == value and here.call("EXISTS", key) == 0
    assert there.call("PTTL", "text") == -1
    assert here.call("MIGRATE", "127.0.0.1", port, "text", 0, 5000) == b"NOKEY"


def test_many_keys_move_with_their_times(two):
    here, there, port = two
    here.call("PEXPIRE", "text", 500_000)
    assert here.call("MIGRATE", "127.0.0.1", port, "", 3, 5000, "KEYS", *DATA, "missing", "text") in (
        b"OK",
        # the second time: it is there already
        b"ERR Target instance replied with error: BUSYKEY Target key name already exists.",
    )
    assert here.call("DBSIZE") == 0 and there.call("DBSIZE") == 0
    there.call("SELECT", 3)
    assert dict(zip(DATA, there.call("MGET", *DATA))) == DATA
    assert 400_000 < there.call("PTTL", "text") <= 500_000


def test_copies_and_replacements(two):
    here, there, port = two
    there.call("SET", "text", "other")
    busy = b"ERR Target instance replied with error: BUSYKEY Target key name already exists."
    assert here.call("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", "number", "text", "nothing") == busy
    assert here.call("MGET", "number", "text", "nothing") == [None, b"hello world", None]
    assert there.call("MGET", "number", "text", "nothing") == [b"12345", b"other", b""]
    assert here.call("MIGRATE", "127.0.0.1", port, "text", 0, 5000, "COPY", "REPLACE") == b"OK"
    assert here.call("GET", "text") == there.call("GET", "text") == b"hello world"
    assert here.call("MIGRATE", "127.0.0.1", port, "text", 0, 5000, "replace") == b"OK"
    assert here.call("EXISTS", "text") == 0


def test_passwords(two):
    here, there, port = two
    there.call("ACL", "SETUSER", "mover", "on", ">secret", "~*", "+@all")
    there.call("CONFIG", "SET", "requirepass", "pass")
    refused = here.call("MIGRATE", "127.0.0.1", port, "text", 0, 5000)
    assert refused.startswith(b"ERR Target instance replied with error: NOAUTH"), refused
    wrong = here.call("MIGRATE", "127.0.0.1", port, "text", 0, 5000, "AUTH", "no")
    assert wrong.startswith(b"ERR Target instance replied with error: WRONGPASS"), wrong
    assert here.call("GET", "text") == b"hello world"
    assert here.call("MIGRATE", "127.0.0.1", port, "text", 0, 5000, "AUTH", "pass") == b"OK"
    assert here.call("MIGRATE", "127.0.0.1", port, "number", 0, 5000, "AUTH2", "mover", "secret") == b"OK"
    assert there.call("MGET", "text", "number") == [b"hello world", b"12345"]


def test_wrong_arguments(two):
    here, _, port = two
    call = lambda *words: here.call("MIGRATE", "127.0.0.1", port, *words)
    assert call("text", "x", 100) == call("text", 0, "x") == b"ERR value is not an integer or out of range"
    assert call("text", 0, 100, "NOSUCH") == call("text", 0, 100, "AUTH2", "a") == b"ERR syntax error"
    told = b"ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
    assert call("text", 0, 100, "KEYS", "a") == told
    assert call("", 0, 100, "KEYS") == b"NOKEY"
    assert call("text", 99, 100) == b"ERR Target instance replied with error: ERR DB index is out of range"
    assert here.call("GET", "text") == b"hello world"


def test_transactions(two):
    """In one as anywhere; where a write before it is not durable yet, and only then, dkv refuses."""
    here, there, port = two
    assert here.pipeline([("MULTI",), ("MIGRATE", "127.0.0.1", port, "text", 0, 5000), ("GET", "text"), ("EXEC",)])[-1] == [
        b"OK",
        None,
    ]
    assert there.call("GET", "text") == b"hello world"


@pytest.mark.parametrize("answer", [None, b"", b"+OK\r\n", b"nonsense\r\n" * 3])
def test_servers_that_do_not_answer(two, answer):
    """Nobody there, one who hangs up, one who says too little: an error in time, and the key stays."""
    here, _, _ = two
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def serve():
        client, _ = listener.accept()
        client.recv(1 << 16)
        client.sendall(answer)
        with contextlib.suppress(ConnectionResetError):
            client.recv(1 << 16)
        client.close()

    if answer is None:
        listener.close()
        told = b"IOERR error or timeout writing to target instance"
    else:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        told = b"IOERR error or timeout reading to target instance"
    reply = here.call("MIGRATE", "127.0.0.1", port, "text", 0, 200)
    if answer and answer.startswith(b"nonsense"):
        # redis-server takes what is no error for a yes
        assert reply in (b"OK", b"ERR Target instance replied with error: nonsense")
        assert (here.call("EXISTS", "text") == 0) == (reply == b"OK")
        return
    assert reply == told
    assert here.call("GET", "text") == b"hello world"


def test_it_lasts(start_server):
    """What was moved away stays away after a crash; what was sent had been durable."""
    here, there = [start_server(appendonly="yes", appendfsync="always") for _ in range(2)]
    with here.connect() as connection:
        connection.call("SET", "k", "v")
        assert connection.call("MIGRATE", "127.0.0.1", there.port, "k", 0, 5000) == b"OK"
    here.restart(kill=True)
    there.restart(kill=True)
    with here.connect() as connection, there.connect() as other:
        assert connection.call("GET", "k") is None and other.call("GET", "k") == b"v"


def test_users_and_keys(server):
    """Which keys it is about: what rules permit, and COMMAND GETKEYS tells."""
    with server.connect() as connection, server.connect() as other:
        getkeys = lambda *words: connection.call("COMMAND", "GETKEYS", "MIGRATE", "h", "1", *words)
        assert getkeys("a", 0, 1) == [b"a"]
        assert getkeys("", 0, 1, "COPY", "KEYS", "a", "b", "c") == [b"a", b"b", b"c"]
        connection.call("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~a*")
        other.call("AUTH", "u", "x")
        assert other.call("MIGRATE", "127.0.0.1", 1, "b", 0, 1).code == "NOPERM"
        assert other.call("MIGRATE", "127.0.0.1", 1, "", 0, 1, "KEYS", "a1", "b").code == "NOPERM"
        assert other.call("MIGRATE", "127.0.0.1", 1, "", 0, 1, "KEYS", "a1", "a2") == b"NOKEY"


def test_passwords_are_for_nobody_else(server):
    """Neither the slow log nor the other server's error shows them, whatever else is wrong with the command."""
    with server.connect() as connection:
        connection.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
        for wrong in (["AUTH", "sesame", "WRONG"], ["AUTH2", "ali", "sesame", "WRONG"], ["AUTH", "sesame", "KEYS", "a"]):
            connection.call("MIGRATE", "127.0.0.1", 1, "a", 0, 100, *wrong)
        assert connection.call("MIGRATE", "127.0.0.1", 1, "a", "x", "y", "AUTH2", "ali", "sesame") != b"OK"
        words = [word for entry in connection.call("SLOWLOG", "GET") for word in entry[3]]
        assert words.count(b"(redacted)") == 6 and b"sesame" not in words and b"ali" not in words
