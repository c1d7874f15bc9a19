"""Values that travel between dkv and redis-server: HyperLogLogs are the same bytes, and DUMP is understood by both."""

import random

import pytest
from harness import servers_pair

LIMITS = [0, 20, 100, 1000, 3000, 15000]


@pytest.fixture(scope="module")
def both(server_binary, reference_binary):
    """A connection to the server under test, and one to the reference."""
    with servers_pair.open_pair(server_binary, reference_binary, memory_only=True) as pair:
        with pair.ours.connect() as ours, pair.theirs.connect() as theirs:
            yield ours, theirs


def replies(both, *command):
    """The replies of both, byte for byte."""
    return [connection.raw(*command) for connection in both]


def pfadd(rng, key):
    span = rng.choice([10, 1000, 10**5, 10**9])
    return ["PFADD", key, *[rng.randrange(span) for _ in range(rng.choice([0, 1, 1, 5, 50, 300]))]]


def pf_command(rng):
    keys = [f"h{rng.randrange(4)}" for _ in range(3)]
    chance = rng.random()
    if chance < 0.7:
        return pfadd(rng, keys[0])
    if chance < 0.85:
        return ["PFCOUNT", *keys[: rng.randint(1, 3)]]
    if chance < 0.93:
        return ["PFMERGE", *keys[: rng.randint(1, 3)]]
    if chance < 0.97:
        return ["PFDEBUG", rng.choice(["ENCODING", "DECODE", "TODENSE", "GETREG"]), keys[0]]
    return ["DEL", keys[0]]


@pytest.mark.parametrize("limit", LIMITS)
def test_sketches_are_the_same_bytes(both, seed, limit):
    """The same additions lead to the same bytes, the count that is kept in them included, at every hll-sparse-max-bytes."""
    rng = random.Random(seed + limit)
    replies(both, "FLUSHALL")
    replies(both, "CONFIG", "SET", "hll-sparse-max-bytes", limit)
    for _ in range(500):
        command = pf_command(rng)
        ours, theirs = replies(both, *command)
        assert ours == theirs, command
        for key in {word for word in command if str(word).startswith("h")}:
            ours, theirs = replies(both, "GET", key)
            assert ours == theirs, command


def harmed(rng, sketch):
    sketch = bytearray(sketch)
    for _ in range(rng.randint(1, 4)):
        chance = rng.random()
        if chance < 0.6:
            sketch[rng.randrange(len(sketch))] = rng.randrange(256)
        elif chance < 0.8 and len(sketch) > 4:
            del sketch[rng.randrange(len(sketch))]
        else:
            sketch.insert(rng.randrange(len(sketch) + 1), rng.randrange(256))
    return bytes(sketch)


def test_harmed_sketches_get_the_same_answers(both, seed):
    """Whatever a client makes of a sketch's bytes: the same errors, the same counts, the same bytes afterwards."""
    rng = random.Random(seed)
    replies(both, "CONFIG", "SET", "hll-sparse-max-bytes", 3000)
    for _ in range(1000):
        replies(both, "DEL", "whole", "harmed", "merged")
        replies(both, "PFADD", "whole", *[rng.randrange(10**6) for _ in range(rng.randrange(1, 40))])
        sketch = harmed(rng, both[1].call("GET", "whole"))
        for command in (
            ["SET", "harmed", sketch],
            ["PFCOUNT", "harmed"],
            ["PFCOUNT", "harmed", "harmed"],
            ["PFDEBUG", "DECODE", "harmed"],
            ["PFADD", "harmed", rng.randrange(10**9)],
            ["GET", "harmed"],
            ["PFMERGE", "merged", "harmed"],
            ["GET", "merged"],
            ["PFDEBUG", "TODENSE", "harmed"],
            ["GET", "harmed"],
        ):
            ours, theirs = replies(both, *command)
            assert ours == theirs, (command, sketch)
