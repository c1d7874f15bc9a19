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
