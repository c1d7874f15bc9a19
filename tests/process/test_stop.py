"""SIGTERM and SIGINT: stop accepting, finish, sync, close the log, exit 0. And nothing lost."""

import signal
import time

import pytest
from harness.resp import encode
from harness.server import StartError
from loading import Rounds
from log_tool import LogTool


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_stop_under_load(durable_server, new_load, seed, number):
    """Exit status 0 while many clients write, and every acknowledged write is there afterwards."""
    load = new_load(durable_server)
    rounds = Rounds(durable_server, load, seed)

    def stop(server, rng, load):
        assert server.stop(number) == 0, server.log()
        rounds.ended(load.wait())
        server.start()

    rounds.run(3, stop)
    assert rounds.acknowledged > 0


def test_stop_twice(start_server, new_load, seed):
    """A second SIGTERM ends it at once; what was acknowledged is there all the same."""
    server = start_server(appendonly="yes", appendfsync="always")
    load = new_load(server)
    rounds = Rounds(server, load, seed)

    def stop(server, rng, load):
        server.send_signal(signal.SIGTERM)
        time.sleep(rng.uniform(0, 0.005))
        try:
            server.send_signal(signal.SIGTERM)
        except ProcessLookupError:
            pass  # it was quick
        server.wait()
        rounds.ended(load.wait())
        server.start()

    rounds.run(4, stop)


def test_stop_while_rewriting(durable_server):
    """A rewrite in flight does not keep the server from stopping, nor does stopping lose anything."""
    with durable_server.connect() as connection:
        commands = [("SET", f"key:{i}", "v" * 100) for i in range(20000)]
        assert set(connection.pipeline(commands)) == {b"OK"}
        connection.call("BGREWRITEAOF")
        assert durable_server.stop() == 0
    durable_server.start()
    with durable_server.connect() as connection:
        assert connection.call("DBSIZE") == 20000
        assert connection.call("GET", "key:19999") == b"v" * 100


def test_stop_answers_what_it_ran(durable_server):
    """A pipeline has its replies up to the stop, then the end of its connection: nothing hangs, nothing is lost."""
    with durable_server.connect() as connection:
        connection.send_bytes(b"".join([encode("SET", f"k{i}", "v") for i in range(1000)]))
        assert durable_server.stop() == 0
        replies = connection.read_until_closed()
    assert replies == b"+OK\r\n" * (len(replies) // 5)
    durable_server.start()
    with durable_server.connect() as connection:
        assert connection.call("DBSIZE") >= len(replies) // 5


@pytest.mark.dkv("a lock on the data folder")
def test_second_server_is_refused(durable_server, new_server):
    """Two servers never write one folder (D13): the second one says who has it, and exits with 1."""
    second = new_server(appendonly="yes", dir=durable_server.data)
    with pytest.raises(StartError) as refusal:
        second.start()
    assert "exit status 1" in str(refusal.value)
    assert str(durable_server.pid) in str(refusal.value)
    with durable_server.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"


@pytest.mark.dkv("a lock on the data folder")
def test_second_server_is_refused_without_the_lock_file(durable_server, new_server, server_binary):
    """D13 does not hang on a file that looks like a left-over: the folder is taken after somebody removed it, too."""
    log_tool = LogTool(server_binary)
    (durable_server.data / "LOCK").unlink()
    for _ in range(2):
        with pytest.raises(StartError) as refusal:
            new_server(appendonly="yes", dir=durable_server.data).start()
        assert "exit status 1" in str(refusal.value) and "in use" in str(refusal.value)
        assert "in use" in log_tool("repair", "--yes", durable_server.data, status=1)
        assert log_tool.verify(durable_server.data)["in_use"]
    with durable_server.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
    durable_server.restart()


@pytest.mark.dkv("a lock on the data folder")
def test_lock_does_not_outlive_its_server(durable_server):
    """After SIGKILL nothing has to be removed by hand."""
    for _ in range(3):
        durable_server.restart(kill=True)


def test_sighup_reopens_the_log_file(start_server, flavor):
    """Log rotation: after SIGHUP it writes to a new file under the old name."""
    if flavor != "dkv":
        pytest.skip("redis opens its log file for every line")
    server = start_server(logfile="server.log", appendonly="yes")
    path = server.folder / "server.log"
    if not path.exists():
        path = server.data / "server.log"
    assert path.exists()
    path.rename(path.with_suffix(".old"))
    server.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, "no new log file after SIGHUP"
        time.sleep(0.01)
    with server.connect() as connection:
        assert connection.call("PING") == b"PONG"
