"""HTTP clients that come in masses, stall, go wrong, or see the server die."""

import asyncio
import contextlib
import os
import random
import re
import resource
import signal
import socket
import struct
import threading
import time

import pytest
from harness.resp import wait_until
from harness.web import RawWeb, Web, request, web_directives
from test_large_values import used_memory

pytestmark = pytest.mark.dkv("HTTP")


@pytest.fixture
def start_web(start_server):
    def start(**directives):
        # No time limit unless the test is about it: what ends by one would look like what was noticed.
        server = start_server(**{**web_directives(), "http_timeout": 0, **directives})
        return server, Web(server)

    return start


def resident_kb(server, field="VmRSS"):
    return server.resident_bytes(field) // 1024


# --- what was answered survives --------------------------------------------------------------------------------


async def put_once(port, key, answered):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("PUT", f"/kv/{key}", key.encode()))
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 200 "):
        answered.append(key)
    return writer  # stays open until all are


async def put_all(port, count, answered):
    writers = []
    for begin in range(0, count, 500):  # the kernel queues so many that are not accepted yet
        some = range(begin, min(begin + 500, count))
        writers += await asyncio.gather(*[put_once(port, f"key:{i}", answered) for i in some])
    return writers


def files_allowed(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"only {hard} files can be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def test_ten_thousand_connections(start_web):
    """10,000 puts over as many connections that are all open at once are answered, and are there after SIGKILL."""
    count = 10_000
    files_allowed(count + 200)
    server, web = start_web(maxclients=count + 100)
    answered = []

    async def run():
        writers = await put_all(web.port, count, answered)
        stats = web.stats()
        server.kill()
        for writer in writers:
            writer.close()
        return stats

    asyncio.run(run())
    assert len(answered) == count
    server.start()
    with server.connect() as connection:
        for begin in range(0, count, 1000):
            keys = answered[begin : begin + 1000]
            assert connection.call("MGET", *keys) == [key.encode() for key in keys]


@pytest.mark.parametrize("seconds", [0.3, 0.7])
def test_kill_under_load(start_web, seconds):
    """Whatever was answered with 200 is there after SIGKILL in the middle of a load, and what was read too."""
    server, web = start_web()
    written, read = {}, {}
    stop = threading.Event()

    def work(number):
        rng = random.Random(number)
        try:
            with RawWeb(server) as raw:
                for i in range(10**9):
                    key = f"k:{number}:{rng.randrange(50)}"
                    if rng.random() < 0.7:
                        raw.send(request("PUT", f"/kv/{key}", str(i).encode()))
                        if raw.read().status == 200:
                            written[key] = i
                    else:
                        raw.send(request("GET", f"/kv/{key}"))
                        answer = raw.read()
                        if answer.status == 200:
                            read[key] = int(answer.body)
        except ConnectionError:
            stop.set()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.kill()
    for thread in threads:
        thread.join()
    server.start()
    assert len(written) > 100
    with server.connect() as connection:
        for key, seen in [*written.items(), *read.items()]:
            # A put that was not answered any more may be there instead.
            assert int(connection.call("GET", key)) >= seen, key


def test_stop_answers(start_web):
    """SIGTERM under load: what was run is answered or not, but what was answered is there; and the stop is quick."""
    server, web = start_web()
    written = {}

    def work(number):
        try:
            with RawWeb(server) as raw:
                for i in range(10**9):
                    raw.send(request("PUT", f"/kv/k:{number}", str(i).encode()))
                    assert raw.read().status == 200
                    written[number] = i
        except ConnectionError:
            pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert server.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5
    for thread in threads:
        thread.join()
    server.start()
    for number, seen in written.items():
        assert seen <= int(web.get(f"/kv/k:{number}")) <= seen + 1


# --- clients that stall ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [
    b"G",
    b"GET /kv/a HTTP/1.1\r\n",
    b"GET /kv/a HTTP/1.1\r\nHost: local",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabcGET /kv/a HTTP/1.1\r\n",
], ids=["line", "head", "field", "body", "chunk", "second"])  # fmt: skip
def test_stalled(start_web, begun):
    """Who begins a request and goes no further is told 408."""
    server, web = start_web(http_timeout=1)
    with RawWeb(server) as raw:
        began = time.monotonic()
        raw.send(begun)
        if begun.startswith(b"PUT") and begun.endswith(b"\r\n"):
            assert raw.read().status == 200
        assert raw.read().status == 408
        assert 0.9 < time.monotonic() - began < 4
        assert raw.read_until_closed() == b""
    assert web.ask("PUT", "/kv/b", b"1")[0] == 200


def test_idle(start_web):
    """Who asks for nothing is closed without a word."""
    server, web = start_web(http_timeout=1)
    with RawWeb(server) as silent, RawWeb(server) as done:
        done.send(request("GET", "/healthz"))
        done.read()
        assert silent.read_until_closed() == done.read_until_closed() == b""


def test_slow_loris(start_web):
    """Many clients that send a byte now and then neither keep others out nor stay."""
    server, web = start_web(http_timeout=1)
    before_kb = resident_kb(server)
    slow = [RawWeb(server) for _ in range(300)]
    for raw in slow:
        raw.send(b"GET /kv/a HTTP/1.1\r\nHost: localhost\r\nX-")
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline:
        for raw in slow:
            try:
                raw.send(b"a")
            except ConnectionError:
                pass
        began = time.monotonic()
        assert web.ask("PUT", "/kv/b", b"1")[0] == 200
        assert time.monotonic() - began < 1
        time.sleep(0.1)
    wait_until(lambda: web.stats()["http_connections"] < 5 if "http_connections" in web.stats() else True)
    assert resident_kb(server) - before_kb < 20_000
    for raw in slow:
        raw.socket.close()


def test_slow_body(start_web):
    """A body that comes too slowly is given up, one that is slow but steady is not."""
    server, web = start_web(http_timeout=1)
    head = b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    with RawWeb(server) as trickle, RawWeb(server) as steady:
        for raw in (trickle, steady):
            raw.send(head)
        for i in range(20):
            steady.send(b"x" * 5000)
            try:
                trickle.send(b"x")
            except ConnectionError:
                pass
            time.sleep(0.15)
        assert steady.read().status == 200
        trickle.socket.settimeout(0.3)  # it was given up before, not only now that it stops
        assert b"408" in trickle.read_until_closed()


def test_slow_reader(start_web):
    """Who does not read his answer is closed, and takes no memory beside the value meanwhile."""
    server, web = start_web(http_timeout=1)
    web.ask("PUT", "/kv/a", b"x" * (10 << 20))
    before_kb = resident_kb(server)
    slow = []
    for _ in range(20):
        raw = RawWeb(server)
        raw.send(request("GET", "/kv/a"))
        slow.append(raw)
    time.sleep(0.3)
    assert resident_kb(server) - before_kb < 5_000
    with server.connect() as connection:
        wait_until(lambda: b"http_clients:0" in connection.call("INFO", "clients"), 10)
    for raw in slow:
        assert len(raw.read_until_closed()) < 10 << 20
        raw.socket.close()


# --- limits ----------------------------------------------------------------------------------------------------


def test_maxclients(start_web):
    """One limit for HTTP and RESP clients together."""
    server, web = start_web(maxclients=4)
    with RawWeb(server) as a, RawWeb(server) as b, server.connect() as c:
        for raw in (a, b):
            raw.send(request("GET", "/healthz"))
            assert raw.read().status == 200
        c.call("PING")
        with server.connect() as d:
            d.call("PING")
            with RawWeb(server) as e:
                e.send(request("GET", "/kv/a"))
                answer = e.read()
                assert (answer.status, answer.body, e.read_until_closed()) == (503, b"max number of clients reached\n", b"")
            with server.connect() as f:
                assert b"max number of clients" in str(f.read()).encode()


VITAL = ["/healthz", "/readyz", "/metrics", "/stats"]


def info_number(connection, name):
    return int(re.search(rb"%s:(\d+)" % name.encode(), connection.call("INFO")).group(1))


def test_looked_after_at_maxclients(start_web):
    """However many clients there are: health, readiness and metrics are answered, and nothing else; who is turned away is
    counted, and the log tells of it, not each time."""
    server, web = start_web(maxclients=3)
    clients = [server.connect() for _ in range(3)]
    assert [client.call("PING") for client in clients] == [b"PONG"] * 3
    idle = [RawWeb(server) for _ in range(50)]
    for raw in idle[10:30]:
        raw.send(b"GET /hea")
    for raw in idle[30:]:
        raw.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
    for _ in range(20):
        assert [web.ask("GET", path)[0] for path in VITAL] == [200] * 4
        assert [web.ask("GET", path)[0] for path in ("/", "/kv/a", "/kv")] == [503] * 3
        assert web.ask("PUT", "/kv/a", b"1")[0] == web.ask("DELETE", "/clear")[0] == 503
        with server.connect() as refused:
            assert refused.read_until_closed() == b"-ERR max number of clients reached\r\n"
    with RawWeb(server) as raw:
        raw.send(request("GET", "/healthz") + request("PUT", "/kv/a", b"1"))
        assert (raw.read().status, raw.read_until_closed()) == (200, b"")
    assert info_number(clients[0], "rejected_connections") >= 20 * 6
    assert clients[0].call("EXISTS", "a") == 0
    told = server.log().count("Clients are turned away")
    assert 2 <= told <= 2 + 2 * (info_number(clients[0], "uptime_in_seconds") + 1) / 10
    for raw in idle:
        raw.socket.close()
    clients.pop().close()
    wait_until(lambda: web.ask("PUT", "/kv/a", b"1")[0] == 200)
    with RawWeb(server) as raw:
        raw.send(request("PUT", "/kv/a", b"1") + request("GET", "/kv/a"))
        assert (raw.read().status, raw.read().body) == (200, b"1")
    for client in clients:
        client.close()


def test_looked_after_anyhow(start_web):
    """The same while clients are paused, memory is full, and for who needs a password to do more."""
    server, web = start_web(maxmemory="1", requirepass="pw")
    known = Web(server, password="pw")
    with server.connect() as connection:
        connection.call("AUTH", "pw")
        connection.call("CLIENT", "PAUSE", "1000000", "ALL")
        assert web.ask("GET", "/healthz")[0] == web.ask("GET", "/readyz")[0] == 200
        assert [web.ask("GET", path)[0] for path in ("/metrics", "/stats")] == [401] * 2
        assert [known.ask("GET", path)[0] for path in VITAL] == [200] * 4


def test_descriptors_for_all(start_web):
    """Connections beyond the limit of clients have descriptors of their own."""
    server, web = start_web(maxclients=5)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (64, 64))
    with server.connect() as first:
        given = 64 - 32 - 16
        assert first.call("CONFIG", "SET", "maxclients", str(given)) == b"OK"
        others = [server.connect() for _ in range(given - 1)]
        assert {other.call("PING") for other in others} == {b"PONG"}
        idle = [RawWeb(server) for _ in range(40)]
        assert [web.ask("GET", path)[0] for path in VITAL] == [200] * 4
        for raw in idle:
            raw.socket.close()
        for other in others:
            other.close()


def test_uploads_together(start_web):
    """Bodies that are on their way take so much memory and no more."""
    server, web = start_web(http_max_uploads="4mb")
    before_kb = resident_kb(server)
    head = b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n"
    uploads = [RawWeb(server) for _ in range(10)]
    for raw in uploads:
        try:
            raw.send(head + b"x" * 1_900_000)
        except ConnectionError:
            pass
    time.sleep(0.3)
    assert resident_kb(server, "VmHWM") - before_kb < 12_000
    refused = 0
    for raw in uploads:
        raw.socket.settimeout(0.2)
        try:
            refused += raw.read().status == 503
        except (TimeoutError, ConnectionError):
            pass
        raw.socket.close()
    assert refused >= 7
    wait_until(lambda: web.ask("PUT", "/kv/a", b"x" * 2_000_000)[0] == 200)


def test_upload_that_is_never_possible(start_web):
    """A body that is larger than all together may be is too large, as it would be at any other time."""
    server, web = start_web(http_max_value="10mb", http_max_uploads="1mb")
    assert web.ask("PUT", "/kv/a", b"x" * 1_000_000)[0] == 200
    with RawWeb(server) as raw:
        raw.send(b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n")
        assert raw.read().status == 413
    with RawWeb(server) as raw:
        raw.send(b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        raw.send(b"100000\r\n" + b"x" * 1048576 + b"\r\n1\r\nx\r\n")
        assert raw.read().status == 413


def test_answers_together(start_web):
    """Answers that tell of many keys take so much memory, however many clients do not read theirs, and no more."""
    server, web = start_web(http_max_uploads="32mb")
    web.ask("PUT", "/kv/a", b"x" * 8_000_000)
    before_kb = resident_kb(server)
    readers = [RawWeb(server) for _ in range(20)]
    for raw in readers:
        raw.send(request("POST", "/mget", b'["a"]'))
    time.sleep(0.5)
    assert web.ask("POST", "/mget", b'["a"]')[::2] == (503, b"too much is being told at once\n")
    assert web.ask("GET", "/kv/a")[0] == 200
    assert resident_kb(server) - before_kb < 70_000
    statuses = [raw.read().status for raw in readers]
    assert statuses.count(200) == 4 and statuses.count(503) == 16
    wait_until(lambda: web.ask("POST", "/mget", b'["a"]')[0] == 200)
    for raw in readers:
        raw.socket.close()


def test_announced_only(start_web):
    """Bodies that are announced and never come take no memory."""
    server, web = start_web(maxclients=2000)
    before_kb = resident_kb(server)
    with server.connect() as connection:
        before = used_memory(connection)
    announced = [RawWeb(server) for _ in range(200)]
    for raw in announced:
        raw.send(b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\nx")
    time.sleep(0.3)
    assert resident_kb(server) - before_kb < 30_000
    with server.connect() as connection:
        assert used_memory(connection) - before < 30_000_000
    for raw in announced:
        raw.socket.close()


def test_large_uploads_do_not_stall_others(start_web):
    """While large values come and go, others are served at once."""
    server, web = start_web()
    stop = threading.Event()

    def upload(number):
        value = os.urandom(1 << 20) * 10
        with RawWeb(server) as raw:
            while not stop.is_set():
                raw.send(request("PUT", f"/kv/big:{number}", value))
                assert raw.read().status == 200
                raw.send(request("GET", f"/kv/big:{number}"))
                assert raw.read().body == value

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    worst = 0
    with RawWeb(server) as raw:
        for i in range(200):
            began = time.monotonic()
            raw.send(request("GET", "/healthz"))
            assert raw.read().status == 200
            worst = max(worst, time.monotonic() - began)
    stop.set()
    for thread in threads:
        thread.join()
    assert worst < 1


# --- when writes cannot be taken --------------------------------------------------------------------------------


def test_loading(start_web):
    """503 while the log is being replayed, and that the server lives is told."""
    server, web = start_web()
    with server.connect() as connection:
        connection.call("CONFIG", "SET", "appendfsync", "no")
        for begin in range(0, 500_000, 5000):
            connection.call("MSET", *[word for i in range(begin, begin + 5000) for word in (f"key:{i}", "x" * 100)])
    server.stop()
    server.launch()
    answers = []

    def ask():
        try:
            ready = web.ask("GET", "/readyz")
            answers.append((web.ask("PUT", "/kv/a", b"1")[0], ready[0], ready[2], web.ask("GET", "/healthz")[0]))
        except OSError:
            pass  # it does not listen yet
        return answers and answers[-1][0] == 200

    wait_until(ask, 60)
    assert (503, 503, b"loading\n", 200) in answers
    assert web.get("/readyz") == "ready\n"


def test_out_of_memory(start_web):
    """At maxmemory without eviction, writes are refused and reads go on."""
    server, web = start_web(maxmemory="1")
    status, _, body = web.ask("PUT", "/kv/a", b"1")
    assert status == 507 and b"maxmemory" in body
    assert web.ask("GET", "/kv/a")[0] == 404
    assert web.ask("DELETE", "/kv/a")[0] == 200


def test_pause(start_web):
    """CLIENT PAUSE holds writes back, and lets them go afterwards, in order."""
    server, web = start_web()
    with server.connect() as connection, RawWeb(server) as raw:
        connection.call("CLIENT", "PAUSE", "60000", "WRITE")
        raw.send(request("PUT", "/kv/a", b"1") + request("GET", "/kv/a"))
        assert web.ask("GET", "/kv/a")[0] == 404
        assert connection.call("CLIENT", "UNPAUSE") == b"OK"
        assert (raw.read().status, raw.read().body) == (200, b"1")


def close_by_id(connection, number):
    assert connection.call("CLIENT", "KILL", "ID", str(number)) == 1


def close_by_user(connection, _):
    assert connection.call("ACL", "DELUSER", "writer") == 1


@pytest.mark.parametrize("close", [close_by_id, close_by_user])
def test_closed_while_paused(start_web, close):
    """What a client asked for whom CLIENT KILL or the loss of his user has ended is not done after the pause; and he is
    gone at once."""
    server, web = start_web()
    with server.connect() as connection, RawWeb(server) as raw:
        connection.call("ACL", "SETUSER", "writer", "on", ">w", "~*", "+@all")
        connection.call("CLIENT", "PAUSE", "60000", "WRITE")
        raw.send(request("PUT", "/kv/a", b"1", Authorization="Bearer writer:w"))

        def waiting():
            return [line for line in connection.call("CLIENT", "LIST").decode().splitlines() if "user=writer" in line]

        wait_until(waiting)
        close(connection, waiting()[0].split()[0].removeprefix("id="))
        assert raw.read_until_closed() == b""
        wait_until(lambda: b"http_clients:0\r\n" in connection.call("INFO", "clients"))
        assert connection.call("CLIENT", "UNPAUSE") == b"OK"
        assert web.ask("GET", "/kv/a")[0] == 404


# --- requests that are wrong, cut and pipelined ------------------------------------------------------------------


MANY = (
    request("PUT", "/kv/a", b"one")
    + request("GET", "/kv/a")
    + b"PUT /kv/b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    + request("POST", "/mget", b'["a","b"]')
    + request("POST", "/kv/a", b"refused")
    + request("DELETE", "/kv/a")
    + request("GET", "/kv/a", Connection="close")
)
ANSWERS = [(200, b""), (200, b"one"), (200, b""), (200, b'{"a":"one","b":"abcde"}\n'), (405, b"method not allowed\n"),
           (200, b""), (404, b"key not found\n")]  # fmt: skip


def test_pipeline(start_web):
    """Many requests at once are answered in their order."""
    server, _ = start_web()
    with RawWeb(server) as raw:
        raw.send(MANY)
        assert [(a.status, a.body) for a in (raw.read() for _ in ANSWERS)] == ANSWERS
        assert raw.read_until_closed() == b""


def test_cut_anywhere(start_web):
    """The same, however the bytes are cut."""
    server, web = start_web()
    for cut in range(1, len(MANY), 7):
        with RawWeb(server) as raw:
            raw.send(MANY[:cut])
            if cut % 3 == 0:
                time.sleep(0.002)
            raw.send(MANY[cut:])
            assert [(a.status, a.body) for a in (raw.read() for _ in ANSWERS)] == ANSWERS, cut
    with RawWeb(server) as raw:
        for byte in MANY:
            raw.send(bytes([byte]))
        assert [(a.status, a.body) for a in (raw.read() for _ in ANSWERS)] == ANSWERS


def no_clients(connection):
    """no HTTP client is left"""
    return b"http_clients:0\r" in connection.call("INFO", "clients")


@contextlib.contextmanager
def standing(server):
    """The server finds all that is sent meanwhile at once."""
    server.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.send_signal(signal.SIGCONT)


# http-timeout 0: nothing but noticing lets go of a client.


def test_cut_off(start_web):
    """A client that goes away anywhere in a request leaves nothing: not the write, and no memory."""
    server, web = start_web()
    whole = request("PUT", "/kv/gone", b"value")
    for cut in range(len(whole)):
        with RawWeb(server) as raw:
            raw.send(whole[:cut])
    with server.connect() as connection:
        wait_until(lambda: no_clients(connection))
        assert connection.call("EXISTS", "gone") == 0


@pytest.mark.parametrize("before", [b"", request("GET", "/healthz")], ids=["first", "second"])
def test_cut_off_at_once(start_web, before):
    """The same when the last bytes and the end are found together."""
    server, web = start_web()
    whole = request("PUT", "/kv/gone", b"value")
    clients = [RawWeb(server) for _ in range(len(whole))]
    for raw in clients:
        raw.send(before)
        assert not before or raw.read().status == 200
    with standing(server):
        for cut, raw in enumerate(clients):
            raw.send(whole[:cut])
            raw.socket.close()
    with server.connect() as connection:
        wait_until(lambda: no_clients(connection))
        assert connection.call("EXISTS", "gone") == 0


@pytest.mark.parametrize("many", [1, 2, 400])
@pytest.mark.parametrize("before", [b"", request("GET", "/healthz")], ids=["first", "second"])
def test_half_closed(start_web, before, many):
    """Who ends his side after the last request is answered all of them, and then closed."""
    server, web = start_web()
    with RawWeb(server) as raw:
        raw.send(before)
        assert not before or raw.read().status == 200
        with standing(server):
            for i in range(many):
                raw.send(request("PUT", f"/kv/k:{i}", b"value"))
            raw.socket.shutdown(socket.SHUT_WR)
        assert [raw.read().status for _ in range(many)] == [200] * many
        assert raw.read_until_closed() == b""
    assert web.ask("GET", f"/kv/k:{many - 1}")[2] == b"value"


def test_half_closed_in_pieces(start_web):
    """The same whatever was seen before the end was there, and when what is asked takes long to answer."""
    server, web = start_web()
    whole = request("PUT", "/kv/a", b"1") + request("GET", "/kv/a")
    web.ask("PUT", "/kv/a", b"0")
    for cut in range(len(whole)):
        with RawWeb(server) as raw:
            raw.send(whole[:cut])
            web.get("/healthz")
            with standing(server):
                raw.send(whole[cut:])
                raw.socket.shutdown(socket.SHUT_WR)
            assert (raw.read().status, raw.read().body, raw.read_until_closed()) == (200, b"1", b""), cut
    with server.connect() as connection, RawWeb(server) as raw:
        connection.call("CLIENT", "PAUSE", "1000000", "WRITE")
        raw.send(whole)
        raw.socket.shutdown(socket.SHUT_WR)
        assert connection.call("CLIENT", "UNPAUSE") == b"OK"
        assert (raw.read().status, raw.read().body, raw.read_until_closed()) == (200, b"1", b"")


def test_reset_while_waiting(start_web):
    """A client that is gone for good is let go of at once, also while its request waits; that is not run any more."""
    server, web = start_web()
    with server.connect() as connection:
        connection.call("CLIENT", "PAUSE", "1000000", "WRITE")
        with RawWeb(server) as raw:
            raw.send(request("PUT", "/kv/gone", b"value"))
            wait_until(lambda: b"http_clients:1\r" in connection.call("INFO", "clients"))
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until(lambda: no_clients(connection))
        assert connection.call("CLIENT", "UNPAUSE") == b"OK"
        assert connection.call("EXISTS", "gone") == 0


@pytest.mark.parametrize("wrong", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"GET /kv/a HTTQ/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /kv/a HTTP/3.0\r\nHost: localhost\r\n\r\n",
    b"GET /kv/a HTTP/1.1\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\nabc",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3x\r\n\r\nabc",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n",
], ids=range(17))  # fmt: skip
def test_malformed(start_web, wrong):
    """A clear refusal, then the end of the connection; nothing is written and others are served."""
    server, web = start_web()
    with RawWeb(server) as raw:
        raw.send(wrong)
        raw.socket.shutdown(socket.SHUT_WR)
        answer = raw.read_until_closed()
        assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505")), answer
    assert web.ask("GET", "/kv/a")[0] == 404


@pytest.mark.parametrize("field", [b"Content-Length :", b"Content-Length\t:", b"Transfer-Encoding :", b" Content-Length:"])
def test_hidden_request(start_web, field):
    """A length that a proxy may take for one, and this server did not: what it is the length of is not taken for the next
    request."""
    server, web = start_web()
    web.ask("PUT", "/kv/a", b"1")
    hidden = request("DELETE", "/kv/a")
    what = b"chunked" if field.startswith(b"T") else str(len(hidden)).encode()
    with RawWeb(server) as raw:
        raw.send(b"GET /kv/a HTTP/1.1\r\n" + field + b" " + what + b"\r\nHost: localhost\r\n\r\n" + hidden)
        assert raw.read().status == 400 and raw.read_until_closed() == b""
    assert web.ask("GET", "/kv/a")[2] == b"1"


@pytest.mark.parametrize("lines", [
    b"Content-Length:\r\n %(size)d", b"Content-Length: \r\n\t%(size)d", b"Content-Len: %(size)d\r\n gth", b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Enc: chunked\r\n oding", b"X: a\r\n b\r\n c", b"Authorization: Bearer\r\n x", b"Origin:\r\n http://evil.example",
], ids=range(8))  # fmt: skip
def test_field_of_two_lines(start_web, lines):
    """A field that goes on in the next line, which libmicrohttpd reads otherwise than anybody else: it is refused, and what
    follows is taken neither for a body nor for a request."""
    server, web = start_web()
    web.ask("PUT", "/kv/a", b"1")
    hidden = request("DELETE", "/kv/a")
    with RawWeb(server) as raw:
        raw.send(b"PUT /kv/b HTTP/1.1\r\nHost: localhost\r\n" + lines.replace(b"%(size)d", b"%d" % len(hidden)) + b"\r\n\r\n" + hidden)
        answer = raw.read()
        assert (answer.status, answer.body) == (400, b"a field goes on in the next line\n")
        assert raw.read_until_closed() == b""
    assert web.ask("GET", "/kv/a")[2] == b"1"
    assert web.ask("GET", "/kv/b")[0] == 404


def test_field_of_two_lines_anywhere(start_web):
    """The same at the end of libmicrohttpd's buffer, where it writes the longer name over what follows."""
    server, web = start_web()
    for size in range(8100, 8150):
        with RawWeb(server) as raw:
            raw.send(b"PUT /kv/b HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * size + b"\r\nContent-Len:    3\r\n gth\r\n\r\nabc")
            assert raw.read().status == 400, size
    assert web.ask("GET", "/kv/b")[0] == 404


def test_refusals_arrive(start_web):
    """A client that goes on sending a body that was refused reads the refusal all the same."""
    server, _ = start_web()
    for _ in range(5):
        with RawWeb(server) as raw:
            raw.send(b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12000000\r\n\r\n")
            for _ in range(12):
                raw.send(b"x" * 1_000_000)
            assert raw.read().status == 413


def test_expect(start_web):
    """Who asks first whether to send a body is told to, or why not."""
    server, web = start_web()
    with RawWeb(server) as raw:
        raw.send(b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert raw.read().status == 100
        raw.send(b"abc")
        assert raw.read().status == 200
        raw.send(b"PUT /kv/ HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert raw.read().status == 400
    assert web.ask("GET", "/kv/a")[2] == b"abc"


# --- noise -----------------------------------------------------------------------------------------------------


PIECES = [b"GET", b"PUT", b"POST", b"DELETE", b"HEAD", b" ", b"/kv/", b"/kv", b"a", b"/mget", b"/mset", b"/clear", b"?", b"ttl=1", b"&",
          b"%", b"%00", b"%41", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\n", b"\r\n\r\n", b"Host: localhost", b"Content-Length: ", b"3", b"5",
          b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Connection: close", b"Range: bytes=", b"0-1", b"If-Match: ", b"*", b'"x"',
          b"If-None-Match: *", b"Authorization: Basic ", b"AAAA", b"Cookie: a=b; c", b'{"a":', b'["a"]', b"\0", b"\xff", b":", b"0\r\n\r\n"]  # fmt: skip


def noise(rng):
    if rng.random() < 0.5:
        return b"".join(rng.choices(PIECES, k=rng.randrange(1, 60)))
    data = bytearray(MANY)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + rng.randrange(1, 40)]
        else:
            data[at:at] = rng.choice(PIECES)
    return bytes(data)


def test_noise(start_web, seed, pytestconfig):
    """Requests of random pieces, and right ones with random mistakes, for a few seconds: the server goes on, serves
    others, and takes no more memory."""
    server, web = start_web(http_timeout=1)
    rng = random.Random(seed)
    deadline = time.monotonic() + (60 if pytestconfig.getoption("--full") else 4)
    count = 0
    before_kb = resident_kb(server)
    while time.monotonic() < deadline:
        with RawWeb(server, timeout=0.02) as raw:
            data = noise(rng)
            cut = rng.randrange(len(data) + 1)
            try:
                raw.send(data[:cut])
                raw.send(data[cut:])
                raw.socket.recv(65536)
            except (TimeoutError, ConnectionError):
                pass
        count += 1
        if count % 100 == 0:
            assert web.ask("PUT", "/kv/alive", b"1")[0] == 200
    print(f"{count} requests")
    assert web.ask("GET", "/kv/alive")[0] == 200
    assert resident_kb(server) - before_kb < 20_000
