"""Servers whose wall clock a test sets: the other side of set_clock.c."""

import os
import struct
import subprocess
import threading
from pathlib import Path

from harness.server import Server

HERE = Path(__file__).resolve().parent

_environment = threading.Lock()


def build_set_clock(folder):
    target = folder / "set_clock.so"
    command = [os.environ.get("CC", "cc"), "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
    subprocess.run([*command, "-fPIC", "-shared", "-o", target, HERE / "set_clock.c"], check=True, timeout=120)
    return target


class ClockServer(Server):
    """Its wall clock is as far ahead of the machine's as set_clock says; at first, and again, not at all."""

    def __init__(self, library, binary, **directives):
        super().__init__(binary, **directives)
        self.library = str(library)
        self.clock = self.folder / "clock"
        self.clock.write_bytes(struct.pack("=q", 0))

    def set_clock(self, seconds):
        with open(self.clock, "r+b") as file:
            file.write(struct.pack("=q", int(seconds * 1_000_000)))

    def launch(self, **directives):
        with _environment:
            os.environ.update(LD_PRELOAD=self.library, DKV_SET_CLOCK=str(self.clock))
            try:
                return super().launch(**directives)
            finally:
                del os.environ["LD_PRELOAD"], os.environ["DKV_SET_CLOCK"]
