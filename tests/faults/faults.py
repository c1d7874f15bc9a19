"""Servers whose calls fail as a test says: the other side of interpose.c's control file."""

import ctypes
import errno
import mmap
import os
import struct
import subprocess
import threading
from collections import namedtuple
from pathlib import Path

from harness.server import Server, StartError

HERE = Path(__file__).resolve().parent

# --- as in interpose.c ------------------------------------------------------------------------------------------------

MAGIC = 0x46564B44
RULES_MAX = 16
RECORDS_MAX = 32768
ROOT_SIZE = 512
HEADER = struct.Struct(f"<IIIIIIQ{ROOT_SIZE}s")
RULE = struct.Struct("<IIIiQQQqII48sQQ")
RECORD = struct.Struct("<IIIi48s")
RECORDS_AT = HEADER.size + RULES_MAX * RULE.size
SIZE = RECORDS_AT + RECORDS_MAX * RECORD.size

RULE_COUNT_AT, HOLD_AT, LEAK_AT, TRACE_AT, RELEASED_AT, RECORDED_AT, ROOT_AT = 4, 8, 12, 16, 20, 24, 32
SEEN_IN_RULE = RULE.size - 16

CALLS = (
    ["open", "read", "write", "fdatasync", "fsync", "fallocate", "ftruncate"]
    + ["rename", "unlink", "mkdir", "flock", "fork", "prctl"]
)
ACTIONS = ["none", "fail", "short", "delay", "kill", "crash", "stop", "stall"]
PROCESSES = ["server", "child"]

Call = namedtuple("Call", "call process action error name")


def build_interposer(folder):
    target = folder / "interpose.so"
    command = [os.environ.get("CC", "cc"), "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
    subprocess.run(
        [*command, "-fPIC", "-shared", "-pthread", "-o", target, HERE / "interpose.c"], check=True, timeout=120
    )
    return target


def _bits(names, given):
    given = [given] if isinstance(given, str) else given
    return sum(1 << names.index(one) for one in given)


class Faults:
    """The control file of one server's data folder. Rules stand in the order in which they were added; the first one
    that strikes decides, but delays, stops and stalls let the next ones be asked too. A stall lasts until clear()."""

    def __init__(self, path, root):
        self.path = path
        path.write_bytes(b"\0" * SIZE)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), SIZE)
        HEADER.pack_into(self.map, 0, MAGIC, 0, 0, 0, 0, 0, 0, os.path.realpath(root).encode())

    def _set(self, at, value):
        # One aligned store: the server reads it at any moment.
        ctypes.c_uint32.from_buffer(self.map, at).value = value

    def _get(self, at, size=8):
        return int.from_bytes(self.map[at : at + size], "little")

    def add(
        self, calls, action="fail", error="EIO", at=1, count=0, name="*", process=PROCESSES, chance=1.0, seed=0, **how
    ):
        """From the at-th call on that it could be for, count times (0: ever after). how: keep=BYTES of a short or
        crashing write, delay=SECONDS. Returns the rule's number."""
        number = self._get(RULE_COUNT_AT, 4)
        assert number < RULES_MAX
        RULE.pack_into(
            self.map,
            HEADER.size + number * RULE.size,
            _bits(CALLS, calls),
            ACTIONS.index(action),
            _bits(PROCESSES, process),
            getattr(errno, error),
            at,
            count,
            seed,
            how.get("keep", -1),
            int(chance * 1_000_000),
            int(how.get("delay", 0) * 1_000_000),
            name.encode(),
            0,
            0,
        )
        self._set(RULE_COUNT_AT, number + 1)
        return number

    def clear(self):
        self._set(RULE_COUNT_AT, 0)
        self._set(RELEASED_AT, self._get(RELEASED_AT, 4) + 1)

    def hold(self, on=True, leak=0.0):
        """What is written and not synced is lost when the server dies, but for a share of its sectors."""
        self._set(LEAK_AT, int(leak * 1_000_000))
        self._set(HOLD_AT, int(on))

    def seen(self, rule=0):
        """Calls that the rule could have been for."""
        return self._get(HEADER.size + rule * RULE.size + SEEN_IN_RULE)

    def hits(self, rule=0):
        """Calls that it struck."""
        return self._get(HEADER.size + rule * RULE.size + SEEN_IN_RULE + 8)

    def trace(self, on=True):
        self.map[RECORDED_AT : RECORDED_AT + 8] = bytes(8)
        self._set(TRACE_AT, int(on))

    def traced(self):
        """The calls made since the trace began."""
        calls = []
        recorded = self._get(RECORDED_AT)
        assert recorded <= RECORDS_MAX, f"{recorded} calls are more than a trace holds"
        for i in range(recorded):
            call, process, action, error, name = RECORD.unpack_from(self.map, RECORDS_AT + i * RECORD.size)
            calls.append(
                Call(
                    CALLS[call],
                    PROCESSES[process],
                    ACTIONS[action],
                    errno.errorcode[error] if error else None,
                    name.rstrip(b"\0").decode(),
                )
            )
        return calls


_environment = threading.Lock()


class FaultyServer(Server):
    """A server under the interposer. faults outlives restarts; launch(faults=False) leaves the interposer out."""

    def __init__(self, library, binary, **directives):
        super().__init__(binary, **directives)
        self.library = str(library)
        self.faults = Faults(self.folder / "faults", directives.get("dir", self.data))

    def launch(self, faults=True, **directives):
        if not faults:
            return super().launch(**directives)
        with _environment:
            # A server under sanitizers does not mind that another library comes before theirs.
            os.environ.update(LD_PRELOAD=self.library, DKV_FAULTS=str(self.faults.path), ASAN_OPTIONS="verify_asan_link_order=0")
            try:
                return super().launch(**directives)
            finally:
                for name in ("LD_PRELOAD", "DKV_FAULTS", "ASAN_OPTIONS"):
                    del os.environ[name]

    def start(self, faults=True, **directives):
        self.launch(faults=faults, **directives)
        self.wait_ready()
        return self

    def try_start(self, **directives):
        """None when it started, otherwise the StartError."""
        try:
            self.start(**directives)
        except StartError as refusal:
            return refusal
        return None

    def end(self):
        """SIGKILL, if it has not ended by itself; its exit status in any case."""
        process = self.process
        self.kill()
        return process.returncode

    def log_size(self):
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def log_since(self, size):
        with open(self.log_path, "rb") as log:
            log.seek(size)
            return log.read().decode(errors="replace")
