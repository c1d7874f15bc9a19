"""Hashes, and the times to live of their fields: what commands do to whoever watches, caches, listens or may not, and what
lasts. Replies to random commands are compared by test_differential.py, wrong ones by test_bad_input.py."""

import contextlib
import random
import re
import time

import pytest
from harness import servers_pair
from harness.resp import Error, Push, pairs, wait_until
from test_acl import as_user, denied, user, verdict
from test_commands import FIELD_TIMES, facts
from test_docs import documented, plain

FAR = 9_999_999_999_000  # a moment, in milliseconds


@pytest.fixture
def hashes(known_commands):
    if "hset" not in known_commands:
        pytest.skip("this server has no hashes")


@pytest.fixture
def field_times(known_commands):
    if "hsetex" not in known_commands:
        pytest.skip("this server's fields have no times to live")


@pytest.fixture
def pair(hashes, server_binary, reference_binary):
    with servers_pair.open_pair(server_binary, reference_binary) as opened:
        yield opened


@pytest.fixture
def newer_pair(field_times, server_binary, newer_binary):
    with servers_pair.open_pair(server_binary, newer_binary) as opened:
        yield opened


# --- what a command does beside its reply ----------------------------------------------------------------------------

STATE = [("HSET", "h", "a", "1", "b", "text", "n", "10"), ("HSET", "one", "f", "v"), ("SET", "s", "x"),
         ("HSET", "t", "long", "v" * 100, "n", "1.5"), ("HSET", "mortal", "f", "1"), ("PEXPIREAT", "mortal", FAR)]  # fmt: skip
STATE_OF_TIMES = [("HPEXPIREAT", "h", FAR, "FIELDS", 2, "a", "n"), ("HPEXPIREAT", "t", FAR, "FIELDS", 1, "n"),
                  ("HPEXPIREAT", "one", FAR, "FIELDS", 1, "f")]  # fmt: skip
WATCHED = ["h", "one", "t", "mortal", "missing", "s"]

COMMANDS = """
HSET h a 1|HSET h a 2|HSET h new 1|HSET h a 1 new 2 new 3|HSET missing f v|HSET s f v|HSET h a|HMSET h a 1|HMSET missing f v
HSETNX h a 2|HSETNX h new 2|HSETNX missing f v|HDEL h a|HDEL h none|HDEL h a none b|HDEL h a b n|HDEL one f|HDEL missing f
HDEL t long|HDEL t long n|HINCRBY h n 5|HINCRBY h n 0|HINCRBY h b 1|HINCRBY h new 1|HINCRBY missing f 1|HINCRBY t n 1
HINCRBY h n 9223372036854775807|HINCRBYFLOAT h n 0.5|HINCRBYFLOAT h b 1|HINCRBYFLOAT missing f 1|HINCRBYFLOAT t n 1e3
HGET h a|HGET missing a|HMGET h a b|HGETALL h|HGETALL missing|HKEYS h|HVALS t|HLEN h|HLEN missing|HEXISTS h a|HSTRLEN h b
HRANDFIELD h|HRANDFIELD h 2|HRANDFIELD missing|HSCAN h 0|HSCAN missing 0|RENAME h t|RENAME h new|RENAMENX h t|COPY h new|COPY h t
COPY h t REPLACE|MOVE h 1|DEL h t|UNLINK h|SET h v|SET h v GET|GETSET h v|APPEND h v|GETDEL h|EXPIRE h 1000|PERSIST mortal|EXPIRE h -1
HSET mortal f 2|HDEL mortal f|SWAPDB 0 1|FLUSHDB|TOUCH h|TYPE h|OBJECT ENCODING t|DUMP h|SORT h|INCR h|MSET h 1 s 2
"""
COMMANDS_OF_TIMES = """
HEXPIREAT h 9999999998 FIELDS 1 a|HEXPIREAT h 9999999998 FIELDS 3 a b none|HEXPIREAT h 9999999998 NX FIELDS 2 a b
HEXPIREAT h 9999999998 XX FIELDS 2 a b|HEXPIREAT h 9999999998 GT FIELDS 2 a b|HEXPIREAT h 9999999998 LT FIELDS 2 a b
HEXPIREAT h 1 FIELDS 1 a|HEXPIREAT h 1 FIELDS 3 a b n|HEXPIREAT one 1 FIELDS 1 f|HEXPIRE one 0 FIELDS 1 f|HEXPIREAT h 1 NX FIELDS 1 a
HPEXPIREAT missing 9999999998000 FIELDS 1 a|HPEXPIREAT h 9999999998000 FIELDS 1 none|HPEXPIREAT s 9999999998000 FIELDS 1 a
HPEXPIREAT t 9999999998000 FIELDS 2 long n|HPEXPIREAT t 1 FIELDS 2 long n|HPEXPIREAT t 1 FIELDS 1 n|HEXPIREAT h x FIELDS 1 a
HEXPIREAT h 9999999999 FIELDS 1 a|HPERSIST h FIELDS 1 a|HPERSIST h FIELDS 1 b|HPERSIST h FIELDS 3 a b none|HPERSIST missing FIELDS 1 a
HPERSIST t FIELDS 2 n long|HTTL h FIELDS 2 a b|HPTTL missing FIELDS 1 a|HEXPIRETIME h FIELDS 1 a|HPEXPIRETIME t FIELDS 1 n
HGETEX h FIELDS 2 a b|HGETEX h PERSIST FIELDS 2 a b|HGETEX h PERSIST FIELDS 1 b|HGETEX h EXAT 9999999998 FIELDS 2 a b
HGETEX h EXAT 9999999998 FIELDS 1 none|HGETEX h EXAT 1 FIELDS 2 a b|HGETEX one EXAT 1 FIELDS 1 f|HGETEX missing EXAT 9999999998 FIELDS 1 a
HGETEX t PXAT 9999999998000 FIELDS 2 n long|HGETEX t PXAT 1 FIELDS 2 n long|HGETEX s FIELDS 1 a
HSETEX h FIELDS 2 a 1 new 2|HSETEX h KEEPTTL FIELDS 1 a 2|HSETEX h EXAT 9999999998 FIELDS 2 a 1 b 2|HSETEX h EXAT 1 FIELDS 1 a 1
HSETEX one EXAT 1 FIELDS 1 f 1|HSETEX missing EXAT 1 FIELDS 1 a 1|HSETEX missing EXAT 9999999998 FIELDS 1 a 1|HSETEX missing FIELDS 1 a 1
HSETEX h FNX FIELDS 2 a 1 new 2|HSETEX h FNX FIELDS 1 new 2|HSETEX h FXX FIELDS 2 a 1 b 2|HSETEX h FXX FIELDS 2 a 1 new 2
HSETEX missing FXX FIELDS 1 a 1|HSETEX missing FNX FIELDS 1 a 1|HSETEX t PXAT 9999999998000 FIELDS 1 n 2|HSETEX t PXAT 1 FIELDS 2 n 1 long 1
HSETEX s FIELDS 1 a 1|HSETEX h FIELDS 2 a 1|HGETDEL h FIELDS 1 a|HGETDEL h FIELDS 2 a none|HGETDEL h FIELDS 1 none|HGETDEL h FIELDS 3 a b n
HGETDEL one FIELDS 1 f|HGETDEL missing FIELDS 1 f|HGETDEL t FIELDS 2 n long|HGETDEL s FIELDS 1 a|HSET h a 2|HSETNX h a 2|HINCRBY h n 1
HINCRBYFLOAT h n 1|HDEL h a|HDEL one f|HDEL t n|RENAME h new|COPY h new|MOVE h 1|DEL h|SET h v|PERSIST h|HSCAN h 0 NOVALUES
"""


def commands_in(text):
    return [command.split(" ") for line in text.strip().split("\n") for command in line.split("|")]


class Bystanders:
    """Somebody who watches keys, somebody who caches them, and somebody who listens to events."""

    def __init__(self, server, stack, state):
        self.writer, self.watcher, self.cacher, self.listener = [stack.enter_context(server.connect()) for _ in range(4)]
        self.state = state
        self.writer.call("CONFIG", "SET", "notify-keyspace-events", "KEAmn")
        self.listener.call("PSUBSCRIBE", "__key*")
        self.cacher.call("HELLO", "3")
        self.cacher.call("CLIENT", "TRACKING", "ON")

    def events(self):
        self.writer.call("PUBLISH", "__key end", "")
        heard = []
        while not heard or heard[-1][2] != b"__key end":
            heard.append(self.listener.read())
        return [(event[2], event[3]) for event in heard[:-1]]

    def invalidated(self):
        """Since it was asked last. The events are known by now, so that these were sent, too."""
        self.cacher.send("PING")
        told = []
        while isinstance(push := self.cacher.read(), Push):
            assert push[0] == b"invalidate"
            told += push[1] if push[1] is not None else [None]
        return told

    def effects_of(self, command):
        self.writer.call("FLUSHALL")
        self.writer.pipeline([("SELECT", 1), ("SET", "elsewhere", "1"), ("SELECT", 0)])
        replies = self.writer.pipeline(self.state)
        assert not any(isinstance(reply, Error) for reply in replies), replies
        self.invalidated()
        self.cacher.call("EXISTS", *WATCHED)
        self.watcher.call("WATCH", *WATCHED)
        self.events()
        reply = self.writer.call(*command)
        outcome = {"error": isinstance(reply, Error), "events": self.events(), "invalidated": self.invalidated()}
        self.watcher.pipeline([("MULTI",), ("PING",)])
        outcome["watch failed"] = self.watcher.call("EXEC") is None
        outcome["left"] = [self.writer.call("TYPE", key) for key in WATCHED]
        return outcome


def compare_effects(pair, state, commands):
    with contextlib.ExitStack() as stack:
        both = [Bystanders(server, stack, state) for server in (pair.ours, pair.theirs)]
        done = 0
        for command in commands:
            ours, theirs = [one.effects_of(command) for one in both]
            assert ours == theirs, command
            done += bool(ours["events"])
        assert done > len(commands) // 3


def test_effects(pair):
    """Events and their order, watched keys, cached keys: those of redis-server for every command."""
    compare_effects(pair, STATE, commands_in(COMMANDS))


def test_effects_of_times(newer_pair):
    compare_effects(newer_pair, STATE + STATE_OF_TIMES, commands_in(COMMANDS_OF_TIMES))


# --- who may what -----------------------------------------------------------------------------------------------------


def test_permissions(hashes, server, connection):
    user(connection, "keys", "+@all", "~open:*", "%R~read:*", "%W~write:*")
    user(connection, "hashes", "+@hash", "~*")
    user(connection, "reads", "+@read", "~*")
    with as_user(server, "keys") as keys, as_user(server, "hashes") as some, as_user(server, "reads") as reads:
        for command in (("HSET", "open:h", "f", "1"), ("HGET", "read:h", "f"), ("HSET", "write:h", "f", "1"), ("HDEL", "write:h", "f"),
                        ("HGETALL", "open:h"), ("HLEN", "write:h"), ("HSETNX", "write:h", "f", "1"), ("HSCAN", "read:h", "0")):  # fmt: skip
            assert not isinstance(keys.call(*command), Error), command
        for command in (("HSET", "read:h", "f", "1"), ("HGET", "write:h", "f"), ("HINCRBY", "write:h", "f", "1"), ("HGETALL", "other"),
                        ("HRANDFIELD", "write:h"), ("HINCRBYFLOAT", "read:h", "f", "1"), ("HDEL", "read:h", "f")):  # fmt: skip
            assert denied(keys.call(*command), "key"), command
        assert some.call("HSET", "any", "f", "1") == 1 and denied(some.call("SET", "any", "1"), "command")
        assert reads.call("HGET", "any", "f") == b"1" and denied(reads.call("HSET", "any", "f", "1"), "command")


def test_permissions_for_times(newer_pair):
    """The same for each of the newer commands as in redis-server: categories and what is done to the key."""
    arguments = {"hsetex": ["FIELDS", "1", "f", "v"]}
    with newer_pair.ours.connect() as ours, newer_pair.theirs.connect() as theirs:
        for rules in ("+@all %R~h", "+@all %W~h", "+@all ~h", "+@all ~other", "+@hash ~*", "+@read ~*", "+@write ~*", "+@fast ~*",
                      "+@slow ~*", "+@keyspace ~*", "+@all -@hash ~*"):  # fmt: skip
            for one in (ours, theirs):
                assert one.call("ACL", "SETUSER", "u", "reset", *rules.split()) == b"OK"
            for name in FIELD_TIMES:
                times = ["100"] if "expire" in name and "time" not in name else []
                command = [name, "h", *times, *arguments.get(name, ["FIELDS", "1", "f"])]
                one, other = [verdict(each.call("ACL", "DRYRUN", "u", *command)) for each in (ours, theirs)]
                assert one == other, (rules, command)


def test_newer_commands_are_described_alike(newer_pair):
    """COMMAND INFO and COMMAND DOCS of those that the reference does not know."""
    with newer_pair.ours.connect() as ours, newer_pair.theirs.connect() as theirs:
        docs = [documented(one) for one in (ours, theirs)]
        for name in [*FIELD_TIMES, "hscan"]:
            one, other = [each.call("COMMAND", "INFO", name)[0] for each in (ours, theirs)]
            assert facts(one) == facts(other), name
            one, other = [each[name] for each in docs]
            assert plain(one[b"arguments"]) == plain(other[b"arguments"]), name
            assert (one[b"group"], one[b"since"]) == (other[b"group"], other[b"since"]), name


# --- iterating ---------------------------------------------------------------------------------------------------------


def iterate(connection, key, *options):
    cursor = b"0"
    while True:
        cursor, found = connection.call("HSCAN", key, cursor, *options)
        yield found
        if cursor == b"0":
            return


@pytest.mark.parametrize("grow", [True, False], ids=["growing", "shrinking"])
def test_fields_that_stay_are_found(hashes, connection, seed, grow):
    """While others come and go: every field that is there from the first step to the last is told at least once."""
    rng = random.Random(seed)
    connection.call("HSET", "h", *[word for i in range(1000) for word in (f"stays:{i}", i)])
    if not grow:
        connection.pipeline([("HSET", "h", f"goes:{i}", i) for i in range(50_000)])
    found, cursor, step = {}, b"0", 0
    while True:
        cursor, words = connection.call("HSCAN", "h", cursor, "COUNT", rng.choice([1, 10, 50]))
        found.update(zip(words[::2], words[1::2]))
        if cursor == b"0":
            break
        batch = range(step, step + 1000)
        if grow and step < 100_000:
            connection.call("HSET", "h", *[word for i in batch for word in (f"new:{i}", i)])
        elif not grow:
            connection.call("HDEL", "h", *[f"goes:{i}" for i in batch])
        step += 1000
    assert {found.get(b"stays:%d" % i) for i in range(1000)} == {b"%d" % i for i in range(1000)}


def test_each_field_is_found_once_when_nothing_changes(hashes, connection):
    for count in (10, 512, 513, 20_000):
        connection.call("DEL", "h")
        connection.pipeline([("HSET", "h", f"f{i}", i) for i in range(count)])
        found = [word for words in iterate(connection, "h", "COUNT", 100) for word in words[::2]]
        assert len(found) == len(set(found)) == connection.call("HLEN", "h") == count


def test_random_fields_reach_all(hashes, connection):
    for count in (10, 600):
        connection.call("DEL", "h")
        connection.call("HSET", "h", *[word for i in range(count) for word in (f"f{i}", i)])
        found = set()
        wait_until(lambda: found.update(connection.call("HRANDFIELD", "h", -500)) or len(found) == count)  # noqa: B023
        assert sorted(connection.call("HRANDFIELD", "h", count)) == sorted(found)


# --- time ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["listpack", "table"])
def test_fields_expire_by_themselves(field_times, start_server, kind):
    """Nobody looks: the events come, and the key goes with its last field."""
    server = start_server(notify_keyspace_events="KEA")
    with server.connect() as listener, server.connect() as speaker:
        listener.call("PSUBSCRIBE", "__keyspace*")
        long = "v" * 100 if kind == "table" else "v"
        speaker.call("HSET", "h", "a", "1", "b", long, "c", "3")
        speaker.call("HPEXPIRE", "h", 30, "FIELDS", 1, "a")
        assert [listener.read()[3] for _ in range(3)] == [b"hset", b"hexpire", b"hexpired"]
        assert sorted(speaker.call("HKEYS", "h")) == [b"b", b"c"] and speaker.call("HLEN", "h") == 2
        speaker.call("HPEXPIRE", "h", 30, "FIELDS", 2, "b", "c")
        assert [listener.read()[3] for _ in range(3)] == [b"hexpire", b"hexpired", b"del"]
        assert speaker.call("EXISTS", "h") == speaker.call("DBSIZE") == 0


@pytest.mark.dkv("what has expired is gone for every command")
@pytest.mark.parametrize("kind", ["listpack", "table"])
def test_what_has_expired_is_gone_for_every_command(field_times, connection, kind):
    """Also before it was deleted."""
    connection.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")

    def prepare():
        connection.call("FLUSHALL")
        connection.call("HSET", "h", "a", "1", "b", "v" * 100 if kind == "table" else "v", "c", "3")
        connection.call("HSET", "all", "a", "1", "b", "v" * 100 if kind == "table" else "v")
        connection.call("HPEXPIRE", "h", 1, "FIELDS", 1, "a")
        connection.call("HPEXPIRE", "all", 1, "FIELDS", 2, "a", "b")
        time.sleep(0.005)

    for command, expected in [
        (("HGET", "h", "a"), None), (("HMGET", "h", "a", "c"), [None, b"3"]), (("HLEN", "h"), 2), (("HEXISTS", "h", "a"), 0),
        (("HSTRLEN", "h", "a"), 0), (("HDEL", "h", "a"), 0), (("HSETNX", "h", "a", "2"), 1), (("HSET", "h", "a", "2"), 1),
        (("HINCRBY", "h", "a", "5"), 5), (("HINCRBYFLOAT", "h", "a", "5"), b"5"), (("HTTL", "h", "FIELDS", 1, "a"), [-2]),
        (("HPERSIST", "h", "FIELDS", 1, "a"), [-2]), (("HEXPIRE", "h", 100, "FIELDS", 1, "a"), [-2]),
        (("HGETEX", "h", "FIELDS", 1, "a"), [None]), (("HGETDEL", "h", "FIELDS", 1, "a"), [None]),
        (("HSETEX", "h", "FXX", "FIELDS", 1, "a", "1"), 0), (("HSETEX", "h", "FNX", "FIELDS", 1, "a", "1"), 1),
        (("EXISTS", "all"), 0), (("TYPE", "all"), b"none"), (("HLEN", "all"), 0), (("HGETALL", "all"), []), (("DEL", "all"), 0),
        (("HKEYS", "all"), []), (("HVALS", "all"), []), (("HSCAN", "all", "0"), [b"0", []]), (("HRANDFIELD", "all"), None),
        (("TTL", "all"), -2), (("RENAME", "all", "x"), b"ERR no such key"), (("COPY", "all", "x"), 0), (("DUMP", "all"), None),
        (("GET", "all"), None), (("SETNX", "all", "1"), 1), (("OBJECT", "ENCODING", "all"), None), (("KEYS", "al*"), []),
        (("SCAN", "0", "MATCH", "al*"), [b"0", []]), (("EXPIRE", "all", "100"), 0), (("MOVE", "all", "1"), 0),
    ]:  # fmt: skip
        prepare()
        assert connection.call(*command) == expected, command
    prepare()
    assert sorted(connection.call("HKEYS", "h")) == [b"b", b"c"]
    assert len(connection.call("HGETALL", "h")) == len(connection.call("HSCAN", "h", "0")[1]) == 4
    assert sorted(connection.call("HRANDFIELD", "h", 10)) == [b"b", b"c"]


def test_what_is_gone_at_once_makes_no_table(field_times, connection):
    """HSETEX with a time that is past, of more fields than the listpack could hold besides its own."""
    connection.call("HSET", "h", "f", "1")
    words = [word for i in range(512) for word in (f"f{i}", "x")]
    assert connection.call("HSETEX", "h", "EXAT", 1, "FIELDS", 512, *words) == 1
    assert connection.call("HGETALL", "h") == [b"f", b"1"]
    assert connection.call("OBJECT", "ENCODING", "h").startswith(b"listpack")


@pytest.mark.parametrize("pairs", [[("x" * 65, "1")], [("a", "x" * 65)], [(f"f{i}", "x") for i in range(513)]])
def test_what_is_gone_at_once_makes_a_table(field_times, connection, pairs):
    """The same where these alone are too long or too many for a listpack."""
    connection.call("HSET", "h", "f", "1")
    words = [word for pair in pairs for word in pair]
    assert connection.call("HSETEX", "h", "EXAT", 1, "FIELDS", len(pairs), *words) == 1
    assert connection.call("OBJECT", "ENCODING", "h") == b"hashtable"


def test_times_are_counted(field_times, connection, flavor):
    """INFO: hashes of which a field has a time, and fields that have expired."""

    def told():
        keyspace = connection.call("INFO", "keyspace").decode()
        found = re.search(r"db0:keys=(\d+),expires=0,avg_ttl=0(?:,subexpiry=(\d+))?\r\n", keyspace)
        expired = re.search(r"expired_subkeys:(\d+)\r\n", connection.call("INFO", "stats").decode())
        return [int(text or 0) for text in (*found.groups(), expired.group(1))]

    connection.call("HSET", "a", "f", "1", "g", "2")
    connection.call("HSET", "b", "f", "v" * 100, "g", "2")
    assert told() == [2, 0, 0]
    connection.call("HPEXPIREAT", "a", FAR, "FIELDS", 2, "f", "g")
    connection.call("HPEXPIREAT", "b", FAR, "FIELDS", 1, "g")
    assert told() == [2, 2, 0]
    connection.call("HPERSIST", "a", "FIELDS", 2, "f", "g")
    assert told() == [2, 1, 0] or flavor != "dkv"  # which counts those that once had one
    connection.call("HPEXPIRE", "b", 1, "FIELDS", 2, "f", "g")
    assert wait_until(lambda: connection.call("DBSIZE") == 1)
    assert told()[0::2] == [1, 2]


@pytest.mark.dkv("it keeps everything")
@pytest.mark.parametrize("rewritten", [False, True])
@pytest.mark.parametrize("count", [3, 1000])
def test_times_survive_a_crash(field_times, durable_server, rewritten, count):
    """What was gone stays gone, what was to go goes when it was to, and what was to stay stays."""
    fields = [f"f{i}" for i in range(count)]
    with durable_server.connect() as connection:
        connection.call("HSET", "h", "gone", "1", "kept", "2", *[word for f in fields for word in (f, f)])
        connection.call("HPEXPIREAT", "h", FAR, "FIELDS", count, *fields)
        connection.call("HPEXPIREAT", "h", FAR + 5, "FIELDS", 1, fields[1])
        connection.call("HPERSIST", "h", "FIELDS", 1, fields[2])
        connection.call("HPEXPIRE", "h", 20, "FIELDS", 1, "gone")
        wait_until(lambda: connection.call("HGET", "h", "gone") is None)
        connection.call("HSET", "short", "a", "1", "b", "2")
        connection.call("HPEXPIRE", "short", 100, "FIELDS", 1, "a")
        if rewritten:
            connection.call("BGREWRITEAOF")
            wait_until(lambda: b"aof_rewrite_in_progress:0" in connection.call("INFO", "persistence"))
    durable_server.restart(kill=True)
    with durable_server.connect() as connection:
        assert connection.call("HMGET", "h", "gone", "kept", fields[0]) == [None, b"2", fields[0].encode()]
        assert connection.call("HLEN", "h") == count + 1
        told = connection.call("HPEXPIRETIME", "h", "FIELDS", count + 1, "kept", *fields)
        assert told == [-1, FAR, FAR + 5, -1, *[FAR] * (count - 3)]
        assert wait_until(lambda: connection.call("HGETALL", "short") == [b"b", b"2"])


# --- whole values ------------------------------------------------------------------------------------------------------


def some_hashes(rng):
    """Around every size at which something changes."""
    for count in (1, 5, 127, 128, 511, 512, 513, 3000):
        yield {b"f%d" % i: b"%d" % rng.randrange(-(2**40), 2**40) for i in range(count)}
        yield {rng.randbytes(rng.randrange(1, 64)): rng.randbytes(rng.randrange(64)) for _ in range(count)}
    for size in (63, 64, 65, 4095, 4096, 70_000):
        yield {b"f": rng.randbytes(size), rng.randbytes(size): b"v"}
    yield {b"": b"", b"0": b"-0", b"%d" % 2**63: b"%d" % -(2**63)}


def test_dumped_by_one_restored_by_the_other(pair, seed):
    rng = random.Random(seed)
    with pair.ours.connect() as ours, pair.theirs.connect() as theirs:
        for hash_ in some_hashes(rng):
            for one in (ours, theirs):
                one.call("DEL", "from")
                one.call("HSET", "from", *[word for item in hash_.items() for word in item])
            dumps = [one.call("DUMP", "from") for one in (ours, theirs)]
            encodings = []
            for one, dump in zip((ours, theirs), reversed(dumps)):
                assert one.call("RESTORE", "to", 0, dump, "REPLACE") == b"OK"
                assert pairs(one.call("HGETALL", "to")) == hash_
                encodings.append([one.call("OBJECT", "ENCODING", key) for key in ("from", "to")])
            assert encodings[0] == encodings[1]
            if encodings[0][0] == b"listpack" and len(dumps[1]) < 500:
                for one in (ours, theirs):
                    one.call("CONFIG", "SET", "rdbcompression", "no")
                assert ours.call("DUMP", "from") == theirs.call("DUMP", "from")
                for one in (ours, theirs):
                    one.call("CONFIG", "SET", "rdbcompression", "yes")


def test_times_are_dumped_by_one_restored_by_the_other(newer_pair, seed):
    rng = random.Random(seed)
    with newer_pair.ours.connect() as ours, newer_pair.theirs.connect() as theirs:
        for hash_ in some_hashes(rng):
            times = {name: FAR + rng.randrange(10**6) for name in hash_ if rng.random() < 0.5}
            for one in (ours, theirs):
                one.call("DEL", "from")
                one.call("HSET", "from", *[word for item in hash_.items() for word in item])
                one.pipeline([("HPEXPIREAT", "from", time, "FIELDS", 1, name) for name, time in times.items()])
            dumps = [one.call("DUMP", "from") for one in (ours, theirs)]
            for one, dump in zip((ours, theirs), reversed(dumps)):
                assert one.call("RESTORE", "to", 0, dump, "REPLACE") == b"OK"
                assert pairs(one.call("HGETALL", "to")) == hash_
                told = one.call("HPEXPIRETIME", "to", "FIELDS", len(hash_), *hash_)
                assert told == [times.get(name, -1) for name in hash_]


# --- client libraries ---------------------------------------------------------------------------------------------------


@pytest.fixture
def client(server):
    redis = pytest.importorskip("redis")
    with redis.Redis(unix_socket_path=server.socket, decode_responses=True) as opened:
        yield opened


def test_python_client(hashes, client):
    assert client.hset("h", mapping={"a": 1, "b": "zwei", "ü": "ö"}) == 3
    assert client.hset("h", "a", 2) == 0
    assert client.hget("h", "a") == "2" and client.hget("h", "none") is None
    assert client.hgetall("h") == {"a": "2", "b": "zwei", "ü": "ö"}
    assert client.hmget("h", ["b", "none"]) == ["zwei", None]
    assert client.hincrby("h", "a", 40) == 42 and client.hincrbyfloat("h", "a", 0.5) == 42.5
    assert client.hsetnx("h", "a", 1) is False or client.hget("h", "a") == "42.5"
    assert client.hkeys("h") == ["a", "b", "ü"] and client.hvals("h") == ["42.5", "zwei", "ö"]
    assert client.hlen("h") == 3 and client.hexists("h", "b") is True and client.hstrlen("h", "b") == 4
    assert client.hdel("h", "b", "none") == 1
    assert client.hrandfield("h") in ("a", "ü") and sorted(client.hrandfield("h", 5)) == ["a", "ü"]
    client.hset("large", mapping={f"f{i}": i for i in range(2000)})
    assert dict(client.hscan_iter("large", count=50)) == {f"f{i}": str(i) for i in range(2000)}
    assert client.type("large") == "hash" and client.object("encoding", "large") == "hashtable"
    assert list(client.scan_iter(_type="HASH", match="lar*")) == ["large"]
    with client.pipeline() as pipeline:
        assert pipeline.hset("p", "f", "1").hincrby("p", "f", 1).hgetall("p").execute() == [1, 2, {"f": "2"}]


def test_python_client_with_times(field_times, client):
    """That version has no methods for them."""
    client.hset("h", mapping={"a": 1, "b": 2, "c": 3})
    assert client.execute_command("HEXPIRE", "h", 1000, "FIELDS", 2, "a", "none") == [1, -2]
    assert 990 < client.execute_command("HTTL", "h", "FIELDS", 1, "a")[0] <= 1000
    assert client.execute_command("HPERSIST", "h", "FIELDS", 2, "a", "b") == [1, -1]
    assert client.execute_command("HGETEX", "h", "EX", 1000, "FIELDS", 1, "b") == ["2"]
    assert client.execute_command("HSETEX", "h", "FNX", "PX", 1000_000, "FIELDS", 1, "d", "4") == 1
    assert client.execute_command("HGETDEL", "h", "FIELDS", 1, "c") == ["3"]
    assert client.hgetall("h") == {"a": "1", "b": "2", "d": "4"} or client.hgetall("h").keys() == {"a", "b", "d"}
