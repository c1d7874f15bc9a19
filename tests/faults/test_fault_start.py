"""Every call of a start fails once: it starts with the right data all the same, or one line says why not and the exit
status is 1. The next start finds everything, and nothing has to be cleaned up."""

import random
import time

import pytest
from faults import CALLS
from folders import SHAPES, Template, contents, set_many
from harness.figures import figure
from judging import ERRORS, assert_clear_refusal, assert_clear_stop, is_final, strike

pytestmark = pytest.mark.dkv("which calls it makes")


@pytest.fixture(params=list(SHAPES))
def prepared(request, new_faulty):
    """A server, and the folder to start it from."""
    server = new_faulty(segment_size="64kb", auto_aof_rewrite_percentage=0)
    return server, Template(server, request.param)


def calls_of_start(server, template):
    template.copy_to(server)
    server.faults.trace()
    server.start()
    calls = server.faults.traced()
    server.kill()
    server.faults.trace(False)
    return calls


def assert_right(server, found):
    """The data is as it was, and it takes a write, which is gone again afterwards unless that is cut short."""
    with server.connect() as connection:
        holds = contents(connection)
        holds.pop(b"written", None)
        assert holds == found
        assert connection.call("SET", "written", "1") == b"OK"
        assert connection.call("DEL", "written") == 1


def start_struck(server, template, number, call, what):
    """Starts with one call that fails; whether it came up."""
    template.copy_to(server)
    server.faults.clear()
    strike(server.faults, CALLS, what, at=number + 1, count=1)
    at = server.log_size()
    refusal = server.try_start()
    if refusal is not None:
        assert_clear_refusal(server, refusal, server.log_since(at), what)
        return False
    # What it does once it is ready may meet the fault just as well.
    deadline = time.monotonic() + (5 if is_final(call.call, what) else 0)
    while time.monotonic() < deadline and server.running():
        time.sleep(0.002)
    try:
        assert_right(server, template.found)
        server.kill()
    except (ConnectionError, FileNotFoundError):
        assert_clear_stop(server, server.wait(), server.log_since(at), what)
        return False
    assert not is_final(call.call, what), f"{call} met {what}, and it went on; log:\n{server.log_since(at)}"
    return True


def test_every_call_of_a_start_fails(prepared, full, seed):
    server, template = prepared
    rng = random.Random(seed)
    swept, started = 0, 0
    for number, call in enumerate(calls_of_start(server, template)):
        for what in ERRORS[call.call] if full else [rng.choice(ERRORS[call.call])]:
            print(f"call {number}, {call.call} of {call.name}: {what}")
            started += start_struck(server, template, number, call, what)
            server.faults.clear()
            server.start()
            assert_right(server, template.found)
            server.kill()
            swept += 1
    print(f"{started} faults did not keep it from starting")
    figure(swept, "fault points")
    assert swept > 20 and swept > started


def test_every_call_of_a_start_crashes(prepared, full):
    """SIGKILL at every call of a start; and, in the full run, at every call of the start after that one too."""
    server, template = prepared
    swept = 0
    for number in range(len(calls_of_start(server, template))):
        template.copy_to(server)
        for again in range(2 if full else 1):
            server.faults.clear()
            server.faults.add(CALLS, "crash", at=number + 1, count=1)
            server.try_start()
            server.kill()
            swept += 1
        server.faults.clear()
        server.start()
        assert_right(server, template.found)
        server.kill()
    figure(swept, "fault points")


def test_slow_disk_at_start(new_faulty):
    """While recovery waits for the disk, clients that come early are told so, and served when it is done."""
    server = new_faulty()
    template = Template(server, "history")
    template.copy_to(server)
    server.faults.add(["read", "write", "fdatasync", "fsync"], "delay", delay=0.01)
    server.start()
    with server.connect() as connection:
        assert contents(connection) == template.found


def test_folder_that_cannot_be_made_durable(new_faulty):
    """A new folder's own name is not certain to survive until the folder above was synced: no start without that."""
    server = new_faulty()
    server.data.rmdir()
    server.faults.add("fsync", name="..")
    at = server.log_size()
    assert_clear_refusal(server, server.try_start(), server.log_since(at), "EIO")


@pytest.mark.parametrize("call", ["open", "read"])
def test_segment_that_cannot_be_looked_at_stays(new_faulty, call):
    """An older MANIFEST was put back, so that there are segments which it does not name. They are left alone as long as
    they may hold something, and that is not known while they cannot be read."""
    server = new_faulty(segment_size="64kb", auto_aof_rewrite_percentage=0).start()
    with server.connect() as connection:
        set_many(connection, 0, 10)
        older = (server.data / "MANIFEST").read_bytes()
        set_many(connection, 10, 200)
    assert server.stop() == 0
    (server.data / "MANIFEST").write_bytes(older)
    later = sorted(server.data.glob("log-*.dkv"))[1:]
    assert later
    for number in range(1, 4):
        server.faults.clear()
        for path in later:
            server.faults.add(call, at=number, count=1, name=path.name)
        assert server.try_start() is not None
        assert all(path.exists() for path in later)
