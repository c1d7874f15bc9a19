"""The tool itself: a rule strikes the calls that it names, nothing else, and no call that changes a file gets past it."""

import os
import subprocess
import time

import pytest
from harness.resp import Closed, wait_until
from harness.server import is_sanitized

# What the interposer stands in for, and what is no way of changing a file in the data folder: descriptors of other
# kinds (sockets, eventfd), the log's lines, which go to standard output here, sync_file_range, which only has the
# kernel begin early with what fdatasync then waits for, and _Fork, by which a server that crashes has names looked up.
INTERPOSED = {"open", "openat", "write", "pread", "pwrite", "fdatasync", "fsync", "fallocate", "ftruncate"}
INTERPOSED |= {"rename", "renameat", "unlink", "unlinkat", "mkdir", "flock", "fork"}
HARMLESS = {"read", "writev", "close", "fopen", "readdir", "fdopendir", "sync_file_range", "_Fork"}
FILE_CALLS = HARMLESS | {
    f"{name}{suffix}"
    for name in ["open", "openat", "creat", "fopen", "freopen", "read", "pread", "readv", "preadv", "preadv2", "write"]
    + ["pwrite", "writev", "pwritev", "pwritev2", "sync", "syncfs", "fsync", "fdatasync", "sync_file_range", "msync"]
    + ["fallocate", "posix_fallocate", "truncate", "ftruncate", "rename", "renameat", "renameat2", "link", "linkat"]
    + ["symlink", "unlink", "unlinkat", "remove", "rmdir", "mkdir", "mkdirat", "mkstemp", "flock", "lockf", "sendfile"]
    + ["copy_file_range", "splice", "fork", "_Fork", "vfork", "posix_spawn", "system", "popen", "readdir", "fdopendir"]
    + ["aio_write", "aio_fsync", "io_submit"]
    for suffix in ["", "64"]
}

LOG = "log-*.dkv"


@pytest.mark.dkv("which calls it makes")
def test_no_call_gets_past(server_binary):
    """Every call by which the program could reach a file is one that is interposed, or listed as harmless."""
    if is_sanitized(server_binary):
        pytest.skip("sanitizers call more")
    symbols = subprocess.run(["nm", "-D", "--undefined-only", server_binary], capture_output=True, text=True, check=True)
    used = {line.split()[-1].split("@")[0] for line in symbols.stdout.splitlines()}
    assert used & FILE_CALLS <= INTERPOSED | HARMLESS
    assert {"pwrite", "fdatasync", "renameat", "unlinkat", "fallocate", "fork"} <= used


def test_without_rules_nothing_changes(faulty):
    with faulty.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
    assert faulty.stop() == 0


def test_trace_tells_what_was_called(faulty):
    """A SET is one write and one fdatasync of the log; a rewrite forks, and the child's calls are told apart."""
    with faulty.connect() as connection:
        faulty.faults.trace()
        connection.call("SET", "key", "value")
        calls = [(call.call, call.process) for call in faulty.faults.traced() if call.call != "fallocate"]
        assert calls[:2] == [("write", "server"), ("fdatasync", "server")]
        connection.call("BGREWRITEAOF")
        wait_until(lambda: ("rename", "child") in {call[:2] for call in faulty.faults.traced()})
        assert ("fork", "server") in {call[:2] for call in faulty.faults.traced()}


def test_nth_call(faulty):
    """at and count: the third sync fails and no other."""
    rule = faulty.faults.add("fdatasync", at=3, count=1, name=LOG)
    with faulty.connect() as connection:
        assert connection.call("SET", "a", "1") == b"OK"
        assert connection.call("SET", "b", "2") == b"OK"
        assert (faulty.faults.seen(rule), faulty.faults.hits(rule)) == (2, 0)
        with pytest.raises(ConnectionError):
            connection.call("SET", "c", "3")
    assert faulty.wait() == 1
    assert faulty.faults.hits(rule) == 1


def test_names_and_processes(faulty):
    """A rule for another file, another call or another process strikes nothing."""
    rules = [
        faulty.faults.add("fdatasync", name="base-*"),
        faulty.faults.add("fsync", name=LOG),
        faulty.faults.add("fdatasync", name=LOG, process="child"),
    ]
    with faulty.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
    assert [faulty.faults.hits(rule) for rule in rules] == [0, 0, 0]
    assert faulty.stop() == 0


def test_short_writes_are_short(faulty):
    """The server goes on where a short write ended: more calls, the same bytes."""
    faulty.faults.add("write", "short", keep=7, count=5, name=LOG)
    with faulty.connect() as connection:
        faulty.faults.trace()
        assert connection.call("SET", "key", "v" * 1000) == b"OK"
        writes = [call for call in faulty.faults.traced() if call.call == "write"]
        assert [call.action for call in writes[:6]] == ["short"] * 5 + ["none"]
    faulty.restart(kill=True)
    with faulty.connect() as connection:
        assert connection.call("GET", "key") == b"v" * 1000


def test_delay(faulty):
    faulty.faults.add("fdatasync", "delay", delay=0.2, count=1, name=LOG)
    with faulty.connect() as connection:
        begin = time.monotonic()
        connection.call("SET", "key", "value")
        assert time.monotonic() - begin >= 0.2
        begin = time.monotonic()
        connection.call("SET", "key", "value")
        assert time.monotonic() - begin < 0.2


def test_chance_follows_its_seed(new_faulty):
    """The same seed strikes the same calls."""

    def struck(seed):
        server = new_faulty(appendfsync="no").start()
        server.faults.add("write", "short", chance=0.5, seed=seed, name=LOG)
        server.faults.trace()
        with server.connect() as connection:
            while len([call for call in server.faults.traced() if call.call == "write"]) < 32:
                connection.call("SET", "key", "value")
        return [call.action for call in server.faults.traced() if call.call == "write"][:32]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 4 < struck(3).count("short") < 28


def test_crash_tears_a_write(faulty):
    """A crash in the middle of a write leaves its beginning, which the next start drops as a torn tail."""
    with faulty.connect() as connection:
        assert connection.call("SET", "before", "1") == b"OK"
        faulty.faults.add("write", "crash", keep=100, name=LOG)
        with pytest.raises(Closed):
            connection.call("SET", "torn", "v" * 1000)
    assert faulty.wait() == -9
    faulty.faults.clear()
    faulty.start()
    with faulty.connect() as connection:
        assert connection.call("MGET", "before", "torn") == [b"1", None]


def test_stop(faulty):
    """A call that never returns, until somebody sends SIGCONT."""
    faulty.faults.add("fdatasync", "stop", count=1, name=LOG)
    with faulty.connect() as connection:
        connection.send("SET", "key", "value")
        wait_until(lambda: open(f"/proc/{faulty.pid}/stat").read().split()[2] == "T")
        assert connection.is_silent()
        os.kill(faulty.pid, 18)
        assert connection.read() == b"OK"


@pytest.mark.parametrize("policy, kept", [("always", True), ("no", False)])
def test_cache_forgets_what_was_not_synced(new_faulty, policy, kept):
    """Under hold, SIGKILL takes what was acknowledged without a sync: the cache is one that can lose data. Nothing is
    gone as long as the process lives."""
    server = new_faulty(appendfsync=policy)
    server.start()
    with server.connect() as connection:
        assert connection.call("CONFIG", "GET", "appendfsync")[1] == policy.encode()
        server.faults.hold()
        for i in range(50):
            assert connection.call("SET", f"key:{i}", "v" * 100) == b"OK"
        assert connection.call("GET", "key:49") == b"v" * 100
    server.restart(kill=True)
    with server.connect() as connection:
        assert connection.call("DBSIZE") == (50 if kept else 0)
