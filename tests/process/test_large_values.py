"""Values of many megabytes on their way in and out: they are right, cost memory once, and hold up nobody."""

import random
import socket
import time

import pytest
from harness.resp import Error, encode, wait_until
from test_net_limits import resident_kb

MB = 1 << 20


@pytest.fixture
def memory_server(start_server):
    """Without a log, whose buffers would be seen beside what a test watches."""
    return start_server(appendonly="no")


def pattern(size, seed):
    """Bytes in which every place can be told from every other."""
    return random.Random(seed).randbytes(min(size, MB)) * (size // MB) + random.Random(seed).randbytes(size % MB)


def used_memory(connection):
    info = connection.call("INFO", "memory").decode()
    return int(next(line for line in info.splitlines() if line.startswith("used_memory:")).split(":")[1])


def slow_client(server):
    """A client that takes little at a time: what the kernel holds for it is small."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    slow.settimeout(60)
    slow.connect(("127.0.0.1", server.port))
    return slow


def read_exactly(sock, size):
    data = bytearray()
    while len(data) < size:
        part = sock.recv(min(1 << 20, size - len(data)))
        assert part, "closed too early"
        data += part
    return bytes(data)


@pytest.mark.parametrize("size", [65535, 65536, 65537, 70000, 200_000, MB - 1, MB, MB + 1, 5_000_000])
@pytest.mark.parametrize("cut", [None, 1000, 65536, "end"], ids=lambda cut: f"cut-{cut}")
def test_sizes_and_pieces(connection, size, cut):
    """A value is stored and replied right, whatever its size and however it was cut on the way, with commands close
    before and behind it."""
    value = pattern(size, size)
    sent = encode("SET", "before", "1") + encode("SET", "key", value) + encode("GET", "key") + encode("STRLEN", "key")
    if cut == "end":
        end = sent.index(b"\r\n*2\r\n$3\r\nGET")
        places = list(range(end - 3, end + 4))
    else:
        places = list(range(cut, len(sent), cut))[:100] if cut else []
    for begin, place in zip([0, *places], [*places, len(sent)]):
        connection.send_bytes(sent[begin:place])
        if cut == "end":
            time.sleep(0.002)
    assert connection.read() == b"OK"
    assert connection.read() == b"OK"
    assert connection.read() == value
    assert connection.read() == size


def test_many_large_arguments(connection):
    """MSET and MGET of large and small values, mixed; a large key; and all that sets a value whole."""
    values = {f"key:{i}": pattern(i % 3 * 100_000 + i, i) for i in range(12)}
    assert connection.call("MSET", *[word for pair in values.items() for word in pair]) == b"OK"
    assert connection.call("MGET", *values) == list(values.values())
    large = pattern(300_000, 99)
    assert connection.call("SET", large, large) == b"OK"
    assert connection.call("GET", large) == large
    assert connection.call("GETSET", "key:5", large) == values["key:5"]
    assert connection.call("SETEX", "key:6", "100", large) == b"OK"
    assert connection.call("SET", "key:6", "small", "GET", "KEEPTTL") == large
    assert connection.call("SETNX", "new", large) == 1
    assert connection.call("APPEND", "other", large) == len(large)
    assert connection.call("GETRANGE", "other", "10", "250000") == large[10:250001]
    assert connection.call("ECHO", large) == large
    assert connection.call("GETEX", "other", "PERSIST") == large
    assert connection.call("GETDEL", "other") == large


def test_changes_in_place_leave_copies_alone(connection):
    """A copy shares its bytes until one of the two is changed; a value and what the log says of it stay the same."""
    value = bytearray(pattern(300_000, 1))
    connection.call("SET", "key", bytes(value))
    connection.call("COPY", "key", "copy")
    connection.call("SETRANGE", "key", "100", "hello")
    connection.call("APPEND", "key", "!")
    connection.call("SETBIT", "copy", "0", "1")
    changed = value[:100] + b"hello" + value[105:] + b"!"
    value[0] |= 128
    assert connection.call("GET", "key") == bytes(changed)
    assert connection.call("GET", "copy") == bytes(value)


def test_transactions(memory_server):
    """A transaction's large values are queued and set; those of one that is given up are let go."""
    with memory_server.connect() as connection:
        value = pattern(8 * MB, 3)
        before = used_memory(connection)
        assert connection.call("MULTI") == b"OK"
        for i in range(4):
            assert connection.call("SET", f"key:{i}", value) == b"QUEUED"
        assert connection.call("DISCARD") == b"OK"
        assert used_memory(connection) - before < MB
        assert connection.call("MULTI") == b"OK"
        assert connection.call("SET", "key", value) == b"QUEUED"
        assert connection.call("APPEND", "key", "x") == b"QUEUED"
        assert connection.call("GET", "key") == b"QUEUED"
        assert connection.call("SET", "key", "small") == b"QUEUED"
        assert connection.call("GET", "key") == b"QUEUED"
        assert connection.call("EXEC") == [b"OK", 8 * MB + 1, value + b"x", b"OK", b"small"]
        with memory_server.connect() as other:
            other.call("MULTI")
            other.call("SET", "key", value)
        wait_until(lambda: used_memory(connection) - before < MB)


@pytest.mark.parametrize(
    "change",
    [
        ("SET", "key", "small"),
        ("APPEND", "key", "tail"),
        ("SETRANGE", "key", "0", "head"),
        ("DEL", "key"),
        ("FLUSHALL",),
        ("RENAME", "other", "key"),
        ("PEXPIRE", "key", "1"),
    ],
    ids=lambda change: change[0],
)
def test_changed_while_being_sent(server, connection, change):
    """Whoever asked first is sent the bytes as they were then, whatever becomes of the key meanwhile."""
    value = pattern(20 * MB, 4)
    connection.call("SET", "key", value)
    connection.call("SET", "other", "x")
    with slow_client(server) as slow:
        slow.sendall(encode("GET", "key") + encode("MGET", "key", "other"))
        header = b"$%d\r\n" % len(value)
        assert read_exactly(slow, len(header)) == header
        connection.call(*change)
        assert connection.call("PING") == b"PONG"
        assert read_exactly(slow, len(value)) == value
        header = b"\r\n*2\r\n" + header
        assert read_exactly(slow, len(header)) == header
        assert read_exactly(slow, len(value)) == value
        assert read_exactly(slow, 2) == b"\r\n"


def test_clients_that_die(memory_server):
    """Clients that go away in the middle of sending or of being sent a large value leave no memory behind."""
    with memory_server.connect() as connection:
        connection.call("SET", "key", pattern(16 * MB, 5))
        before = used_memory(connection)
        for _ in range(10):
            with slow_client(memory_server) as reader, slow_client(memory_server) as writer:
                reader.sendall(encode("GET", "key") * 3)
                read_exactly(reader, 100_000)
                writer.sendall(b"*3\r\n$3\r\nSET\r\n$5\r\nother\r\n$100000000\r\n" + b"x" * 3_000_000)
        connection.call("DEL", "key")
        wait_until(lambda: used_memory(connection) < before - 15 * MB)
        assert connection.call("EXISTS", "other") == 0


@pytest.mark.dkv("memory for what has come, not for what was announced")
@pytest.mark.parametrize("announced", [512 * MB, 384 * MB + 1], ids=["512mb", "more-than-384mb"])
def test_stalled_clients_cost_nothing(memory_server, announced):
    """A hundred clients that announce so much each and stop, a hundred that stop after 100 KB, and three that stop after
    2 MB. Of 384 MB and a byte, the allocator makes 448 MB."""
    with memory_server.connect() as connection:
        before_kb, before = resident_kb(memory_server, "VmRSS"), used_memory(connection)
        header = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$%d\r\n" % announced
        stalled = []
        try:
            for size in [0] * 100 + [100_000] * 100 + [2 * MB] * 3:
                stalled.append(slow_client(memory_server))
                stalled[-1].sendall(header + b"x" * size)
            wait_until(lambda: used_memory(connection) - before > 14 * MB)
            assert used_memory(connection) - before < 20 * MB
            assert resident_kb(memory_server, "VmRSS") - before_kb < 30_000
        finally:
            for client in stalled:
                client.close()
        wait_until(lambda: used_memory(connection) - before < MB)


@pytest.mark.dkv("replies and arguments that are not copied")
def test_memory_of_the_largest_value(start_server):
    """Memory for a value of 512 MB exists once: while it comes, while it is held, and while it is sent, even to two."""
    server = start_server(appendonly="no")
    with server.connect() as connection, slow_client(server) as slow:
        before_kb = resident_kb(server)
        value = b"x" * (512 * MB)
        assert connection.call("SET", "key", value) == b"OK"
        assert resident_kb(server) - before_kb < 530 * 1024
        slow.sendall(encode("GET", "key"))
        assert connection.call("GET", "key") == value
        read_exactly(slow, 100_000)
        assert used_memory(connection) < 530 * MB
        assert resident_kb(server) - before_kb < 530 * 1024


@pytest.mark.dkv("memory for what is stored and what is on its way")
def test_memory_of_a_value_that_grows(memory_server):
    """A value that is overwritten by larger ones needs memory for two, not for all that it was lately."""
    with memory_server.connect() as connection:
        before_kb = resident_kb(memory_server)
        for megabytes in range(10, 201, 10):
            assert connection.call("SET", "key", b"x" * (megabytes * MB)) == b"OK"
        assert resident_kb(memory_server) - before_kb < (190 + 200 + 100) * 1024


def test_limits(start_server):
    """What is longer than the limits allow is refused as redis does: by its length, and before it comes."""
    server = start_server(proto_max_bulk_len="1mb")
    with server.connect() as connection:
        value = pattern(MB, 6)
        assert connection.call("SET", "key", value) == b"OK"
        connection.send_bytes(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$1048577\r\n")
        assert connection.read_until_closed() == b"-ERR Protocol error: invalid bulk length\r\n"
    with server.connect() as connection:
        assert connection.call("GET", "key") == value
        error = connection.call("SETRANGE", "key", "1", value)
        assert isinstance(error, Error)
        connection.call("CONFIG", "SET", "client-query-buffer-limit", "2mb")
        connection.send_bytes(encode("MSET", "a", value, "b", value)[: MB + 1000])
        assert connection.read_until_closed() == b"-ERR Protocol error: query buffer limit exceeded\r\n"
    with server.connect() as connection:
        assert connection.call("EXISTS", "a") == 0


def test_paused_by_a_slow_disk(start_server):
    """Large values that the log cannot take at once are put off, and are right when it can."""
    server = start_server(appendonly="yes", appendfsync="always")
    values = [pattern(8 * MB, i) for i in range(4)]
    clients = [server.connect() for _ in range(4)]
    for _ in range(4):
        for client, value in zip(clients, values):
            client.send("SET", f"key:{len(value)}", value)
            client.send("SET", "shared", value)
            client.send("GET", f"key:{len(value)}")
    for client in clients:
        for _ in range(4):
            assert client.read() == b"OK"
            assert client.read() == b"OK"
            assert client.read() in values
        client.close()
    with server.connect() as connection:
        assert connection.call("GET", "shared") in values


def test_others_are_served_meanwhile(server, connection):
    """While 200 MB come in and go out, another client's commands are answered in between."""
    value = b"x" * (100 * MB)
    connection.call("SET", "key", value)
    worst = 0
    for sent in (encode("GET", "key"), encode("SET", "other", value)[:-1]):
        with server.connect() as large:
            large.socket.setblocking(False)
            end = time.monotonic() + 1
            while time.monotonic() < end:
                sent = sent[push(large.socket, sent) :]
                began = time.monotonic()
                assert connection.call("PING") == b"PONG"
                worst = max(worst, time.monotonic() - began)
    assert worst < 0.5


def push(sock, data):
    """Sends and receives what goes without waiting; returns how much was sent."""
    try:
        sock.recv(MB)
    except BlockingIOError:
        pass
    try:
        return sock.send(data[:MB])
    except BlockingIOError:
        return 0
