"""redis-benchmark, unchanged, for the commands that exist."""

import re
import shutil
import subprocess

import pytest

TESTS = "ping_inline,ping_mbulk,set,get,incr,mset"
EXPECTED = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]


def benchmark(server, *options):
    program = shutil.which("redis-benchmark")
    if program is None:
        pytest.skip("redis-benchmark is not installed")
    command = [program, "-s", server.socket, "-t", TESTS, "-n", "3000", *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.replace("\r", "\n")


@pytest.mark.parametrize(
    "options",
    [(), ("-P", "16"), ("-c", "200"), ("-r", "1000", "-d", "500"), ("-k", "0", "-c", "5"), ("--threads", "2"), ("-3",)],
    ids=["default", "pipelined", "200 clients", "random keys", "reconnecting", "threads", "RESP3"],
)
def test_benchmark(server, options):
    """Every test runs to its end and gives a rate."""
    output = benchmark(server, "-q", *options)
    for name in EXPECTED:
        assert re.search(rf"{re.escape(name)}: [\d.]+ requests per second", output), output


def test_benchmark_reads_the_configuration(server):
    """The head of the full output says what CONFIG GET answered."""
    output = benchmark(server)
    assert 'host configuration "save"' in output
    assert 'host configuration "appendonly"' in output


def test_benchmark_as_csv(server):
    lines = [line for line in benchmark(server, "--csv").splitlines() if line.startswith('"')]
    assert [line.split('","')[0].strip('"') for line in lines[1:]] == EXPECTED
