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


def some_values(rng):
    """Every form that a string takes in a payload: integers of each size, short and long, compressible or not."""
    for bits in (7, 8, 15, 16, 31, 32, 63):
        for number in (2**bits - 1, -(2**bits), 2**bits, -(2**bits) - 1):
            yield b"%d" % number
    yield from (b"", b"0", b"-0", b"007", b"1.5", b"+1", b"-2147483648", b"12345678901", b"123456789012", b"a" * 20)
    for size in (1, 20, 21, 22, 63, 64, 65, 1000, 16383, 16384, 16385, 70_000, 300_000):
        yield bytes(size)
        yield rng.randbytes(size)
        yield (rng.randbytes(20) * (size // 20 + 1))[:size]
    yield rng.randbytes(100) * 50_000


def test_dumped_by_one_restored_by_the_other(both, seed):
    """Both ways; what is not compressed is the same bytes."""
    rng = random.Random(seed)
    replies(both, "FLUSHALL")
    for value in some_values(rng):
        replies(both, "SET", "from", value)
        dumps = [connection.call("DUMP", "from") for connection in both]
        assert len(dumps[0]) == len(dumps[1]) or len(value) > 20, value[:50]
        if len(value) <= 20:
            assert dumps[0] == dumps[1], value
        for connection, dump in zip(both, reversed(dumps)):
            assert connection.call("RESTORE", "to", 0, dump, "REPLACE") == b"OK"
            assert connection.call("GET", "to") == value
        ours, theirs = replies(both, "OBJECT", "ENCODING", "to")
        assert ours == theirs, value[:50]


def test_uncompressed_dumps_are_the_same_bytes(both, seed):
    """rdbcompression no."""
    rng = random.Random(seed)
    for connection in both:
        connection.call("CONFIG", "SET", "rdbcompression", "no")
    for value in some_values(rng):
        replies(both, "SET", "from", value)
        ours, theirs = replies(both, "DUMP", "from")
        assert ours == theirs, value[:50]
    for connection in both:
        connection.call("CONFIG", "SET", "rdbcompression", "yes")


def crc64(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


def sealed(data):
    data += b"\x0a\x00"
    return data + crc64(data).to_bytes(8, "little")


def test_harmed_payloads_get_the_same_answers(both, seed):
    """Wrong lengths, types and compressed bytes behind a right checksum, and right ones behind a wrong one."""
    rng = random.Random(seed)
    replies(both, "FLUSHALL")
    for _ in range(1500):
        value = rng.choice([rng.randbytes(rng.randrange(40)), b"ab" * rng.randrange(200), b"%d" % rng.randrange(10**12)])
        both[1].call("SET", "from", value)
        dump = both[1].call("DUMP", "from")
        payload = harmed(rng, dump[:-10]) if rng.random() < 0.8 else dump[:-10]
        # Of other types redis knows more; so it does of sizes beyond what dkv's strings may have.
        if payload[:1] != b"\0" or payload[1:2] in (b"\x80", b"\x81"):
            continue
        payload = sealed(payload) if rng.random() < 0.9 else harmed(rng, sealed(payload))
        ours, theirs = replies(both, "RESTORE", "to", 0, payload, "REPLACE")
        # Compressed bytes that are to make none make redis believe that they did, whatever they are.
        if theirs == b"+OK\r\n" != ours and payload[1:2] == b"\xc3" and both[1].call("STRLEN", "to") == 0:
            replies(both, "DEL", "to")
            continue
        assert ours == theirs, payload
        ours, theirs = replies(both, "GET", "to")
        assert ours == theirs, payload


def test_sketches_are_raw_once_looked_into(both):
    """Short ones that were set as strings, whole and corrupt: what looks into one changes its encoding, if nothing else."""
    whole = b"HYLL\x01" + bytes(11) + b"\x7f\xff"
    commands = ["PFADD k", "PFADD k x", "PFCOUNT k", "PFCOUNT k other", "PFMERGE other k", "PFMERGE k",
                "PFDEBUG ENCODING k", "PFDEBUG DECODE k", "PFDEBUG GETREG k", "PFDEBUG NOSUCH k"]  # fmt: skip
    for sketch in (whole, whole[:-1]):
        for command in commands:
            for words in (["FLUSHALL"], ["SET", "k", sketch], ["OBJECT", "ENCODING", "k"], command.split(), ["OBJECT", "ENCODING", "k"]):
                ours, theirs = replies(both, *words)
                assert ours == theirs, (sketch, command, words)


def test_types_that_are_not_there_yet(both):
    """A list, a set and so on of redis-server are refused as bytes that make no sense, and nothing changes."""
    ours, theirs = both
    for command in (["RPUSH", "k", "a"], ["SADD", "k", "a"], ["ZADD", "k", 1, "a"]):
        theirs.call("DEL", "k")
        theirs.call(*command)
        reply = ours.call("RESTORE", "other", 0, theirs.call("DUMP", "k"))
        assert reply == b"OK" or b"Bad data format" in reply
    theirs.call("DEL", "k")


def test_hashes_go_both_ways(both):
    """redis-server's hashes, small and large, are taken by RESTORE, kept in the same way, and given back: a small one as the
    same bytes."""
    ours, theirs = both
    for count in (1, 10, 128, 512, 513, 5000):
        for value in ("v", "12345", "-7", "x" * 64, "x" * 65):
            theirs.call("DEL", "k", "back")
            for first in range(0, count, 100):
                words = [w for i in range(first, min(first + 100, count)) for w in (f"field:{i}", f"{value}{i % 7}" if i % 3 else i)]
                theirs.call("HSET", "k", *words)
            dump = theirs.call("DUMP", "k")
            assert ours.call("RESTORE", "k", 0, dump, "REPLACE") == b"OK", (count, value)
            assert ours.call("TYPE", "k") == b"hash"
            again = ours.call("DUMP", "k")
            assert theirs.call("RESTORE", "back", 0, again) == b"OK", (count, value)
            assert theirs.call("DEBUG", "DIGEST-VALUE", "k") == theirs.call("DEBUG", "DIGEST-VALUE", "back"), (count, value)
            if theirs.call("OBJECT", "ENCODING", "k") == b"listpack":
                assert again == dump, (count, value)
    theirs.call("DEL", "k", "back")
    ours.call("DEL", "k")


def test_restore_keeps_times(both):
    for connection in both:
        connection.call("SET", "from", "value")
        dump = connection.call("DUMP", "from")
        assert connection.call("RESTORE", "from", 0, dump).code == "BUSYKEY"
        assert connection.call("RESTORE", "from", 100_000, dump, "REPLACE") == b"OK"
        assert 99_000 < connection.call("PTTL", "from") <= 100_000
        assert connection.call("RESTORE", "from", 1, dump, "REPLACE", "ABSTTL") == b"OK"
        assert connection.call("GET", "from") is None
        assert connection.call("RESTORE", "from", 0, dump, "IDLETIME", 1000) == b"OK"
        assert 1000 <= connection.call("OBJECT", "IDLETIME", "from") <= 1010
        assert connection.call("RESTORE", "from", 0, dump, "REPLACE", "FREQ", 100) == b"OK"
