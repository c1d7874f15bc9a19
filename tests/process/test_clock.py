"""The wall clock is set while the server runs, and between two runs. What was shown as gone stays gone (D9)."""

import time

import pytest
from harness.resp import wait_until
from log_tool import LogTool
from set_clock import ClockServer, build_set_clock

pytestmark = pytest.mark.dkv("redis-server shows again what had expired")

YEAR = 365 * 24 * 3600
COUNT = 1000
KEYS = [f"key:{i}" for i in range(COUNT)]
HASHES = [f"hash:{i}" for i in range(COUNT)]


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory):
    return build_set_clock(tmp_path_factory.mktemp("set_clock"))


@pytest.fixture
def log_tool(server_binary):
    return LogTool(server_binary)


@pytest.fixture
def clock_server(clock_library, server_binary):
    made = []

    def make(**directives):
        made.append(ClockServer(clock_library, server_binary, **directives))
        return made[-1].start()

    yield make
    for server in made:
        server.remove()


def field(connection, name, section="server"):
    text = connection.call("INFO", section).decode()
    return next(int(line.split(":")[1]) for line in text.splitlines() if line.startswith(name + ":"))


def lazily(connection):
    """The timing wheel would delete what has expired within a tenth of a second: only what was shown is to count."""
    assert connection.call("DEBUG", "SET-ACTIVE-EXPIRE", 0) == b"OK"


def fill(connection, seconds, keys=KEYS):
    lazily(connection)
    replies = connection.pipeline([("SET", key, "v", "PX", int(seconds * 1000)) for key in keys])
    assert set(replies) == {b"OK"}


def seen(connection, keys=KEYS):
    return sum(connection.pipeline([("EXISTS", key) for key in keys]))


SHOWS = {
    "get": lambda c: [c.pipeline([("GET", key) for key in KEYS])] == [[None] * COUNT],
    "mget": lambda c: c.call("MGET", *KEYS) == [None] * COUNT,
    "keys": lambda c: c.call("KEYS", "*") == [],
    "scan": lambda c: c.call("SCAN", 0, "COUNT", 100000)[1] == [],
    "randomkey": lambda c: c.call("RANDOMKEY") is None,
    "exists": lambda c: c.call("EXISTS", *KEYS) == 0,
    "ttl": lambda c: c.pipeline([("TTL", key) for key in KEYS]) == [-2] * COUNT,
    "type": lambda c: set(c.pipeline([("TYPE", key) for key in KEYS])) == {b"none"},
    "dump": lambda c: c.pipeline([("DUMP", key) for key in KEYS]) == [None] * COUNT,
    "exec": lambda c: c.pipeline([("MULTI",), ("MGET", *KEYS), ("EXEC",)])[2] == [[None] * COUNT],
    "copy": lambda c: c.pipeline([("COPY", key, "to:" + key) for key in KEYS]) == [0] * COUNT,
    "digest": lambda c: c.call("DEBUG", "DIGEST") == b"0" * 40,
}


# All commands under one policy and one distance; two of them under all.
WAYS = [(what, "always", 10) for what in sorted(SHOWS)]
WAYS += [(what, "always", YEAR) for what in ("get", "keys")]
WAYS += [(what, policy, back) for what in ("get", "keys") for policy in ("everysec", "no") for back in (10, YEAR)]


@pytest.mark.parametrize("what, policy, back", WAYS)
def test_shown_as_gone_stays_gone(clock_server, what, policy, back):
    """By whichever command and under every policy: 1,000 of 1,000 keys stay gone when the clock is set back while the
    server runs, and after a kill and a start with that clock."""
    server = clock_server(appendfsync=policy)
    with server.connect() as connection:
        fill(connection, 1000)
        assert seen(connection) == COUNT
        server.set_clock(1001)
        wait_until(lambda: SHOWS[what](connection))
        server.set_clock(1001 - back)
        assert SHOWS[what](connection)
        assert seen(connection) == 0
    server.kill()
    server.start()
    with server.connect() as connection:
        lazily(connection)
        assert seen(connection) == 0
        assert SHOWS[what](connection)


# Of h, only the field c is left; of all, none.
SHOWS_OF_FIELDS = {
    "hget": (("HGET", "h", "a"), None),
    "hmget": (("HMGET", "h", "a", "c"), [None, b"v"]),
    "hgetall": (("HGETALL", "h"), [b"c", b"v"]),
    "hlen": (("HLEN", "h"), 1),
    "hexists": (("HEXISTS", "h", "a"), 0),
    "hstrlen": (("HSTRLEN", "h", "a"), 0),
    "hkeys": (("HKEYS", "h"), [b"c"]),
    "hvals": (("HVALS", "h"), [b"v"]),
    "hrandfield": (("HRANDFIELD", "h", "5"), [b"c"]),
    # 64 draws: fields that are still there escape all of them once in 3^64 times.
    "hrandfield again": (("HRANDFIELD", "h", "-64"), [b"c"] * 64),
    "hscan": (("HSCAN", "h", "0"), [b"0", [b"c", b"v"]]),
    "httl": (("HTTL", "h", "FIELDS", "2", "a", "c"), [-2, -1]),
    "hpexpiretime": (("HPEXPIRETIME", "h", "FIELDS", "1", "a"), [-2]),
    "hgetex": (("HGETEX", "h", "FIELDS", "1", "a"), [None]),
    "hdel": (("HDEL", "h", "a"), 0),
    "exists": (("EXISTS", "all"), 0),
    "type": (("TYPE", "all"), b"none"),
    "hlen of all": (("HLEN", "all"), 0),
    "object": (("OBJECT", "ENCODING", "all"), None),
    "ttl": (("TTL", "all"), -2),
    "keys": (("KEYS", "a*"), []),
    "scan": (("SCAN", "0", "MATCH", "a*"), [b"0", []]),
    "rename": (("RENAME", "all", "to"), b"ERR no such key"),
}


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("what", sorted(SHOWS_OF_FIELDS))
def test_fields_shown_as_gone_stay_gone(clock_server, what, table):
    """The same for fields of hashes, and hashes of which none is left: a single command has told of it, and that is on
    record before its reply."""
    command, gone = SHOWS_OF_FIELDS[what]
    server = clock_server(hash_max_listpack_entries=0 if table else 512)
    with server.connect() as connection:
        if connection.call("COMMAND", "INFO", "HSETEX") == [None]:
            pytest.skip("this server's fields have no times to live")
        lazily(connection)
        connection.call("HSETEX", "h", "EX", 1000, "FIELDS", 2, "a", "v", "b", "v")
        connection.call("HSET", "h", "c", "v")
        connection.call("HSETEX", "all", "EX", 1000, "FIELDS", 2, "a", "v", "b", "v")
        assert connection.call(*command) != gone
        if what in ("hdel", "rename"):  # which took them away just now
            connection.call("HSETEX", command[1], "EX", 1000, "FIELDS", 2, "a", "v", "b", "v")
        server.set_clock(1001)
        wait_until(lambda: connection.call(*command) == gone)
        server.set_clock(0)
        assert connection.call(*command) == gone
    server.kill()
    server.start()
    with server.connect() as connection:
        lazily(connection)
        assert connection.call(*command) == gone
        assert connection.call("HKEYS", "h") == [b"c"]
        assert connection.call("EXISTS", "all") == 0


def test_a_failed_transaction_shows_it(clock_server):
    """EXEC that fails because a watched key's time has passed tells so."""
    server = clock_server()
    with server.connect() as connection:
        fill(connection, 1000, KEYS[:1])
        assert connection.call("WATCH", KEYS[0]) == b"OK"
        server.set_clock(1001)
        wait_until(lambda: field(connection, "dkv_clock_steps_forward") == 1)
        connection.call("MULTI")
        connection.call("PING")
        assert connection.call("EXEC") is None
    server.kill()
    server.set_clock(0)
    server.start()
    with server.connect() as connection:
        assert seen(connection, KEYS[:1]) == 0


def test_what_ended_earlier_is_gone_too(clock_server):
    """One key is seen as gone; one whose time had ended before it was not looked at. It is gone all the same."""
    server = clock_server()
    with server.connect() as connection:
        fill(connection, 900, ["earlier"])
        fill(connection, 1000, ["later"])
        server.set_clock(1001)
        wait_until(lambda: connection.call("GET", "later") is None)
        server.set_clock(0)
        assert connection.call("GET", "earlier") is None
    server.kill()
    server.start()
    with server.connect() as connection:
        assert connection.call("GET", "earlier") is None


def test_reading_costs_one_unit(clock_server):
    """Once the time is on record, hiding the same keys again writes nothing."""
    server = clock_server()
    with server.connect() as connection:
        fill(connection, 1000)
        server.set_clock(1001)
        wait_until(lambda: connection.call("MGET", *KEYS) == [None] * COUNT)
        lsn = connection.call("INFO", "persistence").decode().split("dkv_lsn_executed:")[1].split()[0]
        for _ in range(20):
            assert SHOWS["get"](connection) and SHOWS["keys"](connection)
        assert f"dkv_lsn_executed:{lsn}\r\n" in connection.call("INFO", "persistence").decode()


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_times_to_live_go_on(clock_server, restart):
    """Under slow, a time to live that was told never grows, and keys expire though the clock is a year behind."""
    server = clock_server()
    with server.connect() as connection:
        connection.call("SET", "long", "v", "PX", 1_000_000)
        told = connection.call("PTTL", "long")
        connection.call("SET", "written", "after that")
    if restart:
        server.kill()
    server.set_clock(-YEAR)
    if restart:
        server.start()
    with server.connect() as connection:
        assert connection.call("PTTL", "long") <= told
        connection.call("SET", "short", "v", "PX", 100)
        wait_until(lambda: connection.call("GET", "short") is None)
        now, micros = map(int, connection.call("TIME"))
        assert now > time.time() - YEAR / 2
        assert field(connection, "dkv_clock_ahead_ms") > 1000 * YEAR / 2


def test_the_clock_catches_up(clock_server):
    """A step back is caught up with; then time is the clock's again."""
    server = clock_server()
    with server.connect() as connection:
        server.set_clock(-30)
        wait_until(lambda: field(connection, "dkv_clock_ahead_ms") > 0)
        assert field(connection, "dkv_clock_steps_back") == 1
        server.set_clock(0)
        wait_until(lambda: field(connection, "dkv_clock_ahead_ms") == 0)
        assert abs(int(connection.call("TIME")[0]) - time.time()) < 60
    assert "the clock was set back by 30.0 s" in server.log()


@pytest.mark.parametrize("at", ["running", "at the start"])
def test_way_out_of_a_false_future(clock_server, at):
    """The clock was a year ahead by mistake. clock-set-back follow brings time back to it; what had expired by the
    wrong time stays gone, also after a crash, and what is written since is not touched by it."""
    server = clock_server()
    with server.connect() as connection:
        assert seen(connection) == 0
        connection.pipeline([("SET", key, "v", "EX", 1000) for key in KEYS])
        connection.call("SET", "ever", "v")
        connection.call("SET", "ages", "v", "EX", 2 * YEAR)
        connection.pipeline([("HSET", key, "a", "v", "b", "v") for key in HASHES])
        connection.pipeline([("HEXPIRE", key, 1000, "FIELDS", 1, "a") for key in HASHES])
        server.set_clock(YEAR)
        wait_until(lambda: seen(connection) == 0)
        connection.call("SET", "wrong", "v", "EX", 1000)
        server.set_clock(0)
        wait_until(lambda: field(connection, "dkv_clock_ahead_ms") > 0)
        if at == "running":
            connection.call("CONFIG", "SET", "clock-set-back", "follow")
    if at != "running":
        server.kill()
        server.start(clock_set_back="follow")
    with server.connect() as connection:
        wait_until(lambda: field(connection, "dkv_clock_ahead_ms") == 0)
        assert seen(connection) == 0
        assert connection.pipeline([("HKEYS", key) for key in HASHES]) == [[b"b"]] * len(HASHES)
        assert connection.call("TTL", "ages") > 1.5 * YEAR
        assert connection.call("TTL", "wrong") > YEAR / 2
        assert connection.call("SET", "right", "v", "EXAT", int(time.time()) + 1000) == b"OK"
        assert 0 < connection.call("TTL", "right") <= 1000
        assert connection.call("SET", "short", "v", "PX", 100) == b"OK"
        wait_until(lambda: connection.call("GET", "short") is None)
    server.kill()
    server.start()
    with server.connect() as connection:
        assert field(connection, "dkv_clock_ahead_ms") == 0
        assert 0 < connection.call("TTL", "right") <= 1000
        assert seen(connection) == 0
        assert connection.call("EXISTS", "ever", "ages", "wrong") == 3


def test_following_costs_nothing(clock_server):
    """Under follow, with a clock that nobody sets, commands that tell the time leave nothing to follow: no unit in the
    log, and no line."""
    server = clock_server(clock_set_back="follow")
    with server.connect() as connection:
        before = field(connection, "dkv_lsn_executed", "persistence")
        for _ in range(50):
            connection.call("TIME")
            assert field(connection, "dkv_clock_ahead_ms") == 0
        assert field(connection, "dkv_lsn_executed", "persistence") == before
    assert "follows the clock again" not in server.log()


def test_stored_with_a_past_time_while_time_follows(clock_server):
    """What is stored with a time that is past by the wrong clock, and not by the right one, and is shown as gone while
    time is on its way back, stays gone."""
    server = clock_server(clock_set_back="follow")
    with server.connect() as connection:
        for turn in range(20):
            server.set_clock(3600)
            wait_until(lambda: int(connection.call("TIME")[0]) > time.time() + 3000)
            server.set_clock(0)
            at = int((time.time() + 1000) * 1000)
            gone = []
            while True:
                key = f"{turn}:{len(gone)}"
                if connection.pipeline([("SET", key, "v", "PXAT", at), ("GET", key)])[1] is not None:
                    break
                gone.append(key)
            assert seen(connection, gone) == 0


def test_the_log_begins_with_time_ahead(clock_server):
    """A log that is begun while time is ahead of the clock says so from its first frame on."""
    server = clock_server(appendonly="no")
    with server.connect() as connection:
        fill(connection, 1000, KEYS[:1])
        connection.call("SET", "long", "v", "EX", 2000)
        server.set_clock(1001)
        wait_until(lambda: seen(connection, KEYS[:1]) == 0)
        server.set_clock(0)
        wait_until(lambda: field(connection, "dkv_clock_ahead_ms") > 0)
        told = connection.call("PTTL", "long")
        assert connection.call("CONFIG", "SET", "appendonly", "yes") == b"OK"
    server.kill()
    server.start(appendonly="yes")
    with server.connect() as connection:
        assert connection.call("PTTL", "long") <= told
        assert seen(connection, KEYS[:1]) == 0


def restored(tool, server):
    copy = server.folder / "restored"
    tool("restore", server.data, "--to", f"@{int(time.time()) + 1500}", "--into", copy)
    server.data.rename(server.folder / "before")
    copy.rename(server.data)


def repaired(tool, server):
    """The key's last frame is kept, and one behind it is damaged."""
    log = sorted(server.data.glob("log-*"))[-1]
    bytes_ = bytearray(log.read_bytes())
    bytes_[bytes_.rfind(b"x" * 100)] ^= 1
    log.write_bytes(bytes_)
    tool("repair", server.data, "--yes", "--accept-loss")


@pytest.mark.parametrize("treat", [restored, repaired])
def test_tools_keep_the_time(clock_server, log_tool, treat):
    """A folder that dkv-log wrote goes on from the time of what is in it, where the clock is behind, too."""
    server = clock_server()
    with server.connect() as connection:
        fill(connection, 1000, KEYS[:1])
        server.set_clock(1001)
        wait_until(lambda: seen(connection, KEYS[:1]) == 0)
        connection.call("SET", "damaged", "x" * 5000)
        for i in range(5):
            connection.call("SET", f"behind:{i}", "v")
    server.kill()
    treat(log_tool, server)
    server.set_clock(0)
    server.start()
    with server.connect() as connection:
        assert seen(connection, KEYS[:1]) == 0


def test_idle_times_do_not_jump(clock_server):
    """How long a key, or a client, was idle is told by time that passed: a clock that is set makes nobody look old."""
    server = clock_server()
    with server.connect() as connection:
        connection.call("SET", "k", "v")
        for jump in (YEAR, -YEAR):
            server.set_clock(jump)
            assert connection.call("OBJECT", "IDLETIME", "k") < 1000
            described = dict(word.split("=", 1) for word in connection.call("CLIENT", "INFO").decode().split())
            assert 0 <= int(described["age"]) < 1000 and 0 <= int(described["idle"]) < 1000
