"""Calls fail at random while many clients read and write: the server goes on, refuses clearly or stops clearly, and what
clients were told is linearizable across all of it, on a disk cache that forgets what was not synced."""

import random
import time

import pytest
from folders import info
from harness.figures import figure
from harness.resp import wait_until
from history import judge
from judging import complaints
from test_fault_running import assert_tidy

pytestmark = pytest.mark.dkv("which calls it makes")

RESTLESS = {"segment_size": "64kb", "rewrite_every_writes": 300, "auto_aof_rewrite_min_size": "16kb"}
# With and without file systems on which what was reserved may be missing.
SPACE_CALLS = [["open", "fallocate", "rename"], ["open", "write", "fallocate", "rename"]]
DISK_CALLS = ["open", "read", "write", "fdatasync", "fsync", "fallocate", "ftruncate", "rename", "unlink"]


def full_disk(rng):
    error, chance = rng.choice(["ENOSPC", "EDQUOT"]), rng.choice([0.05, 0.3, 1.0])
    return {"calls": rng.choice(SPACE_CALLS), "error": error, "chance": chance}


def broken_disk(rng):
    return {"calls": DISK_CALLS, "error": "EIO", "chance": rng.choice([0.002, 0.01, 0.1])}


def failing_sync(rng):
    error = rng.choice(["EIO", "ENOSPC", "EINTR"])
    return {"calls": ["fdatasync"], "error": error, "at": rng.randrange(1, 50), "count": 1}


def interruptions(rng):
    return {"calls": ["open", "read", "write", "fallocate", "ftruncate"], "error": "EINTR", "chance": 0.3}


def short_writes(rng):
    return {"calls": ["read", "write"], "action": "short", "chance": 0.5, "keep": rng.choice([-1, 1, 100])}


def slow_disk(rng):
    return {"calls": DISK_CALLS, "action": "delay", "delay": 0.005, "chance": 0.2}


def failing_forks(rng):
    return {"calls": ["fork"], "error": rng.choice(["EAGAIN", "ENOMEM"]), "chance": 0.7}


def broken_child(rng):
    return {"calls": DISK_CALLS, "error": rng.choice(["EIO", "ENOSPC"]), "chance": 0.3, "process": "child"}


KINDS = [full_disk, broken_disk, failing_sync, interruptions, short_writes, slow_disk, failing_forks, broken_child]


def set_rules(server, rng):
    server.faults.clear()
    server.faults.hold(leak=rng.choice([0, 0.3]))
    names = []
    for kind in rng.sample(KINDS, rng.randrange(1, 4)):
        server.faults.add(seed=rng.randrange(2**32), **kind(rng))
        names.append(kind.__name__)
    return names


def wait_a_while(server, seconds):
    """Whether it still runs then."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.running():
        time.sleep(0.005)
    return server.running()


def assert_goes_on(server):
    """Without faults it takes writes again by itself."""
    with server.connect() as connection:
        wait_until(lambda: connection.call("SET", "resumed", "1") == b"OK", seconds=10)
        # What is small may be taken before room for something larger was looked for again.
        wait_until(lambda: info(connection)["dkv_disk_full"] == "no", seconds=10)


def end_round(server, rng, names, at):
    """Ends what still runs; how it ended, in a word."""
    if server.running():
        server.faults.clear()
        if rng.random() < 0.5:
            try:
                assert_goes_on(server)
            except ConnectionError:
                pass  # a failed write had stopped it already
    if server.running() and rng.random() < 0.3:
        server.send_signal(15)
        status = server.wait()
    else:
        status = server.end()
    text = server.log_since(at)
    assert status in (0, 1, -9), f"{names}: exit status {status}:\n{text}"
    if status == 1:
        assert any("cannot " in line for line in complaints(text)), f"{names}:\n{text}"
    return {0: "stopped when told to", 1: "stopped by a fault", -9: "killed"}[status]


def test_random_faults_under_load(new_faulty, recording, seed, full):
    rng = random.Random(seed)
    server = new_faulty(**RESTLESS).start()
    recorded = recording(server)
    ended = {}
    hits = 0
    until = time.monotonic() + (600 if full else 8)
    while time.monotonic() < until:
        at = server.log_size()
        names = set_rules(server, rng)
        wait_a_while(server, rng.uniform(0.1, 0.8))
        hits += sum(server.faults.hits(rule) for rule in range(len(names)))
        how = end_round(server, rng, names, at)
        recorded.note_death()
        ended[how] = ended.get(how, 0) + 1
        server.faults.clear()
        server.start()
    rounds = sum(ended.values())
    print(f"{rounds} rounds:", ", ".join(f"{count} {how}" for how, count in sorted(ended.items())))
    figure(hits, "calls struck at random")
    assert judge(recorded, rounds) > 500
    server.restart(kill=True)
    assert_tidy(server)
    assert ended.get("stopped by a fault") and ended.get("killed")
