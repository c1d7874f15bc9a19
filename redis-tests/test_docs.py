"""COMMAND DOCS, which tools make hints, completions and whole APIs from: the facts are those of redis-server."""

import fcntl
import os
import pty
import select
import shutil
import struct
import termios
import time

import pytest
from harness.resp import pairs
from harness.server import Server

# Newer than the reference, so that there is nothing to compare with.
NEWER = {"client|no-touch", "client|setinfo", "waitaof", "delifeq", "hexpire", "hsetex"}
# Where dkv means something else than redis-server 7.0, and what.
MEANT = {
    "set": "IFEQ is new",
    "hscan": "NOVALUES is new",
}
# 7.2 tells another version than 7.0: 2.9 was the way to 3.0.
CORRECTED = {"client|pause"}


def documented(connection):
    """Facts by name, subcommands among them."""
    found = {}

    def add(commands):
        for name, facts in pairs(commands).items():
            found[name.decode()] = facts = pairs(facts)
            add(facts.get(b"subcommands", {}))

    add(connection.call("COMMAND", "DOCS"))
    return found


def plain(arguments):
    """Without the texts to display, which are new in 7.2 and repeat the names."""
    made = []
    for argument in arguments:
        argument = pairs(argument)
        text = argument.pop(b"display_text", None)
        assert text in (None, argument[b"name"])
        if b"arguments" in argument:
            argument[b"arguments"] = plain(argument[b"arguments"])
        made.append(argument)
    return made


@pytest.fixture(scope="module")
def both(server_binary, reference_binary):
    """What each says."""
    found = []
    for binary in (server_binary, reference_binary):
        server = Server(binary).start()
        with server.connect() as connection:
            found.append(documented(connection))
        server.remove()
    return found


def test_arguments_are_those_of_redis(both):
    ours, theirs = both
    common = ours.keys() & theirs.keys()
    assert len(common) > 100
    different = {
        name
        for name in common
        if plain(ours[name].get(b"arguments", [])) != plain(theirs[name].get(b"arguments", []))
    }
    assert different == (set(MEANT) if "delifeq" in ours else set())


def test_groups_and_versions_are_those_of_redis(both):
    ours, theirs = both
    for name in ours.keys() & theirs.keys():
        assert ours[name][b"group"] == theirs[name][b"group"], name
        assert ours[name][b"since"] == theirs[name][b"since"] or name in CORRECTED, name


def versions(facts):
    """Of the changes since a command came."""
    return [version for version, _ in facts.get(b"history", [])]


def test_history_is_that_of_redis(both):
    """When something was added, and what should be used no more; what changed is told in words of our own."""
    ours, theirs = both
    told = 0
    for name in ours.keys() & theirs.keys():
        assert versions(ours[name]) == versions(theirs[name]), name
        told += len(versions(ours[name]))
        for fact in (b"doc_flags", b"deprecated_since"):
            assert ours[name].get(fact) == theirs[name].get(fact), name
        assert (b"replaced_by" in ours[name]) == (b"deprecated_since" in ours[name])
    assert told > 40


@pytest.mark.dkv("the reference documents some of its debugging commands less well")
def test_every_command_that_takes_arguments_documents_them(both, server):
    ours, theirs = both
    with server.connect() as connection:
        for name, facts in ours.items():
            arity = connection.call("COMMAND", "INFO", name)[0][1]
            takes = b"subcommands" not in facts and arity not in (1, 2 if "|" in name else 1)
            if takes and b"arguments" not in facts:
                assert name in theirs and b"arguments" not in theirs[name], name
    assert NEWER <= ours.keys()


def typed(server, keys, until):
    """What redis-cli shows on a terminal while these keys are typed, up to some text."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execvp("redis-cli", ["redis-cli", "-s", server.socket])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 200, 0, 0))
    shown = b""
    waiting = [bytes([key]) for key in keys.encode()]
    deadline = time.monotonic() + 300
    try:
        while until not in shown and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.05)[0]:
                shown += os.read(terminal, 4096)
            elif b"> " in shown and waiting:
                os.write(terminal, waiting.pop(0))
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    return shown


@pytest.mark.skipif(not shutil.which("redis-cli"), reason="no redis-cli")
@pytest.mark.parametrize(
    "keys, hint",
    [
        ("get", b" key"),
        ("set ", b"key value"),
        ("bitcount ", b"key [start end"),
        ("config set ", b"parameter value"),
        ("restore ", b"key ttl serialized-value [REPLACE] [ABSTTL]"),
        ("pfadd k ", b"element"),
    ],
)
def test_redis_cli_shows_hints(server, keys, hint):
    """On a terminal redis-cli asks for COMMAND DOCS, and shows what comes next while one types."""
    assert hint in typed(server, keys, hint)
