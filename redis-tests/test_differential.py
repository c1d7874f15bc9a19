"""Short differential runs, and proof that the comparison can fail. Long ones: differential.py."""

import argparse
import os
import random

import differential
import pytest
from harness import comparing, mix, servers_pair
from harness.server import Server

# Seeds that ever showed a difference, with what it was.
SEEDS = {
    1: "the tool's own: COMMAND is not ordered",
    7: "the tool's own: EXEC with arguments ends a transaction",
}


def run(seed, commands, server, against, **options):
    """The difference found, explained; None when there is none."""
    arguments = differential.add_options(argparse.ArgumentParser()).parse_args([])
    for name, value in {"commands": commands, "check_every": 2000, "against": against, **options}.items():
        assert hasattr(arguments, name)
        setattr(arguments, name, value)
    print(f"redis-tests/differential.py --seed {seed} --commands {commands} --check-every {arguments.check_every}"
          + (f" --restart-every {arguments.restart_every}" if arguments.restart_every else "")
          + (f" --near {arguments.near}" if arguments.near else "")
          + (f" --types hash --against {arguments.against}" if arguments.types else ""))  # fmt: skip
    with servers_pair.open_pair(server, against, **differential.directives_of(arguments)) as pair:
        made = differential.Run(pair, seed, arguments)
        try:
            made.run()
        except differential.Difference as difference:
            return differential.explain(made, difference)
    return None


def test_fresh_seed(server_binary, reference_binary, seed, request):
    """The same bytes get the same replies."""
    commands = 1_000_000 if request.config.getoption("--full") else 20_000
    assert run(seed, commands, server_binary, reference_binary) is None


def test_with_restarts(server_binary, reference_binary, seed, request):
    """And again after SIGKILL and a restart of the server under test alone."""
    commands = 200_000 if request.config.getoption("--full") else 10_000
    assert run(seed, commands, server_binary, reference_binary, restart_every=2000) is None


@pytest.mark.dkv("values in files of their own")
def test_values_that_become_large(server_binary, reference_binary, seed, request):
    """Values grow and shrink through the size from which on they have files of their own, with restarts."""
    commands = 200_000 if request.config.getoption("--full") else 10_000
    assert run(seed, commands, server_binary, reference_binary, restart_every=2000, near=16 << 10) is None


@pytest.fixture
def field_times(known_commands):
    if "hexpire" not in known_commands:
        pytest.skip("this server's fields have no times to live")


@pytest.mark.parametrize("restart_every", [None, 2000])
def test_times_of_fields(server_binary, newer_binary, field_times, seed, request, restart_every):
    """Hashes whose fields have times to live, compared with a redis-server that has them, too."""
    commands = 500_000 if request.config.getoption("--full") else 15_000
    found = run(seed, commands, server_binary, newer_binary, types=["hash"], restart_every=restart_every)
    assert found is None


@pytest.mark.parametrize("known", SEEDS)
def test_seeds_that_failed_once(server_binary, reference_binary, known):
    assert run(known, 20_000, server_binary, reference_binary) is None


# --- the comparison can fail -----------------------------------------------------------------------------------------


def test_a_differing_reply_is_found(reference_binary, tmp_path):
    """Against a redis-server that does not know GETDEL, and the explanation is short."""
    wrapper = tmp_path / "redis-server"
    wrapper.write_text(f'#!/bin/sh\nexec {reference_binary} "$@" --rename-command GETDEL ""\n')
    wrapper.chmod(0o755)
    found = run(3, 20_000, str(wrapper), reference_binary)
    assert "unknown command" in found
    assert "1 commands that show it" in found, found


@pytest.fixture
def two(reference_binary):
    with servers_pair.open_pair(reference_binary, reference_binary) as pair:
        yield pair


def test_batches_end_with_a_reply(two):
    """What is not answered could be done after what another connection sends next."""
    made = differential.Run(two, 1, differential.add_options(argparse.ArgumentParser()).parse_args([]))
    made.mix = mix.Mix(made.rng, 0, made.known, None, None, None)
    made.mix.snippet = made.mix.silence
    made.lanes = [differential.Lane(two)]
    endings = []
    silent = 0
    for _ in range(100):
        _, commands, _ = made._make_batch()
        silence = differential.Silence()
        answered = [silence.expects_reply(command) for command in commands]
        endings.append(answered[-1])
        silent += answered.count(False)
    made.lanes[0].close()
    assert all(endings)
    assert silent > 1000


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param([], id="nothing"),
        pytest.param([("SET", "key", "1")], id="one more key"),
        pytest.param([("DEL", "a")], id="one key less"),
        pytest.param([("SETRANGE", "a", 1, "\x01")], id="a byte"),
        pytest.param([("PEXPIRE", "a", 10**9)], id="a time to live"),
        pytest.param([("SET", "a", "v"), ("APPEND", "a", "v")], id="an encoding"),
        pytest.param([("SELECT", 3), ("SET", "key", "1")], id="another database"),
        pytest.param([("SWAPDB", 0, 1)], id="databases swapped"),
        pytest.param([("HSET", "h", "g", "1")], id="one more field"),
        pytest.param([("HDEL", "h", "f")], id="one field less"),
        pytest.param([("HSET", "h", "f", "1")], id="a field's value"),
        pytest.param([("DEL", "h"), ("SET", "h", "v")], id="another type"),
        pytest.param([("HSET", "h", "x", "v" * 100), ("HDEL", "h", "x")], id="a hash's encoding"),
        pytest.param([("HDEL", "h", "e"), ("HSET", "h", "e", "1")], id="the order of a listpack's fields"),
    ],
)
def test_a_differing_state_is_found(two, commands):
    for server in (two.ours, two.theirs):
        with server.connect() as connection:
            connection.call("SET", "a", "vv")
            connection.call("HSET", "h", "e", "1", "f", "2")
    with two.ours.connect() as connection:
        connection.pipeline(commands)
    reader = differential.StateReader(two, random.Random(1))
    if commands:
        with pytest.raises(differential.Difference):
            reader.compare(comparing.Rules())
    else:
        assert reader.compare(comparing.Rules()) == 2
    reader.close()


@pytest.fixture
def two_newer(newer_binary):
    with servers_pair.open_pair(newer_binary, newer_binary) as pair:
        yield pair


@pytest.mark.parametrize("command", [None, ("HPEXPIREAT", "h", 10**13, "FIELDS", 1, "f"), ("HPERSIST", "h", "FIELDS", 1, "e")])
@pytest.mark.parametrize("kind", ["listpack", "table"])
def test_a_differing_time_of_a_field_is_found(two_newer, command, kind):
    for server in (two_newer.ours, two_newer.theirs):
        with server.connect() as connection:
            connection.call("HSET", "h", "e", "1", "f", "2", *(["x", "v" * 100] if kind == "table" else []))
            assert connection.call("HPEXPIREAT", "h", 10**13, "FIELDS", 1, "e") == [1]
    reader = differential.StateReader(two_newer, random.Random(1))
    if command is None:
        assert reader.compare(comparing.Rules()) == 1
    else:
        with two_newer.ours.connect() as connection:
            assert connection.call(*command) == [1]
        with pytest.raises(differential.Difference):
            reader.compare(comparing.Rules())
    reader.close()


def array(*words):
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(w), w) for w in map(str.encode, words)])


@pytest.mark.parametrize(
    "args, ours, theirs, alike",
    [
        (["GET", "k"], b"$1\r\na\r\n", b"$1\r\na\r\n", True),
        (["GET", "k"], b"$1\r\na\r\n", b"$1\r\nb\r\n", False),
        (["GET", "k"], b"$-1\r\n", b"_\r\n", False),
        (["TTL", "k"], b":100\r\n", b":101\r\n", True),
        (["TTL", "k"], b":100\r\n", b":-1\r\n", False),
        (["TTL", "k"], b":100\r\n", b":500\r\n", False),
        (["PTTL", "k"], b":-1\r\n", b":-2\r\n", False),
        (["KEYS", "*"], b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", b"*2\r\n$1\r\nb\r\n$1\r\na\r\n", True),
        (["KEYS", "*"], b"*2\r\n$1\r\na\r\n$1\r\na\r\n", b"*2\r\n$1\r\nb\r\n$1\r\na\r\n", False),
        (["KEYS", "*"], b"*0\r\n", b"-ERR x\r\n", False),
        (["TIME"], b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n", b"*2\r\n$1\r\n3\r\n$1\r\n4\r\n", True),
        (["TIME"], b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n", b"*1\r\n$1\r\n3\r\n", False),
        (["TTL"], b"-ERR a\r\n", b"-ERR b\r\n", False),
        (["RANDOMKEY"], b"$1\r\na\r\n", b"$1\r\nb\r\n", True),
        (["RANDOMKEY"], b"$1\r\na\r\n", b"$-1\r\n", False),
        (["DBSIZE"], b":1\r\n", b":2\r\n", False),
        (["HGETALL", "h"], array("a", "1", "b", "2"), array("b", "2", "a", "1"), True),
        (["HGETALL", "h"], array("a", "1", "b", "2"), array("b", "1", "a", "2"), False),
        (["HGETALL", "h"], array("a", "1", "b", "2"), array("a", "1"), False),
        (["HGETALL", "h"], b"%1\r\n$1\r\na\r\n$1\r\n1\r\n", array("a", "1"), False),
        (["HKEYS", "h"], array("a", "b"), array("b", "a"), True),
        (["HVALS", "h"], array("1", "1"), array("1", "2"), False),
        (["HMGET", "h", "a", "b"], array("1", "2"), array("2", "1"), False),
        (["HRANDFIELD", "h"], b"$1\r\na\r\n", b"$1\r\nb\r\n", True),
        (["HRANDFIELD", "h"], b"$-1\r\n", b"$1\r\nb\r\n", False),
        (["HRANDFIELD", "h", "2"], array("a", "b"), array("c", "b"), True),
        (["HRANDFIELD", "h", "2"], array("a", "b"), array("c"), False),
        (["HSCAN", "h", "0"], [b"0", array("a", "1", "b", "2")], [b"0", array("b", "2", "a", "1")], True),
        (["HSCAN", "h", "0"], [b"0", array("a", "1", "b", "2")], [b"0", array("b", "1", "a", "2")], False),
        (["HSCAN", "h", "0"], [b"0", array("a", "1")], [b"4", array("a", "1")], False),
        (["HSCAN", "h", "0", "NOVALUES"], [b"0", array("a", "b")], [b"0", array("b", "a")], True),
        (["HSCAN", "h", "0", "MATCH", "**"], [b"0", array("", "1", "a", "1")], [b"0", array("a", "1")], True),
        (["HSCAN", "h", "0", "MATCH", "**"], [b"0", array("a", "1")], [b"0", array("", "1", "a", "1")], False),
        (["HTTL", "h"], b"*2\r\n:100\r\n:-1\r\n", b"*2\r\n:101\r\n:-1\r\n", True),
        (["HTTL", "h"], b"*2\r\n:100\r\n:-1\r\n", b"*2\r\n:101\r\n:-2\r\n", False),
        (["HPTTL", "h"], b"*1\r\n:100000\r\n", b"*1\r\n:1000000\r\n", False),
        (["HPERSIST", "h"], b"*1\r\n:1\r\n", b"*1\r\n:-1\r\n", False),
    ],
)
def test_what_counts_as_the_same(args, ours, theirs, alike):
    command = mix.make([word.encode() for word in args])
    # SCAN's: a cursor and what was found.
    ours, theirs = [
        raw if isinstance(raw, bytes) else b"*2\r\n$1\r\n%b\r\n%b" % tuple(raw) for raw in (ours, theirs)
    ]
    assert comparing.same(command, ours, theirs, [], comparing.Rules()) is alike


def test_random_keys_must_exist():
    """RANDOMKEY and KEYS * in one transaction: a key that is not there is noticed."""
    queue = [mix.make([b"RANDOMKEY"]), mix.make([b"KEYS", b"*"])]
    right = b"*2\r\n$1\r\na\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    also_right = b"*2\r\n$1\r\nb\r\n*2\r\n$1\r\nb\r\n$1\r\na\r\n"
    wrong = b"*2\r\n$1\r\nc\r\n*2\r\n$1\r\nb\r\n$1\r\na\r\n"
    assert comparing.same(mix.make([b"EXEC"]), also_right, right, queue, comparing.Rules())
    assert not comparing.same(mix.make([b"EXEC"]), wrong, right, queue, comparing.Rules())


def in_transaction(first, second, *replies):
    """Whether they count as the same: ours to both commands, then theirs."""
    queue = [mix.make([word.encode() for word in words]) for words in (first, second)]
    ours, theirs = [b"*2\r\n" + b"".join(replies[i : i + 2]) for i in (0, 2)]
    return comparing.same(mix.make([b"EXEC"]), ours, theirs, queue, comparing.Rules())


@pytest.mark.parametrize(
    "args, ours, alike",
    [
        ([], b"$1\r\nb\r\n", True),
        ([], b"$1\r\nc\r\n", False),
        (["2"], array("b", "a"), True),
        (["2"], array("b", "b"), False),
        (["2"], array("b", "c"), False),
        (["-2"], array("b", "b"), True),
        (["2", "WITHVALUES"], array("b", "2", "a", "1"), True),
        (["2", "WITHVALUES"], array("b", "1", "a", "1"), False),
    ],
)
def test_random_fields_must_exist(args, ours, alike):
    """HRANDFIELD and HGETALL in one transaction."""
    everything = array("a", "1", "b", "2")
    theirs = array("a", "1", "b", "2") if len(args) == 2 else array("a", "b") if args else b"$1\r\na\r\n"
    assert in_transaction(["HRANDFIELD", "h", *args], ["HGETALL", "h"], ours, everything, theirs, everything) is alike


@pytest.mark.parametrize("encoding, alike", [("listpack", False), ("hashtable", True)])
def test_only_tables_are_in_no_order(encoding, alike):
    told = b"$%d\r\n%b\r\n" % (len(encoding), encoding.encode())
    replies = (told, array("a", "b"), told, array("b", "a"))
    assert in_transaction(["OBJECT", "ENCODING", "h"], ["HKEYS", "h"], *replies) is alike


def test_servers_do_not_outlive_their_test(reference_binary):
    """Neither the folder nor the process of a removed server is left."""
    server = Server(reference_binary).start()
    pid, folder = server.pid, server.folder
    server.remove()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
