"""What a client, an address or a forked child may take of the server, and for how long."""

import os
import signal
import socket
import time

import pytest
from harness.resp import Error, encode, wait_until
from harness.server import free_port


def resident_kb(server, field="VmHWM"):
    return server.resident_bytes(field) // 1024


def cpu_seconds(server):
    with open(f"/proc/{server.pid}/stat") as status:
        return sum(map(int, status.read().rsplit(")")[-1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.dkv("output limits that hold within a command")
@pytest.mark.parametrize("transaction", [False, True], ids=["MGET", "EXEC"])
def test_output_limit_within_one_command(start_server, transaction):
    """One reply of 2 GB does not take the server's memory before the limit is looked at."""
    server = start_server(client_output_buffer_limit=("normal", "10mb", "0", "0"))
    with server.connect() as connection, server.connect() as greedy:
        connection.call("SET", "key", "v" * 20_000_000)
        before_kb = resident_kb(server)
        if transaction:
            commands = [("MULTI",), *[("GET", "key")] * 100, ("SET", "after", "1"), ("EXEC",)]
        else:
            commands = [("MGET", *["key"] * 100)]
        greedy.send_bytes(b"".join(encode(*command) for command in commands))
        replies = greedy.read_until_closed()
        assert len(replies) < 10_000
        assert resident_kb(server) - before_kb < 30_000
        # It ran all the same: only its reply was too large.
        assert connection.call("EXISTS", "after") == int(transaction)
    assert server.log().count("closed ASAP for overcoming of output buffer limits") == 1


@pytest.mark.dkv("WAIT with a deadline of any size")
def test_wait_deadlines(server):
    """WAIT gives up when it should, not a second later; and a deadline that overflows is none."""
    with server.connect() as connection, server.connect() as patient:
        connection.call("SET", "key", "value")
        began = time.monotonic()
        connection.call("WAIT", "1", "10")
        assert 0.009 < time.monotonic() - began < 0.5
        patient.call("SET", "key", "value")
        patient.send("WAIT", "1", "10000000000000000")
        wait_until(lambda: b"blocked_clients:1" in connection.call("INFO", "clients"))
        before = cpu_seconds(server)
        time.sleep(0.5)
        assert cpu_seconds(server) - before < 0.2  # it sleeps
        assert b"blocked_clients:1" in connection.call("INFO", "clients")


def can_connect(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as tried:
        tried.settimeout(10)
        try:
            tried.connect((address, port))
            tried.sendall(b"PING\r\n")
            return tried.recv(100) == b"+PONG\r\n"
        except OSError:
            return False


def test_listening_elsewhere_fails(server):
    """An address or a port that cannot be had is an error, and everything is served as before."""
    with socket.socket() as stranger, server.connect() as connection:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen(1)
        taken = stranger.getsockname()[1]
        for name, value in (("port", taken), ("bind", "192.0.2.1"), ("bind", "127.0.0.1 192.0.2.1")):
            before = connection.call("CONFIG", "GET", name)
            assert isinstance(connection.call("CONFIG", "SET", name, value), Error)
            assert connection.call("CONFIG", "GET", name) == before
            assert can_connect("127.0.0.1", server.port)


def test_listening_elsewhere(server):
    """To the same port on more, all and fewer addresses, and to another port."""
    with server.connect() as connection:
        for addresses in ("127.0.0.1 -::1", "* -::*", "127.0.0.1", "127.0.0.2"):
            assert connection.call("CONFIG", "SET", "bind", addresses) == b"OK"
            assert can_connect("127.0.0.1", server.port) == (addresses != "127.0.0.2")
            assert can_connect("127.0.0.2", server.port) == (addresses in ("127.0.0.2", "* -::*"))
        port = free_port()
        assert connection.call("CONFIG", "SET", "port", port) == b"OK"
        assert can_connect("127.0.0.2", port)
        assert not can_connect("127.0.0.2", server.port)


def child_of(server):
    return next(iter(server.children()), None)


def open_files(pid):
    """What descriptors above standard error are."""
    files = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            files[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            pass  # closed meanwhile
    return {name for number, name in files.items() if number > 2}


@pytest.mark.dkv("how its rewrite is made")
@pytest.mark.parametrize("logfile", ["", "server.log"])
def test_child_keeps_nothing_open(start_server, logfile):
    """A rewrite's child has no socket of the server's, so its port is free as soon as the server gives it up, and no
    closed pipe ends it."""
    server = start_server(appendonly="yes", logfile=logfile)
    with server.connect() as connection:
        commands = [("SET", f"key:{i}", "v" * 100) for i in range(100_000)]
        assert set(connection.pipeline(commands)) == {b"OK"}
        assert connection.call("BGREWRITEAOF")
        wait_until(lambda: child_of(server) and any("base" in name for name in open_files(child_of(server))))
        child = child_of(server)
        os.kill(child, signal.SIGSTOP)
        try:
            for name in open_files(child):
                assert name.startswith(str(server.data)) or name.endswith("server.log"), name
            with open(f"/proc/{child}/status") as status:
                ignored = next(int(line.split()[1], 16) for line in status if line.startswith("SigIgn:"))
            assert ignored & 1 << (signal.SIGPIPE - 1)
            port = server.port
            assert connection.call("CONFIG", "SET", "port", free_port()) == b"OK"
            assert not can_connect("127.0.0.1", port)
            assert connection.call("CONFIG", "SET", "port", port) == b"OK"
            assert can_connect("127.0.0.1", port)
        finally:
            os.kill(child, signal.SIGCONT)
        wait_until(lambda: b"aof_rewrite_in_progress:0" in connection.call("INFO", "persistence"))
        assert b"aof_last_bgrewrite_status:ok" in connection.call("INFO", "persistence")


@pytest.mark.dkv("its log lines")
def test_more_clients_than_files(start_server):
    """CONFIG SET of more clients than files can be opened is refused with how many there can be, and nothing says that
    anything has changed. At start, fewer are taken instead, and the log says so."""
    server = start_server(maxclients=100)
    with server.connect() as connection:
        reply = connection.call("CONFIG", "SET", "maxclients", "4000000")
        assert b"not able to handle the specified number of clients, try with " in reply
        assert connection.call("CONFIG", "GET", "maxclients") == [b"maxclients", b"100"]
    log = server.log()
    assert "maxclients 4000000 takes" in log
    assert not [line for line in log.splitlines() if "maxclients is" in line or " now" in line]
    server.restart(maxclients=4000000)
    with server.connect() as connection:
        possible = connection.call("CONFIG", "GET", "maxclients")[1].decode()
    assert 0 < int(possible) < 4000000 and f"maxclients is {possible} instead" in server.log()
