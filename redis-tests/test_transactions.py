"""What is special inside MULTI and EXEC beyond what the differential test mixes."""

import pytest


@pytest.mark.dkv("the log is the save file")
@pytest.mark.parametrize("rewrite", ["BGREWRITEAOF", "BGSAVE"])
@pytest.mark.parametrize("place", [0, 1])
def test_rewrite_inside_a_transaction(durable_server, rewrite, place):
    """A rewrite that a transaction asks for is put off until the transaction's unit has ended."""
    queue = [("SET", "a", "1"), ("SET", "b", "2")]
    queue.insert(place, (rewrite,))
    with durable_server.connect() as connection:
        connection.call("MULTI")
        for command in queue:
            connection.call(*command)
        replies = connection.call("EXEC")
        assert b"scheduled" in replies[place]
        assert connection.call("GET", "b") == b"2"
