"""A C program with libhiredis."""

import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "c" / "client.c"


def test_hiredis(server, tmp_path):
    program = tmp_path / "client"
    compiler = [os.environ.get("CC", "cc"), "-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*compiler, "-o", program, SOURCE, "-lhiredis"], check=True, timeout=120)
    result = subprocess.run(
        [program, server.socket, str(server.port)], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
