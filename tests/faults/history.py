"""Clients that write down what they asked and what they were told, while their server is killed and started again."""

import bisect
import contextlib
import multiprocessing
import pickle
import random
import time
from pathlib import Path

from harness.figures import figure
from harness.resp import Connection, Error
from lincheck import check, operation

CLIENTS = 8
ANSWER_SECONDS = 60
MIX = ["get"] * 5 + ["set"] * 3 + ["cas"] * 4 + ["incr"] * 2 + ["del"]

# Replies that say that nothing was done.
REFUSALS = ("LOADING", "MISCONF")


class Client:
    """One process with one connection at a time. It reports (operation, when its connection was made) in a file."""

    def __init__(self, number, socket, keys, mix, seed, stop, path):
        self.number, self.socket, self.keys, self.mix, self.stop, self.path = number, socket, keys, mix, stop, path
        self.rng = random.Random(seed)
        self.written = 0
        self.last_seen = dict.fromkeys(keys)
        self.reports = []
        self.refused = 0

    def run(self):
        try:
            while not self.stop.is_set():
                with contextlib.suppress(ConnectionError, FileNotFoundError):
                    self._connected()
                time.sleep(0.001)
        except Exception as failure:  # told to whoever reads the report
            self.reports.append(repr(failure))
        self.path.write_bytes(pickle.dumps((self.reports, self.refused)))

    def _connected(self):
        connected = time.monotonic()
        with Connection(self.socket, timeout=ANSWER_SECONDS) as connection:
            while not self.stop.is_set():
                self._one(connection, connected)

    def _one(self, connection, connected):
        key, name = self.rng.choice(self.keys), self.rng.choice(self.mix)
        expected = self.last_seen[key]
        if name == "cas" and expected is None:
            name = "get"
        self.written += 1
        value = self.number * 10**9 + self.written
        command = {
            "get": ("GET", key),
            "set": ("SET", key, value),
            "cas": ("SET", key, value, "IFEQ", expected),
            "incr": ("INCR", key),
            "del": ("DEL", key),
        }[name]
        draft = operation(
            self.number,
            key,
            name,
            time.monotonic(),
            None,
            value=value if name in ("set", "cas") else None,
            expected=expected if name == "cas" else None,
        )
        try:
            reply = connection.call(*command)
        except ConnectionError:
            self.reports.append((draft._replace(has_result=False), connected))
            raise
        self._answered(draft, reply, connected)

    def _answered(self, draft, reply, connected):
        returned = time.monotonic()
        if isinstance(reply, Error):
            if reply.code not in REFUSALS:
                raise AssertionError(f"{draft}: {reply}")
            self.refused += 1
            time.sleep(0.002)
            return
        result = {
            "get": lambda: None if reply is None else int(reply),
            "set": lambda: reply == b"OK",
            "cas": lambda: reply == b"OK",
            "incr": lambda: reply,
            "del": lambda: reply == 1,
        }[draft.name]()
        if draft.name in ("get", "incr"):
            self.last_seen[draft.key] = result
        elif result and draft.name in ("set", "cas"):
            self.last_seen[draft.key] = draft.value
        self.reports.append((draft._replace(returned=returned, result=result), connected))


class Recording:
    """Clients of one server, in processes of their own; and when that server was dead."""

    def __init__(self, server, folder, seed, clients=CLIENTS, keys=4, mix=MIX):
        context = multiprocessing.get_context("fork")
        self.server = server
        self.stop = context.Event()
        self.deaths = []
        self.paths = [Path(folder) / f"client-{number}" for number in range(clients)]
        names = [f"key:{number}" for number in range(keys)]
        self.processes = []
        for number, path in enumerate(self.paths):
            client = Client(number + 1, server.socket, names, mix, f"{seed} {number}", self.stop, path)
            self.processes.append(context.Process(target=client.run, daemon=True))
            self.processes[-1].start()

    def note_death(self):
        """The server's process has ended: nothing that was sent to it happens from now on."""
        self.deaths.append(time.monotonic())

    def finish(self):
        """Ends the clients. The history."""
        self.stop.set()
        for process in self.processes:
            process.join(ANSWER_SECONDS + 30)
        end = time.monotonic()
        history = []
        self.refused = 0
        for path in self.paths:
            reports, refused = pickle.loads(path.read_bytes())
            self.refused += refused
            for report in reports:
                assert not isinstance(report, str), report
                history += self._ended(*report, end)
        return history

    def _ended(self, op, connected, end):
        """An operation without an answer ended when the server that its connection was made to was dead."""
        if op.has_result:
            return [op]
        death = bisect.bisect(self.deaths, connected)
        ended = self.deaths[death] if death < len(self.deaths) else end
        return [op._replace(returned=ended)] if op.called < ended else []

    def close(self):
        self.stop.set()
        for process in self.processes:
            process.kill()
            process.join()


def judge(recorded, kills):
    """Raises lincheck's Violation, or tells how much was checked."""
    history = recorded.finish()
    unanswered = sum(not op.has_result for op in history)
    begin = time.monotonic()
    visited = check(history)
    took = time.monotonic() - begin
    print(
        f"{unanswered} operations without an answer, {recorded.refused} refused; {visited} configurations in {took:.1f} s"
    )
    figure(len(history), "operations found linearizable")
    figure(kills, "deaths between them")
    return len(history)
