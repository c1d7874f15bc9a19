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
FREED_A_SECOND = 2_000_000  # keys or elements, at least, by a thread beside the loop


def _pauses(figures):
    return {name: figures[name] for name in ("p50", "p99.9", "max")}


# --- restarts and rewrites --------------------------------------------------------------------------------------------


def restarting(*count):
    """count: the command that tells how many of what was filled in are there."""

    def measure(subject, sizes, keys, state):
        took = subject.restart_after_kill()
        found = subject.call(*count)
        if found != keys:
            raise LoadError(f"{subject.name} has {found} of {keys}")
        return {"seconds": took, "busy": subject.cpu_seconds()}

    return measure


restart = restarting("DBSIZE")


def rewrite(subject, sizes=None, keys=None, state=None):
    before = subject.cpu_seconds() + subject.child_seconds()
    took = subject.rewrite()
    return {"seconds": took, "busy": subject.cpu_seconds() + subject.child_seconds() - before}


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


def rewriting(writers):
    """How long others wait during a rewrite, beside these writers."""

    def measure(subject, sizes, keys, state):
        with in_background(subject, writers.format(keys=keys)), probing(subject) as figures:
            time.sleep(LEAD_SECONDS)
            took = subject.rewrite()
        return {"seconds": took, **_pauses(figures)}

    return measure


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


def growing(command, count):
    """Filling an empty server by this command. count: the field of the sizes that says how often."""

    def measure(subject, sizes, keys, state):
        subject.reset()
        with probing(subject) as figures:
            time.sleep(LEAD_SECONDS)
            filled = fill(subject, getattr(sizes, count), command, pipeline=16, rate=GROWING_RATE)
        return {"rate": filled["rate"], **_pauses(figures)}

    return measure


def expiring(command):
    """What this command fills in, with {due}, expires in the same millisecond. It is put far enough ahead for all to be
    there by then."""

    def measure(subject, sizes, keys, state):
        subject.reset()
        lead = state.setdefault("lead", 1 + sizes.keys_expiring / 200_000)
        due = time.time() + lead
        fill(subject, sizes.keys_expiring, command.format(due=int(due * 1000)))
        if time.time() > due - LEAD_SECONDS:
            state["lead"] = 3 * lead
            return measure(subject, sizes, keys, state)
        time.sleep(max(0, due - LEAD_SECONDS - time.time()))
        with probing(subject) as figures:
            while subject.call("DBSIZE") > 0:
                time.sleep(0.05)
            gone = time.time() - due
        return {"seconds": gone, **_pauses(figures)}

    return measure


def losing(large, *command):
    """A copy of what the key named large holds goes, by this command on the key "victim". That it has expired is
    waited for without looking at it, which would remove it, too."""

    def measure(subject, sizes, keys, state):
        expires = "EXPIRE" in command[0]
        subject.call("COPY", large, "victim", "REPLACE")
        with_victim = subject.call("DBSIZE")
        subject.settle()
        with probing(subject) as figures:
            time.sleep(LEAD_SECONDS)
            begin = time.monotonic()
            subject.call(*command)
            while expires and subject.call("DBSIZE") == with_victim:
                time.sleep(0.02)
            took = time.monotonic() - begin
            time.sleep(LEAD_SECONDS + keys / FREED_A_SECOND)
        subject.call("DEL", "victim")
        return {"seconds": took, **_pauses(figures)}

    return measure


def flushing(subject, sizes, keys, state):
    subject.reset()
    fill(subject, sizes.keys_grown)
    subject.settle()
    with probing(subject) as figures:
        time.sleep(LEAD_SECONDS)
        begin = time.monotonic()
        subject.call("FLUSHALL", "ASYNC")
        took = time.monotonic() - begin
        time.sleep(LEAD_SECONDS + sizes.keys_grown / FREED_A_SECOND)  # until the thread that frees them is done
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
