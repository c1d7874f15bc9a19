"""CONFIG SET appendonly yes on a bad day: what it leaves behind is in nobody's way (D10)."""

import pytest
from harness.resp import Error

pytestmark = pytest.mark.dkv("redis-server writes its file beside, and promises nothing until that is done")


@pytest.mark.parametrize(
    ["call", "name", "error", "at"],
    [
        ("write", "base-*", "ENOSPC", 1),
        ("fdatasync", "base-*", "EIO", 1),
        ("rename", "base-*", "EIO", 1),
        ("fdatasync", "log-*", "EIO", 2),
        ("fdatasync", "log-*", "EIO", 3),
        ("rename", "MANIFEST*", "EIO", 2),
    ],
)
def test_tried_again(new_faulty, call, name, error, at):
    """It cannot be done, and says so; the server goes on without a log. Tried again, and again, it is done as soon as the
    disk does its part, and all keys last."""
    server = new_faulty(appendonly="no").start()
    with server.connect() as connection:
        assert connection.call("SET", "before", "1") == b"OK"
        for tries in range(2):
            server.faults.add(call, error=error, name=name, at=at)
            refused = connection.call("CONFIG", "SET", "appendonly", "yes")
            assert isinstance(refused, Error) and "earlier life" not in str(refused), refused
            assert server.faults.hits() > 0
            server.faults.clear()
            assert connection.call("CONFIG", "GET", "appendonly") == [b"appendonly", b"no"]
            assert connection.call("SET", f"between:{tries}", "2") == b"OK"
        assert connection.call("CONFIG", "SET", "appendonly", "yes") == b"OK"
        assert connection.call("SET", "after", "3") == b"OK"
    server.kill()
    server.start(appendonly="yes")
    with server.connect() as connection:
        assert connection.call("MGET", "before", "between:0", "between:1", "after") == [b"1", b"2", b"2", b"3"]
