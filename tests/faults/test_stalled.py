"""A disk that stands still: a call that does not return until the test lets it holds nobody up but who waits for what it
does. Each answer here has to come while the call is still under way, so nothing depends on how long anything takes."""

import shutil
import tempfile
import threading

import pytest
from folders import info
from harness.resp import wait_until
from harness.web import Web, web_directives

pytestmark = pytest.mark.dkv("who waits for a disk that stands still")

LOG = "log-*"
# The loop takes a client for the only one after some rounds.
ROUNDS_ALONE = 40
ROUNDS, ROUNDS_MAX = 3, 100
# What the loop may do itself in each policy, and the commit thread otherwise.
WORK = [("always", "fdatasync"), ("always", "write"), ("everysec", "write"), ("no", "write")]
CALLS = ["open", "write", "fdatasync", "fsync", "fallocate", "rename", "unlink"]


def assert_serves(server, key, value):
    """Over new connections: what only needs memory, and a health check."""
    with server.connect() as connection:
        assert connection.call("PING") == b"PONG"
        assert connection.call("GET", key) == value
        told = info(connection)
        assert connection.call("CONFIG", "GET", "port")[0] == b"port"
    web = Web(server)
    assert web.ask("GET", "/healthz")[0] == 200
    assert "dkv_fsync_duration_seconds" in web.get("/metrics")
    return told


def stand_ins(server):
    with server.connect() as connection:
        return int(info(connection, "stats")["dkv_loop_stand_ins"])


@pytest.fixture
def quick_folder():
    """In memory: the loop leaves it to the commit thread where syncs take long anyway."""
    folder = tempfile.mkdtemp(dir="/dev/shm", prefix="dkv-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("policy, call", WORK)
def test_loop_stalls(new_faulty, quick_folder, policy, call):
    """One client alone: the loop does the work itself, and another thread stands in for it while the disk does not
    answer. Again and again, and each time what was written is acknowledged only afterwards. Where the loop happened to
    leave all of it to the commit thread, it is tried again."""
    server = new_faulty(dir=quick_folder, appendfsync=policy, **web_directives()).start()
    round_ = -1
    with server.connect() as writer:
        while round_ + 1 < ROUNDS or (stand_ins(server) == 0 and round_ < ROUNDS_MAX):
            round_ += 1
            for i in range(ROUNDS_ALONE):
                assert writer.call("SET", "key", f"{round_}:{i}") == b"OK"
            server.faults.add(call, "stall", count=1, name=LOG)
            writer.send("SET", "late", f"{round_}")
            wait_until(lambda: server.faults.hits() == 1)
            for _ in range(3):
                assert_serves(server, "key", b"%d:%d" % (round_, ROUNDS_ALONE - 1))
            assert writer.is_silent(0.001)
            server.faults.clear()
            assert writer.read() == b"OK"
    assert stand_ins(server) > 0
    server.restart(kill=True)
    with server.connect() as connection:
        assert connection.call("GET", "late") == b"%d" % round_


def test_writers_while_the_loop_stalls(new_faulty, quick_folder):
    """What others write meanwhile is executed, read by nobody, and acknowledged when the disk answers."""
    server = new_faulty(dir=quick_folder).start()
    with server.connect() as writer, server.connect() as other, server.connect() as reader:
        assert other.call("SET", "b", "old") == b"OK"
        for i in range(ROUNDS_ALONE):
            assert writer.call("SET", "a", i) == b"OK"
        server.faults.add("fdatasync", "stall", count=1, name=LOG)
        writer.send("SET", "a", "new")
        wait_until(lambda: server.faults.hits() == 1)
        other.send("SET", "b", "new")
        reader.send("MGET", "a", "b")
        assert_serves_ping(server)
        assert writer.is_silent(0.001) and other.is_silent(0.001) and reader.is_silent(0.001)
        server.faults.clear()
        assert [writer.read(), other.read()] == [b"OK", b"OK"]
        assert reader.read()[0] == b"new"
    assert server.stop() == 0
    server.start()
    with server.connect() as connection:
        assert connection.call("MGET", "a", "b") == [b"new", b"new"]


def assert_serves_ping(server):
    with server.connect() as connection:
        assert connection.call("PING") == b"PONG"


def signals_of(pid, which):
    """A set of signals in /proc, as its bits."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1], 16) for line in status if line.startswith(which))


def test_rewrite_while_the_loop_stalls(new_faulty, quick_folder):
    """The thread that stands in begins it. Its child can be ended as any other: it blocks no signals, as that thread
    does."""
    server = new_faulty(dir=quick_folder).start()
    with server.connect() as writer, server.connect() as other:
        for i in range(ROUNDS_ALONE):
            assert writer.call("SET", "a", i) == b"OK"
        server.faults.add("fdatasync", "stall", count=1, name=LOG, process="server")
        server.faults.add("fdatasync", "stall", count=1, process="child")
        writer.send("SET", "a", "new")
        wait_until(lambda: server.faults.hits() == 1)
        assert b"started" in other.call("BGREWRITEAOF")
        wait_until(lambda: server.faults.hits(1) == 1)
        (child,) = server.children()
        assert signals_of(child, "SigBlk:") == 0
        server.faults.clear()
        assert writer.read() == b"OK"
        wait_until(lambda: info(other)["aof_rewrite_in_progress"] == "0")
        assert info(other)["aof_last_bgrewrite_status"] == "ok"
    assert server.stop() == 0


class Traffic:
    """Clients that make the server use its folder in every way, until the end."""

    def __init__(self, server):
        self.server = server
        self.ends = threading.Event()
        self.threads = [threading.Thread(target=self.write, args=(number,)) for number in range(2)]
        for thread in self.threads:
            thread.start()

    def write(self, number):
        with self.server.connect(timeout=300) as connection:
            i = 0
            while not self.ends.is_set():
                i += 1
                connection.call("SET", f"traffic:{number}:{i % 50}", "v" * 2000)
                connection.call("SET", f"large:{number}:{i % 3}", "v" * 20_000)
                connection.call("DEL", f"large:{number}:{(i + 1) % 3}")

    def end(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_any_call_stalls(new_faulty, policy):
    """Rotations, rewrites, files of large values and their removal: whichever call of the server's stands still, health
    checks and what is in memory do not."""
    directives = {"segment_size": "64kb", "rewrite_every_writes": 100, "auto_aof_rewrite_min_size": "16kb"}
    server = new_faulty(appendfsync=policy, value_file_threshold="16kb", **directives, **web_directives()).start()
    with server.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
    traffic = Traffic(server)
    try:
        for call in CALLS:
            server.faults.add(call, "stall", count=1, process="server")
            wait_until(lambda: server.faults.hits() == 1, seconds=60)
            assert_serves(server, "key", b"value")
            server.faults.clear()
    finally:
        server.faults.clear()
        traffic.end()
    assert server.stop() == 0
