"""A folder with a redis-server's data in it: nothing is passed over without a word, and taking it over works as told."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness.resp import wait_until
from harness.server import Server, StartError

pytestmark = pytest.mark.dkv("what dkv does beside redis-server's data")


@pytest.fixture
def redis(reference_binary):
    """redis(commands, folder=None, **directives): data as redis-server leaves it, of a server that has ended."""
    servers = []

    def make(commands=(), folder=None, save=True, rewrite=False, **directives):
        server = Server(reference_binary, **directives)
        servers.append(server)
        if folder:
            server.directives["dir"] = folder
        server.start()
        with server.connect() as connection:
            for command in commands:
                assert connection.call(*command) == b"OK"
            if save:
                assert connection.call("SAVE") == b"OK"
            if rewrite:
                connection.call("BGREWRITEAOF")
            wait_until(lambda: b"aof_rewrite_in_progress:0" in connection.call("INFO", "persistence"))
            connection.send("SHUTDOWN", "NOSAVE")
            connection.read_until_closed()
        server.wait()
        return server

    yield make
    for server in servers:
        server.remove()


SOME = [("SET", "key", "value"), ("SET", "it's \"x\" y", "1"), ("MSET", "a", "1", "b", "2")]


def refused(server):
    with pytest.raises(StartError) as refusal:
        server.start()
    text = str(refusal.value)
    assert "exit status 1" in text
    assert "cannot start: here is data of a redis-server, and no log of dkv's yet" in text
    assert "--ignore-redis-data yes" in text
    return text


def follow(text, server_binary, tmp_path):
    """Runs the commands that the log told, and starts from what they made. The socket they name is for everybody."""
    commands = re.findall(r"#     (.*)", text)
    into = re.search(r"and start dkv-server with --dir (.*)", text).group(1)
    script = "set -e\n" + "\n".join(commands).replace("/tmp/redis-to-dkv.sock", f"{tmp_path}/s")
    script += f"\nprintf %s {into} > {tmp_path}/into"
    environment = dict(os.environ, PATH=f"{Path(server_binary).parent}:{os.environ['PATH']}")
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert result.returncode == 0, (commands, result)
    return (tmp_path / "into").read_text()


def keys(server):
    with server.connect() as connection:
        return sorted(connection.call("KEYS", "*"))


@pytest.mark.parametrize(
    "directives",
    [
        {},
        {"dbfilename": "other name's.rdb"},
        {"appendonly": "yes"},
        {"appendonly": "yes", "aof_use_rdb_preamble": "no"},
        {"appendonly": "yes", "appenddirname": "log dir", "appendfilename": "my.aof"},
    ],
    ids=["dump", "dump-renamed", "log", "log-without-snapshot", "log-renamed"],
)
@pytest.mark.parametrize("rewritten", [False, True])
@pytest.mark.parametrize("kept", ["yes", "no"])
def test_taking_over(new_server, redis, server_binary, short_folder, directives, rewritten, kept):
    """What is told works from beginning to end, whatever redis-server's files are called and hold; alike where dkv would
    have kept everything in memory only."""
    folder = short_folder / "red is"
    folder.mkdir()
    is_log = directives.get("appendonly") == "yes"
    redis(SOME, folder, save=not is_log, rewrite=is_log and rewritten, **directives)
    names = {name: value for name, value in directives.items() if "name" in name}
    server = new_server(dir=folder, appendonly=kept, **names)
    text = refused(server)
    found = names.get("appenddirname", "appendonlydir") if is_log else names.get("dbfilename", "dump.rdb")
    assert re.search(rf"{re.escape(str(folder / found))} \(\d+(\.\d+)?[BKM]+, last changed 20\d\d-", text), text
    into = follow(text, server_binary, short_folder)
    assert into == str(folder / "dkv")
    other = new_server(dir=into).start()
    assert keys(other) == sorted([b"key", b"it's \"x\" y", b"a", b"b"])
    assert not (folder / "MANIFEST").exists() and not (folder / "LOCK").exists()


@pytest.fixture
def short_folder():
    """A folder whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="dkv-test-", dir="/tmp") as folder:
        yield Path(folder)


def test_a_single_append_only_file(new_server, server_binary, short_folder):
    """As before Redis 7, and as dkv-log export writes."""
    folder = short_folder / "data"
    folder.mkdir()
    (folder / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n")
    text = refused(new_server(dir=folder))
    other = new_server(dir=follow(text, server_binary, short_folder)).start()
    assert keys(other) == [b"key"]


def test_the_one_that_was_changed_last(new_server, redis):
    """Both are named, and the way is told for the later one."""
    theirs = redis(SOME, appendonly="yes")
    os.utime(theirs.data / "dump.rdb", (10**9, 10**9))
    text = refused(new_server(dir=theirs.data))
    assert "dump.rdb (" in text and "appendonlydir (" in text
    assert "taking the one that was changed last, " + str(theirs.data / "appendonlydir") in text
    for path in (theirs.data / "appendonlydir").iterdir():
        os.utime(path, (10**9 - 9, 10**9 - 9))
    assert "taking the one that was changed last, " + str(theirs.data / "dump.rdb") in refused(new_server(dir=theirs.data))


def test_starting_empty_all_the_same(new_server, redis):
    """When told so, with a notice; afterwards there is a log of dkv's, and the notice is all."""
    theirs = redis(SOME)
    server = new_server(dir=theirs.data, ignore_redis_data="yes").start()
    assert keys(server) == [] and server.log().count("not reading data of a redis-server, which is there, too: ") == 1
    with server.connect() as connection:
        connection.call("SET", "mine", "1")
        assert connection.call("CONFIG", "GET", "ignore-redis-data") == [b"ignore-redis-data", b"yes"]
    server.restart(ignore_redis_data=None)
    assert keys(server) == [b"mine"] and server.log().count("not reading data of a redis-server") == 2


EMPTY = {
    "redis-server's": None,
    "zero-length": b"",
    "old": b"REDIS0004\xff",
    "database": b"REDIS0009\xfa\x05redis\xc1\x00\x01\xfe\x00\xfb\x00\x00\xff" + b"\0" * 8,
}
FULL = {
    "a key": b"REDIS0009\xfe\x00\x00\x01k\x01v\xff" + b"\0" * 8,
    "a function": b"REDIS0010\xf5\x01x\xff" + b"\0" * 8,
    "sizes": b"REDIS0009\xfe\x00\xfb\x01\x00\xff" + b"\0" * 8,
    "cut": b"REDIS0009\xfa\x05red",
    "something else": b"hello",
    "more behind it": b"REDIS0009\xff" + b"\0" * 8 + b"x",
    "a note without an end": b"REDIS0009\xfa\x81" + b"\xff" * 8,
    "an unknown note": b"REDIS0009\xfa\xc3\x01\x01\x01\xff",
}


@pytest.mark.parametrize("text", EMPTY.values(), ids=EMPTY)
def test_nothing_to_lose(new_server, redis, text):
    """Snapshots of nothing, and append-only files of nothing."""
    theirs = redis(appendonly="yes")
    if text is not None:
        (theirs.data / "dump.rdb").write_bytes(text)
    (theirs.data / "appendonly.aof").write_bytes(b"")
    server = new_server(dir=theirs.data).start()
    assert "redis-server" not in server.log()


@pytest.mark.parametrize("text", FULL.values(), ids=FULL)
def test_something_to_lose(new_server, text):
    """... and all that is not surely nothing."""
    server = new_server()
    (server.data / "dump.rdb").write_bytes(text)
    refused(server)
    assert os.listdir(server.data) == ["dump.rdb"]


def test_what_is_no_data(new_server):
    """Folders, links that lead nowhere, files of other names."""
    server = new_server(dbfilename="")
    (server.data / "dump.rdb").write_bytes(b"x")
    (server.data / "appendonly.aof").mkdir()
    (server.data / "appendonlydir").mkdir()
    (server.data / "appendonlydir" / "appendonly.aof.manifest").write_bytes(b"x")
    (server.data / "appendonlydir" / "other.aof").write_bytes(b"x")
    server.start()


@pytest.mark.parametrize("given", [True, False])
def test_the_folder_it_is_started_in(new_server, given):
    """It is redis-server's, unless a folder is named."""
    server = new_server(dir="./data" if given else None)
    server.data.rmdir()
    (server.folder / "dump.rdb").write_bytes(FULL["a key"])
    if given:
        server.start()
        return
    text = refused(server)
    assert str(server.folder / "dump.rdb") in text
    server.start(ignore_redis_data="yes")
    server.restart()
    assert "not reading data of a redis-server" in server.log()
