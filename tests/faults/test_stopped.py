"""SIGSTOP and SIGCONT under load: a server that stands still for a while loses nothing, and goes on where it was."""

import os
import signal
import time

from folders import PATIENT, rewrite
from history import judge
from loading import Rounds


def stop_and_go(server, rng, until):
    while time.monotonic() < until:
        server.send_signal(signal.SIGSTOP)
        time.sleep(rng.uniform(0, 0.15))
        server.send_signal(signal.SIGCONT)
        time.sleep(rng.uniform(0, 0.1))


def test_stopped_under_load(new_server, new_load, seed, full):
    """With a writer's log of what was acknowledged and shown; in some rounds the last thing that it is sent is SIGSTOP,
    and then SIGKILL."""
    server = new_server(appendonly="yes", appendfsync="always").start()
    rounds = Rounds(server, new_load(server), seed)

    def kill(server, rng, load):
        if rng.random() < 0.7:
            server.send_signal(signal.SIGSTOP)
            time.sleep(0.02)
        server.kill()
        rounds.ended(load.wait())
        server.start()

    rounds.run(50 if full else 4, kill, load_seconds=(0.4, 0.8), during=stop_and_go)
    assert rounds.acknowledged > 0


def test_stopped_group_is_linearizable(new_server, recording, seed):
    """The server and its rewrite's child stand still together, as on a suspended machine."""
    server = new_server(port=0, appendonly="yes", appendfsync="always", rewrite_every_writes=300, **PATIENT).start()
    recorded = recording(server)
    for _ in range(6):
        time.sleep(0.1)
        os.killpg(server.pid, signal.SIGSTOP)
        time.sleep(0.1)
        os.killpg(server.pid, signal.SIGCONT)
    server.kill()
    recorded.note_death()
    server.start()
    time.sleep(0.1)
    assert judge(recorded, 1) > 100
    with server.connect() as connection:
        assert server.flavor != "dkv" or rewrite(connection)
