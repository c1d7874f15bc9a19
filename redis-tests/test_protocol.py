"""RESP as it arrives: inline commands, pipelines cut anywhere, errors of the protocol, limits."""

import random
import socket
import time

import pytest
from harness.resp import Closed, encode, parse, parse_all, reply_end, wait_until


# --- inline ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, reply",
    [
        (b"PING\r\n", b"+PONG\r\n"),
        (b"PING\n", b"+PONG\r\n"),
        (b"  PING  \r\n", b"+PONG\r\n"),
        (b"ECHO hello\r\n", b"$5\r\nhello\r\n"),
        (b'ECHO "a b"\r\n', b"$3\r\na b\r\n"),
        (b"ECHO 'a b'\r\n", b"$3\r\na b\r\n"),
        (b'ECHO "\\x41\\n\\t\\"\\\\"\r\n', b'$5\r\nA\n\t"\\\r\n'),
        (b"ECHO 'it\\'s'\r\n", b"$4\r\nit's\r\n"),
        (b'ECHO ""\r\n', b"$0\r\n\r\n"),
        (b"ECHO\ta\r\n", b"$1\r\na\r\n"),
        (b"\r\n\r\nPING\r\n", b"+PONG\r\n"),
        (b"echo caf\xc3\xa9\r\n", b"$5\r\ncaf\xc3\xa9\r\n"),
    ],
)
def test_inline(connection, line, reply):
    connection.send_bytes(line)
    assert connection.read_raw() == reply
    assert connection.call("PING") == b"PONG"


@pytest.mark.parametrize("line", [b'ECHO "open\r\n', b"ECHO 'open\r\n", b'ECHO "a"b\r\n', b"ECHO 'a'b\r\n"])
def test_inline_with_unbalanced_quotes(connection, line):
    connection.send_bytes(line)
    assert connection.read_until_closed() == b"-ERR Protocol error: unbalanced quotes in request\r\n"


def test_inline_that_never_ends(connection):
    connection.send_bytes(b"x" * (64 * 1024 + 10))
    assert connection.read_until_closed() == b"-ERR Protocol error: too big inline request\r\n"


# --- pipelines -------------------------------------------------------------------------------------------------------


def pipeline_of(rng, count=400):
    """Commands of all kinds of sizes, and the replies they must have."""
    commands, replies = [], []
    for i in range(count):
        value = rng.randbytes(rng.choice([0, 1, 10, 100, 1000, 20000]))
        commands += [encode("SET", f"key:{i}", value), encode("GET", f"key:{i}"), b"PING\r\n"]
        replies += [b"+OK\r\n", b"$%d\r\n%b\r\n" % (len(value), value), b"+PONG\r\n"]
    return b"".join(commands), b"".join(replies)


def read_exactly(connection, size):
    while len(connection.buffer) < size:
        connection.buffer += connection.socket.recv(1 << 20)
    return bytes(connection.buffer)


def test_pipeline_cut_at_random_bytes(connection, seed):
    """However the bytes arrive, the replies are those of the whole."""
    rng = random.Random(seed)
    data, replies = pipeline_of(rng)
    position = 0
    while position < len(data):
        size = rng.choice([1, 2, 3, 7, 50, 1000, 16384, 100_000])
        connection.send_bytes(data[position : position + size])
        position += size
    assert read_exactly(connection, len(replies)) == replies


def test_pipeline_byte_by_byte(connection):
    data = b"".join([encode("SET", "k", "v\r\n"), b'ECHO "a b"\r\n', encode("GET", "k"), encode("MGET", "k", "none")])
    for i in range(len(data)):
        connection.send_bytes(data[i : i + 1])
    assert [connection.read() for _ in range(4)] == [b"OK", b"a b", b"v\r\n", [b"v\r\n", None]]


def test_pipeline_of_many_commands(connection):
    """100,000 commands before the first reply is read: the server neither stops nor mixes up anything."""
    count = 100_000
    connection.socket.setblocking(False)
    data = memoryview(encode("INCR", "n") * count)
    received = bytearray()
    while data:
        try:
            data = data[connection.socket.send(data) :]
        except BlockingIOError:
            try:
                received += connection.socket.recv(1 << 20)
            except BlockingIOError:
                pass
    connection.socket.settimeout(60)
    expected = b"".join([b":%d\r\n" % i for i in range(1, count + 1)])
    while len(received) < len(expected):
        received += connection.socket.recv(1 << 20)
    assert received == expected


def test_slow_reader_gets_everything(server):
    """Replies that nobody reads for a while are kept, in order, while others are served."""
    with server.connect() as slow, server.connect() as other:
        other.call("SET", "k", "x" * 100_000)
        slow.send_bytes(encode("GET", "k") * 100)
        assert other.call("PING") == b"PONG"
        assert [len(slow.read()) for _ in range(100)] == [100_000] * 100


def test_half_closed_connection_gets_its_replies(server):
    """Like `printf ... | nc`: the client stops sending, and still reads what it is owed."""
    with server.connect() as connection:
        connection.send_bytes(encode("SET", "k", "v") + encode("GET", "k"))
        connection.socket.shutdown(socket.SHUT_WR)
        try:
            replies = parse_all(connection.read_until_closed())
        except Closed:
            replies = []
    assert replies in ([b"OK", b"v"], [])  # a server may also take it for the end, as redis does
    with server.connect() as connection:
        assert connection.call("GET", "k") in (b"v", None)


# --- errors of the protocol -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, error",
    [
        (b"*abc\r\n", b"invalid multibulk length"),
        (b"*2147483648\r\n", b"invalid multibulk length"),
        (b"*99999999999999999999\r\n", b"invalid multibulk length"),
        (b"*1\r\nPING\r\n", b"expected '$', got 'P'"),
        (b"*1\r\n:1\r\n", b"expected '$', got ':'"),
        (b"*1\r\n$abc\r\n", b"invalid bulk length"),
        (b"*1\r\n$-1\r\n", b"invalid bulk length"),
        (b"*1\r\n$536870913\r\n", b"invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", b"invalid bulk length"),
        (b"*" + b"1" * 70_000, b"too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 70_000, b"too big bulk count string"),
    ],
)
def test_protocol_error_closes(server, data, error):
    """What came before is answered, then the error, then the end; other connections go on."""
    with server.connect() as connection, server.connect() as other:
        connection.send_bytes(encode("SET", "k", "v") + data)
        assert connection.read_until_closed() == b"+OK\r\n-ERR Protocol error: " + error + b"\r\n"
        assert other.call("GET", "k") == b"v"


def test_http_requests_are_dropped(server):
    """A browser that was made to send to this port: POST and Host: end the connection without a command having run."""
    with server.connect() as connection:
        connection.send_bytes(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET k v\r\n")
        assert b"+OK" not in connection.read_until_closed()
    with server.connect() as connection:
        assert connection.call("EXISTS", "k") == 0


def test_nothings_are_skipped(connection):
    """Empty lines and empty arrays have no reply."""
    connection.send_bytes(b"\r\n*0\r\n*-1\r\n\r\n" + encode("PING"))
    assert connection.read_raw() == b"+PONG\r\n"


# --- limits ----------------------------------------------------------------------------------------------------------


def test_proto_max_bulk_len(start_server):
    server = start_server(proto_max_bulk_len="1mb")
    with server.connect() as connection:
        assert connection.call("SET", "k", "x" * (1 << 20)) == b"OK"
        assert connection.call("APPEND", "k", "y").startswith(b"ERR string exceeds maximum allowed size")
        assert connection.call("SETRANGE", "k", 1 << 20, "y").startswith(b"ERR string exceeds maximum allowed size")
        assert connection.call("STRLEN", "k") == 1 << 20
        connection.send_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n")
        assert connection.read_until_closed() == b"-ERR Protocol error: invalid bulk length\r\n"


def test_tight_limits_before_auth(start_server):
    """Somebody without the password cannot make the server hold much."""
    server = start_server(requirepass="secret")
    for data, error in [
        (b"*11\r\n", b"unauthenticated multibulk length"),
        (b"*1\r\n$16385\r\n", b"unauthenticated bulk length"),
    ]:
        with server.connect() as connection:
            connection.send_bytes(data)
            assert connection.read_until_closed() == b"-ERR Protocol error: " + error + b"\r\n"
    with server.connect() as connection:
        assert connection.call("AUTH", "secret") == b"OK"
        assert connection.call("SET", "k", "x" * 20000) == b"OK"
        assert connection.call("EXISTS", *range(20)) == 0


ONE_LARGE_ARGUMENT = [b"*2\r\n$3\r\nGET\r\n$5000000\r\n", *[b"x" * 100_000] * 50]
MANY_ARGUMENTS = [b"*1000\r\n", *[b"$100000\r\n" + b"x" * 100_000 + b"\r\n"] * 50]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(ONE_LARGE_ARGUMENT, id="one argument"),
        pytest.param(MANY_ARGUMENTS, id="many", marks=pytest.mark.dkv("a limit on all arguments together")),
    ],
)
def test_client_query_buffer_limit(start_server, pieces):
    """A command that grows beyond the limit ends its connection, and only that."""
    server = start_server(client_query_buffer_limit="1mb")
    with server.connect() as connection, server.connect() as other:
        try:
            for piece in pieces:
                connection.send_bytes(piece)
            ended = connection.read_until_closed()
        except (BrokenPipeError, ConnectionResetError):
            ended = b""
        assert ended == b""
        assert other.call("PING") == b"PONG"


def test_client_output_buffer_limit(start_server):
    """A client that reads nothing while it asks for much is closed at its hard limit."""
    server = start_server(client_output_buffer_limit=("normal", "1mb", "1mb", "0"))
    with server.connect() as connection, server.connect() as other:
        other.call("SET", "k", "x" * 500_000)
        connection.send_bytes(encode("GET", "k") * 50)
        received = connection.read_until_closed()
        assert len(received) < 50 * 500_000
        assert other.call("PING") == b"PONG"


@pytest.mark.parametrize("size", [64 << 20])
def test_large_value(connection, size):
    """64 MiB, with bytes that would show a shift, and changed in place."""
    value = bytes(range(251)) * (size // 251)
    assert connection.call("SET", "large", value) == b"OK"
    raw = connection.raw("GET", "large")
    assert raw == b"$%d\r\n%b\r\n" % (len(value), value)
    assert connection.call("APPEND", "large", "end") == len(value) + 3
    assert connection.call("GETRANGE", "large", -6, -1) == value[-3:] + b"end"
    assert connection.call("STRLEN", "large") == len(value) + 3
    assert connection.call("GETDEL", "large")[-3:] == b"end"
    assert connection.call("EXISTS", "large") == 0


def test_large_value_survives_a_crash(durable_server):
    value = random.Random(1).randbytes(24 << 20)
    with durable_server.connect() as connection:
        assert connection.call("SET", "large", "older " * 1_000_000) == b"OK"
        assert connection.call("SET", "large", value) == b"OK"
        assert connection.call("SET", "small", "x") == b"OK"
    durable_server.restart(kill=True)
    with durable_server.connect() as connection:
        assert connection.call("GET", "large") == value
        assert connection.call("GET", "small") == b"x"


@pytest.mark.parametrize(
    "promise",
    [b"*2147483647\r\n", b"*2\r\n$536870912\r\n", b"*1000000\r\n" + b"$0\r\n\r\n" * 1000],
    ids=["arguments", "one large argument", "empty arguments"],
)
def test_promised_bytes_take_no_memory(server, promise):
    """What a client says it will send costs nothing before it comes."""
    before = server.resident_bytes()
    opened = [server.connect() for _ in range(100)]
    for connection in opened:
        connection.send_bytes(promise)
    with server.connect() as other:
        assert other.call("PING") == b"PONG"
        time.sleep(0.05)
        assert other.call("PING") == b"PONG"
    assert server.resident_bytes() - before < 64 << 20
    for connection in opened:
        connection.close()


def test_many_arguments(connection):
    """A hundred thousand keys in one command."""
    pairs = [word for i in range(100_000) for word in (f"k{i}", i)]
    assert connection.call("MSET", *pairs) == b"OK"
    assert connection.call("EXISTS", *pairs[::2]) == 100_000
    values = connection.call("MGET", *pairs[::2])
    assert values[99_999] == b"99999"
    assert connection.call("DEL", *pairs[::2]) == 100_000


# --- RESP3 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command, resp2, resp3",
    [
        (("GET", "missing"), b"$-1\r\n", b"_\r\n"),
        (("MGET", "missing"), b"*1\r\n$-1\r\n", b"*1\r\n_\r\n"),
        (("SET", "k", "v", "GET"), b"$-1\r\n", b"_\r\n"),
        (("CONFIG", "GET", "hz"), b"*2\r\n$2\r\nhz\r\n$2\r\n10\r\n", b"%1\r\n$2\r\nhz\r\n$2\r\n10\r\n"),
        (("EXISTS", "missing"), b":0\r\n", b":0\r\n"),
        (("RANDOMKEY",), b"$-1\r\n", b"_\r\n"),
        (("COMMAND", "INFO", "nosuch"), b"*1\r\n$-1\r\n", b"*1\r\n_\r\n"),
        (("CLIENT", "GETNAME"), b"$-1\r\n", b"_\r\n"),
    ],
)
def test_types_of_both_protocols(connection, command, resp2, resp3):
    assert connection.raw(*command) == resp2
    connection.call("FLUSHALL")
    connection.call("HELLO", "3")
    assert connection.raw(*command) == resp3
    connection.call("HELLO", "2")
    connection.call("FLUSHALL")
    assert connection.raw(*command) == resp2


def test_verbatim_strings(connection):
    """INFO is text with a format in RESP3."""
    connection.call("HELLO", "3")
    assert connection.raw("INFO", "server")[:1] == b"="
    assert b"txt:# Server" in connection.raw("INFO", "server")


# --- the tests' own parser -------------------------------------------------------------------------------------------


def test_reply_end():
    """Every prefix of a reply is incomplete, and the whole is complete."""
    for raw in [
        b"+OK\r\n", b"$-1\r\n", b"$3\r\na\r\n\r\n", b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", b"%1\r\n+a\r\n*0\r\n", b"_\r\n",
        b">2\r\n+a\r\n+b\r\n", b"=7\r\ntxt:abc\r\n", b",1.5\r\n", b"#t\r\n", b"~1\r\n:1\r\n", b"(123\r\n",
        b"!3\r\nERR\r\n",
    ]:  # fmt: skip
        assert [reply_end(raw[:i]) for i in range(len(raw))] == [-1] * len(raw)
        assert reply_end(raw + b"+more\r\n") == len(raw)
        parse(raw)


def test_wait_until_ends():
    with pytest.raises(TimeoutError):
        wait_until(lambda: False, seconds=0.01)
