"""Every command with wrong counts of arguments, wrong types, huge and negative numbers, overflows, empty and binary
strings: errors are worded as redis-server's, what fails changes nothing, and the server neither ends, hangs nor leaks.

`make test` runs this again on a build with the address and undefined-behaviour sanitizers.
"""

import random

import pytest
from harness import bad_input, comparing, mix, resp, servers_pair
from harness.figures import figure
from harness.resp import Closed, encode, pairs
from test_commands import FIELD_TIMES

CALLS, CALLS_FULL = 40, 2000
END = b"the end of the call"
# How PING answers: subscribers get a pair by RESP2, and a transaction queues it.
ENDS = (b"$19\r\n" + END + b"\r\n", b"*2\r\n$4\r\npong\r\n$19\r\n" + END + b"\r\n", b"+QUEUED\r\n")
# Errors quote no more than this of what they complain about; redis-server's quote some things at any length.
QUOTED = 120


def is_number(word, low, high):
    try:
        return low <= int(word) <= high
    except ValueError:
        return False


def is_left_out(call):
    """Calls that, right as they may be, end the server, close it to the test, or wait for longer than one wants to."""
    name = call[0].upper()
    rest = [word.upper() for word in call[1:]]
    if name == b"SHUTDOWN":
        return not rest or all(word in (b"SAVE", b"NOSAVE", b"NOW", b"FORCE") for word in rest)
    if name == b"MIGRATE":  # hosts would be looked for
        return len(call) > 5 and all(is_number(word, -(10**30), 10**30) for word in call[4:6])
    if name in (b"WAIT", b"WAITAOF"):
        return not is_number(rest[-1] if rest else b"x", -(10**30), -1)
    if name == b"CLIENT":
        no_answer = rest[:1] == [b"REPLY"] and rest[1:] in ([b"OFF"], [b"SKIP"])
        return no_answer or rest[:1] == [b"PAUSE"] and any(is_number(word, 1, 10**19) for word in rest)
    if name == b"HRANDFIELD":  # as many as one asks for
        return len(rest) > 1 and is_number(rest[1], -(2**63) + 1, -1000)
    if name == b"DEBUG":
        return rest[:1] in ([b"SLEEP"], [b"POPULATE"]) and any(is_number(word, 1, 10**19) for word in rest[1:])
    return rest[:2] == [b"SETUSER", b"DEFAULT"] or name == b"CONFIG" and rest[:1] == [b"SET"]  # see test_directives


class Caller:
    """One server: every call on a connection of its own, so that no call makes another mean something else."""

    def __init__(self, server):
        self.server = server
        self.names = self.ask(("COMMAND", "LIST"))[0]  # of the commands that the state may be made with
        self.reset()

    def ask(self, *commands):
        with self.server.connect() as connection:
            return connection.pipeline(commands)

    def reset(self):
        replies = self.ask(("FLUSHALL",), *bad_input.state(self.names))
        assert not any(isinstance(reply, resp.Error) for reply in replies), replies
        self.before = self.state()

    def state(self):
        return self.ask(("DEBUG", "DIGEST"), ("DBSIZE",))

    def commands(self):
        with self.server.connect() as connection:
            return bad_input.commands_of(connection)

    def call(self, call, protocol):
        """Every reply that comes, up to one that shows that the server goes on; None at the end: it hung up."""
        with self.server.connect() as connection:
            begin = encode("HELLO", "3") if protocol == 3 else b""
            replies = []
            try:
                connection.send_bytes(begin + encode(*call) + encode("PING", END))
                if begin:
                    connection.read_raw()
                while not replies or replies[-1] not in ENDS:
                    replies.append(connection.read_raw())
            except (Closed, ConnectionResetError, BrokenPipeError):
                replies.append(None)
            return replies


def changed(caller):
    """Whether the keys are others than before; then they are made anew."""
    after = caller.state()
    if after == caller.before:
        return False
    caller.reset()
    return True


def failed(replies):
    return replies[0] is not None and comparing.is_error(replies[0])


def each_call(caller, seed, calls, known=None):
    """Calls of every command that is known."""
    for name, arguments in caller.commands():
        if known is None or name in known:
            for call in bad_input.Calls(random.Random(f"{seed} {name}"), name, arguments).all(calls):
                if not is_left_out(call):
                    yield call


@pytest.fixture
def calls(request):
    return CALLS_FULL if request.config.getoption("--full") else CALLS


@pytest.mark.parametrize("protocol", [2, 3])
def test_every_command_bears_it(start_server, seed, protocol, calls):
    """It answers every call, what fails changes no key, and the server stops as it should: under sanitizers, that means
    that it has neither leaked nor touched what was not its own."""
    server = start_server(appendonly="yes", appendfsync="no")
    caller = Caller(server)
    count = errors = 0
    for call in each_call(caller, seed, calls):
        replies = caller.call(call, protocol)
        count += 1
        errors += failed(replies)
        assert not (changed(caller) and failed(replies)), f"changed something, and failed: {call} {replies}"
    assert errors > count // 4
    figure(count, "calls with bad input")
    assert server.stop() == 0, server.log()[-5000:]


# --- the same as redis-server ----------------------------------------------------------------------------------------

# What these reply, when it is no error, is each server's own affair, or judged by other tests.
OWN = {
    b"ACL", b"CLIENT", b"COMMAND", b"CONFIG", b"DEBUG", b"INFO", b"LASTSAVE", b"LATENCY", b"LOLWUT", b"MEMORY", b"MONITOR",
    b"HSCAN", b"OBJECT", b"ROLE", b"SCAN", b"SLOWLOG", b"TIME", b"RANDOMKEY", b"PFDEBUG",
}  # fmt: skip
# One child at a time, and whether there is one is a matter of luck.
CHILDREN = {b"BGREWRITEAOF", b"BGSAVE", b"SAVE"}


def is_other(call):
    """Whether dkv means something else; redis-tests/README.md says why."""
    name = call[0].upper()
    rest = [word.upper() for word in call[1:]]
    if name == b"COMMAND":
        return rest[:1] in ([b"GETKEYS"], [b"GETKEYSANDFLAGS"]) and len(rest) == 2
    if rest[:1] == [b"TRACKING"]:
        return rest.count(b"PREFIX") > 1  # redis-server replies twice when two of them overlap
    if name == b"MODULE":
        return rest[:1] != [b"LIST"]
    if name.startswith(b"RESTORE"):
        return any(is_number(word, 9 * 10**18, 10**20) for word in rest)
    if name in (b"SET", b"HELLO"):
        return (b"IFEQ" if name == b"SET" else b"AUTH") in rest
    if name == b"HSCAN":
        return b"NOVALUES" in rest  # newer than the reference
    return name in CHILDREN or rest[-1:] == [b"HELP"]


def is_same(call, ours, theirs, rules):
    if ours is None or theirs is None:
        return ours is theirs
    if comparing.is_error(ours) != comparing.is_error(theirs):
        return False
    if comparing.is_error(ours):
        return ours == theirs or len(ours) > QUOTED and ours[:QUOTED] == theirs[:QUOTED]
    return call[0].upper() in OWN or comparing.same(mix.make(call), ours, theirs, [], rules)


@pytest.fixture
def pair(server_binary, reference_binary):
    with servers_pair.open_pair(server_binary, reference_binary) as opened:
        yield opened


@pytest.mark.parametrize("protocol", [2, 3])
def test_errors_are_those_of_redis(pair, seed, protocol, calls):
    """Every call gets the same reply, word for word when it is an error, and leaves the same keys."""
    count = compare_calls(pair, seed, protocol, calls)
    assert count > 100 * calls
    figure(count, "calls with bad input compared")


@pytest.mark.parametrize("protocol", [2, 3])
def test_errors_of_newer_commands_are_those_of_redis(server_binary, newer_binary, known_commands, seed, protocol, calls):
    """What only a newer redis-server knows of hashes."""
    newer = [(name.encode(),) for name in FIELD_TIMES if name in known_commands]
    if not newer:
        pytest.skip("this server's fields have no times to live")
    with servers_pair.open_pair(server_binary, newer_binary) as pair:
        count = compare_calls(pair, seed, protocol, calls, newer)
    assert count > 8 * calls
    figure(count, "calls with bad input compared with a newer redis-server")


def compare_calls(pair, seed, protocol, calls, names=None):
    """Of the commands of these names, None: of all that both servers know; how many calls there were."""
    ours, theirs = Caller(pair.ours), Caller(pair.theirs)
    for one, other in ((ours, theirs), (theirs, ours)):
        one.names = [name for name in one.names if name in other.names]
    ours.reset()
    theirs.reset()
    rules = comparing.Rules()
    rules.newer = names is not None
    known = names or dict(theirs.commands())
    count = 0
    for call in each_call(ours, seed, calls, known):
        if is_other(call):
            continue
        our, their = ours.call(call, protocol), theirs.call(call, protocol)
        count += 1
        alike = len(our) == len(their) and all(is_same(call, a, b, rules) for a, b in zip(our, their))
        assert alike, f"{call}\n   ours: {our}\n theirs: {their}"
        changes = changed(ours), changed(theirs)
        assert changes[0] == changes[1], f"{call} changed keys in one of the two: {changes}"
    return count


# None for a moment in which it would end the test: these have tests of their own.
NOT_TRIED = {"port", "bind", "unixsocket", "requirepass", "dir", "logfile", "maxclients", "maxmemory-clients", "tls-port"}
# 7.2 has one level more; what the reference was built without; a switch that dkv has not; kept as given.
DIFFERENT = {"loglevel", "activedefrag", "tls-cluster", "tls-replication", "appendonly", "repl-backlog-size"}
VALUES = [
    b"", b"-1", b"-2", b"0", b"1", b"2", b"7", b"100", b"101", b"65536", b"2147483648", b"4294967296",
    b"9223372036854775807", b"-9223372036854775808", b"-9223372036854775809", b"1.5", b"1e3", b"nan", b"inf", b"abc",
    b"yes", b"no", b"YES", b"1k", b"1gb", b"1xb", b"-5%", b"50%", b"101%", b"a b", b"a b c d", b"1 2", b"0777", b"999",
    b"KEA", b"Q", b"always", b"everysec", b"allkeys-lru", b"x" * 100, b"\xff",
]  # fmt: skip


def settings(connection):
    return pairs(connection.call("CONFIG", "GET", "*"))


def test_directives(pair):
    """CONFIG SET takes and refuses the same values as redis-server, in the same words, and a refusal changes nothing."""
    with pair.ours.connect() as ours, pair.theirs.connect() as theirs:
        standard, reference = settings(ours), settings(theirs)
        names = sorted(standard.keys() & reference.keys() - {name.encode() for name in NOT_TRIED | DIFFERENT})
        assert len(names) > 150
        for name in names:
            for value in VALUES:
                if name == b"client-output-buffer-limit" and value == b"":
                    continue  # redis takes it for no change
                our, their = [one.raw("CONFIG", "SET", name, value) for one in (ours, theirs)]
                assert our == their, f"CONFIG SET {name} {value}"
                kept = [one.raw("CONFIG", "GET", name) for one in (ours, theirs)]
                if not comparing.is_error(our):
                    assert kept[0] == kept[1], f"CONFIG SET {name} {value}"
                    ours.call("CONFIG", "SET", name, standard[name])
                    theirs.call("CONFIG", "SET", name, reference[name])
        assert settings(ours) == standard
        figure(len(names) * len(VALUES), "values of directives compared")
