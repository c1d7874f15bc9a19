"""One server that is measured: started with a stage's settings in a folder of its own, and what /proc says of it."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "redis-tests"))
from harness.server import Server, find_binary  # noqa: E402

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# A log larger than this is rewritten between two measurements, which keeps the disk from filling up.
LOG_BYTES_MAX = 3 << 30

SETTINGS = {
    "always": {"appendonly": "yes", "appendfsync": "always"},
    "everysec": {"appendonly": "yes", "appendfsync": "everysec"},
    "no log": {"appendonly": "no"},
    "always, values on first use": {"appendonly": "yes", "appendfsync": "always", "value_load": "first-use"},
}
DKV_ONLY = {"value_load"}


@dataclass
class Candidate:
    """A server to measure: its name in the table, its program."""

    name: str
    binary: str

    @property
    def version(self):
        text = subprocess.run([self.binary, "--version"], capture_output=True, text=True, check=True).stdout
        return text.strip().splitlines()[0]


def candidate(name, program):
    binary = find_binary(program)
    if binary is None:
        raise SystemExit(f"bench: no server at {program}")
    return Candidate(name, binary)


def set_niceness(niceness):
    """Of this process and all that it starts. Where the kernel shares out time by session first (autogroup), a session's
    own niceness is what counts, so Subject gives it to each server's session, too."""
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    _share_niceness("self")


def _share_niceness(pid):
    autogroup = Path(f"/proc/{pid}/autogroup")
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    if niceness and autogroup.exists():
        autogroup.write_text(str(niceness))


class Subject:
    def __init__(self, which, setting, folder):
        self.name = which.name
        self.setting = setting
        self.server = Server(which.binary, data=Path(folder) / which.name, auto_aof_rewrite_percentage=0, save="")
        for name, value in SETTINGS[setting].items():
            if self.server.flavor == "dkv" or name not in DKV_ONLY:
                self.server.directives[name.replace("_", "-")] = value
        self._start()

    def _start(self):
        self.server.launch()
        _share_niceness(self.server.pid)
        self.server.wait_ready()

    def close(self):
        self.server.remove()

    def reset(self):
        """A new process on an empty folder."""
        self.server.kill()
        self._empty()
        self._start()

    def _empty(self):
        shutil.rmtree(self.server.data)
        self.server.data.mkdir()

    def restart_after_kill(self):
        """Seconds from the start of the process to the first reply of a server that has loaded its data."""
        self.server.kill()
        begin = time.monotonic()
        self._start()
        return time.monotonic() - begin

    def start_empty(self):
        """Seconds from the start of the process to its first reply, with nothing to load and as little of our own work
        in it as can be."""
        self.server.kill()
        self._empty()
        with open(self.server.log_path, "ab") as log:
            begin = time.monotonic()
            process = subprocess.Popen(self.server.command_line(), stdout=log, stderr=log, start_new_session=True)
        self.server.process = process
        _share_niceness(process.pid)
        while process.poll() is None:
            try:
                with self.server.connect() as connection:
                    connection.call("PING")
                    return time.monotonic() - begin
            except (FileNotFoundError, ConnectionError):
                time.sleep(0.0001)
        raise RuntimeError("the server ended: " + self.server.log())

    def call(self, *arguments):
        with self.server.connect(timeout=120) as connection:
            return connection.call(*arguments)

    def knows(self, commands):
        return all(self.call("COMMAND", "INFO", name)[0] is not None for name in commands)

    def rewrite(self):
        """Runs one rewrite; returns its seconds."""
        with self.server.connect(timeout=120) as connection:
            begin = time.monotonic()
            connection.call("BGREWRITEAOF")
            while True:
                info = bytes(connection.call("INFO", "persistence"))
                if b"aof_rewrite_in_progress:0" in info and b"aof_rewrite_scheduled:0" in info:
                    break
                time.sleep(0.002)
            took = time.monotonic() - begin
        if b"aof_last_bgrewrite_status:ok" not in info:
            raise RuntimeError(f"{self.name}: the rewrite failed")
        return took

    def _files(self):
        return [path for path in self.server.data.rglob("*") if path.is_file()]

    def settle(self):
        """What is to be written is, so that it does not disturb what is measured next."""
        files = self._files()
        if self.setting != "always":
            for path in files:
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
        if sum(path.stat().st_blocks * 512 for path in files) > LOG_BYTES_MAX:
            self.rewrite()

    def folder_bytes(self):
        return sum(path.stat().st_blocks * 512 for path in self._files())

    # --- what /proc says ---------------------------------------------------------------------------------------

    def _proc(self, name, pid=None):
        return Path(f"/proc/{pid or self.server.pid}/{name}")

    def cpu_seconds(self):
        """User and system time of all threads, without children."""
        return self._ticks(11, 12)

    def child_seconds(self):
        """The same of children that have ended."""
        return self._ticks(13, 14)

    def _ticks(self, *places):
        fields = self._proc("stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(fields[place]) for place in places) / TICKS_PER_SECOND

    def run_seconds(self):
        """The same in nanosecond resolution, of the threads that live now."""
        tasks = self._proc("task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def context_switches(self):
        total = 0
        for task in self._proc("task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if "ctxt_switches" in line:
                    total += int(line.split()[1])
        return total

    def written_bytes(self):
        """Given to the disk by the server, and by children of it that have ended."""
        return int(re.search(r"^write_bytes: (\d+)", self._proc("io").read_text(), re.MULTILINE)[1])

    def rss_bytes(self):
        return _field_kib(self._proc("status"), "VmRSS:") * 1024

    def share_bytes(self):
        """Memory of the server and its children, pages that several of them have in common counted once."""
        total = _field_kib(self._proc("smaps_rollup"), "Pss:")
        for child in self.server.children():
            try:
                total += _field_kib(self._proc("smaps_rollup", child), "Pss:")
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has just ended
        return total * 1024


def _field_kib(path, name):
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0
