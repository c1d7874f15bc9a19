"""Data folders of several shapes to start from, and what must be found in them."""

import shutil

from harness.resp import pairs, wait_until

PATIENT = {"auto_aof_rewrite_percentage": 0, "segment_size": "64kb"}


def info(connection, section="persistence"):
    """INFO as a dict of text."""
    lines = connection.call("INFO", section).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def rewrite(connection):
    """A rewrite from beginning to end; whether it succeeded."""
    before = info(connection)
    assert b"started" in connection.call("BGREWRITEAOF")
    after = wait_until(lambda: _ended(connection, before), pause=0.002)
    return after["aof_last_bgrewrite_status"] == "ok"


def _ended(connection, before):
    now = info(connection)
    return now if now["aof_rewrite_in_progress"] == "0" else None


def contents(connection):
    """Every key and its value."""
    keys = connection.call("KEYS", "*")
    return dict(zip(keys, connection.call("MGET", *keys))) if keys else {}


def set_many(connection, first, count, size=400):
    commands = [("SET", f"key:{i}", f"{i}:" + "v" * size) for i in range(first, first + count)]
    assert set(connection.pipeline(commands)) == {b"OK"}


def make_fresh(server):
    """Nothing at all: not even the folder."""
    server.data.rmdir()
    return {}


def make_log(server):
    """One segment, cleanly closed."""
    server.start(faults=False, **PATIENT)
    with server.connect() as connection:
        set_many(connection, 0, 50)
        found = contents(connection)
    assert server.stop() == 0
    return found


def make_history(server):
    """A base, the one before it, several segments and a spare, of a server that was killed."""
    server.start(faults=False, history_bases=1, **PATIENT)
    with server.connect() as connection:
        for i in range(4):
            set_many(connection, 100 * i, 300)
            assert rewrite(connection)
        set_many(connection, 1000, 200)
        found = contents(connection)
    server.kill()
    names = sorted(path.name for path in server.data.iterdir())
    assert sum(name.startswith("base-") for name in names) == 2, names
    assert sum(name.startswith("log-") for name in names) > 3, names
    return found


def make_torn(server):
    """A last frame that was never made durable and has a hole: dropped, and the log goes on in a new segment."""
    found = make_log(server)
    server.start(faults=False, appendfsync="no", **PATIENT)
    with server.connect() as connection:
        connection.call("SET", "torn", "v" * 1000)
    server.kill()
    log = max(server.data.glob("log-*.dkv"))
    data = log.read_bytes()
    at = data.rindex(b"v" * 1000)
    log.write_bytes(data[: at + 500] + bytes([data[at + 500] ^ 1]) + data[at + 501 :])
    return found


def make_leftovers(server):
    """What an interrupted rewrite and an interrupted rotation leave behind."""
    found = make_history(server)
    (server.data / "MANIFEST.tmp").write_bytes(b"dkv manifest 1\n")
    (server.data / "base-00000000000099999999.dkv.tmp").write_bytes(b"x" * 5000)
    (server.data / "log-00000000000099999999.dkv").write_bytes(bytes(4096))
    shutil.copyfile(min(server.data.glob("base-*.dkv")), server.data / "base-00000000000088888888.dkv")
    return found


SHAPES = {"fresh": make_fresh, "log": make_log, "history": make_history, "torn": make_torn, "leftovers": make_leftovers}


class Template:
    """A folder of one shape, copied for each use."""

    def __init__(self, server, shape):
        self.found = SHAPES[shape](server)
        self.folder = server.folder / "template" if server.data.exists() else None
        if self.folder:
            server.data.rename(self.folder)

    def copy_to(self, server):
        shutil.rmtree(server.data, ignore_errors=True)
        if self.folder:
            shutil.copytree(self.folder, server.data)


def setting(connection, name):
    return pairs(connection.call("CONFIG", "GET", name))[name.encode()].decode()
