"""A copy of the data folder made of further names of its files, as one makes it of redis-server's log."""

import os
import shutil

import pytest
from harness.resp import wait_until

pytestmark = pytest.mark.dkv("a backup of links")

BEFORE = 300


def info(connection, name):
    return next(line for line in connection.call("INFO").decode().splitlines() if line.startswith(name + ":"))


def rewrite(connection):
    assert connection.call("BGREWRITEAOF")
    wait_until(lambda: info(connection, "aof_rewrite_in_progress") == "aof_rewrite_in_progress:0")


def set_many(connection, prefix, count):
    assert set(connection.pipeline([("SET", f"{prefix}:{i}", f"{i}:" + "v" * 400) for i in range(count)])) == {b"OK"}


def test_segments_with_another_name_are_not_written_anew(start_server):
    """Neither rewrites nor what follows them change what the copy holds: a segment that is needed no more is written to
    again only where nobody else has it."""
    server = start_server(appendonly="yes", segment_size="64kb", auto_aof_rewrite_percentage=0)
    backup = server.folder / "backup"
    with server.connect() as connection:
        set_many(connection, "before", BEFORE)
        backup.mkdir()
        for file in server.data.iterdir():
            if file.name != "LOCK":
                os.link(file, backup / file.name)
        for _ in range(3):
            set_many(connection, "after", BEFORE)
            rewrite(connection)
    assert server.stop() == 0
    shutil.rmtree(server.data)
    backup.rename(server.data)
    server.start()
    with server.connect() as connection:
        for i in range(BEFORE):
            assert connection.call("GET", f"before:{i}") == f"{i}:".encode() + b"v" * 400
