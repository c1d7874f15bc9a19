"""SIGKILL at random moments under load from many clients; afterwards every key is looked up (D1 to D6, D9, D10).

A process crash leaves what was written in the kernel's hands, so no policy may lose anything acknowledged. What power
loss takes is the simulator's part.
"""

import time

import pytest
from harness.resp import Error, wait_until
from harness.server import StartError
from loading import Rounds

# A log that is rewritten, cut and recycled all the time.
SMALL_LOG = {
    "segment_size": "64kb",
    "auto_aof_rewrite_min_size": "64kb",
    "auto_aof_rewrite_percentage": 10,
}


@pytest.fixture
def rounds(request, new_server, new_load, seed, flavor):
    """rounds(**directives) starts a server and its load; .run(...) then kills it as often as the session asks for."""

    def start(promise="shown", **directives):
        if flavor == "redis":
            # It refuses to start when a rewrite has begun a new file behind the one that a crash cut short.
            directives.setdefault("auto_aof_rewrite_percentage", 0)
        else:
            # One value in some dozens then has a file of its own; when it is read, chance decides.
            directives.setdefault("value_file_threshold", "64kb")
            directives.setdefault("value_load", ("start", "background", "first-use")[seed % 3])
        server = new_server(appendonly="yes", **directives).start()
        made = Rounds(server, new_load(server, promise=promise), seed)
        made.default_count = request.config.getoption("--rounds") or (50 if request.config.getoption("--full") else 8)
        return made

    return start


def kill_and_restart(rounds):
    def kill(server, rng, load):
        # A rewrite's child may live on for a moment beside the next server.
        server.kill(children=rng.random() < 0.5)
        rounds.ended(load.wait())
        server.start()

    return kill


# Redis holds back the write itself while a sync runs, so a killed redis-server loses what it had acknowledged: these
# rounds show it now and then.
NO_LOSS_UNDER_EVERYSEC = pytest.mark.dkv("no loss in a process crash under everysec")


@pytest.mark.parametrize("policy", ["always", pytest.param("everysec", marks=NO_LOSS_UNDER_EVERYSEC), "no"])
def test_kill_under_load(rounds, policy):
    """Nothing acknowledged is lost, nothing is torn, whatever the policy; under always nothing shown is lost either."""
    run = rounds(appendfsync=policy, promise="shown" if policy == "always" else "acknowledged")
    run.run(run.default_count, kill_and_restart(run))
    assert run.acknowledged > 0 and run.shown > 0


@pytest.mark.dkv("a rewrite that may be interrupted at any point")
def test_kill_while_rewriting(rounds):
    """The same while rewrites follow each other: a crash at any point of one leaves the old state or the new one. What
    stands still in another database makes each rewrite long enough to be hit."""
    run = rounds(appendfsync="always", **SMALL_LOG)
    still = {b"still:%d" % i: b"%d" % i * 40 for i in range(40_000)}
    with run.server.connect() as connection:
        connection.call("SELECT", 5)
        assert connection.call("MSET", *[word for pair in still.items() for word in pair]) == b"OK"

    def rewrite_all_the_time(server, rng, until):
        with server.connect() as connection:
            while time.monotonic() < until:
                connection.call("BGREWRITEAOF")
                time.sleep(rng.uniform(0, 0.02))

    run.run(run.default_count, kill_and_restart(run), during=rewrite_all_the_time)
    with run.server.connect() as connection:
        connection.call("SELECT", 5)
        assert connection.call("DBSIZE") == len(still)
        assert connection.call("MGET", *still) == list(still.values())


@pytest.mark.dkv("rewrites by the number of writes")
def test_kill_with_automatic_rewrites(rounds):
    """Rewrites that start by themselves, history that is kept, a large value threshold crossed now and then."""
    run = rounds(appendfsync="always", rewrite_every_writes=500, history_bases=2, **SMALL_LOG)
    run.run(run.default_count, kill_and_restart(run))


def test_kill_while_starting(rounds, flavor):
    """SIGKILL again and again while it recovers: recovery itself loses nothing and leaves nothing to clean up."""
    run = rounds(appendfsync="always", **({"segment_size": "64kb"} if flavor == "dkv" else {}))

    def kill(server, rng, load):
        server.kill()
        run.ended(load.wait())
        for _ in range(rng.randrange(1, 6)):
            server.launch()
            time.sleep(rng.uniform(0, 0.04))
            server.kill()
        server.start()

    run.run(run.default_count, kill)


@NO_LOSS_UNDER_EVERYSEC
def test_switching_policies(rounds):
    """CONFIG SET appendfsync under load changes when replies are due, not what they promise."""
    run = rounds(appendfsync="always", promise="acknowledged")

    def switch(server, rng, until):
        with server.connect() as connection:
            while time.monotonic() < until:
                policy = rng.choice(["always", "everysec", "no"])
                assert connection.call("CONFIG", "SET", "appendfsync", policy) == b"OK"
                time.sleep(rng.uniform(0, 0.03))

    run.run(max(1, run.default_count // 2), kill_and_restart(run), during=switch)


def test_recovered_data_is_recovered_again(rounds):
    """Crash after crash without a write in between: what one recovery reads, the next one reads too."""
    run = rounds(appendfsync="always")

    def kill(server, rng, load):
        server.kill()
        run.ended(load.wait())
        for _ in range(3):
            server.start()
            server.kill()
        server.start()

    run.run(max(1, run.default_count // 4), kill)


@pytest.mark.dkv("files of its own")
def test_nothing_is_left_behind(rounds):
    """Rewrites that a crash interrupted leave no file that a later rewrite does not clear away."""
    run = rounds(appendfsync="always", rewrite_every_writes=300, **SMALL_LOG)
    run.run(run.default_count, kill_and_restart(run))
    with run.server.connect() as connection:
        wait_until(lambda: not isinstance(connection.call("BGREWRITEAOF"), Error))
        wait_until(lambda: b"aof_rewrite_in_progress:0" in connection.call("INFO", "persistence"))
    run.server.restart()
    with run.server.connect() as connection:

        def value_files():
            info = connection.call("INFO", "persistence").decode()
            count = int(info.split("dkv_value_files:")[1].split("\r\n")[0])
            assert count > 0
            return count, sum(path.name.startswith("value-") for path in run.server.data.iterdir())

        wait_until(lambda: len(set(value_files())) == 1)
    names = sorted(path.name for path in run.server.data.iterdir())
    kinds = {name.split("-")[0] for name in names}
    assert sum(name.startswith("base-") for name in names) == 1, names
    assert kinds <= {"LOCK", "MANIFEST", "base", "log", "spare", "value"}, names


def test_start_is_refused_without_its_files(durable_server):
    """A folder from which a file was taken is not started from as if it were whole."""
    if durable_server.flavor != "dkv":
        pytest.skip("the reference has files of its own")
    with durable_server.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
    durable_server.stop()
    logs = sorted(durable_server.data.glob("log-*.dkv"))
    assert logs, list(durable_server.data.iterdir())
    logs[0].rename(durable_server.folder / "taken")
    with pytest.raises(StartError) as refusal:
        durable_server.start()
    assert logs[0].name in str(refusal.value)
