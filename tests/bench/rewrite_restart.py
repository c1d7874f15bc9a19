#!/usr/bin/env python3
"""A million keys with times to live, a rewrite under full write load, a kill and a restart: dkv beside redis-server.

Both run in turn on the same disk with `appendfsync always` and no rewrites of their own accord. Printed for each: how long
loading took, writes a second before and during the rewrite, how long the rewrite took, the slowest PING meanwhile, how
long a restart after SIGKILL took, memory and the size of the data folder.

    tests/bench/rewrite_restart.py [--keys N] [--dkv PATH] [--redis PATH]
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import redis

VALUE_BYTES = 64
CLIENTS = 50
PIPELINE = 16


class Server:
    """One server process with a folder of its own."""

    def __init__(self, name, path, port):
        self.name, self.path, self.port = name, path, port
        self.folder = tempfile.mkdtemp(prefix=f"bench-{name}-", dir=".")
        self.process = None

    def start(self):
        command = [self.path, "--port", str(self.port), "--dir", os.path.abspath(self.folder), "--save", "",
                   "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0",
                   "--logfile", os.path.abspath(self.folder) + "/server.log"]
        begin = time.monotonic()
        self.process = subprocess.Popen(command)
        while True:
            try:
                if self.client().ping():
                    return time.monotonic() - begin
            except (redis.ConnectionError, redis.BusyLoadingError):
                time.sleep(0.005)

    def client(self):
        return redis.Redis(port=self.port)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(server, keys, requests):
    """Writes `requests` SETs with a time to live to random keys; returns requests a second."""
    out = subprocess.run(
        ["redis-benchmark", "-p", str(server.port), "-c", str(CLIENTS), "-P", str(PIPELINE), "-n", str(requests),
         "-r", str(keys), "--csv", "SET", "key:__rand_int__", "x" * VALUE_BYTES, "EX", "100000"],
        capture_output=True, text=True, check=True).stdout
    return float(re.findall(r'"([\d.]+)"', out.splitlines()[-1])[0])


def fill(server, keys):
    """Every key once."""
    begin = time.monotonic()
    client = server.client()
    for first in range(0, keys, 1000):
        pipe = client.pipeline(transaction=False)
        for key in range(first, min(first + 1000, keys)):
            pipe.set(f"key:{key:012d}", "x" * VALUE_BYTES, ex=100000)
        pipe.execute()
    return time.monotonic() - begin


def rewrite(server):
    """Runs one rewrite; returns its seconds and the slowest PING meanwhile."""
    client = server.client()
    slowest = 0.0
    begin = time.monotonic()
    client.bgrewriteaof()
    while True:
        before = time.monotonic()
        client.ping()
        slowest = max(slowest, time.monotonic() - before)
        info = client.info("persistence")
        if not info["aof_rewrite_in_progress"] and not info.get("aof_rewrite_scheduled"):
            return time.monotonic() - begin, slowest
        time.sleep(0.01)


def folder_bytes(folder):
    return sum(os.stat(os.path.join(place, name)).st_blocks * 512
               for place, _, names in os.walk(folder) for name in names)


def measure(server, keys):
    row = {}
    server.start()
    row["fill s"] = fill(server, keys)
    before = server.cpu_seconds()
    row["SET/s"] = load(server, keys, keys)
    row["CPU us/SET"] = (server.cpu_seconds() - before) * 1e6 / keys
    rates = []
    writer = threading.Thread(target=lambda: rates.append(load(server, keys, 4 * keys)))
    writer.start()
    time.sleep(0.5)
    row["rewrite s"], slowest = rewrite(server)
    row["slowest PING ms"] = slowest * 1000
    writer.join()
    row["SET/s, rewrite within"] = rates[0]
    row["RSS MiB"] = server.client().info("memory")["used_memory_rss"] / 2**20
    row["folder MiB"] = folder_bytes(server.folder) / 2**20
    size = server.client().dbsize()
    server.kill()
    row["restart s"] = server.start()
    if server.client().dbsize() != size:
        raise SystemExit(f"{server.name} came back with {server.client().dbsize()} keys instead of {size}")
    rewrite(server)
    server.kill()
    row["restart from base s"] = server.start()
    server.remove()
    return row


def main():
    root = os.path.join(os.path.dirname(__file__), "..", "..")
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=1000000)
    parser.add_argument("--dkv", default=os.path.join(root, "build", "dkv-server"))
    parser.add_argument("--redis", default=shutil.which("redis-server"))
    options = parser.parse_args()
    ours = measure(Server("dkv", options.dkv, 21379), options.keys)
    theirs = measure(Server("redis", options.redis, 21380), options.keys)
    print(f"{options.keys} keys, values of {VALUE_BYTES} bytes, {CLIENTS} clients, pipeline {PIPELINE}")
    print(f"{'':24}{'dkv':>14}{'redis-server':>14}{'ratio':>8}")
    for name, value in ours.items():
        print(f"{name:24}{value:14.2f}{theirs[name]:14.2f}{value / theirs[name]:8.2f}")


if __name__ == "__main__":
    main()
