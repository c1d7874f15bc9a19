"""A rewrite's child that is killed, hangs or cannot be forked: logged, counted, tried again later, and nothing else is
affected."""

import contextlib
import os
import signal
import time

import pytest
from folders import PATIENT, contents, info, rewrite, set_many
from harness.figures import figure
from harness.resp import wait_until
from loading import Rounds
from test_fault_running import assert_tidy

pytestmark = pytest.mark.dkv("its rewrite child")


def state_of(pid):
    """Its letter in /proc, None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


@pytest.fixture
def filled(new_faulty):
    """A server with some keys, a base, and no rewrite by itself."""
    server = new_faulty(**PATIENT).start()
    with server.connect() as connection:
        set_many(connection, 0, 200)
        assert rewrite(connection)
        set_many(connection, 100, 200)
    return server


def begin_stopped(server, connection):
    """Begins a rewrite whose child stops with its file written. The child's process id."""
    server.faults.add("fdatasync", "stop", process="child", count=1)
    assert b"started" in connection.call("BGREWRITEAOF")
    pid = wait_until(lambda: server.children())[0]
    wait_until(lambda: state_of(pid) == "T")
    return pid


def failed_rewrites(connection):
    return int(info(connection)["aof_rewrites_consecutive_failures"])


def test_killed_child(filled):
    """Logged with its signal, counted, and the next rewrite works."""
    with filled.connect() as connection:
        pid = begin_stopped(filled, connection)
        assert info(connection)["aof_rewrite_in_progress"] == "1"
        assert connection.call("SET", "meanwhile", "1") == b"OK"
        os.kill(pid, signal.SIGKILL)
        told = wait_until(lambda: info(connection)["aof_rewrite_in_progress"] == "0" and info(connection))
        assert told["aof_last_bgrewrite_status"] == "err" and told["rdb_last_bgsave_status"] == "err"
        assert failed_rewrites(connection) == 1
        assert "the child was ended by signal 9" in filled.log() and "rewrite failed" in filled.log()
        found = contents(connection)
        wait_until(lambda: not list(filled.data.glob("*.tmp")))
        assert_tidy(filled)
        assert rewrite(connection)
        assert failed_rewrites(connection) == 0
        assert contents(connection) == found
    filled.restart(kill=True)
    with filled.connect() as connection:
        assert contents(connection) == found


def test_failures_in_a_row_are_counted(filled):
    """A success in between begins anew."""
    with filled.connect() as connection:
        filled.faults.add("fork", error="EAGAIN", count=2)
        for expected in [1, 2, 0]:
            # What a failed one left is removed first, by another thread.
            wait_until(lambda: b"in progress" not in connection.call("BGREWRITEAOF"))
            wait_until(lambda: info(connection)["aof_rewrite_in_progress"] == "0")
            assert failed_rewrites(connection) == expected
        filled.faults.clear()
        filled.faults.add("fork", error="EAGAIN", count=1)
        connection.call("BGREWRITEAOF")
        assert failed_rewrites(connection) == 1


def test_fork_fails(filled):
    """EAGAIN: the one who asked is told, it is logged and counted, and nothing else is affected."""
    rule = filled.faults.add("fork", error="EAGAIN")
    with filled.connect() as connection:
        reply = connection.call("BGREWRITEAOF")
        assert reply == b"ERR Can't rewrite append only file in background: fork failed"
        assert "cannot fork: Resource temporarily unavailable" in filled.log()
        assert info(connection)["aof_last_bgrewrite_status"] == "err" and failed_rewrites(connection) == 1
        assert filled.faults.hits(rule) == 1
        set_many(connection, 0, 400)
        found = contents(connection)
    filled.restart(kill=True)
    with filled.connect() as connection:
        assert contents(connection) == found
        assert_tidy(filled)


@pytest.mark.parametrize(
    "failures, trigger", [(1, {"auto_aof_rewrite_percentage": 10}), (3, {"rewrite_every_writes": 100})]
)
def test_failed_rewrite_is_tried_again(new_faulty, failures, trigger):
    """By itself, after a second, then after two and after four, also when nobody writes any more: what made it due still holds."""
    server = new_faulty(**{**PATIENT, "auto_aof_rewrite_min_size": "1kb", **trigger})
    server.start()
    server.faults.add("fork", error="EAGAIN", count=failures)
    with server.connect() as connection:
        set_many(connection, 0, 100)
        begin = time.monotonic()
        wait_until(lambda: int(info(connection)["aof_rewrites"]) == 1, seconds=20)
        took = time.monotonic() - begin
        assert server.faults.hits() == failures and took > 2**failures - 1.5
        for number in range(failures):
            assert f"in {2 ** number}.0 s at the earliest" in server.log()
        assert info(connection)["aof_last_bgrewrite_status"] == "ok" and failed_rewrites(connection) == 0


def test_hanging_child(filled):
    """The server goes on without it, a second rewrite is refused, and SHUTDOWN ends both."""
    with filled.connect() as connection:
        pid = begin_stopped(filled, connection)
        set_many(connection, 0, 400)
        found = contents(connection)
        assert connection.call("BGREWRITEAOF") == b"ERR Background append only file rewriting already in progress"
        assert info(connection)["aof_rewrite_in_progress"] == "1"
        connection.send("SHUTDOWN")
        assert filled.wait(10) == 0
    assert state_of(pid) is None
    filled.faults.clear()
    filled.start()
    with filled.connect() as connection:
        assert contents(connection) == found
    assert_tidy(filled)


def test_child_does_not_outlive_its_server(filled):
    """SIGKILL to the server alone takes the child along, even one that hangs; the next start cleans up after it."""
    with filled.connect() as connection:
        pid = begin_stopped(filled, connection)
        found = contents(connection)
    filled.kill(children=False)
    wait_until(lambda: state_of(pid) in (None, "Z"))
    filled.faults.clear()
    filled.start()
    with filled.connect() as connection:
        assert contents(connection) == found
    assert_tidy(filled)


@pytest.fixture
def orphan(filled):
    """A server that was killed while its child, which does not hear of it, stands still with its file written. In truth
    that takes an instant: until the kernel has ended the child as well. (server, the child, what must be found)"""
    filled.faults.add("prctl", error="EINVAL", process="child")
    with filled.connect() as connection:
        pid = begin_stopped(filled, connection)
        set_many(connection, 200, 200)
        found = contents(connection)
    filled.kill(children=False)
    assert state_of(pid) == "T"
    filled.faults.clear()
    return filled, pid, found


def test_child_that_outlives_its_server_goes_first(orphan):
    """The next server waits until the child is gone, so that never two of them write the folder. Nothing is harmed, and
    nothing of what the child put there stays."""
    server, pid, found = orphan
    server.launch()
    time.sleep(0.3)
    assert server.process.poll() is None and list(server.data.glob("base-*.tmp"))
    os.kill(pid, signal.SIGCONT)
    server.wait_ready()
    assert state_of(pid) in (None, "Z")
    with server.connect() as connection:
        assert contents(connection) == found
        assert_tidy(server)
        assert rewrite(connection)
    server.restart(kill=True)
    with server.connect() as connection:
        assert contents(connection) == found


def test_child_that_will_not_end_keeps_the_folder(orphan):
    """The next server does not wait for ever, and says what it waited for; the folder is as it was."""
    server, pid, found = orphan
    before = {path.name: path.stat().st_mtime_ns for path in server.data.iterdir()}
    refusal = server.try_start()
    assert "exit status 1" in str(refusal) and "which has ended; but what it left behind" in str(refusal)
    assert {path.name: path.stat().st_mtime_ns for path in server.data.iterdir()} == before
    os.kill(pid, signal.SIGKILL)
    server.start()
    with server.connect() as connection:
        assert contents(connection) == found
        assert_tidy(server)


def test_ended_child_counts_at_stop(filled):
    """A stop right after the child has ended well, before anybody looked, keeps what it wrote."""
    with filled.connect() as connection:
        begin_stopped(filled, connection)
        pid = filled.children()[0]
        filled.send_signal(signal.SIGSTOP)
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: state_of(pid) == "Z")
        filled.send_signal(signal.SIGTERM)
        filled.send_signal(signal.SIGCONT)
        assert filled.wait() == 0
    assert "rewrite failed" not in filled.log()
    filled.faults.clear()
    filled.start()
    with filled.connect() as connection:
        assert connection.call("DBSIZE") == 300
    assert_tidy(filled)


def test_children_killed_under_load(new_faulty, new_load, seed):
    """Rewrite after rewrite is killed while many clients write; then the server is. Nothing acknowledged or shown is
    lost, and each killed child was counted."""
    server = new_faulty(**PATIENT).start()
    with server.connect() as connection:
        connection.call("SELECT", 5)  # database 0 is the load's
        set_many(connection, 0, 5000)
    rounds = Rounds(server, new_load(server), seed)
    killed = set()

    def kill_children(server, rng, until):
        while time.monotonic() < until:
            with server.connect() as connection:
                connection.call("BGREWRITEAOF")
            time.sleep(rng.uniform(0, 0.01))
            for pid in server.children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)

    def kill_server(server, rng, load):
        server.kill()
        rounds.ended(load.wait())
        server.start()

    rounds.run(3, kill_server, load_seconds=(0.8, 1.0), during=kill_children)
    # Some had just ended by themselves, or their server did before it could tell.
    told = server.log().count("the child was ended by signal 9")
    assert told > len(killed) / 2 > 2
    figure(told, "children killed")
