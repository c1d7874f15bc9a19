"""A real disk that is full: writes are refused with an error that names the cause, reads are served, writes resume by
themselves when there is room, and nothing acknowledged is lost (D12)."""

import random
import subprocess
import time

import pytest
from folders import contents, info, rewrite
from harness.figures import figure
from harness.resp import Error, wait_until
from harness.server import StartError
from harness.web import Web, web_directives
from history import judge
from judging import assert_refuses_writes_clearly, complaints
from small_disk import KINDS, NoMount, SmallDisk
from test_fault_running import assert_tidy

pytestmark = pytest.mark.dkv("what it does when the disk is full")

QUIET = {"auto_aof_rewrite_percentage": 0}
SMALL_SEGMENTS = {"segment_size": "256kb"}


@pytest.fixture
def new_disk(tmp_path):
    made = []

    def make(kind, **options):
        folder = tmp_path / f"disk-{len(made)}"
        folder.mkdir()
        try:
            made.append(SmallDisk(folder, kind, **options))
        except NoMount as refusal:
            pytest.skip(str(refusal))
        return made[-1]

    yield make
    for disk in made:
        disk.remove()


@pytest.fixture(params=KINDS)
def disk(request, new_disk):
    return new_disk(request.param)


@pytest.fixture
def on_disk(disk, new_server):
    """on_disk(**directives): a server whose data is on the small disk, not started yet."""
    return lambda **directives: new_server(
        **{"port": 0, "dir": disk.data, "appendonly": "yes", "appendfsync": "always", **QUIET, **directives}
    )


def fill_up(connection, expected, prefix="fill", size=20_000, most=5000):
    """Writes until one is refused; what was acknowledged goes into expected."""
    for number in range(most):
        key, value = b"%b:%d" % (prefix.encode(), number), b"%d:" % number + b"x" * size
        reply = connection.call("SET", key, value)
        if isinstance(reply, Error):
            assert_refuses_writes_clearly(reply)
            return
        assert reply == b"OK"
        expected[key] = value
    raise AssertionError("nothing was refused")


def assert_full(connection, expected):
    """Everything is served, whatever writes is refused."""
    assert contents(connection) == expected
    for command in [("SET", "a", "x" * 20_000), ("MSET", "a", "x" * 20_000), ("APPEND", "a", "x" * 20_000)]:
        assert_refuses_writes_clearly(connection.call(*command))
    connection.call("MULTI")
    connection.call("SET", "a", "x" * 20_000)
    reply = connection.call("EXEC")
    assert isinstance(reply, Error) and reply.code == "EXECABORT", reply
    told = info(connection)
    assert told["dkv_disk_full"] == "yes" and told["aof_last_write_status"] == "err"
    assert connection.call("PING") == b"PONG"


def assert_resumes(connection, seconds=2):
    """Without being told to, soon after there is room."""
    replies = []
    try:
        wait_until(lambda: replies.append(connection.call("SET", "resumed", "x" * 20_000)) or replies[-1] == b"OK", seconds)
    except TimeoutError as error:
        raise AssertionError(f"{len(replies)} times refused, at last: {replies[-1]}; {info(connection)}") from error
    connection.call("DEL", "resumed")
    told = wait_until(lambda: info(connection)["dkv_disk_full"] == "no" and info(connection), seconds=seconds)
    assert told["aof_last_write_status"] == "ok"


def test_full_over_http(on_disk, disk):
    """Writes are a 503 that says why, /readyz too; reads are answered; both change by themselves when there is room."""
    server = on_disk(**web_directives()).start()
    web = Web(server)
    disk.fill(leave=5 << 20)
    with server.connect() as connection:
        fill_up(connection, {})
    status, _, body = web.ask("PUT", "/kv/a", b"x" * 20_000)
    assert status == 503 and b"no space is left" in body and body.endswith(b"\n")
    assert web.ask("POST", "/mset?ttl=5", '{"a": "%s"}' % ("x" * 20_000))[0] == 503
    assert web.ask("GET", "/kv/fill:0")[0] == 200
    assert web.ask("GET", "/readyz")[0] == 503
    assert web.ask("GET", "/healthz")[0] == 200
    assert "\ndkv_log_full 1\n" in web.get("/metrics")
    disk.make_room()
    wait_until(lambda: web.ask("PUT", "/kv/a", b"x" * 20_000)[0] == 200, 5)
    wait_until(lambda: web.ask("GET", "/readyz")[0] == 200, 5)


@pytest.mark.parametrize("directives", [{}, SMALL_SEGMENTS], ids=["one segment", "small segments"])
def test_full_and_room_again(on_disk, disk, directives):
    """Filled by the log itself; then twice by somebody else."""
    server = on_disk(**directives).start()
    expected = {}
    disk.fill(leave=5 << 20)
    with server.connect() as connection:
        fill_up(connection, expected)
        for again in range(2):
            assert_full(connection, expected)
            assert "No space left on device. Writes are refused until there is room" in server.log()
            disk.make_room()
            assert_resumes(connection)
            disk.fill(leave=(again + 1) << 18)
            fill_up(connection, expected, prefix=f"again {again}")
        assert_full(connection, expected)
    server.kill()
    disk.make_room()
    server.start()
    with server.connect() as connection:
        assert contents(connection) == expected
    assert_tidy(server_on(server, disk))


def server_on(server, disk):
    """For assert_tidy, which looks at server.data."""
    server.data = disk.data
    return server


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_start_on_a_full_disk(on_disk, disk, how):
    """What was acknowledged is served; writes resume when there is room; the stop on a full disk is a clean one."""
    server = on_disk(**SMALL_SEGMENTS).start()
    expected = {}
    disk.fill(leave=3 << 20)
    with server.connect() as connection:
        fill_up(connection, expected)
    for _ in range(2):
        disk.fill()
        if how == "SIGKILL":
            server.kill()
        else:
            assert server.stop() == 0, server.log()
        disk.fill()
        server.start()
        with server.connect() as connection:
            assert contents(connection) == expected
            assert_refuses_writes_clearly(connection.call("SET", "a", "x" * 300_000))
    disk.make_room()
    with server.connect() as connection:
        assert_resumes(connection)
        assert contents(connection) == expected


def test_first_start_on_a_full_disk(on_disk, disk):
    """Refused with one line that says why; with room it starts, and there is nothing to clean up."""
    disk.fill()
    server = on_disk()
    with pytest.raises(StartError) as refusal:
        server.start()
    assert "exit status 1" in str(refusal.value)
    assert len(complaints(server.log())) == 1 and "No space left on device" in server.log()
    disk.make_room()
    server.start()
    with server.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
    assert_tidy(server_on(server, disk))


@pytest.mark.parametrize("leave", [0, 200_000])
def test_rewrite_fills_the_disk(on_disk, disk, leave):
    """The new base does not fit: the rewrite fails, is logged and counted, gives its space back, and writes go on."""
    server = on_disk(**SMALL_SEGMENTS).start()
    expected = {b"key:%d" % i: b"%d:" % i + b"x" * 20_000 for i in range(150)}
    with server.connect() as connection:
        for key, value in expected.items():
            assert connection.call("SET", key, value) == b"OK"
        disk.fill(leave=1_500_000 + leave)
        before = disk.free()
        assert not rewrite(connection)
        assert "No space left on device" in server.log() and "rewrite failed" in server.log()
        wait_until(lambda: disk.free() > before - (600 << 10))
        assert contents(connection) == expected
        fill_up(connection, expected, prefix="more")
        assert_full(connection, expected)
        disk.make_room()
        assert_resumes(connection)
        assert rewrite(connection)
        assert contents(connection) == expected
    server.restart(kill=True)
    with server.connect() as connection:
        assert contents(connection) == expected
    assert_tidy(server_on(server, disk))


def test_rewrite_when_full(on_disk, disk):
    """Asked for on a disk that is full already: it fails, or waits until there is room; nothing else changes."""
    server = on_disk(**SMALL_SEGMENTS).start()
    expected = {}
    disk.fill(leave=3 << 20)
    with server.connect() as connection:
        fill_up(connection, expected)
        disk.fill()
        assert b"started" in connection.call("BGREWRITEAOF")
        time.sleep(0.3)
        assert_full(connection, expected)
        disk.make_room()
        assert_resumes(connection)
        wait_until(lambda: info(connection)["aof_rewrite_in_progress"] == "0")
        wait_until(lambda: b"in progress" not in connection.call("BGREWRITEAOF"))
        wait_until(lambda: info(connection)["aof_rewrite_in_progress"] == "0")
        assert info(connection)["aof_last_bgrewrite_status"] == "ok"
        assert contents(connection) == expected
    server.restart(kill=True)
    with server.connect() as connection:
        assert contents(connection) == expected


def test_no_inodes_left(new_disk, new_server):
    """Room for bytes, but for no other file: refused like any other lack of space, and resumed when a file goes."""
    disk = new_disk("tmpfs", options=",nr_inodes=40")
    server = new_server(
        port=0, dir=disk.data, appendonly="yes", appendfsync="always", segment_size="64kb", **QUIET
    ).start()
    expected = {}
    with server.connect() as connection:
        fill_up(connection, expected, size=5000)
        assert_full(connection, expected)
    server.restart(kill=True)
    with server.connect() as connection:
        assert contents(connection) == expected
        assert_refuses_writes_clearly(connection.call("SET", "a", "x" * 70_000))
        for other in disk.others:
            other.unlink()
        assert_resumes(connection)
        assert contents(connection) == expected


def test_rewrite_takes_the_last_room(new_disk, new_faulty):
    """The new base fits, and leaves no room for the segment that would follow it: the rewrite is given up, so that what
    it took is there again and writes resume."""
    disk = new_disk("tmpfs", options=",nr_inodes=9")
    server = new_faulty(dir=disk.data, **QUIET).start()
    with server.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
        disk.others[0].unlink()
        # The child's file is there first.
        server.faults.add("open", "delay", delay=0.2, count=1, name="log-*", process="server")
        connection.call("BGREWRITEAOF")
        time.sleep(0.4)
        assert_resumes(connection)


def test_full_again_and_again_under_load(on_disk, disk, recording, seed, full):
    """Clients read and write while somebody fills the disk and makes room, rewrites run, and the server is killed, also
    when the disk is full. Everything that clients were told is linearizable."""
    rng = random.Random(seed)
    server = on_disk(segment_size="64kb", rewrite_every_writes=200, auto_aof_rewrite_min_size="16kb").start()
    ballast = b"x" * 100_000
    with server.connect() as connection:
        for i in range(15):
            connection.call("SET", f"ballast:{i}", ballast)
    recorded = recording(server)
    kills = refused = failed = 0
    until = time.monotonic() + (120 if full else 3)
    while time.monotonic() < until:
        disk.fill(leave=rng.choice([0, 0, 50_000, 1_600_000]))
        enough = time.monotonic() + rng.uniform(0.1, 0.8)
        with server.connect() as connection:
            while time.monotonic() < enough and info(connection)["dkv_disk_full"] == "no":
                time.sleep(0.005)
            refused += info(connection)["dkv_disk_full"] == "yes"
            failed += info(connection)["aof_last_bgrewrite_status"] == "err"
        time.sleep(rng.uniform(0, 0.1))
        if rng.random() < 0.5:
            server.kill()
            recorded.note_death()
            kills += 1
            server.start()
            time.sleep(rng.uniform(0, 0.1))
        disk.make_room()
        with server.connect() as connection:
            assert_resumes(connection, seconds=5)
            # A log that grows whenever there is room, and is rewritten only now and then, takes all of it in the end.
            wait_until(lambda: disk.free() > 6 << 20 or not connection.call("BGREWRITEAOF"), pause=0.05)
        time.sleep(rng.uniform(0.05, 0.2))
    figure(refused, "times full")
    figure(failed, "times without room for a rewrite")
    assert judge(recorded, kills) > 200
    assert refused + failed > 0
    with server.connect() as connection:
        assert all(connection.call("GET", f"ballast:{i}") == ballast for i in range(15))


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_makes_room_under_load(new_disk, new_server, kind):
    """Many times what the disk has room for is written over few keys, as fast as it goes: files of values that were
    replaced go meanwhile, nobody is refused, no rewrite is begun for them, and in the end nothing of them is left."""
    disk = new_disk(kind, megabytes=100)
    server = new_server(dir=disk.data, appendonly="yes", appendfsync="always", segment_size="1mb")
    server.start()
    load = ["redis-benchmark", "-s", server.socket, "-q", "-c", "4", "-d", "2000000", "-r", "10", "-t", "set", "-n", "400"]
    done = subprocess.run(load, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Error" not in done.stdout + done.stderr, done
    with server.connect() as connection:
        wait_until(lambda: info(connection)["dkv_value_files_unused"] == "0")
        told = info(connection)
        keys = connection.call("DBSIZE")
    assert told["aof_rewrites"] == "0" and told["dkv_value_files"] == str(keys), told
    assert "Writes are refused" not in server.log()
    assert sum(path.name.startswith("value-") for path in disk.data.iterdir()) == keys
