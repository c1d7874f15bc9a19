"""A running server whose calls fail one by one: a script of writes, rotations and rewrites is run once for each call,
in which that call fails, is cut short, or is the last one before SIGKILL.

What is written and not synced is lost when the server ends (the interposer's cache), so an acknowledgement that came
too early cannot hide behind the kernel's page cache.
"""

import collections
import concurrent.futures
import random
import re

import pytest
from folders import PATIENT, contents, info
from harness.figures import figure
from harness.resp import Error, Status, wait_until
from judging import ERRORS, assert_clear_stop, assert_refuses_writes_clearly, complaints, is_final, strike

pytestmark = pytest.mark.dkv("which calls it makes")

WORKERS = 3
ANSWER_SECONDS = 30
NAME = re.compile(r"\d{20}")

# One call to fail: the number-th of its kind, of one process, on files of one kind.
Point = collections.namedtuple("Point", "call process name number")


class Killed(Exception):
    """The script is over: the server is to be killed."""


class Script:
    """What one client sent, and what became of it. With stays_full a rewrite that waits for room is not waited for. With
    sets_after, the server is killed so many writes after the fault, before a rewrite can hide what it did."""

    def __init__(self, server, stays_full=False, sets_after=None):
        self.server = server
        self.stays_full = stays_full
        self.sets_after = sets_after
        self.acknowledged = {}
        self.refused = []
        self.in_flight = None
        self.rewrites_failed = 0

    def run(self):
        """Until the end, or until the server is gone; then SIGTERM, or SIGKILL. The exit status."""
        try:
            with self.server.connect(timeout=ANSWER_SECONDS) as connection:
                self._run(connection)
        except ConnectionError:
            return self.server.wait()
        except Killed:
            return self.server.end()
        try:
            return self.server.stop()
        except ProcessLookupError:
            return self.server.wait()

    def _run(self, connection):
        for phase in range(3):
            for _ in range(25):
                self._set(connection)
            reply = connection.call("BGREWRITEAOF")
            assert isinstance(reply, Status) or b"fork failed" in reply or b"in progress" in reply, reply
            self._wait_for_rewrite(connection)
        for _ in range(10):
            self._set(connection)

    def _wait_for_rewrite(self, connection):
        over = lambda: info(connection)["aof_rewrite_in_progress"] == "0"
        try:
            wait_until(over, seconds=0.2 if self.stays_full else ANSWER_SECONDS, pause=0.001)
        except TimeoutError:
            assert self.stays_full, "a rewrite that does not end"
        self.rewrites_failed += info(connection)["aof_last_bgrewrite_status"] == "err"

    def _set(self, connection):
        number = len(self.acknowledged) + len(self.refused)
        key, value = b"key:%d" % number, b"%d:" % number + b"v" * 3000
        self.in_flight = (key, value)
        reply = connection.call("SET", key, value)
        if isinstance(reply, Error):
            assert_refuses_writes_clearly(reply)
            self.refused.append(key)
        else:
            assert reply == b"OK"
            self.acknowledged[key] = value
        self.in_flight = None
        if self.sets_after is not None and self.server.faults.hits():
            self.sets_after -= 1
            if self.sets_after < 0:
                raise Killed

    def may_hold(self):
        """The states that a start may find."""
        states = [self.acknowledged]
        if self.in_flight:
            states.append({**self.acknowledged, self.in_flight[0]: self.in_flight[1]})
        return states


def untidy(server):
    """Names of files that MANIFEST does not name, and of such that it does and that are not there."""
    named = {"LOCK", "MANIFEST"}
    for line in (server.data / "MANIFEST").read_text().splitlines():
        word, *values = line.split()
        if word == "segment":
            named.add(f"log-{int(values[0]):020}.dkv")
        elif word in ("base", "history") and values[1] != "0":
            named.add(f"base-{int(values[0]):020}.dkv")
    return named ^ {path.name for path in server.data.iterdir() if not path.name.startswith("spare-")}


def assert_tidy(server):
    """The folder soon holds what MANIFEST names, spares and the lock: a thread removes the rest, and nothing is left to
    be cleaned up by hand."""
    try:
        wait_until(lambda: not untidy(server))
    except TimeoutError as error:
        raise AssertionError(f"in the folder or missing: {untidy(server)}") from error


def assert_recovers(server, script):
    """Without the fault: nothing that was acknowledged is missing, nothing that was refused is there."""
    server.faults.clear()
    server.start()
    with server.connect() as connection:
        found = contents(connection)
        assert found in script.may_hold(), sorted(found.keys() ^ script.acknowledged.keys())
        assert connection.call("SET", "afterwards", "1") == b"OK"
    assert_tidy(server)
    assert server.stop() == 0
    server.start()
    with server.connect() as connection:
        assert connection.call("DBSIZE") == len(found) + 1
    server.kill()


@pytest.fixture
def points(new_faulty):
    """points(): every call of the script, as points; each kind's calls are numbered."""

    def list_them(**directives):
        server = new_faulty(**{**PATIENT, **directives}).start()
        server.faults.trace()
        script = Script(server)
        assert script.run() == 0
        assert len(script.acknowledged) == 85 and not script.rewrites_failed
        counts = collections.Counter()
        found = []
        for call in server.faults.traced():
            kind = (call.call, call.process, NAME.sub("*", call.name))
            counts[kind] += 1
            found.append(Point(*kind, counts[kind]))
        return found

    return list_them


def run_struck(server, point, what, count=1):
    """The script with one call struck, or (count 0) all of its kind from that one on. What came of it, in a word."""
    server.start()
    server.faults.hold(leak=0.3)
    where = {"process": point.process, "name": point.name or "*"}
    strike(server.faults, point.call, what, at=point.number, count=count, **where)
    at = server.log_size()
    # Of those that fail once, every other one is followed by SIGKILL soon, the others by the rest of the script.
    sets_after = point.number % 3 if count and (point.number + len(what)) % 2 else None
    script = Script(server, stays_full=what == "ENOSPC" and count == 0, sets_after=sets_after)
    status = script.run()
    text = server.log_since(at)
    struck = server.faults.hits() > 0
    server.faults.hold(False)
    # One that is killed after it has told that the log failed was about to stop.
    is_survived = what != "crash" and (status == 0 or (status == -9 and "the log has failed" not in text))
    assert not (is_survived and struck and point.process == "server" and is_final(point.call, what)), text
    if status == -9:
        assert what == "crash" or sets_after is not None, text
        outcome = "crashed" if what == "crash" else "went on"
    elif status == 0:
        outcome = "refused writes" if script.refused else "went on"
        if script.rewrites_failed:
            assert complaints(text)
            outcome = "rewrite failed"
    else:
        assert_clear_stop(server, status, text, what)
        outcome = "stopped"
    assert_recovers(server, script)
    return outcome if struck else "not reached"


def sweep(new_faulty, tasks, count=1, **directives):
    """Strikes each (point, what); prints what came of it. Some servers at a time."""

    def one(task):
        point, what = task
        server = new_faulty(**{**PATIENT, **directives})
        try:
            return run_struck(server, point, what, count)
        except BaseException as error:
            raise AssertionError(f"{what} in {point}: {error}\n{server.log()[-3000:]}") from error
        finally:
            server.remove()

    outcomes = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(one, task) for task in tasks]
        try:
            for future in concurrent.futures.as_completed(futures):
                outcomes[future.result()] += 1
        finally:
            pool.shutdown(cancel_futures=True)
    print(", ".join(f"{count} {what}" for what, count in sorted(outcomes.items())))
    figure(len(tasks), "fault points")
    return outcomes


def chosen(points, full, rng, whats):
    """The first calls of each kind, and some others; all of them in a full run. whats(point): how each fails."""
    first = [point for point in points if point.number <= 2]
    others = [point for point in points if point.number > 2]
    picked = points if full else first + rng.sample(others, min(len(others), 25))
    return [(point, what) for point in picked for what in whats(point)]


def test_every_call_fails(points, new_faulty, full, seed):
    """Each call fails with an error that it can have: the script goes on, or is refused clearly, or the server stops
    with a message that names the cause; a failed sync always stops it."""
    rng = random.Random(seed)
    whats = lambda point: ERRORS[point.call] if full or point.number == 1 else [rng.choice(ERRORS[point.call])]
    tasks = chosen(points(), full, rng, whats)
    outcomes = sweep(new_faulty, tasks)
    assert outcomes["stopped"] > 0 and outcomes["went on"] > 0 and outcomes["rewrite failed"] > 0
    assert outcomes["not reached"] < len(tasks) / 4


def test_calls_go_on_failing(points, new_faulty, full, seed):
    """The same, when from some call on all of its kind fail: a disk that is broken for good, or stays full. (A write that
    finds no room in what was reserved for it is in test_sync.py.)"""
    rng = random.Random(seed)
    errors = lambda point: [what for what in ERRORS[point.call] if what in ("EIO", "ENOSPC", "EMFILE", "EAGAIN")]
    whats = lambda point: [what for what in errors(point) if (point.call, what) != ("write", "ENOSPC")]
    kinds = {}
    for point in points():
        kinds.setdefault(point[:3], []).append(point)
    picked = [point for kind in kinds.values() for point in (kind if full else [kind[0], rng.choice(kind)])]
    tasks = [(point, what) for point in picked for what in whats(point)]
    outcomes = sweep(new_faulty, tasks, count=0)
    assert outcomes["stopped"] > 0 and outcomes["refused writes"] > 0


def test_every_call_crashes(points, new_faulty, full, seed):
    """SIGKILL to the server in the middle of each call, the child's included, half of a write done and unsynced data
    lost. With history kept, so that there are more files to lose."""
    rng = random.Random(seed)
    directives = {"history_bases": 1}
    tasks = chosen(points(**directives), full, rng, lambda point: ["crash"])
    outcomes = sweep(new_faulty, tasks, **directives)
    assert outcomes["crashed"] > len(tasks) / 2
