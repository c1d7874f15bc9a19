#!/usr/bin/python3
"""HTTP's floors, measured with wrk over loopback under appendfsync always: puts of 32 bytes to 100,000 keys a
connection's turn after the other, gets of 1,000 keys; then whether RESP gets slower where HTTP is on and idle.

    make bench-http (BENCH_ARGS="--seconds 10 --rounds 3 --first")      --first: before all other work (as root)
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "redis-tests"))

from harness.server import Server, default_server, free_port  # noqa: E402

SCRIPTS = {
    "PUT": """
wrk.method = "PUT"
wrk.body = string.rep("x", 32)
local n = 0
function request() n = n + 1; return wrk.format(nil, "/kv/key:" .. n % 100000) end
""",
    "GET": """
local n = 0
function request() n = n + 1; return wrk.format(nil, "/kv/key:" .. n % 1000) end
""",
}

# method, connections, the floors: requests a second at least, milliseconds of the median at most
CASES = [("PUT", 1, 3000, 0.3), ("PUT", 50, 30_000, None), ("PUT", 200, 40_000, None), ("GET", 50, 80_000, None)]
UNITS_MS = {"us": 0.001, "ms": 1, "s": 1000}


def cpu_us(server):
    text = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rsplit(")")[-1].split()
    return (int(text[11]) + int(text[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def load(server, port, method, connections, seconds):
    """(requests a second, median in ms, 99th percentile in ms, processor time a request in us)"""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPTS[method])
        script.flush()
        before = cpu_us(server)
        told = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", script.name, f"http://127.0.0.1:{port}"],
                              capture_output=True, text=True, check=True).stdout  # fmt: skip
    spent = cpu_us(server) - before
    if re.search("Non-2xx|Socket errors", told):
        sys.exit(told)
    count = int(re.search(r"(\d+) requests in", told)[1])
    at = {share: float(value) * UNITS_MS[unit] for share, value, unit in re.findall(r" (50|99)%\s+([\d.]+)(us|ms|s)", told)}
    return float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1]), at["50"], at["99"], spent / count


def report(method, connections, rate_min, median_max, rounds):
    rate, median, p99, cost = (statistics.median(column) for column in zip(*rounds))
    met = rate >= rate_min and (median_max is None or median < median_max)
    floor = f"{rate_min:,}/s" + (f", {median_max} ms" if median_max else "")
    print(f"{method} {connections:4} {rate:10,.0f}/s   p50 {median:7.3f} ms   p99 {p99:7.3f} ms   {cost:5.1f} us a request   floor {floor}: "
          + ("met" if met else "missed"))  # fmt: skip


def resp_rate(server, seconds):
    """SET and GET by 50 clients, 16 at a time."""
    count = 150_000 * seconds
    told = subprocess.run(["redis-benchmark", "-s", server.socket, "-q", "--csv", "-t", "set,get", "-P", "16", "-n", str(count), "-r", "100000"],
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
    return statistics.mean(float(line.split(",")[1].strip('"')) for line in told.splitlines()[1:])


def compare_idle(rounds, seconds):
    rates = {"off": [], "on": []}
    for _ in range(rounds):
        for kind, port in (("off", 0), ("on", free_port())):
            server = Server(default_server(), http_port=port)
            server.start()
            rates[kind].append(resp_rate(server, seconds))
            server.remove()
    off, on = (statistics.median(rates[kind]) for kind in ("off", "on"))
    print(f"RESP, pipelined: {off:,.0f}/s with HTTP off, {on:,.0f}/s with HTTP on and idle ({on / off:.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--first", action="store_true", help="before all other work of the machine (SCHED_FIFO)")
    given = parser.parse_args()
    if given.first:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    port = free_port()
    server = Server(default_server(), http_port=port)
    server.start()
    for method, connections, rate_min, median_max in CASES:
        rounds = [load(server, port, method, connections, given.seconds) for _ in range(given.rounds)]
        report(method, connections, rate_min, median_max, rounds)
    server.remove()
    compare_idle(given.rounds, given.seconds)


if __name__ == "__main__":
    main()
