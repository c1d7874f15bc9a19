"""Measurements that are more than load for a while: restarts, rewrites, memory, pauses, idling.

Each is a function of a subject, the sizes, the number of keys that the stage filled in, and a dict that lasts for the
rounds of one server; it returns figures as driving.py has them.
"""

import select
import socket
import threading
import time
from contextlib import contextmanager

from driving import LoadError, benchmark, fill, in_background, probing

# What goes on beside a rewrite: the same for every server, and within what each can do.
WRITERS = "name=writers clients=10 pipeline=16 rate=50000 keys={keys} : 1 SET key:# $64"
# How fast the table grows while pauses are looked for.
GROWING_RATE = 250_000
STREAMED_BYTES = 16 << 20
LEAD_SECONDS = 0.2  # of quiet before what is watched begins
SETTLE_SECONDS = 2  # what was replaced goes when that is on record
SAMPLE_SECONDS = 0.01
SUBSCRIBERS = 100


def _pauses(figures):
    return {name: figures[name] for name in ("p50", "p99.9", "max")}


def _check_size(subject, keys):
    size = subject.call("DBSIZE")
    if size != keys:
        raise LoadError(f"{subject.name} has {size} keys instead of {keys}")


# --- restarts and rewrites --------------------------------------------------------------------------------------------


def restart(subject, sizes, keys, state):
    took = subject.restart_after_kill()
    _check_size(subject, keys)
    return {"seconds": took}


def rewrite(subject, sizes=None, keys=None, state=None):
    return {"seconds": subject.rewrite()}


def large_disk_use(setting_values):
    """What goes to the disk where large values are set, for each byte that is sent; what a rewrite writes of them again;
    and how large the folder is then, for each byte that lives."""

    def measure(subject, sizes, keys, state):
        before = subject.written_bytes()
        setting_values(subject, sizes, keys, state)
        written = subject.written_bytes() - before
        subject.rewrite()
        time.sleep(SETTLE_SECONDS)
        return {"written": written / (sizes.requests_16m * STREAMED_BYTES),
                "again": (subject.written_bytes() - before - written) / 1e6,
                "folder": subject.folder_bytes() / (keys * STREAMED_BYTES)}

    return measure


def rewrite_pauses(subject, sizes, keys, state):
    with in_background(subject, WRITERS.format(keys=keys)), probing(subject) as figures:
        time.sleep(LEAD_SECONDS)
        took = subject.rewrite()
    return {"seconds": took, **_pauses(figures)}


def rewrite_memory(subject, sizes, keys, state):
    """What is taken beyond what was taken before, at the worst moment, by the server and its child."""
    before = subject.share_bytes()
    over = threading.Event()
    samples = [before]

    def sample():
        while not over.is_set():
            samples.append(subject.share_bytes())
            over.wait(SAMPLE_SECONDS)

    with in_background(subject, WRITERS.format(keys=keys)):
        time.sleep(LEAD_SECONDS)
        sampler = threading.Thread(target=sample)
        sampler.start()
        try:
            took = subject.rewrite()
        finally:
            over.set()
            sampler.join()
    return {"seconds": took, "extra": (max(samples) - before) / 2**20}


def memory(subject, sizes, keys, state):
    return {"bytes": (subject.rss_bytes() - subject.rss_empty) / keys}


# --- pauses -----------------------------------------------------------------------------------------------------------


def growing(subject, sizes, keys, state):
    subject.reset()
    with probing(subject) as figures:
        time.sleep(LEAD_SECONDS)
        filled = fill(subject, sizes.keys_grown, 64, pipeline=16, rate=GROWING_RATE)
    return {"rate": filled["rate"], **_pauses(figures)}


def expiring(subject, sizes, keys, state):
    """All keys expire in the same millisecond. It is put far enough ahead for them to be there by then."""
    subject.reset()
    lead = state.setdefault("lead", 1 + sizes.keys_expiring / 200_000)
    due = time.time() + lead
    fill(subject, sizes.keys_expiring, 64, f"PXAT {int(due * 1000)}")
    if time.time() > due - LEAD_SECONDS:
        state["lead"] = 3 * lead
        return expiring(subject, sizes, keys, state)
    time.sleep(max(0, due - LEAD_SECONDS - time.time()))
    with probing(subject) as figures:
        while subject.call("DBSIZE") > 0:
            time.sleep(0.05)
        gone = time.time() - due
    return {"seconds": gone, **_pauses(figures)}


def flushing(subject, sizes, keys, state):
    subject.reset()
    fill(subject, sizes.keys_grown, 64)
    subject.settle()
    with probing(subject) as figures:
        time.sleep(LEAD_SECONDS)
        begin = time.monotonic()
        subject.call("FLUSHALL", "ASYNC")
        took = time.monotonic() - begin
        time.sleep(LEAD_SECONDS + sizes.keys_grown / 2_000_000)  # until the thread that frees them is done
    return {"seconds": took, **_pauses(figures)}


def beside_streams(subject, sizes, keys, state):
    """One client sets large values without pause, another gets them: how long do small requests wait?"""
    set_large = f"clients=1 keys={keys} : 1 SET key:# ${STREAMED_BYTES}"
    get_large = f"clients=1 keys={keys} : 1 GET key:#"
    with in_background(subject, set_large, get_large) as streams, probing(subject) as figures:
        time.sleep(sizes.seconds)
    return {"rate": streams["rate"], "p99": figures["p99"], **_pauses(figures)}


# --- messages --------------------------------------------------------------------------------------------------------


@contextmanager
def _listening(subject, count):
    """So many subscribers who read whatever comes, beside the body."""
    over = threading.Event()
    poller = select.epoll()
    sockets = {}
    for _ in range(count):
        opened = socket.create_connection(("127.0.0.1", subject.server.port))
        opened.sendall(b"SUBSCRIBE news\r\n")
        opened.recv(4096)
        sockets[opened.fileno()] = opened
        poller.register(opened, select.EPOLLIN)

    def read():
        while not over.is_set():
            for descriptor, _ in poller.poll(0.05):
                if not sockets[descriptor].recv(1 << 16):
                    poller.unregister(descriptor)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        over.set()
        reader.join()
        for opened in sockets.values():
            opened.close()


_publish = benchmark(("PUBLISH", "news", "x" * 64))


def publishing(subject, sizes, keys, state):
    with _listening(subject, SUBSCRIBERS):
        return _publish(subject, sizes, keys, state)


# --- doing nothing ----------------------------------------------------------------------------------------------------


def idling(subject, sizes, keys, state):
    time.sleep(LEAD_SECONDS)
    switches, ran = subject.context_switches(), subject.run_seconds()
    time.sleep(sizes.idle_seconds)
    return {"wakeups": (subject.context_switches() - switches) / sizes.idle_seconds,
            "idle": (subject.run_seconds() - ran) / sizes.idle_seconds * 100}


def starting(subject, sizes, keys, state):
    return {"ready": subject.start_empty() * 1000}
