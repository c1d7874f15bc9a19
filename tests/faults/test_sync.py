"""What waits for a sync, and what a sync that failed leads to (D1, D2, D11)."""

import os
import signal
import time

import pytest
from folders import PATIENT, contents, info, set_many, setting
from harness.resp import Closed, encode, wait_until
from harness.web import RawWeb, Web, request, web_directives
from judging import assert_clear_stop

pytestmark = pytest.mark.dkv("which calls it makes")

LOG = "log-*.dkv"


def read_until_gone(connection):
    """The replies that still came."""
    replies = []
    try:
        while True:
            replies.append(connection.read())
    except (Closed, ConnectionError):
        return replies


@pytest.mark.parametrize("policy", ["always", "everysec"])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EINTR"])
def test_nothing_is_acknowledged_after_a_failed_sync(new_faulty, policy, error):
    """Every client's pipeline of counts breaks off; what was acknowledged before is there after the next start. The sync
    fails once only, as on Linux, where the next one reports success for pages that are lost."""
    server = new_faulty(appendfsync=policy, **PATIENT).start()
    at = server.log_size()
    if policy == "always":
        server.faults.hold()
    fatal = 5 if policy == "always" else 2
    server.faults.add("fdatasync", error=error, at=fatal, count=1, name=LOG)
    connections = [server.connect() for _ in range(6)]
    acknowledged = {}
    with pytest.raises(ConnectionError):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            for number, connection in enumerate(connections):
                connection.send_bytes(b"".join([encode("INCR", f"count:{number}")] * 10))
            for number, connection in enumerate(connections):
                for _ in range(10):
                    acknowledged[number] = connection.read()
    for number, connection in enumerate(connections):
        acknowledged[number] = max([acknowledged.get(number, 0), *read_until_gone(connection)])
        connection.close()
    assert_clear_stop(server, server.wait(), server.log_since(at), error)
    assert "nothing more is acknowledged" in server.log()
    assert server.faults.hits() == 1 and server.faults.seen() == fatal, "it synced once more"
    server.faults.clear()
    server.faults.hold(False)
    server.start()
    with server.connect() as connection:
        for number, count in acknowledged.items():
            assert int(connection.call("GET", f"count:{number}") or 0) >= count


def test_start_after_a_failed_sync_writes_once_more(faulty):
    """The kernel may take the pages of a failed sync for clean, though the disk never got them: what was not promised is
    written again before it is synced and served."""
    faulty.faults.add("fdatasync", at=2, count=1, name=LOG)
    with faulty.connect() as connection:
        assert connection.call("SET", "promised", "1") == b"OK"
        with pytest.raises(ConnectionError):
            connection.call("SET", "unpromised", "v" * 5000)
    assert faulty.wait() == 1
    faulty.faults.clear()
    faulty.faults.trace()
    faulty.start()
    calls = [call.call for call in faulty.faults.traced() if call.name.startswith("log-")]
    assert "write" in calls[: calls.index("fdatasync")]
    with faulty.connect() as connection:
        assert connection.call("MGET", "promised", "unpromised") == [b"1", b"v" * 5000]


def test_slow_sync_holds_up_nobody_else(faulty):
    """While a sync takes long: the write's reply waits, and so does whoever reads what it wrote (D2); all other reads are
    served at once."""
    with faulty.connect() as writer, faulty.connect() as reader, faulty.connect() as other:
        assert writer.call("MSET", "written", "old", "other", "1") == b"OK"
        faulty.faults.add("fdatasync", "delay", delay=0.5, count=1, name=LOG)
        begin = time.monotonic()
        writer.send("SET", "written", "new")
        wait_until(lambda: faulty.faults.hits())
        assert other.call("GET", "other") == b"1" and other.call("PING") == b"PONG"
        assert time.monotonic() - begin < 0.3
        reader.send("GET", "written")
        assert reader.is_silent(0.1) and writer.is_silent(0.01)
        assert reader.read() == b"new" and writer.read() == b"OK"
        assert time.monotonic() - begin >= 0.5


def test_figures_neither_wait_nor_tell_of_what_is_not_durable(new_faulty):
    """While a sync takes long, /stats and /metrics are answered at once, and tell of keys and of slow commands as they
    were before; afterwards as they are (D2)."""
    faulty = new_faulty(slowlog_log_slower_than="0", **web_directives()).start()
    web = Web(faulty)
    with faulty.connect() as writer, faulty.connect() as other:
        assert writer.call("SET", "first", "1") == b"OK"
        assert other.call("PING") == b"PONG"
        assert web.stats()["keyspace"]["keys"] == 1
        faulty.faults.add("fdatasync", "delay", delay=1, count=1, name=LOG)
        begin = time.monotonic()
        writer.send("SET", "second", "secret")
        wait_until(lambda: faulty.faults.hits())
        assert other.call("PING") == b"PONG"
        stats, metrics = web.get("/stats"), web.get("/metrics")
        assert time.monotonic() - begin < 0.8 and writer.is_silent(0.01)
        assert '"keys":1,' in stats and "second" not in stats
        assert 'dkv_keys{db="0"} 1\n' in metrics
        assert writer.read() == b"OK"
        stats, metrics = web.get("/stats"), web.get("/metrics")
        assert '"keys":2,' in stats and "second" in stats
        assert 'dkv_keys{db="0"} 2\n' in metrics


def test_http_answers_wait_for_the_sync(new_faulty):
    """A 200 for a write leaves when that is durable, and so does all that tells of it: its value, that its condition
    does not hold any more, a list of keys. What has nothing to do with it is answered at once."""
    faulty = new_faulty(**web_directives()).start()
    web = Web(faulty)
    assert web.ask("POST", "/mset", '{"written": "old", "other": "1"}')[0] == 200
    told = [
        request("PUT", "/kv/written", b"new"),
        request("GET", "/kv/written"),
        request("HEAD", "/kv/written"),
        request("PUT", "/kv/written", b"x", If_None_Match="*"),
        request("DELETE", "/kv/written", If_Match='"x"'),
        request("POST", "/mget", b'["other", "written"]'),
        request("GET", "/kv"),
    ]
    connections = [RawWeb(faulty) for _ in told]
    faulty.faults.add("fdatasync", "delay", delay=1, count=1, name=LOG)
    begin = time.monotonic()
    connections[0].send(told[0])
    wait_until(lambda: faulty.faults.hits())
    for connection, bytes_sent in zip(connections[1:], told[1:]):
        connection.send(bytes_sent)
    assert web.ask("GET", "/kv/other")[2] == b"1" and web.get("/healthz") == "ok\n"
    assert time.monotonic() - begin < 0.5
    assert all(connection.is_silent(0.05) for connection in connections)
    answers = [connection.read(has_body=i != 2) for i, connection in enumerate(connections)]
    assert time.monotonic() - begin >= 1
    assert [answer.status for answer in answers] == [200, 200, 200, 412, 412, 200, 200]
    assert answers[1].body == b"new" and answers[5].body == b'{"other":"1","written":"new"}\n'
    for connection in connections:
        connection.socket.close()


def test_readyz_while_stopping(new_faulty):
    """A server that waits for its disk before it stops says so to who asks whether it is ready; what it has run is
    answered, and nothing more is run."""
    faulty = new_faulty(**web_directives()).start()
    with RawWeb(faulty) as writer, RawWeb(faulty) as late, RawWeb(faulty) as prober:
        faulty.faults.add("fdatasync", "delay", delay=2, count=1, name=LOG)
        for raw in (late, prober):
            raw.send(request("GET", "/readyz"))
            assert raw.read().status == 200
        writer.send(request("PUT", "/kv/a", b"1"))
        wait_until(lambda: faulty.faults.hits())
        os.kill(faulty.pid, signal.SIGTERM)
        wait_until(lambda: "received Terminated" in faulty.log())
        late.send(request("PUT", "/kv/b", b"2"))
        prober.send(request("GET", "/readyz"))
        answer = prober.read()
        assert (answer.status, answer.body) == (503, b"stopping\n")
        assert writer.read().status == 200 and late.read_until_closed() == b""
    assert faulty.wait() == 0
    faulty.faults.clear()
    faulty.start()
    assert Web(faulty).ask("GET", "/kv/a")[0] == 200 and Web(faulty).ask("GET", "/kv/b")[0] == 404


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_http_after_a_failed_sync(new_faulty, policy):
    """Nothing is answered with 200 any more; what was, is there after the next start."""
    server = new_faulty(appendfsync=policy, **web_directives(), **PATIENT).start()
    server.faults.add("fdatasync", at=4 if policy == "always" else 2, count=1, name=LOG)
    answered = -1
    with RawWeb(server) as raw, pytest.raises(ConnectionError):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            raw.send(request("PUT", "/kv/count", str(answered + 1).encode()))
            assert raw.read().status == 200
            answered += 1
    assert server.wait() == 1 and answered >= 0
    server.faults.clear()
    server.start()
    assert int(Web(server).get("/kv/count")) >= (answered if policy == "always" else 0)


def test_switch_to_always_waits_for_what_came_before(new_faulty):
    """CONFIG SET appendfsync always says OK when all that was acknowledged so far is durable, and others are served
    meanwhile. When there is nothing to wait for it does not wait."""
    server = new_faulty(appendfsync="no").start()
    server.faults.hold()
    with server.connect() as connection, server.connect() as other:
        assert connection.call("SET", "key", "value") == b"OK"
        server.faults.add("fdatasync", "delay", delay=0.5, count=1, name=LOG)
        begin = time.monotonic()
        connection.send("CONFIG", "SET", "appendfsync", "always")
        assert connection.is_silent(0.2)
        assert other.call("PING") == b"PONG"
        assert connection.read() == b"OK" and time.monotonic() - begin > 0.45
        assert server.faults.hits() == 1
        assert connection.call("CONFIG", "SET", "appendfsync", "no") == b"OK"
        server.faults.add("fdatasync", "delay", delay=5, name=LOG)
        begin = time.monotonic()
        assert connection.call("CONFIG", "SET", "appendfsync", "always") == b"OK" and time.monotonic() - begin < 2
        server.kill()
    server.faults.clear()
    server.start()
    with server.connect() as connection:
        assert connection.call("GET", "key") == b"value"


def test_switch_to_always_is_not_confirmed_when_the_sync_fails(new_faulty):
    """What was acknowledged before may be lost then, so nobody is told otherwise."""
    server = new_faulty(appendfsync="no").start()
    at = server.log_size()
    server.faults.add("fdatasync", count=1, name=LOG)
    with server.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
        connection.send("CONFIG", "SET", "appendfsync", "always")
        assert read_until_gone(connection) == []
    assert_clear_stop(server, server.wait(), server.log_since(at), "EIO")


def test_switch_to_always_while_loading(new_faulty):
    """A policy that is set before the log is read counts from the first write on."""
    server = new_faulty(appendfsync="no").start()
    with server.connect() as connection:
        set_many(connection, 0, 12000, 1000)
    server.stop()
    server.faults.add("read", "delay", delay=0.1, name=LOG)
    server.launch()
    connection = wait_until(lambda: connect_early(server), seconds=20)
    with connection:
        ok, refusal = connection.pipeline([("CONFIG", "SET", "appendfsync", "always"), ("GET", "1")])
        assert ok == b"OK" and refusal.code == "LOADING"
    server.wait_ready()
    server.faults.clear()
    server.faults.add("fdatasync", "delay", delay=0.5, name=LOG)
    with server.connect() as connection:
        assert setting(connection, "appendfsync") == "always"
        begin = time.monotonic()
        assert connection.call("SET", "key", "value") == b"OK" and time.monotonic() - begin > 0.45


def connect_early(server):
    """None when it does not listen yet."""
    try:
        return server.connect()
    except (FileNotFoundError, ConnectionError):
        return None


def test_what_was_shown_is_not_lost(faulty):
    """Killed while a sync takes long: whoever had read the new value has not been answered."""
    faulty.faults.hold()
    with faulty.connect() as writer, faulty.connect() as reader:
        assert writer.call("SET", "key", "old") == b"OK"
        faulty.faults.add("fdatasync", "stop", name=LOG)  # the whole process stops in there
        writer.send("SET", "key", "new")
        reader.send("GET", "key")
        wait_until(lambda: faulty.faults.hits())
        faulty.kill()
        shown = read_until_gone(reader)
        assert read_until_gone(writer) == []
    faulty.faults.clear()
    faulty.start()
    with faulty.connect() as connection:
        assert shown in ([], [connection.call("GET", "key")])


@pytest.mark.parametrize("again", [False, True], ids=["SIGTERM", "SIGTERM twice"])
def test_stop_during_a_slow_sync(faulty, again):
    """The stop waits for the sync, and the reply still comes. A second SIGTERM does not wait, and nothing is acknowledged
    that is lost."""
    with faulty.connect() as connection:
        faulty.faults.hold()
        faulty.faults.add("fdatasync", "delay", delay=0.4, count=1, name=LOG)
        connection.send("SET", "key", "value")
        wait_until(lambda: faulty.faults.hits())
        faulty.send_signal(signal.SIGTERM)
        if again:
            time.sleep(0.05)
            faulty.send_signal(signal.SIGTERM)
        replies = read_until_gone(connection)
    status = faulty.wait()
    if not again:
        assert status == 0 and replies == [b"OK"]
    faulty.faults.clear()
    faulty.start()
    with faulty.connect() as connection:
        assert replies == [] or connection.call("GET", "key") == b"value"


def test_space_that_was_reserved_is_not_there(faulty):
    """A file system that copies on write can be full in the middle of reserved space: what was executed waits, is written
    when there is room, and nothing is lost; other reads are served."""
    with faulty.connect() as connection, faulty.connect() as waiting:
        assert connection.call("SET", "before", "1") == b"OK"
        faulty.faults.add("write", error="ENOSPC", name=LOG)
        waiting.send("SET", "during", "2")
        wait_until(lambda: info(connection)["dkv_disk_full"] == "yes")
        assert "cannot write log-" in faulty.log() and "No space left on device" in faulty.log()
        assert connection.call("GET", "before") == b"1"
        faulty.faults.clear()
        assert waiting.read() == b"OK"
        assert connection.call("SET", "after", "3") == b"OK"
        found = contents(connection)
    faulty.restart(kill=True)
    with faulty.connect() as connection:
        assert contents(connection) == found == {b"before": b"1", b"during": b"2", b"after": b"3"}


def test_full_is_over_when_the_rewrite_is_given_up(faulty):
    """A rewrite's new segment finds no room, and its child dies: nothing waits for room any more, so nothing says so."""
    with faulty.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
        faulty.faults.add("open", error="ENOSPC", name=LOG)
        faulty.faults.add("write", "kill", name="base-*")
        faulty.faults.add("open", "delay", delay=0.2, name="base-*")
        connection.call("BGREWRITEAOF")
        wait_until(lambda: info(connection)["dkv_disk_full"] == "yes")
        wait_until(lambda: info(connection)["aof_last_bgrewrite_status"] == "err")
        wait_until(lambda: info(connection)["dkv_disk_full"] == "no", seconds=1)


def test_writes_are_refused_when_reserved_space_is_not_there(faulty):
    """The first write finds out; those after it are refused like on any full disk, instead of waiting for ever."""
    with faulty.connect() as connection, faulty.connect() as waiting:
        faulty.faults.add("write", error="ENOSPC", name=LOG)
        waiting.send("SET", "during", "2")
        wait_until(lambda: info(connection)["dkv_disk_full"] == "yes")
        connection.send("SET", "other", "3")
        assert not connection.is_silent(0.5)
        assert connection.read().code == "MISCONF"
