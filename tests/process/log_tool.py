"""dkv-log as tests run it, and what is in a server compared."""

import json
import os
import subprocess
from pathlib import Path


class LogTool:
    def __init__(self, server_binary):
        self.binary = os.environ.get("DKV_LOG") or str(Path(server_binary).parent / "dkv-log")

    def run(self, *arguments, **options):
        options = {"capture_output": True, "timeout": 120, **options}
        done = subprocess.run([self.binary, *map(str, arguments)], check=False, **options)
        # A sanitizer's status is the same as that of a finding.
        assert b"Sanitizer" not in (done.stderr or b"") and b"runtime error: " not in (done.stderr or b""), done.stderr
        return done

    def __call__(self, *arguments, status=0):
        """Runs it to this exit status; what it wrote, standard error behind standard output."""
        done = self.run(*arguments)
        text = (done.stdout + done.stderr).decode("utf-8", "replace")
        assert done.returncode == status, f"dkv-log {arguments} ended with {done.returncode}:\n{text}"
        return text

    def bytes(self, *arguments):
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def verify(self, folder):
        """The report, whatever it says."""
        done = self.run("verify", "--json", folder)
        report = json.loads(done.stdout)
        assert done.returncode == (0 if report["ok"] else 1), done
        return report

    def commands(self, folder, *options):
        """What show tells, as a list of its objects."""
        return [json.loads(line) for line in self.bytes("show", "--json", *options, folder).splitlines()]


def contents(server, field_times=False):
    """All keys of all databases: (database, key) to (value, time to live as a moment). A hash is a dict of its fields;
    field_times: of (value, time to live as a moment)."""

    def whole(connection, key, kind):
        if kind != b"hash":
            return connection.call("GET", key)
        flat = connection.call("HGETALL", key)
        names, values = flat[::2], flat[1::2]
        if field_times:
            values = zip(values, connection.call("HPEXPIRETIME", key, "FIELDS", len(names), *names))
        return dict(zip(names, values))

    found = {}
    with server.connect() as connection:
        for database in range(16):
            connection.call("SELECT", database)
            keys = connection.call("KEYS", "*")
            kinds = connection.pipeline([("TYPE", key) for key in keys])
            values = [whole(connection, key, kind) for key, kind in zip(keys, kinds)]
            moments = connection.pipeline([("PEXPIRETIME", key) for key in keys])
            for key, value, moment in zip(keys, values, moments, strict=True):
                found[database, key] = (value, moment)
    return found


def snapshot(folder):
    """Every file's bytes, but for the lock."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != "LOCK"}


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0x20]))


def random_commands(rng, count, field_times=False):
    """Commands on strings and hashes that leave traces of every kind in a log. Times to live are far away, those of
    fields (field_times), which the reference does not know, too."""
    keys = [f"key:{i}" for i in range(40)]
    hashes = [f"hash:{i}" for i in range(8)]
    made = []

    def a_field():
        return rng.choice([f"f{rng.randrange(20)}", str(rng.randrange(100)), b"\xff\0\r\n"])

    def one_of_hash():
        key = rng.choice(hashes)
        value = rng.choice([b"v" * rng.randrange(100), str(rng.randrange(-(10**12), 10**12)), bytes(rng.randrange(256) for _ in range(20))])
        moment = rng.randrange(4 * 10**12, 5 * 10**12)
        timed = [
            ("HPEXPIREAT", key, moment, "FIELDS", 2, a_field(), "none"),
            ("HEXPIRE", key, rng.randrange(1000, 9999), "FIELDS", 1, a_field()),
            ("HPERSIST", key, "FIELDS", 1, a_field()),
            ("HSETEX", key, "PXAT", moment, "FIELDS", 1, a_field(), value),
            ("HGETEX", key, "EX", 5000, "FIELDS", 1, a_field()),
            ("HGETDEL", key, "FIELDS", 1, a_field()),
        ]
        if field_times and rng.random() < 0.3:
            return rng.choice(timed)
        return rng.choice(
            [
                ("HSET", key, a_field(), value, a_field(), value),
                ("HSET", key, *[word for i in range(rng.choice([3, 30, 600])) for word in (f"many:{i}", value)]),
                ("HSETNX", key, a_field(), value),
                ("HDEL", key, *[a_field() for _ in range(5)]),
                ("HSET", key, "n", rng.randrange(100)),
                ("HINCRBY", key, "n", rng.randrange(100)),
                ("HINCRBYFLOAT", key, "n", "0.25"),
                ("HMSET", key, a_field(), value),
                ("EXPIRE", key, rng.randrange(1000, 9999)),
                ("RENAME", key, rng.choice(hashes)),
                ("COPY", key, rng.choice(hashes), "REPLACE"),
                ("SET", key, "a string in its place"),
                ("DEL", key),
                ("DEL", key),
                ("MOVE", key, rng.randrange(3)),
            ]
        )

    def one():
        if rng.random() < 0.25:
            return one_of_hash()
        key = rng.choice(keys)
        value = bytes(rng.randrange(256) for _ in range(rng.randrange(30)))
        return rng.choice(
            [
                ("SET", key, value),
                ("SET", key, value, "EX", rng.randrange(1000, 9999)),
                ("SET", key, value, "PXAT", rng.randrange(4 * 10**12, 5 * 10**12)),
                ("SETEX", key, 5000, value),
                ("PSETEX", key, 5000000, value),
                ("MSET", key, value, rng.choice(keys), b"\r\n*1\r\n"),
                ("APPEND", key, value),
                ("SETRANGE", key, rng.randrange(40), value),
                ("GETSET", key, value),
                ("GETEX", key, "PX", 7000000),
                ("GETDEL", key),
                ("EXPIRE", key, rng.randrange(1000, 9999)),
                ("PERSIST", key),
                ("SET", "n:" + key, rng.randrange(1000)),
                ("INCRBY", "n:" + key, rng.randrange(100)),
                ("INCRBYFLOAT", "n:" + key, "0.5"),
                ("DEL", key, rng.choice(keys)),
                ("RENAME", key, rng.choice(keys)),
                ("COPY", key, rng.choice(keys), "REPLACE"),
                ("MOVE", key, rng.randrange(3)),
                ("SELECT", rng.randrange(3)),
                ("SWAPDB", 0, rng.randrange(3)),
            ]
        )

    while len(made) < count:
        if rng.random() < 0.1:
            unit = [command for command in (one() for _ in range(rng.randrange(1, 6)))]
            made += [("MULTI",), *unit, ("EXEC",)]
        else:
            made.append(one())
    return made
