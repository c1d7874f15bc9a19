"""python3-redis, unchanged."""

import threading

import pytest

redis = pytest.importorskip("redis")


@pytest.fixture
def client(server):
    with redis.Redis(unix_socket_path=server.socket) as opened:
        yield opened


def test_strings(client):
    assert client.set("key", "value") is True
    assert client.get("key") == b"value"
    assert client.set("key", "other", nx=True) is None
    assert client.set("key", "other", xx=True, get=True, ex=100) == b"value"
    assert 90 < client.ttl("key") <= 100
    assert client.getex("key", persist=True) == b"other"
    assert client.ttl("key") == -1
    assert client.mset({"a": 1, "b": 2.5}) is True
    assert client.mget("a", "b", "c") == [b"1", b"2.5", None]
    assert client.incrbyfloat("b", "0.25") == 2.75
    assert client.setrange("a", 3, "x") == 4
    assert client.get("a") == b"1\x00\x00x"
    assert client.getdel("a") == b"1\x00\x00x"
    assert client.append("b", "!") == 5


def test_keys(client):
    client.mset({f"k{i}": i for i in range(100)})
    assert client.dbsize() == 100
    assert sorted(client.scan_iter("k1?")) == [b"k%d" % i for i in range(10, 20)]
    assert client.exists("k1", "k2", "none") == 2
    assert client.rename("k1", "new") is True
    assert client.renamenx("k2", "new") is False
    assert client.copy("new", "copy") is True
    assert client.expire("copy", 1000) is True and client.pttl("copy") > 900_000
    assert client.persist("copy") is True
    assert client.type("copy") == b"string"
    assert client.object("encoding", "copy") == b"int"
    assert client.move("copy", 1) is True
    assert client.swapdb(0, 1) is True
    assert client.dbsize() == 1
    assert client.flushall() is True
    assert client.randomkey() is None


def test_unicode_and_binary(server):
    with redis.Redis(unix_socket_path=server.socket, decode_responses=True) as client:
        client.set("schlüssel", "wert ☃ 値")
        assert client.get("schlüssel") == "wert ☃ 値"
        assert client.keys() == ["schlüssel"]
    with redis.Redis(unix_socket_path=server.socket) as client:
        every_byte = bytes(range(256)) * 3
        client.set(every_byte, every_byte)
        assert client.get(every_byte) == every_byte


def test_pipeline(client):
    with client.pipeline(transaction=False) as pipeline:
        for i in range(5000):
            pipeline.set(f"key:{i}", i)
        assert pipeline.execute() == [True] * 5000
    with client.pipeline(transaction=False) as pipeline:
        replies = pipeline.get("key:1").incr("key:x").lpush("key:1").get("key:2").execute(raise_on_error=False)
    assert replies[0] == b"1" and replies[1] == 1 and replies[3] == b"2"
    assert isinstance(replies[2], redis.ResponseError)


def test_transaction(client):
    with client.pipeline() as pipeline:
        assert pipeline.set("a", 1).incr("a").get("a").execute() == [True, 2, b"2"]
    with client.pipeline() as pipeline:
        pipeline.set("a", "text").incr("a").set("b", 1)
        with pytest.raises(redis.ResponseError):
            pipeline.execute()
    assert client.get("b") == b"1"


def test_watch(server, client):
    """The optimistic loop of python3-redis, with somebody who interferes once."""
    client.set("balance", 100)
    attempts = []

    def change(pipeline):
        attempts.append(1)
        balance = int(pipeline.get("balance"))
        if len(attempts) == 1:
            with redis.Redis(unix_socket_path=server.socket) as other:
                other.decrby("balance", 30)
        pipeline.multi()
        pipeline.set("balance", balance - 10)

    client.transaction(change, "balance")
    assert client.get("balance") == b"60"
    assert len(attempts) == 2


def test_pool_and_threads(server):
    """Eight threads share a pool of TCP connections and lose no update."""
    pool = redis.ConnectionPool(host="127.0.0.1", port=server.port, max_connections=20)
    shared = redis.Redis(connection_pool=pool)

    def work():
        for _ in range(250):
            shared.incr("counter")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert shared.get("counter") == b"2000"
    pool.disconnect()


def test_lock(client):
    """The lock without its Lua scripts' extension: SET NX PX."""
    assert client.set("lock", "me", nx=True, px=60000) is True
    assert client.set("lock", "you", nx=True, px=60000) is None


def messages(pubsub, count):
    """The next messages, without subscriptions' confirmations."""
    heard = []
    while len(heard) < count:
        message = pubsub.get_message(ignore_subscribe_messages=True, timeout=10)
        if message:
            heard.append((message["type"], message["channel"], message["data"]))
    return heard


def test_messages(client):
    with client.pubsub() as pubsub:
        pubsub.subscribe("news", "more")
        pubsub.psubscribe("n*")
        while pubsub.get_message(timeout=0.2):
            pass
        assert client.publish("news", b"\x00\xff") == 2
        assert client.publish("more", "text") == 1
        assert messages(pubsub, 3) == [
            ("message", b"news", b"\x00\xff"),
            ("pmessage", b"news", b"\x00\xff"),
            ("message", b"more", b"text"),
        ]
        assert client.pubsub_channels() and dict(client.pubsub_numsub("news")) == {b"news": 1}
        assert client.pubsub_numpat() == 1
        pubsub.ping("still there")
        assert pubsub.get_message(timeout=10)["type"] == "pong"
        pubsub.unsubscribe()
        pubsub.punsubscribe()
    assert client.publish("news", "late") == 0


def test_messages_in_a_thread(client):
    """As applications often do it: a thread that calls a handler."""
    heard = []
    come = threading.Event()

    def handler(message):
        heard.append(message["data"])
        come.set()

    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(**{"news": handler})
        thread = pubsub.run_in_thread(sleep_time=0.01)
        while client.publish("news", "hello") == 0:
            pass
        assert come.wait(10) and heard[0] == b"hello"
        thread.stop()
        thread.join(10)


def test_messages_asynchronously(server):
    """The same with asyncio."""
    asyncio = pytest.importorskip("asyncio")
    aioredis = pytest.importorskip("redis.asyncio")

    async def run():
        client = aioredis.Redis(unix_socket_path=server.socket)
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        await pubsub.psubscribe("n*")
        while await client.publish("news", "hello") == 0:
            await asyncio.sleep(0.01)
        message = None
        while message is None:
            message = await pubsub.get_message(timeout=10)
        assert message["data"] == b"hello" and message["pattern"] == b"n*"
        await pubsub.close()
        await client.close()

    asyncio.run(run())


def test_monitor(client, server):
    with client.monitor() as monitor:
        with redis.Redis(unix_socket_path=server.socket) as other:
            other.set("key", "a value")
        shown = monitor.next_command()
        while not shown["command"].startswith("SET"):
            shown = monitor.next_command()
        assert shown["command"] == "SET key a value" and shown["db"] == 0 and shown["client_type"] == "unix"


def test_slow_log(client):
    client.config_set("slowlog-log-slower-than", 0)
    client.slowlog_reset()
    client.set("key", "value")
    entries = client.slowlog_get()
    assert any(entry["command"] == b"SET key value" for entry in entries)
    assert client.slowlog_len() >= 1


def test_clients(client, server):
    """CLIENT's filters, kills, pauses and unblocking as this library gives them."""
    with redis.Redis(unix_socket_path=server.socket, client_name="other") as other:
        other.ping()
        identity = other.client_id()
        assert [one["name"] for one in client.client_list(client_id=[str(identity)])] == ["other"]
        assert client.client_pause(50, all=False) is True
        other.set("key", "held back for a moment")
        assert client.client_unpause() in (True, b"OK")
        assert client.client_unblock(identity) in (False, 0)
        assert client.client_kill_filter(_id=identity) == 1
        assert client.client_no_evict("ON") in (True, b"OK", "OK")
        assert client.client_tracking_on() and client.client_tracking_off()
        assert client.client_trackinginfo()
        assert client.client_getredir() == -1


def test_reconnects_after_a_restart(durable_server):
    client = redis.Redis(unix_socket_path=durable_server.socket, retry_on_error=[redis.ConnectionError])
    client.set("key", "value")
    durable_server.restart()
    assert client.get("key") == b"value"
    durable_server.restart(kill=True)
    assert client.get("key") == b"value"
    client.close()


def test_information(client):
    information = client.info()
    assert information["redis_version"].count(".") == 2
    assert information["loading"] == 0
    assert isinstance(information["used_memory"], int)
    client.set("key", "value", ex=100)
    assert client.info("keyspace")["db0"]["keys"] == 1
    assert client.info("keyspace")["db0"]["expires"] == 1
    assert client.config_get("databases") == {"databases": "16"}
    assert client.config_set("maxmemory-samples", 6) is True
    assert client.config_get("maxmemory-samples") == {"maxmemory-samples": "6"}
    assert client.client_setname("checker") is True
    assert client.client_getname() == "checker"
    assert [entry["name"] for entry in client.client_list()] == ["checker"]
    assert client.client_id() > 0
    assert client.time()[0] > 1_600_000_000
    assert client.command_count() > 50
    assert client.command()["get"]["arity"] == 2
    assert client.lastsave() is not None
    assert client.memory_usage("key") > 0
    assert client.role()[0] in (b"master", "master")


def test_passwords(start_server):
    server = start_server(requirepass="secret")
    with redis.Redis(unix_socket_path=server.socket, password="secret") as client:
        assert client.ping() is True
    with redis.Redis(unix_socket_path=server.socket, username="default", password="secret") as client:
        assert client.ping() is True
    with redis.Redis(unix_socket_path=server.socket) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with redis.Redis(unix_socket_path=server.socket, password="wrong") as client:
        with pytest.raises(redis.ResponseError, match="WRONGPASS"):
            client.ping()
