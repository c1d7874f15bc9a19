"""Under appendfsync always, what clients are told is linearizable across SIGKILL and restarts: there is one order of all
operations, on each key, that explains every reply of every client, whichever of the server's lives it came from."""

import random
import time

import pytest
from folders import PATIENT
from harness.server import Server
from history import judge
from lincheck import Violation, check

# Rewrites and rotations all the time.
RESTLESS = {"segment_size": "64kb", "rewrite_every_writes": 500, "auto_aof_rewrite_min_size": "16kb"}


def kill_again_and_again(server, recorded, rng, seconds, between=(0.05, 0.6), before_start=lambda server: None):
    """SIGKILL, and at times SIGTERM, and a start on the same data."""
    until = time.monotonic() + seconds
    kills = 0
    while time.monotonic() < until:
        time.sleep(rng.uniform(*between))
        if rng.random() < 0.1:
            server.stop()
        else:
            server.kill()
        recorded.note_death()
        kills += 1
        before_start(server)
        server.start()
    time.sleep(between[0])
    return kills


def seconds(full, default):
    return 30 * default if full else default


def test_killed(new_server, recording, seed, full):
    """The server as it is, with rewrites all the time."""
    server = new_server(port=0, appendonly="yes", appendfsync="always", **RESTLESS).start()
    recorded = recording(server)
    kills = kill_again_and_again(server, recorded, random.Random(seed), seconds(full, 7))
    assert judge(recorded, kills) > 1000


def test_power_lost(new_faulty, recording, seed, full):
    """The same on a disk cache that forgets what was not synced, and is slow to write and to sync: whoever is answered
    or shown something too early is found out by the next kill."""
    server = new_faulty(**RESTLESS).start()
    rng = random.Random(seed)

    def set_faults(server):
        server.faults.clear()
        server.faults.hold(leak=rng.choice([0, 0.2, 0.9]))
        server.faults.add(["write", "fdatasync"], "delay", delay=0.003, chance=0.3, seed=rng.randrange(2**32))
        server.faults.add("write", "short", chance=0.1, seed=rng.randrange(2**32))

    set_faults(server)
    recorded = recording(server)
    kills = kill_again_and_again(server, recorded, rng, seconds(full, 7), before_start=set_faults)
    assert judge(recorded, kills) > 500


def test_power_lost_without_syncs_is_noticed(new_faulty, recording, seed):
    """The same, under a policy that promises less: there are violations, so the two tests above could fail."""
    server = new_faulty(appendfsync="no", **PATIENT).start()
    server.faults.hold()
    recorded = recording(server)
    kills = kill_again_and_again(server, recorded, random.Random(seed), 1.5, between=(0.2, 0.4))
    with pytest.raises(Violation) as violation:
        judge(recorded, kills)
    print(violation.value)


def test_server_that_keeps_nothing_is_noticed(reference_binary, recording, seed):
    """redis-server without its log loses everything in a crash."""
    server = Server(reference_binary, port=0, appendonly="no")
    try:
        server.start()
        recorded = recording(server, mix=["get", "set", "incr", "del"])  # it has no compare-and-set
        kills = kill_again_and_again(server, recorded, random.Random(seed), 1.0, between=(0.2, 0.3))
        with pytest.raises(Violation):
            judge(recorded, kills)
    finally:
        server.remove()


def test_one_wrong_reply_is_noticed(new_server, recording, seed):
    """A recorded history in which one reply is changed is rejected, wherever that is."""
    server = new_server(port=0, appendonly="yes", appendfsync="always").start()
    recorded = recording(server)
    time.sleep(0.5)
    history = recorded.finish()
    check(history)
    rng = random.Random(seed)
    reads = [index for index, op in enumerate(history) if op.name in ("get", "incr")]
    for index in rng.sample(reads, 20):
        changed = list(history)
        changed[index] = changed[index]._replace(result=-1)
        with pytest.raises(Violation):
            check([op for op in changed if op.key == changed[index].key])
