"""SCAN's guarantees while the table grows and shrinks, and expiry without anybody's help."""

import random
import threading
import time

import pytest
from harness.resp import wait_until


def scan(connection, *options):
    """Every key a full iteration returns, with repetitions."""
    found, cursor = [], b"0"
    while True:
        cursor, keys = connection.call("SCAN", cursor, *options)
        found += keys
        if cursor == b"0":
            return found


def test_scan_finds_all_keys_once_when_nothing_changes(connection):
    connection.pipeline([("SET", f"key:{i}", i) for i in range(10_000)])
    found = scan(connection, "COUNT", 100)
    assert len(found) == len(set(found)) == 10_000


@pytest.mark.parametrize("grow", [True, False], ids=["growing", "shrinking"])
def test_scan_while_the_table_changes(server, seed, grow):
    """What is there from the first step to the last is returned at least once, whatever comes and goes in between."""
    rng = random.Random(seed)
    with server.connect() as connection, server.connect() as other:
        connection.pipeline([("SET", f"stays:{i}", i) for i in range(1000)])
        if not grow:
            connection.pipeline([("SET", f"goes:{i}", i) for i in range(100_000)])
        found, cursor, step = set(), b"0", 0
        while True:
            cursor, keys = connection.call("SCAN", cursor, "COUNT", rng.choice([1, 10, 50]))
            found.update(keys)
            if cursor == b"0":
                break
            batch = range(step, step + 1000)
            if grow and step < 200_000:
                other.pipeline([("SET", f"new:{i}", i) for i in batch])
            elif not grow:
                other.pipeline([("DEL", *[f"goes:{i}" for i in batch])])
            step += 1000
        assert found >= {b"stays:%d" % i for i in range(1000)}


def test_scan_options(connection):
    connection.pipeline([("SET", f"a:{i}", i) for i in range(100)] + [("SET", f"b:{i}", i) for i in range(100)])
    assert sorted(scan(connection, "MATCH", "a:1?")) == [b"a:%d" % i for i in range(10, 20)]
    assert len(scan(connection, "TYPE", "string")) == 200
    assert scan(connection, "TYPE", "list") == []
    assert sorted(scan(connection, "COUNT", 1000, "MATCH", "b:*", "TYPE", "string")) == sorted(
        b"b:%d" % i for i in range(100)
    )


def test_random_key_reaches_all(connection):
    """About uniformly: of 50 keys, none is missing from 2,000 draws, and none comes ten times as often as it should."""
    connection.pipeline([("SET", f"k{i}", i) for i in range(50)])
    draws = connection.pipeline([("RANDOMKEY",)] * 2000)
    counts = {key: draws.count(key) for key in set(draws)}
    assert len(counts) == 50 and max(counts.values()) < 400


def test_expired_keys_are_gone_for_everybody(connection):
    """No command sees a key whose time has passed."""
    commands = """GET k,STRLEN k,EXISTS k,TTL k,PTTL k,TYPE k,KEYS *,RANDOMKEY,GETRANGE k 0 -1,MGET k,OBJECT ENCODING k,
        TOUCH k,DEL k,UNLINK k,PERSIST k,EXPIRE k 100,RENAME k l,COPY k l,SET k v XX,GETDEL k,GETEX k,MOVE k 1,SCAN 0,
        PEXPIRETIME k,APPEND k v,SETRANGE k 1 v,INCR k,SETNX k v,MSETNX k v"""
    for command in [line.split() for line in commands.split(",")]:
        connection.call("FLUSHALL")
        never = connection.raw(*command)
        connection.call("FLUSHALL")
        connection.call("SET", "k", "v", "PX", 5)
        time.sleep(0.02)
        assert connection.raw(*command) == never, command


def test_expiry_gives_memory_back(connection):
    """Nobody asks for these keys again, and still they are counted no more soon."""
    connection.pipeline([("SET", f"k{i}", "v" * 100, "PX", 100 + i % 100) for i in range(20_000)])
    connection.call("SET", "stays", "v")
    wait_until(lambda: connection.call("DBSIZE") == 1, seconds=30, pause=0.05)
    information = connection.call("INFO", "stats")
    assert b"expired_keys:20000" in information


def test_flushall_async_while_others_write(server):
    """A large database goes away at once for all clients."""
    with server.connect() as connection:
        connection.pipeline([("MSET", *[w for i in range(1000) for w in (f"k{j}:{i}", "v" * 50)]) for j in range(100)])
        errors = []

        def write():
            with server.connect() as other:
                for i in range(500):
                    if other.call("SET", f"other:{i}", i) != b"OK":
                        errors.append(i)

        thread = threading.Thread(target=write)
        thread.start()
        assert connection.call("FLUSHALL", "ASYNC") == b"OK"
        thread.join(60)
        assert not errors
        assert connection.call("DBSIZE") <= 500
