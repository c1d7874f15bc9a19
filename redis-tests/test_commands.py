"""Which commands there are: README.md's list is the truth, and what COMMAND tells of them is what redis-server tells."""

import re
from pathlib import Path

import pytest
from harness.figures import figure
from harness.resp import pairs
from harness.server import Server

# Times to live of a hash's fields: of Redis 7.4 and 8.0.
FIELD_TIMES = ["hexpire", "hpexpire", "hexpireat", "hpexpireat", "httl", "hpttl", "hexpiretime", "hpexpiretime", "hpersist",
               "hgetex", "hsetex", "hgetdel"]  # fmt: skip
GROUPS = {"string", "hash", "generic", "connection", "transactions", "pubsub", "bitmap", "hyperloglog", "server"}
README = (Path(__file__).parent / "README.md").read_text()
# Newer than the reference, so that there is nothing to compare with.
NEWER = {"client|no-touch", "client|setinfo", "waitaof", *FIELD_TIMES}
OWN = {"delifeq"}
# 7.2 and 7.0 tell other things of: a flag; arities; tips.
CORRECTED = {"wait", "command|getkeys", "command|getkeysandflags"}


def not_yet():
    """Names in capitals in the last column of the table of commands."""
    rows = re.findall(r"^\| ([a-z, ]+) \|(?:[^|\n]*\|){2}([^|\n]*)\|$", README[README.index("## Commands") :], re.M)
    assert len(rows) == 9  # and the heading
    return {name.lower() for _, column in rows for name in re.findall(r"\b[A-Z][A-Z-]+\b", column)}


def commands_of(server):
    """{name: (group, what COMMAND INFO tells)}, subcommands among them."""
    with server.connect() as connection:
        connection.call("HELLO", "3")
        entries = {}
        for entry in connection.call("COMMAND"):
            entries[entry[0].decode()] = entry
            entries.update({sub[0].decode(): sub for sub in entry[9]})
        groups = {}
        for name, facts in connection.call("COMMAND", "DOCS").items():
            groups[name.decode()] = facts[b"group"].decode()
            groups.update({sub.decode(): inner[b"group"].decode() for sub, inner in facts.get(b"subcommands", {}).items()})
    return {name: (groups[name], entry) for name, entry in entries.items()}


@pytest.fixture(scope="module")
def both(server_binary, reference_binary):
    found = []
    for binary in (server_binary, reference_binary):
        server = Server(binary).start()
        found.append(commands_of(server))
        server.remove()
    return found


def in_question(commands):
    return {name for name, (group, _) in commands.items() if group in GROUPS}


@pytest.mark.dkv("its own list")
def test_the_list_is_complete(both):
    """Every command and subcommand of these groups is there, but for those that README.md names as not yet there."""
    ours, theirs = in_question(both[0]), in_question(both[1])
    missing = not_yet()
    assert theirs - ours == missing
    assert ours - theirs == NEWER | OWN
    figure(len(ours), "commands and subcommands there")
    figure(len(missing), "not yet")


def facts(entry):
    """Arity, flags, keys, categories, key specifications, whatever their order; without notes."""
    name, arity, flags, first, last, step, categories, _, specifications, _ = entry
    plain = [{key: value for key, value in pairs(one).items() if key != b"notes"} for one in specifications]
    for one in plain:
        one[b"flags"] = sorted(one[b"flags"])
    return [name, arity, sorted(flags), first, last, step, sorted(categories), plain]


def test_they_are_described_alike(both):
    """What clients route, permit and count by."""
    ours, theirs = both
    common = ours.keys() & theirs.keys()
    assert len(common) > 150
    different = {name for name in common if facts(ours[name][1]) != facts(theirs[name][1])}
    assert different == (CORRECTED if "delifeq" in ours else set())
