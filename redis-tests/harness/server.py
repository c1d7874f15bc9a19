"""Servers under test: started in milliseconds in a folder of their own, and never left behind.

A server gets its own process group, which is killed when the test ends, when this process exits, and, by the kernel,
when this process dies without a chance to clean up.
"""

import atexit
import contextlib
import ctypes
import functools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from harness.resp import Connection, Error, Status

REPOSITORY = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_running = set()


def default_server():
    return os.environ.get("DKV_SERVER") or str(REPOSITORY / "build" / "dkv-server")


def find_binary(name):
    """A path as it is, or a program of PATH; None when there is none."""
    found = shutil.which(name)
    return os.path.abspath(found) if found else None


def flavor_of(binary):
    """'dkv' or 'redis', by what --version says."""
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    return "dkv" if "dkv" in version.lower() else "redis"


def newer_reference():
    """A redis-server of 8.2 or later, where somebody has put one; None: nobody has."""
    found = [os.environ.get("DKV_NEWER_REDIS"), *sorted(REPOSITORY.glob("build/servers/*/server"))]
    for binary in filter(None, found):
        version = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
        if re.search(r"Redis server v=(8\.[2-9]|8\.\d\d|9\.|\d\d)", version):
            return os.path.abspath(binary)
    return None


@functools.lru_cache
def is_sanitized(binary):
    """Whether it was built with the address or thread sanitizer."""
    code = Path(binary).read_bytes()
    return b"__asan_init" in code or b"__tsan_init" in code


# Directives that every dkv gets unless its test gives them itself (pytest --set NAME=VALUE).
everywhere = {}

# What sanitizers had to say of servers that are gone; the fixtures make the test fail.
reports = []


def free_port():
    while True:
        port = random.SystemRandom().randrange(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def _in_child():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class StartError(Exception):
    """The server ended, or did not answer in time; the text holds what it said."""


class Server:
    """One server and its folder. Directives are keyword arguments, with _ for -: appendfsync="always". A tuple is a
    directive of several words, a list one that is given several times; None leaves one of the defaults out. data: an
    own place for its data, which is removed with the rest."""

    def __init__(self, binary, arguments=(), standard_input=b"", data=None, **directives):
        self.binary = binary
        self.flavor = flavor_of(binary)
        self.folder = Path(tempfile.mkdtemp(prefix="dkv-test-", dir="/tmp"))
        self.data = data or self.folder / "data"
        self.data.mkdir()
        self.socket = str(self.folder / "socket")
        self.log_path = self.folder / "log"
        self.port = free_port()
        self.arguments = list(arguments)
        self.standard_input = standard_input
        self.directives = {
            "port": self.port,
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "dir": self.data,
            "enable-debug-command": "yes",
        }
        if self.flavor == "redis":
            # Debian's redis saves snapshots by default; dkv's default is to keep everything.
            self.directives["save"] = ""
        else:
            self.directives.update(everywhere)
        for name, value in directives.items():
            self.directives[name.replace("_", "-")] = value
        self.process = None
        self.left_behind = []  # process groups of servers that were killed without their children

    def command_line(self, **directives):
        merged = dict(self.directives)
        merged.update({name.replace("_", "-"): value for name, value in directives.items()})
        words = [self.binary, *self.arguments]
        for name, value in merged.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    words += ["--" + name, *map(str, one if isinstance(one, tuple) else (one,))]
        return words

    def launch(self, **directives):
        """Starts the process and returns at once."""
        assert self.process is None, "already running"
        with open(self.log_path, "ab") as log, tempfile.TemporaryFile() as given:
            given.write(self.standard_input)
            given.seek(0)
            self.process = subprocess.Popen(
                self.command_line(**directives),
                stdin=given,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=_in_child,
            )
        _running.add(self)
        return self

    def start(self, **directives):
        self.launch(**directives)
        self.wait_ready()
        return self

    def wait_ready(self, seconds=READY_SECONDS):
        """Until it executes commands (or would, for somebody with the password)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                status = self.process.returncode
                self._forget()
                raise StartError(f"exit status {status}; log:\n{self.log()}")
            try:
                with self.connect(timeout=seconds) as connection:
                    reply = connection.call("PING")
                if isinstance(reply, Status) or (isinstance(reply, Error) and reply.code == "NOAUTH"):
                    return
            except (FileNotFoundError, ConnectionError):
                pass
            time.sleep(0.002)
        raise StartError(f"not ready after {seconds} s; log:\n{self.log()}")

    def connect(self, timeout=30, tcp=False):
        return Connection(("127.0.0.1", self.port) if tcp else self.socket, timeout)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def pid(self):
        return self.process.pid

    def children(self):
        """Process ids of what it has forked, whichever of its threads did: one may stand in for the loop's own."""
        pids = []
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                pids += map(int, (thread / "children").read_text().split())
        return pids

    def resident_bytes(self, field="VmRSS"):
        """What it takes of memory (VmHWM: took at most); 0 under sanitizers, which keep what was freed."""
        if is_sanitized(self.binary):
            return 0
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))

    def running(self):
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self, seconds=60):
        """Until it has ended; its exit status."""
        status = self.process.wait(seconds)
        self._forget()
        return status

    def stop(self, number=signal.SIGTERM, seconds=60):
        self.send_signal(number)
        return self.wait(seconds)

    def kill(self, children=True):
        """SIGKILL to the server, and to what it forked unless that is to live on beside the next server."""
        if self.process is None:
            return
        if children:
            _kill_group(self.process.pid)
        else:
            self.process.kill()
            self.left_behind.append(self.process.pid)
        self.process.wait(60)
        self._forget(children)

    def restart(self, kill=False, **directives):
        """On the same data."""
        if kill:
            self.kill()
        else:
            status = self.stop()
            assert status == 0, f"exit status {status} after SIGTERM; log:\n{self.log()}"
        return self.start(**directives)

    def _note_report(self):
        found = re.search(r"^.*(==ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: ).*", self.log(), re.M | re.S)
        if found:
            reports.append(found.group()[:10000])

    def remove(self):
        self.kill()
        self._note_report()
        for group in self.left_behind:
            _kill_group(group)
        for folder in (self.data, self.folder):
            shutil.rmtree(folder, ignore_errors=True)

    def _forget(self, children=True):
        if children:
            _kill_group(self.process.pid)  # what it forked may outlive it by a moment
        self.process = None
        _running.discard(self)


def _kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


@atexit.register
def _kill_all():
    for server in list(_running):
        server.remove()
