"""The checker can fail: each kind of loss that it exists for, made on purpose, is noticed."""

import pytest


@pytest.fixture
def killed(durable_server, new_load):
    """A server that was killed under load and restarted, and its load."""
    load = new_load(durable_server)
    load.start(7)
    while durable_server.log_path.exists() and _keys(durable_server) < 1000:
        pass
    durable_server.kill()
    load.wait()
    durable_server.start()
    return durable_server, load


def _keys(server):
    with server.connect() as connection:
        return connection.call("DBSIZE")


def _commands(server):
    """Since it was started."""
    with server.connect() as connection:
        told = connection.call("INFO", "stats").decode()
    return int(told.split("total_commands_processed:")[1].split()[0])


def test_a_right_state_passes(killed):
    server, load = killed
    assert load.check() == []


def test_lost_data_is_noticed(start_server, new_load):
    """A server that keeps nothing."""
    server = start_server(appendonly="no")
    load = new_load(server)
    load.start(1)
    while _keys(server) < 100:
        pass
    server.kill()
    load.wait()
    server.start()
    assert any("is gone" in complaint for complaint in load.check())


def changed(killed, *command):
    server, load = killed
    with server.connect() as connection:
        connection.call(*command)
    return load.check()


def test_lost_keys_are_noticed(killed):
    # More than can have been about to be deleted.
    server, _ = killed
    with server.connect() as connection:
        some = connection.call("KEYS", "c*:b*")[:100]
    assert any(":b" in complaint for complaint in changed(killed, "DEL", *some))


def test_lost_increments_are_noticed(killed):
    # More than can have been in flight: that many less would be a state that may be.
    assert any("c5:n1" in complaint for complaint in changed(killed, "DECRBY", "c5:n1", 20))


def test_a_torn_pair_is_noticed(killed):
    server, load = killed
    with server.connect() as connection:
        connection.call("SET", "c2:t0", connection.call("GET", "c2:t0").replace(b"#", b"#1"))
    assert any("c2:t0" in complaint for complaint in load.check())


def test_a_foreign_byte_is_noticed(killed):
    server, load = killed
    with server.connect() as connection:
        connection.call("SETRANGE", "c1:m3", connection.call("STRLEN", "c1:m3") - 1, "\x00")
        connection.call("SETRANGE", "c1:m2", connection.call("STRLEN", "c1:m2") - 1, "\x01")
    assert any("c1:m" in complaint for complaint in load.check())


def test_a_lost_time_to_live_is_noticed(killed):
    server, load = killed
    with server.connect() as connection:
        for i in range(12):
            for j in range(8):
                connection.call("PERSIST", f"c{i}:s{j}")
    assert any("time to live is -1" in complaint for complaint in load.check())


@pytest.fixture
def killed_with_hashes(killed):
    """The load program leaves hashes out where the server has no fields with times."""
    server, _ = killed
    with server.connect() as connection:
        if not connection.call("COMMAND", "INFO", "HSETEX")[0]:
            pytest.skip("the server has no HSETEX")
    return killed


def changed_in_each(killed, command, key, *arguments):
    """The command for that key of each client."""
    server, load = killed
    with server.connect() as connection:
        for i in range(12):
            connection.call(command, f"c{i}:{key}", *arguments)
    return load.check()


def test_lost_fields_are_noticed(killed_with_hashes):
    fields = [f"f{i}" for i in range(160)]
    assert any(":w0.f" in complaint for complaint in changed_in_each(killed_with_hashes, "HDEL", "w0", *fields))


def test_lost_increments_of_fields_are_noticed(killed_with_hashes):
    complaints = changed_in_each(killed_with_hashes, "HINCRBY", "w0", "n1", -20)
    assert any(":w0.n1" in complaint for complaint in complaints)


def test_a_lost_time_to_live_of_a_field_is_noticed(killed_with_hashes):
    """Of all fields that have one: a single one may have been about to be given another."""
    server, load = killed_with_hashes
    lost = 0
    for seed in range(100, 120):
        with server.connect() as connection:
            for key in connection.call("KEYS", "c*:h*"):
                fields = connection.call("HKEYS", key)
                lost += connection.call("HPERSIST", key, "FIELDS", len(fields), *fields).count(1) if fields else 0
        if lost:
            break
        # No field had one at that moment: another round.
        load.start(seed)
        while _commands(server) < 20_000:
            pass
        server.kill()
        load.wait()
        server.start()
    assert lost
    assert any(".f" in complaint and "time to live is -1" in complaint for complaint in load.check())


def test_a_foreign_byte_in_a_field_is_noticed(killed_with_hashes):
    complaints = changed_in_each(killed_with_hashes, "HSET", "h0", "f3", "?")
    assert any(":h0.f3" in complaint for complaint in complaints)


def test_a_foreign_field_is_noticed(killed_with_hashes):
    complaints = changed_in_each(killed_with_hashes, "HSET", "h0", "nobody's", "x")
    assert any("fields, and should have" in complaint for complaint in complaints)


def test_a_foreign_key_is_noticed(killed):
    assert any("there are" in complaint for complaint in changed(killed, "SET", "nobody's", "x"))


def test_stale_reads_are_noticed(killed):
    """A reader is shown an older value than one acknowledged before: here because somebody counts down."""
    server, load = killed
    load.start(8)
    with server.connect() as connection:
        for _ in range(200):
            connection.pipeline([("DECR", f"c{client}:n{i}") for client in range(12) for i in range(4)])
    load.stop()
    assert any("acknowledged before" in complaint or "the reply is" in complaint for complaint in load.check())
