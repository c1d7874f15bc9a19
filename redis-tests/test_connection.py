"""What a client says about itself: HELLO, AUTH, CLIENT, RESET; how many there may be, and how long."""

import time

import pytest
from harness.resp import Error, Status, encode, pairs, wait_until

# --- HELLO, AUTH, RESET ----------------------------------------------------------------------------------------------


def test_hello(connection):
    """Switches the protocol at its own reply, and says what the server is."""
    assert connection.raw("HELLO", "3")[:1] == b"%"
    told = connection.call("HELLO", "3", "SETNAME", "me")
    assert told[b"server"] == b"redis" and told[b"proto"] == 3
    assert told[b"mode"] == b"standalone" and told[b"role"] == b"master" and told[b"modules"] == []
    assert connection.call("CLIENT", "GETNAME") == b"me"
    assert connection.raw("HELLO")[:1] == b"%"
    assert connection.raw("HELLO", "2")[:1] == b"*"
    assert pairs(connection.call("HELLO"))[b"proto"] == 2


@pytest.mark.redis72("the version that clients look for")
def test_hello_version(connection):
    assert pairs(connection.call("HELLO"))[b"version"] == b"7.2.4"


@pytest.mark.parametrize(
    "arguments, code",
    [
        (("4",), "NOPROTO"),
        (("1",), "NOPROTO"),
        (("x",), "ERR"),
        (("3", "NOSUCH"), "ERR"),
        (("3", "AUTH", "default", "wrong"), "WRONGPASS"),
        (("3", "AUTH", "default"), "ERR"),
        (("3", "SETNAME", "a b"), "ERR"),
    ],
)
def test_hello_that_fails_changes_nothing(start_server, arguments, code):
    with start_server(requirepass="secret").connect() as connection:
        connection.call("AUTH", "secret")
        assert connection.call("HELLO", *arguments).code == code
        assert connection.raw("GET", "missing") == b"$-1\r\n"
        assert connection.call("CLIENT", "GETNAME") is None


def test_password(start_server):
    """Nothing but AUTH, HELLO with AUTH, QUIT and RESET before the password."""
    server = start_server(requirepass="secret")
    with server.connect() as connection:
        for command in [("GET", "k"), ("PING",), ("MULTI",), ("INFO",), ("CLIENT", "ID"), ("SELECT", "1")]:
            assert connection.call(*command) == b"NOAUTH Authentication required."
        assert connection.call("HELLO", "3").code == "NOAUTH"
        assert connection.call("NOSUCH").code == "ERR"
        assert connection.call("GET").code in ("ERR", "NOAUTH")
        assert connection.call("AUTH", "wrong").code == "WRONGPASS"
        assert connection.call("AUTH", "nobody", "secret").code == "WRONGPASS"
        assert connection.call("AUTH", "secret") == b"OK"
        assert connection.call("PING") == b"PONG"
        assert connection.call("AUTH", "wrong").code == "WRONGPASS"
        assert connection.call("PING") == b"PONG"
        assert connection.call("RESET") == b"RESET"
        assert connection.call("PING").code == "NOAUTH"
        assert connection.call("HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me")[b"proto"] == 3
        assert connection.call("CLIENT", "GETNAME") == b"me"


def test_password_can_be_changed(start_server):
    """CONFIG SET requirepass asks new connections for it; those that are in stay in; without one, all are."""
    server = start_server()
    with server.connect() as connection:
        assert connection.call("CONFIG", "SET", "requirepass", "new") == b"OK"
        assert connection.call("PING") == b"PONG"
        with server.connect() as other:
            assert other.call("PING").code == "NOAUTH"
            assert other.call("AUTH", "new") == b"OK"
        with server.connect() as outside:
            assert outside.call("PING").code == "NOAUTH"
            assert connection.call("CONFIG", "SET", "requirepass", "") == b"OK"
            assert outside.call("PING") == b"PONG"
            assert outside.call("ECHO", "x" * 100000) == b"x" * 100000
        with server.connect() as other:
            assert other.call("PING") == b"PONG"


def test_reset(server):
    """Back to how a connection begins: RESP2, database 0, no name, no transaction, no watched key."""
    with server.connect() as connection, server.connect() as other:
        connection.call("HELLO", "3", "SETNAME", "me")
        connection.call("SELECT", "5")
        connection.call("WATCH", "k")
        connection.call("MULTI")
        connection.call("SET", "k", "v")
        assert connection.call("RESET") == Status(b"RESET")
        assert connection.call("EXEC") == b"ERR EXEC without MULTI"
        assert connection.call("CLIENT", "GETNAME") is None
        assert connection.raw("GET", "k") == b"$-1\r\n"
        connection.call("SET", "zero", "1")
        assert other.call("GET", "zero") == b"1"


def test_quit(connection):
    """Answers, ends, and does not run what comes behind it."""
    connection.send_bytes(encode("SET", "k", "1") + encode("QUIT") + encode("SET", "k", "2"))
    assert connection.read_until_closed() == b"+OK\r\n+OK\r\n"


# --- CLIENT ----------------------------------------------------------------------------------------------------------


def fields(line):
    return dict(field.split("=", 1) for field in line.decode().strip().split(" "))


def test_client_list_and_info(server):
    with server.connect() as connection, server.connect(tcp=True) as other:
        connection.call("CLIENT", "SETNAME", "first")
        other.call("CLIENT", "SETNAME", "second")
        other.call("SELECT", "3")
        lines = [fields(line) for line in connection.call("CLIENT", "LIST").splitlines()]
        assert {line["name"] for line in lines} == {"first", "second"}
        by_name = {line["name"]: line for line in lines}
        assert by_name["second"]["db"] == "3" and by_name["second"]["cmd"] == "select"
        assert by_name["second"]["addr"].startswith("127.0.0.1:")
        assert by_name["second"]["laddr"] == f"127.0.0.1:{server.port}"
        assert by_name["first"]["cmd"] == "client|list"
        assert by_name["first"]["addr"].startswith(server.socket)
        for name in "id fd age idle flags sub psub multi qbuf obl tot-mem user resp".split():
            assert name in by_name["first"], name
        assert fields(connection.call("CLIENT", "INFO"))["name"] == "first"
        assert fields(connection.call("CLIENT", "INFO"))["id"] == str(connection.call("CLIENT", "ID"))
        one = connection.call("CLIENT", "LIST", "ID", by_name["second"]["id"], "123456789")
        assert [fields(line)["name"] for line in one.splitlines()] == ["second"]


def test_client_info_in_a_transaction(connection):
    """How much is queued is told by the commands of the transaction, too."""
    assert fields(connection.call("CLIENT", "INFO"))["multi"] == "-1"
    queued = [("MULTI",), ("CLIENT", "INFO"), ("PING",), ("EXEC",)]
    told = fields(connection.pipeline(queued)[-1][0])
    assert told["multi"] == "2" and told["flags"].startswith("x")


@pytest.mark.redis72("CLIENT SETINFO")
def test_client_setinfo(connection):
    assert connection.call("CLIENT", "SETINFO", "lib-name", "redis-py") == b"OK"
    assert connection.call("CLIENT", "SETINFO", "LIB-VER", "4.3.4") == b"OK"
    told = fields(connection.call("CLIENT", "INFO"))
    assert told["lib-name"] == "redis-py" and told["lib-ver"] == "4.3.4"
    assert connection.call("CLIENT", "SETINFO", "nosuch", "x").startswith(b"ERR Unrecognized option 'nosuch'")
    assert connection.call("CLIENT", "SETINFO", "lib-name", "a b").startswith(b"ERR lib-name cannot contain spaces")
    assert connection.call("RESET") == b"RESET"
    assert fields(connection.call("CLIENT", "INFO"))["lib-name"] == "redis-py"


@pytest.mark.redis72("CLIENT NO-TOUCH")
def test_client_no_touch(connection):
    assert connection.call("CLIENT", "NO-TOUCH", "ON") == b"OK"
    assert connection.call("CLIENT", "NO-TOUCH", "OFF") == b"OK"
    assert isinstance(connection.call("CLIENT", "NO-TOUCH", "MAYBE"), Error)


def test_client_kill(server):
    with server.connect() as connection, server.connect() as one, server.connect(tcp=True) as two:
        one_id = one.call("CLIENT", "ID")
        assert connection.call("CLIENT", "KILL", "ID", one_id) == 1
        assert one.read_until_closed() == b""
        address = fields(two.call("CLIENT", "INFO"))["addr"]
        assert connection.call("CLIENT", "KILL", address) == b"OK"
        assert two.read_until_closed() == b""
        with server.connect() as three, server.connect() as four:
            three.call("PING"), four.call("PING")
            assert connection.call("CLIENT", "KILL", "TYPE", "normal") == 2
            assert three.read_until_closed() == four.read_until_closed() == b""
        assert connection.call("CLIENT", "KILL", "ID", connection.call("CLIENT", "ID")) == 0
        assert connection.call("CLIENT", "KILL", "ID", connection.call("CLIENT", "ID"), "SKIPME", "no") == 1
        assert connection.read_until_closed() == b""


def test_client_reply(connection):
    connection.send_bytes(encode("CLIENT", "REPLY", "SKIP") + encode("SET", "k", "1") + encode("GET", "k"))
    assert connection.read() == b"1"
    connection.send_bytes(encode("CLIENT", "REPLY", "OFF") + encode("SET", "k", "2") + encode("NOSUCH"))
    assert connection.is_silent()
    assert connection.call("CLIENT", "REPLY", "ON") == b"OK"
    assert connection.call("GET", "k") == b"2"


@pytest.mark.parametrize(
    "lines, replies",
    [
        ("CLIENT REPLY OFF|RESET|PING", "+RESET +PONG"),
        ("CLIENT REPLY SKIP|RESET|PING", "+PONG"),
        ("CLIENT REPLY OFF|WAIT 1 30|CLIENT REPLY ON|PING", "+OK +PONG"),
        ("CLIENT REPLY SKIP|WAIT 1 30|PING", "+PONG"),
        ("CLIENT REPLY OFF|MULTI|PING|CLIENT REPLY ON|PING|EXEC|PING", "+OK +PONG +PONG"),
        ("MULTI|PING|CLIENT REPLY OFF|PING|EXEC|PING|CLIENT REPLY ON", "+OK +QUEUED +QUEUED +QUEUED *3 +PONG +OK"),
        (
            "MULTI|PING|CLIENT REPLY OFF|PING|CLIENT REPLY ON|PING|EXEC",
            "+OK +QUEUED +QUEUED +QUEUED +QUEUED +QUEUED *5 +PONG +OK +PONG",
        ),
        ("MULTI|CLIENT REPLY SKIP|PING|EXEC|PING", "+OK +QUEUED +QUEUED *2 +PONG"),
    ],
)
def test_client_reply_elsewhere(connection, lines, replies):
    """CLIENT REPLY before what resets or waits, and within a transaction, whose array is not made up for."""
    for line in lines.split("|"):
        connection.send_bytes(line.encode() + b"\r\n")
    connection.send("ECHO", "end")
    expected = b"".join(reply.encode() + b"\r\n" for reply in (replies + " $3 end").split())
    received = b""
    while len(received) < len(expected):
        received += connection.socket.recv(len(expected) - len(received))
    assert received == expected


def test_ids_grow(server):
    with server.connect() as one, server.connect() as two:
        assert 0 < one.call("CLIENT", "ID") < two.call("CLIENT", "ID")


# --- limits ----------------------------------------------------------------------------------------------------------


def test_maxclients(start_server):
    """One too many is told so and closed; when somebody leaves there is room again."""
    server = start_server(maxclients=5)
    opened = [server.connect() for _ in range(5)]
    assert [connection.call("PING") for connection in opened] == [b"PONG"] * 5
    with server.connect() as one_too_many:
        assert one_too_many.read_until_closed() == b"-ERR max number of clients reached\r\n"
    assert opened[0].call("CONFIG", "SET", "maxclients", "6") == b"OK"
    with server.connect() as connection:
        assert connection.call("PING") == b"PONG"
    opened[1].close()

    def room():
        with server.connect() as connection:
            return connection.call("PING") == b"PONG"

    assert wait_until(room)
    for connection in opened:
        connection.close()


def test_timeout(start_server):
    """Idle connections are closed after their time, busy ones are not."""
    server = start_server(timeout=1)
    with server.connect() as idle, server.connect() as busy:
        idle.call("PING")
        begun = time.monotonic()
        idle.socket.settimeout(0.05)
        closed = False
        while not closed and time.monotonic() < begun + 30:
            assert busy.call("PING") == b"PONG"
            try:
                closed = idle.socket.recv(1) == b""
            except TimeoutError:
                pass
        assert closed
        assert time.monotonic() - begun > 0.9


def test_many_connections(server):
    """Four hundred at once, each with its own database, name and transaction."""
    opened = [server.connect() for _ in range(400)]
    for i, connection in enumerate(opened):
        commands = [("SELECT", i % 16), ("MULTI",), ("SET", f"k{i}", i), ("GET", f"k{i}")]
        connection.send_bytes(b"".join([encode(*command) for command in commands]))
    for i, connection in enumerate(opened):
        connection.send("EXEC")
    for i, connection in enumerate(opened):
        assert [connection.read() for _ in range(4)] == [b"OK", b"OK", b"QUEUED", b"QUEUED"]
        assert connection.read() == [b"OK", b"%d" % i]
        connection.close()


@pytest.mark.parametrize("password", [None, "secret"])
def test_unix_socket_permissions(start_server, password):
    import os
    import stat

    directives = {"unixsocketperm": "700"}
    if password:
        directives["requirepass"] = password
    server = start_server(**directives)
    assert stat.S_IMODE(os.stat(server.socket).st_mode) == 0o700


def test_port_zero(start_server):
    """No TCP at all."""
    server = start_server(port=0)
    with server.connect() as connection:
        assert connection.call("PING") == b"PONG"
    with pytest.raises(ConnectionRefusedError):
        server.connect(tcp=True)


def test_several_addresses(start_server):
    """IPv4 and IPv6, and one with - that may be missing."""
    import socket

    server = start_server(bind=("127.0.0.1", "-::1", "-192.0.2.1"))
    with server.connect(tcp=True) as connection:
        assert connection.call("PING") == b"PONG"
    try:
        with socket.create_connection(("::1", server.port), timeout=10) as other:
            other.sendall(b"PING\r\n")
            assert other.recv(100) == b"+PONG\r\n"
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
