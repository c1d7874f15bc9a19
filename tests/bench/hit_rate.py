#!/usr/bin/env python3
"""Hit rates of dkv and redis-server as caches of the same memory.

Reads draw keys by a Zipf distribution; what is missing is written, as a cache is used. The first half of the reads warms
the cache up and is not counted. With --scan, one read in so many goes to a key that is never read again, which is what
frequency is better against than recency. dkv runs without a log, as redis-server does.

    tests/bench/hit_rate.py [--policy allkeys-lru] [--megabytes 20] [--keys 400000] [--reads 1000000]
                            [--exponent 0.9] [--samples 5] [--scan N] [--dkv PATH] [--redis PATH]
"""
import argparse
import itertools
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "redis-tests"))
from harness.resp import encode  # noqa: E402
from harness.server import Server, default_server, find_binary  # noqa: E402

BATCH = 500
VALUE = b"v" * 100


def draw(arguments):
    """All keys to be read, the same for every server."""
    chance = random.Random(arguments.seed)
    weights = list(itertools.accumulate(1 / (rank + 1) ** arguments.exponent for rank in range(arguments.keys)))
    names = list(range(arguments.keys))
    chance.shuffle(names)
    reads = chance.choices(names, cum_weights=weights, k=arguments.reads)
    if arguments.scan:
        for once, index in enumerate(range(0, len(reads), arguments.scan)):
            reads[index] = arguments.keys + once
    return [b"key:%010d" % key for key in reads]


def measure(server, reads, volatile):
    hits = 0
    expiry = ("EX", "100000") if volatile else ()
    with server.connect(timeout=60) as connection:
        begin = time.monotonic()
        for at in range(0, len(reads), BATCH):
            batch = reads[at : at + BATCH]
            connection.send_bytes(b"".join(encode("GET", key) for key in batch))
            values = [connection.read() for _ in batch]
            missing = [key for key, value in zip(batch, values) if value is None]
            connection.send_bytes(b"".join(encode("SET", key, VALUE, *expiry) for key in missing))
            for _ in missing:
                connection.read()
            if at >= len(reads) // 2:
                hits += len(batch) - len(missing)
        seconds = time.monotonic() - begin
        info = dict(line.split(":", 1) for line in connection.call("INFO", "everything").decode().split("\r\n") if ":" in line)
    return hits / (len(reads) - len(reads) // 2), info, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", default="allkeys-lru")
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--keys", type=int, default=400000)
    parser.add_argument("--reads", type=int, default=1000000)
    parser.add_argument("--exponent", type=float, default=0.9)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--scan", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dkv", default=default_server())
    parser.add_argument("--redis", default=find_binary("redis-server"))
    arguments = parser.parse_args()
    reads = draw(arguments)
    for binary in (arguments.dkv, arguments.redis):
        server = Server(binary, appendonly="no", maxmemory=f"{arguments.megabytes}mb", maxmemory_policy=arguments.policy,
                        maxmemory_samples=arguments.samples)
        server.start()
        try:
            rate, info, seconds = measure(server, reads, arguments.policy.startswith("volatile"))
            keys = info.get("db0", "").split(",")[0]
            print(f"{server.flavor:6} {arguments.policy:16} hits {100 * rate:6.2f} %  {keys}  evicted {info['evicted_keys']}"
                  f"  used {int(info['used_memory']) >> 10} KiB  {seconds:.1f} s")
        finally:
            server.remove()


if __name__ == "__main__":
    main()
