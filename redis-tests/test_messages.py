"""Messages between clients, byte by byte: subscriptions, pushes, client-side caching, and CLIENT's control of others."""

import time

import pytest
from harness.resp import Closed, Error, Push, encode, pairs, wait_until

# --- publish and subscribe -------------------------------------------------------------------------------------------


def test_confirmations(connection):
    """Each name is confirmed, with how many there are; shard channels count for themselves."""
    connection.send("SUBSCRIBE", "a", "b", "a")
    assert [connection.read() for _ in range(3)] == [
        [b"subscribe", b"a", 1],
        [b"subscribe", b"b", 2],
        [b"subscribe", b"a", 2],
    ]
    assert connection.call("PSUBSCRIBE", "x*") == [b"psubscribe", b"x*", 3]
    assert connection.call("SSUBSCRIBE", "s") == [b"ssubscribe", b"s", 1]
    assert connection.call("UNSUBSCRIBE", "b") == [b"unsubscribe", b"b", 2]
    assert connection.call("UNSUBSCRIBE", "nothing") == [b"unsubscribe", b"nothing", 2]
    assert connection.call("PUNSUBSCRIBE") == [b"punsubscribe", b"x*", 1]
    assert connection.call("PUNSUBSCRIBE") == [b"punsubscribe", None, 1]
    assert connection.call("UNSUBSCRIBE") == [b"unsubscribe", b"a", 0]
    assert connection.call("GET", "k").code == "ERR"
    assert connection.call("SUNSUBSCRIBE") == [b"sunsubscribe", b"s", 0]
    assert connection.call("GET", "k") is None


def test_what_a_subscriber_may_say(connection):
    connection.call("SUBSCRIBE", "a")
    for command in [("GET", "k"), ("MULTI",), ("PUBLISH", "a", "b"), ("CLIENT", "ID"), ("HELLO", "3")]:
        name = {"CLIENT": "client|id"}.get(command[0], command[0].lower())
        assert connection.call(*command) == (
            f"ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
            "this context"
        ).encode()
    assert connection.call("PING") == [b"pong", b""]
    assert connection.call("PING", "x") == [b"pong", b"x"]
    assert connection.call("RESET") == b"RESET"
    assert connection.call("PING") == b"PONG"


def test_pushes(server):
    """In RESP3 messages are pushes, and a subscriber goes on as before."""
    with server.connect() as listener, server.connect() as speaker:
        listener.call("HELLO", "3")
        assert listener.raw("SUBSCRIBE", "a") == b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
        assert listener.call("SET", "k", "v") == b"OK"
        assert speaker.call("PUBLISH", "a", b"\x00\r\n\xff") == 1
        assert listener.read_raw() == b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$4\r\n\x00\r\n\xff\r\n"
        assert listener.call("GET", "k") == b"v"


@pytest.mark.redis72("pushes to oneself follow the reply")
def test_own_messages_follow_the_reply(connection):
    connection.call("HELLO", "3")
    connection.call("SUBSCRIBE", "a")
    message = b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
    assert connection.raw("PUBLISH", "a", "x") == b":1\r\n"
    assert connection.read_raw() == message
    connection.pipeline([("MULTI",), ("PUBLISH", "a", "x"), ("GET", "k")])
    assert connection.raw("EXEC") == b"*2\r\n:1\r\n_\r\n"
    assert connection.read_raw() == message


def test_silence_is_for_replies(connection):
    """CLIENT REPLY silences neither confirmations nor messages."""
    connection.call("HELLO", "3")
    connection.send("CLIENT", "REPLY", "OFF")
    connection.send("SUBSCRIBE", "a")
    assert connection.read() == [b"subscribe", b"a", 1]
    connection.send("PUBLISH", "a", "x")
    assert connection.read() == [b"message", b"a", b"x"]
    assert connection.call("CLIENT", "REPLY", "ON") == b"OK"


def test_within_a_transaction(server):
    with server.connect() as listener, server.connect() as speaker:
        listener.pipeline([("MULTI",), ("SUBSCRIBE", "a"), ("PING",)])
        assert listener.call("EXEC")[0] == [b"subscribe", b"a", 1]
        speaker.pipeline([("MULTI",), ("PUBLISH", "a", "1"), ("PUBLISH", "a", "2")])
        assert listener.is_silent()
        assert speaker.call("EXEC") == [1, 1]
        assert [listener.read()[2] for _ in range(2)] == [b"1", b"2"]


def test_shards_and_a_transaction(server):
    """SSUBSCRIBE is refused there, as it cannot have one reply; what the transaction does besides stays."""
    with server.connect() as listener, server.connect() as speaker:
        listener.pipeline([("MULTI",), ("SSUBSCRIBE", "a", "b"), ("SET", "k", "v"), ("SUNSUBSCRIBE", "a")])
        refused, ok, *rest = listener.call("EXEC")
        assert refused == Error(b"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
        assert ok == b"OK" and rest == [[b"sunsubscribe", b"a", 0]]
        assert speaker.call("PUBSUB", "SHARDNUMSUB", "a", "b") == [b"a", 0, b"b", 0]
        assert listener.call("GET", "k") == b"v"


def test_many_subscribers(server):
    """Everybody gets everything in order, and what they are told adds up."""
    listeners = [server.connect() for _ in range(100)]
    with server.connect() as speaker:
        for listener in listeners:
            listener.call("SUBSCRIBE", "a")
        messages = [b"%d" % i for i in range(200)]
        assert speaker.pipeline([("PUBLISH", "a", message) for message in messages]) == [100] * 200
        for listener in listeners:
            assert [listener.read()[2] for _ in messages] == messages
        assert speaker.call("PUBSUB", "NUMSUB", "a", "b") == [b"a", 100, b"b", 0]
        for listener in listeners[:60]:
            listener.close()
        assert wait_until(lambda: speaker.call("PUBLISH", "a", "x") == 40)
        text = speaker.call("INFO", "stats")
        assert b"pubsub_channels:1\r\n" in text and b"pubsub_patterns:0\r\n" in text
        for listener in listeners[60:]:
            listener.close()
        assert wait_until(lambda: speaker.call("PUBSUB", "CHANNELS") == [])


@pytest.mark.dkv("appendfsync always")
def test_messages_are_durable_news(durable_server):
    """A message comes after the write that its sender made before it, even across a crash."""
    for round_ in range(5):
        with durable_server.connect() as listener, durable_server.connect() as speaker:
            listener.call("SUBSCRIBE", "ch")
            commands = []
            for i in range(200):
                commands += [("SET", "k", f"{round_}.{i}"), ("PUBLISH", "ch", f"{round_}.{i}")]
            speaker.send_bytes(b"".join([encode(*command) for command in commands]))
            heard = listener.read()[2]
            for _ in range(round_ * 20):
                heard = listener.read()[2]
            durable_server.kill()
        durable_server.start()
        with durable_server.connect() as connection:
            assert int(connection.call("GET", "k").split(b".")[1]) >= int(heard.split(b".")[1])


# --- client-side caching ---------------------------------------------------------------------------------------------


@pytest.fixture
def pair(server):
    """Somebody who caches, in RESP3, and somebody who changes things."""
    with server.connect() as cacher, server.connect() as writer:
        cacher.call("HELLO", "3")
        yield cacher, writer


def invalidated(*keys):
    return Push([b"invalidate", list(keys)])


def test_tracking(pair):
    """A key that was read is told of once, when it changes."""
    cacher, writer = pair
    assert cacher.call("CLIENT", "TRACKING", "ON") == b"OK"
    cacher.call("MGET", "a", "b", "a")
    writer.call("SET", "a", "1")
    writer.call("SET", "a", "2")
    writer.call("DEL", "a")
    writer.call("SET", "b", "1")
    assert [cacher.read(), cacher.read()] == [invalidated(b"a"), invalidated(b"b")]
    assert cacher.is_silent()
    cacher.call("GET", "b")
    cacher.call("GET", "c")
    writer.call("FLUSHALL")
    assert cacher.read() == Push([b"invalidate", None])
    cacher.call("SET", "d", "1", "PX", "30")
    cacher.call("GET", "d")
    assert cacher.read() == invalidated(b"d")
    assert cacher.call("CLIENT", "TRACKING", "OFF") == b"OK"
    cacher.call("GET", "b")
    writer.call("SET", "b", "1")
    assert cacher.is_silent()


@pytest.mark.parametrize("mode", ["default", "noloop", "optin", "optout"])
def test_tracking_modes(pair, mode):
    cacher, writer = pair
    cacher.call("CLIENT", "TRACKING", "ON", *([] if mode == "default" else [mode]))
    cacher.call("GET", "a")
    cacher.call("SET", "a", "1")
    heard = [] if cacher.is_silent() else [cacher.read()]
    assert heard == ([] if mode in ("noloop", "optin") else [invalidated(b"a")])
    if mode in ("optin", "optout"):
        assert cacher.call("CLIENT", "CACHING", "YES" if mode == "optin" else "NO") == b"OK"
        cacher.pipeline([("GET", "x"), ("GET", "y")])
        writer.call("MSET", "x", "1", "y", "1")
        assert cacher.read() == invalidated(b"x" if mode == "optin" else b"y")
        assert cacher.is_silent()


def test_what_is_to_be_cached_survives_other_options(pair):
    """CLIENT CACHING holds for the next command that is not CLIENT, also where that turns tracking on once more."""
    cacher, writer = pair
    cacher.call("CLIENT", "TRACKING", "ON", "OPTIN")
    again = [("CLIENT", "CACHING", "YES"), ("CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP")]
    cacher.pipeline([*again, ("GET", "x"), ("GET", "y")])
    writer.call("MSET", "x", "1", "y", "1")
    assert cacher.read() == invalidated(b"x")
    assert cacher.is_silent()


def test_tracking_prefixes(pair):
    """All keys with a prefix, those of one round together."""
    cacher, writer = pair
    assert cacher.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:", "PREFIX", "item:") == b"OK"
    writer.call("MSET", "user:1", "1", "item:1", "1", "other", "1", "user:2", "2")
    told = [cacher.read(), cacher.read()]
    assert sorted(told) == [invalidated(b"item:1"), invalidated(b"user:1", b"user:2")]
    info = pairs(cacher.call("CLIENT", "TRACKINGINFO"))
    assert info[b"flags"] == [b"on", b"bcast"] and info[b"redirect"] == 0
    assert sorted(info[b"prefixes"]) == [b"item:", b"user:"]
    text = writer.call("INFO", "stats")
    assert b"tracking_total_prefixes:2\r\n" in text
    assert b"tracking_clients:1\r\n" in writer.call("INFO", "clients")
    assert b" flags=tB" in writer.call("CLIENT", "LIST")


def test_tracking_redirected(server):
    """To a RESP2 subscriber of __redis__:invalidate; its end is told."""
    with server.connect() as cacher, server.connect() as writer:
        listener = server.connect()
        identity = listener.call("CLIENT", "ID")
        listener.call("SUBSCRIBE", "__redis__:invalidate")
        cacher.call("HELLO", "3")
        assert cacher.call("CLIENT", "TRACKING", "ON", "REDIRECT", str(identity)) == b"OK"
        assert cacher.call("CLIENT", "GETREDIR") == identity
        cacher.call("GET", "a")
        writer.call("SET", "a", "1")
        assert listener.read() == [b"message", b"__redis__:invalidate", [b"a"]]
        assert cacher.is_silent()
        cacher.call("GET", "a")
        listener.close()
        wait_until(lambda: b"id=%d " % identity not in writer.call("CLIENT", "LIST"))
        writer.call("SET", "a", "2")
        assert cacher.read() == Push([b"tracking-redir-broken", identity])


def test_tracking_table_limit(start_server):
    server = start_server(tracking_table_max_keys="5")
    with server.connect() as cacher:
        cacher.call("HELLO", "3")
        cacher.call("CLIENT", "TRACKING", "ON")
        cacher.send_bytes(b"".join([b"GET k%d\r\n" % i for i in range(20)]))
        replies = [cacher.read() for _ in range(20)]
        wait_until(lambda: not cacher.is_silent(0.01) or True)
        pushes = [reply for reply in replies if isinstance(reply, Push)]
        while not cacher.is_silent(0.3):
            pushes += [reply for reply in [cacher.read()] if isinstance(reply, Push)]
        assert len(pushes) == 15 and len({push[1][0] for push in pushes}) == 15


OPTION_ERRORS = [
    ("ON", "REDIRECT", "999999"),
    ("ON", "REDIRECT", "x"),
    ("ON", "PREFIX", "a"),
    ("ON", "OPTIN", "OPTOUT"),
    ("ON", "BCAST", "OPTIN"),
    ("ON", "BCAST", "PREFIX", "a", "PREFIX", "ab"),
    ("ON", "NOSUCH"),
    ("MAYBE",),
]


def test_tracking_options(server, reference_binary, start_server):
    """What contradicts itself is refused, in redis-server's words."""
    reference = start_server(reference_binary)
    with server.connect() as ours, reference.connect() as theirs:
        for options in OPTION_ERRORS:
            reply = ours.call("CLIENT", "TRACKING", *options)
            assert isinstance(reply, Error) and reply == theirs.call("CLIENT", "TRACKING", *options)
        for lines in ["ON OPTIN|ON OPTOUT|ON BCAST|ON", "ON BCAST PREFIX a|ON|ON BCAST PREFIX ab|ON BCAST PREFIX b"]:
            for line in lines.split("|"):
                arguments = ("CLIENT", "TRACKING", *line.split())
                assert ours.call(*arguments) == theirs.call(*arguments)
            assert ours.call("CLIENT", "CACHING", "NO") == theirs.call("CLIENT", "CACHING", "NO")
            for connection in (ours, theirs):
                connection.call("CLIENT", "TRACKING", "OFF")


# --- CLIENT's control of others --------------------------------------------------------------------------------------


def test_pause_of_writes(server):
    """Writes are held back, reads are not; what was held back runs in its order when the pause ends."""
    with server.connect() as boss, server.connect() as worker, server.connect() as other:
        assert boss.call("CLIENT", "PAUSE", "60000", "WRITE") == b"OK"
        assert worker.call("GET", "k") is None
        worker.send("SET", "k", "1")
        worker.send("GET", "k")
        other.send("PUBLISH", "a", "x")
        assert worker.is_silent() and other.is_silent()
        wait_until(lambda: b"blocked_clients:2\r\n" in boss.call("INFO", "clients"))
        assert boss.call("CLIENT", "UNPAUSE") == b"OK"
        assert worker.read() == b"OK" and worker.read() == b"1" and other.read() == 0


IN_TRANSACTIONS = {
    ("SET", "k", "2"): True,
    ("PUBLISH", "a", "x"): True,
    ("SPUBLISH", "a", "x"): True,
    ("PFCOUNT", "h"): True,
    ("DEL", "nothing"): True,
    ("GET", "k"): False,
    ("ECHO", "x"): False,
    ("SUBSCRIBE", "a"): False,
}


@pytest.mark.parametrize("flavor", ["dkv", "redis"])
def test_pause_of_transactions(flavor, new_server, server_binary, request):
    """What was queued before a pause of writes waits in EXEC if it would wait alone, and so does it when it is queued."""
    binary = server_binary if flavor == "dkv" else request.getfixturevalue("reference_binary")
    server = new_server(binary=binary).start()
    with server.connect() as boss:
        workers = []
        for command, waits in IN_TRANSACTIONS.items():
            worker = server.connect()
            worker.pipeline([("MULTI",), ("ECHO", "first"), command])
            workers.append((worker, command, waits))
        boss.call("CLIENT", "PAUSE", "60000", "WRITE")
        for worker, _, _ in workers:
            worker.send("EXEC")
        held = [(worker, command) for worker, command, waits in workers if waits]
        for worker, command, waits in workers:
            if not waits:
                assert worker.read()[0] == b"first", command
        wait_until(lambda: b"blocked_clients:%d\r\n" % len(held) in boss.call("INFO", "clients"))
        for worker, command in held:
            assert worker.is_silent(), command
        boss.call("CLIENT", "UNPAUSE")
        for worker, command in held:
            assert worker.read()[0] == b"first", command
        for worker, _, _ in workers:
            worker.close()


def test_pause_of_all_ends_by_itself(server):
    with server.connect() as boss, server.connect() as worker:
        began = time.monotonic()
        assert boss.call("CLIENT", "PAUSE", "300") == b"OK"
        assert worker.call("PING") == b"PONG"
        assert 0.25 < time.monotonic() - began < 5
        assert boss.call("CLIENT", "PAUSE", "-1").code == "ERR"
        assert boss.call("CLIENT", "PAUSE", "1", "NOSUCH") == b"ERR CLIENT PAUSE mode must be WRITE or ALL"


def test_nothing_expires_in_a_pause(server):
    """No deletion is written while writes are held back."""
    with server.connect() as boss:
        boss.call("SET", "k", "v", "PX", "50")
        boss.call("CLIENT", "PAUSE", "60000", "WRITE")
        time.sleep(0.3)
        assert b"expired_keys:0\r\n" in boss.call("INFO", "stats")
        assert boss.call("GET", "k") is None
        boss.call("CLIENT", "UNPAUSE")
        wait_until(lambda: b"expired_keys:1\r\n" in boss.call("INFO", "stats"))


def fastest(tries, action):
    """Of several: what waits for the second that an idle server sleeps takes it each time, whatever the machine does."""
    taken = []
    for _ in range(tries):
        began = time.monotonic()
        action()
        taken.append(time.monotonic() - began)
    return min(taken)


def test_nothing_waits_for_an_idle_server(durable_server):
    """It wakes once a second by itself. Who waits for something that ends in between is told then."""
    with durable_server.connect() as connection, durable_server.connect() as listener:
        assert fastest(8, lambda: connection.call("SAVE")) < 0.5
        connection.call("CONFIG", "SET", "notify-keyspace-events", "Ex")
        listener.call("SUBSCRIBE", "__keyevent@0__:expired")

        def expires_in_a_pause():
            connection.call("SET", "k", "v", "PX", "30")
            connection.call("CLIENT", "PAUSE", "150", "WRITE")
            assert listener.read()[2] == b"k"

        assert fastest(8, expires_in_a_pause) < 0.7


@pytest.mark.parametrize("how, reply", [("TIMEOUT", 0), (None, 0), ("ERROR", b"UNBLOCKED client unblocked via CLIENT UNBLOCK")])
def test_unblock(server, how, reply):
    with server.connect() as boss, server.connect() as waiter:
        identity = waiter.call("CLIENT", "ID")
        assert boss.call("CLIENT", "UNBLOCK", str(identity)) == 0
        waiter.send("WAIT", "1", "0")
        wait_until(lambda: b"blocked_clients:1\r\n" in boss.call("INFO", "clients"))
        assert boss.call("CLIENT", "UNBLOCK", str(identity), *([how] if how else [])) == 1
        assert waiter.read() == reply
        assert waiter.call("PING") == b"PONG"


def test_kill_by_type(server):
    with server.connect() as boss, server.connect() as listener:
        listener.call("SUBSCRIBE", "a")
        assert b" sub=1 " in boss.call("CLIENT", "LIST", "TYPE", "pubsub")
        assert b" sub=1 " not in boss.call("CLIENT", "LIST", "TYPE", "normal")
        assert boss.call("CLIENT", "KILL", "TYPE", "pubsub") == 1
        with pytest.raises((Closed, ConnectionResetError)):
            listener.read()


# --- DEBUG -----------------------------------------------------------------------------------------------------------


@pytest.mark.dkv("loads the log that is being written")
def test_debug_reload(start_server):
    """The same state comes back from the log, and what follows goes on in it."""
    server = start_server(appendonly="yes")
    with server.connect() as connection:
        connection.call("SET", "a", "1", "EX", "1000")
        assert connection.call("DEBUG", "POPULATE", "1000", "p", "50") == b"OK"
        assert connection.call("DBSIZE") == 1001 and connection.call("GET", "p:7") == b"value:7".ljust(50, b"\0")
        for how in ("RELOAD", "LOADAOF"):
            before = connection.call("DEBUG", "DIGEST")
            assert connection.call("DEBUG", how) == b"OK"
            assert connection.call("DEBUG", "DIGEST") == before
            connection.call("INCR", "a")
        assert connection.call("GET", "a") == b"3" and 900 < connection.call("TTL", "a") <= 1000
        digests = connection.call("DEBUG", "DIGEST-VALUE", "a", "p:1", "missing")
        assert len(set(digests)) == 3 and digests[2] == b"0" * 40
    server.restart()
    with server.connect() as connection:
        assert connection.call("GET", "a") == b"3" and connection.call("DBSIZE") == 1001


@pytest.mark.dkv("words of its own")
def test_debug_refusals(start_server, connection):
    memory_only = start_server(appendonly="no")
    with memory_only.connect() as other:
        assert b"there is no log" in other.call("DEBUG", "RELOAD")
    assert b"stream's id" in connection.call("DEBUG", "CHANGE-REPL-ID")
    connection.pipeline([("MULTI",), ("SET", "k", "v"), ("DEBUG", "RELOAD")])
    assert b"transaction" in connection.call("EXEC")[1]
