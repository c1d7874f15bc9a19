"""maxmemory and maxmemory-clients: what is evicted, what is refused, and that evictions last."""


import pytest
from harness.resp import Closed, Error, encode, wait_until
from test_server import information

OOM = b"OOM command not allowed when used memory > 'maxmemory'."
VALUE = b"v" * 1000
POLICIES = [
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
]


def used(connection):
    return int(information(connection, "memory")["Memory"]["used_memory"])


def stat(connection, name):
    return int(information(connection, "stats")["Stats"][name])


def limit(connection, more):
    """Lets memory grow by so many bytes."""
    connection.call("CONFIG", "SET", "maxmemory", str(used(connection) + more))


def fill(connection, count, *expiry, first=0):
    """In pipelines short enough for their own memory not to matter. Returns the errors."""
    replies = []
    for begin in range(first, first + count, 100):
        end = min(begin + 100, first + count)
        replies += connection.pipeline([("SET", f"key:{i}", VALUE, *expiry) for i in range(begin, end)])
    return [reply for reply in replies if isinstance(reply, Error)]


@pytest.mark.parametrize("policy", POLICIES)
def test_memory_stays_within_its_limit(server, connection, policy):
    connection.call("CONFIG", "SET", "maxmemory-policy", policy)
    limit(connection, 2_000_000)
    assert fill(connection, 10_000, "EX", "10000") == []
    most = int(connection.call("CONFIG", "GET", "maxmemory")[1]) + 300_000
    assert wait_until(lambda: used(connection) < most)
    assert 500 < connection.call("DBSIZE") < 2500
    wait_until(lambda: stat(connection, "evicted_keys") == 10_000 - connection.call("DBSIZE"))  # it may go on


@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
def test_writes_go_on_after_a_burst(start_server, appendfsync):
    """What the server keeps of a burst leaves room for keys: eviction could not make any."""
    server = start_server(appendfsync=appendfsync, maxmemory_policy="allkeys-lru")
    connections = [server.connect() for _ in range(4)]
    limit(connections[0], 1_000_000)
    for _ in range(10):
        for connection in connections:
            connection.send_bytes(b"".join(encode("SET", f"key:{i}", 4 * VALUE) for i in range(400)))
        for connection in connections:
            for _ in range(400):
                connection.read_raw()
    for connection in connections:
        connection.close()
    with server.connect() as connection:
        assert wait_until(lambda: connection.call("SET", "key", "value") == b"OK", seconds=5)
        assert connection.call("GET", "key") == b"value"


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy.startswith("volatile")])
def test_what_has_no_time_to_live_stays(connection, policy):
    connection.call("CONFIG", "SET", "maxmemory-policy", policy)
    limit(connection, 4_000_000)
    for i in range(10):
        assert fill(connection, 100, first=200 * i) == []
        assert fill(connection, 100, "EX", "1000", first=200 * i + 100) == []
    errors = fill(connection, 10_000, first=10_000)
    assert errors and set(errors) == {OOM}
    for i in range(10):
        assert connection.call("EXISTS", *[f"key:{n}" for n in range(200 * i, 200 * i + 100)]) == 100
        assert connection.call("EXISTS", *[f"key:{n}" for n in range(200 * i + 100, 200 * i + 200)]) == 0


def test_nothing_is_evicted_without_a_policy(connection):
    limit(connection, 1_000_000)
    errors = fill(connection, 5000)
    assert errors and set(errors) == {OOM}
    size = connection.call("DBSIZE")
    assert connection.call("GET", "key:0") == VALUE
    assert connection.call("DEL", "key:0") == 1
    assert connection.call("DBSIZE") == size - 1
    assert stat(connection, "evicted_keys") == 0
    connection.call("CONFIG", "SET", "maxmemory", "0")
    assert fill(connection, 5000) == []


def test_transactions(server, connection):
    connection.call("SET", "k", "v")
    connection.call("MULTI")
    assert connection.call("SET", "k", "w") == b"QUEUED"
    with server.connect() as other:
        other.call("CONFIG", "SET", "maxmemory", "1")
        assert connection.call("EXEC") == b"EXECABORT Transaction discarded because of: " + OOM
        assert other.call("GET", "k") == b"v"
        other.call("CONFIG", "SET", "maxmemory", "0")
        connection.call("MULTI")
        assert connection.call("GET", "k") == b"QUEUED"
        other.call("CONFIG", "SET", "maxmemory", "1")
        assert connection.call("EXEC") == [b"v"]
        connection.call("MULTI")
        assert connection.call("GET", "k") == OOM
        assert connection.call("EXEC") == b"EXECABORT Transaction discarded because of previous errors."


def test_the_same_commands_are_refused(server, start_server, reference_binary):
    """As by redis-server: every command that both know, without memory left."""
    reference = start_server(binary=reference_binary)
    verdicts = []
    for one in (server, reference):
        with one.connect() as connection:
            connection.call("SET", "k", "v")
            verdicts.append({})
            for entry in connection.call("COMMAND"):
                name, arity = entry[0], entry[1]
                if name in (b"shutdown", b"multi", b"monitor", b"quit", b"psync", b"sync", b"replicaof", b"slaveof", b"debug", b"reset",
                            b"subscribe", b"psubscribe", b"ssubscribe", b"failover", b"hello", b"client", b"replconf"):  # fmt: skip
                    continue
                connection.call("CONFIG", "SET", "maxmemory", "1")
                reply = connection.call(name, *["1"] * (abs(arity) - 1))
                verdicts[-1][name] = isinstance(reply, Error) and reply == OOM
                connection.call("CONFIG", "SET", "maxmemory", "0")
    both = verdicts[0].keys() & verdicts[1].keys()
    assert len(both) > 60
    assert {name: verdicts[0][name] for name in both} == {name: verdicts[1][name] for name in both}


def test_policies_change_while_it_runs(connection):
    fill(connection, 1000, "EX", "1000")
    limit(connection, 1_000_000)  # buffers that the filling left are given back first: later there is less to evict
    for policy in POLICIES:
        before = connection.call("DBSIZE")
        connection.call("CONFIG", "SET", "maxmemory-policy", policy)
        connection.call("CONFIG", "SET", "maxmemory", str(used(connection) - 50_000))
        assert wait_until(lambda: connection.call("DBSIZE") < before - 10)
        connection.call("CONFIG", "SET", "maxmemory", "0")


def test_what_is_used_often_stays(connection):
    """Keys read a hundred times survive ten times as many that are written once."""
    connection.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    limit(connection, 2_000_000)
    fill(connection, 300)
    for _ in range(100):
        connection.pipeline([("GET", f"key:{i}") for i in range(300)])
    assert connection.call("OBJECT", "FREQ", "key:0") > 5
    fill(connection, 3000, first=1000)
    assert connection.call("EXISTS", *[f"key:{i}" for i in range(300)]) > 280


@pytest.mark.dkv("evictions are writes: durable, in order")
@pytest.mark.parametrize("lazy", ["no", "yes"])
def test_evictions_last(new_server, lazy):
    """What was evicted stays so after SIGKILL, and what was left is there."""
    server = new_server(appendfsync="always", maxmemory_policy="allkeys-lru", lazyfree_lazy_eviction=lazy).start()
    with server.connect() as connection:
        limit(connection, 2_000_000)
        fill(connection, 6000)
        connection.call("SET", "last", "1")
        connection.call("CONFIG", "SET", "maxmemory", "0")
        left = set(connection.call("KEYS", "*"))
        assert stat(connection, "evicted_keys") > 3000
    server.restart(kill=True)
    with server.connect() as connection:
        assert set(connection.call("KEYS", "*")) == left


@pytest.mark.dkv("redis-server says nothing")
def test_a_start_above_the_limit_is_told_and_mended(new_server):
    server = new_server(appendfsync="always").start()
    with server.connect() as connection:
        fill(connection, 5000)
        memory = used(connection)
    server.restart(maxmemory=str(memory - 2_000_000), maxmemory_policy="allkeys-lru")
    assert "more than maxmemory" in server.log() and "keys are evicted" in server.log()
    with server.connect() as connection:
        assert wait_until(lambda: used(connection) < memory - 1_900_000)
        assert 2000 < connection.call("DBSIZE") < 4500
    server.restart(maxmemory="1mb", maxmemory_policy="noeviction")
    assert "commands that need memory are refused" in server.log()
    with server.connect() as connection:
        assert connection.call("SET", "k", "v") == OOM


def test_idle_time_and_frequency(connection):
    connection.call("SET", "k", "v")
    assert connection.call("OBJECT", "IDLETIME", "k") == 0
    assert b"LFU maxmemory policy is not selected" in connection.call("OBJECT", "FREQ", "k")
    connection.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    connection.call("SET", "fresh", "v")
    assert connection.call("OBJECT", "FREQ", "fresh") == 5
    connection.call("GET", "fresh")
    assert connection.call("OBJECT", "FREQ", "fresh") == 6
    assert b"LFU maxmemory policy is selected" in connection.call("OBJECT", "IDLETIME", "k")


# --- clients ---------------------------------------------------------------------------------------------------------


def send_large(connection):
    """Most of an argument: what has come of a command is kept. False when the server closed the connection meanwhile."""
    try:
        connection.send_bytes(b"*2\r\n$4\r\nECHO\r\n$8000000\r\n" + b"x" * 7_000_000)
    except ConnectionError:
        return False
    return True


def test_the_largest_client_is_evicted(server, connection):
    with server.connect() as large, server.connect() as spared:
        connection.call("CONFIG", "SET", "maxmemory-clients", "3mb")
        spared.call("CLIENT", "NO-EVICT", "on")
        assert send_large(spared)
        send_large(large)
        assert wait_until(lambda: stat(connection, "evicted_clients") == 1)
        assert connection.call("PING") == b"PONG"
        large.socket.settimeout(10)
        with pytest.raises((Closed, ConnectionError)):
            large.read()
        spared.send_bytes(b"x" * 1_000_000 + b"\r\n")
        assert spared.read() == b"x" * 8_000_000


def test_a_share_of_maxmemory(server, connection):
    with server.connect() as large:
        connection.call("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-clients", "5%")
        send_large(large)
        assert wait_until(lambda: stat(connection, "evicted_clients") == 1)


def test_watchful_clients_count(server, connection):
    """What a transaction has queued counts to its client."""
    connection.call("CONFIG", "SET", "maxmemory-clients", "4mb")
    with server.connect() as large:
        large.call("MULTI")
        with pytest.raises((Closed, ConnectionError)):
            for _ in range(200):
                large.call("SET", "k", b"v" * 100_000)
    assert stat(connection, "evicted_clients") == 1


def test_evictions_are_told(server, connection):
    """As keyspace events, to who listens."""
    connection.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "notify-keyspace-events", "Ee")
    with server.connect() as listener:
        listener.call("SUBSCRIBE", "__keyevent@0__:evicted")
        limit(connection, 1_000_000)
        fill(connection, 2000)
        assert listener.read()[:2] == [b"message", b"__keyevent@0__:evicted"]
