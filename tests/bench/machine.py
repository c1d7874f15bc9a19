"""The machine a run was made on, as far as figures depend on it."""

import os
import platform
import subprocess
import time
from pathlib import Path

SYNC_SECONDS = 1.0
SYNC_FILE_BYTES = 16 << 20
BLOCK = b"d" * 4096


def _first(path, name):
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return "unknown"


def sync_rate(folder, seconds):
    """fdatasync calls a second of the disk itself, each after 4 KiB written into a file that has its blocks, and the
    median of their milliseconds."""
    path = Path(folder) / "sync"
    times = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(SYNC_FILE_BYTES // len(BLOCK)):
            file.write(bytes(len(BLOCK)))
        os.fsync(file.fileno())
        begin = time.monotonic()
        while (now := time.monotonic()) - begin < seconds:
            os.pwrite(file.fileno(), BLOCK, len(times) * len(BLOCK) % SYNC_FILE_BYTES)
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - now)
    path.unlink()
    return len(times) / sum(times), sorted(times)[len(times) // 2] * 1000


def describe(folder, candidates, seconds=SYNC_SECONDS):
    rate, p50 = sync_rate(folder, seconds)
    benchmark = subprocess.run(["redis-benchmark", "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "processor": _first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory GiB": round(int(_first("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        "kernel": platform.release(),
        "load before": os.getloadavg()[0],
        "disk": f"{rate:.0f} fdatasync/s of 4 KiB, p50 {p50:.3f} ms",
        **{f"version of {one.name}": one.version for one in candidates},
        "load generators": f"{benchmark.strip()}, tests/bench/load.c",
    }
