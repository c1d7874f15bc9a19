"""Watching a server at work: MONITOR, SLOWLOG, LATENCY, and what INFO tells of commands."""

import re

import pytest
from harness.resp import Closed, pairs, wait_until

LINE = re.compile(rb"^(\d+)\.(\d{6}) \[(\d+) ([^\]]+)\] (.*)$")


def lines(monitor, count):
    """What MONITOR shows, without its times."""
    shown = []
    for _ in range(count):
        match = LINE.match(monitor.read())
        assert match, "not a line of MONITOR"
        shown.append((int(match[3]), match[5]))
    return shown


def test_monitor(server):
    """Each command when it has run, quoted; no administration, nothing refused, no password."""
    with server.connect() as monitor, server.connect() as speaker:
        assert monitor.call("MONITOR") == b"OK"
        speaker.call("set", "k", b'a"b\\\n\x00\xff ')
        speaker.call("GET", "k")
        speaker.call("SELECT", "2")
        speaker.call("NOSUCH")
        speaker.call("CONFIG", "SET", "maxclients", "1000")
        speaker.call("AUTH", "user", "secret")
        speaker.call("HELLO", "2", "AUTH", "user", "secret")
        speaker.call("MULTI")
        speaker.call("INCR", "n")
        speaker.call("EXEC")
        speaker.call("CLIENT", "ID")
        assert lines(monitor, 9) == [
            (0, rb'"set" "k" "a\"b\\\n\x00\xff "'),
            (0, b'"GET" "k"'),
            (2, b'"SELECT" "2"'),
            (2, b'"AUTH" "(redacted)" "(redacted)"'),
            (2, b'"HELLO" "2" "AUTH" "(redacted)" "(redacted)"'),
            (2, b'"MULTI"'),
            (2, b'"INCR" "n"'),
            (2, b'"EXEC"'),
            (2, b'"CLIENT" "ID"'),
        ]
        assert b" flags=OU " in speaker.call("CLIENT", "LIST")
        assert monitor.call("GET", "k") == b"ERR Replica can't interact with the keyspace"
        monitor.send("QUIT")
        assert monitor.read() == b"OK"


def test_monitor_origin(server):
    """A client's address, or the path of the socket it came by."""
    with server.connect() as monitor, server.connect(tcp=True) as speaker, server.connect() as local:
        monitor.call("MONITOR")
        speaker.call("PING")
        local.call("PING")
        assert re.match(rb"^\d+\.\d+ \[0 127\.0\.0\.1:\d+\] \"PING\"$", monitor.read())
        assert re.match(rb"^\d+\.\d+ \[0 unix:" + re.escape(server.socket.encode()) + rb"\] \"PING\"$", monitor.read())


def test_monitor_ends_with_reset(server):
    with server.connect() as monitor, server.connect() as speaker:
        monitor.call("MONITOR")
        assert monitor.call("RESET") == b"RESET"
        speaker.call("PING")
        assert monitor.is_silent()
        assert monitor.call("GET", "k") is None


# --- SLOWLOG ---------------------------------------------------------------------------------------------------------


def test_slowlog(start_server):
    """The newest first, with who said it; what is long is cut."""
    server = start_server(slowlog_log_slower_than="0", slowlog_max_len="5")
    with server.connect(tcp=True) as speaker:
        speaker.call("CLIENT", "SETNAME", "me")
        speaker.call("SLOWLOG", "RESET")
        speaker.call("SET", "k", "v" * 200)
        speaker.call("MGET", *[f"k{i}" for i in range(40)])
        speaker.call("AUTH", "secret")
        entries = speaker.call("SLOWLOG", "GET")
        assert [entry[3][0] for entry in entries] == [b"AUTH", b"MGET", b"SET", b"SLOWLOG"]
        assert [entry[0] for entry in entries] == sorted([entry[0] for entry in entries], reverse=True)
        assert entries[0][3] == [b"AUTH", b"(redacted)"]
        assert len(entries[1][3]) == 32 and entries[1][3][31] == b"... (10 more arguments)"
        assert entries[2][3][2] == b"v" * 128 + b"... (72 more bytes)"
        assert entries[2][4].startswith(b"127.0.0.1:") and entries[2][5] == b"me"
        for _ in range(10):
            speaker.call("PING")
        assert speaker.call("SLOWLOG", "LEN") == 5
        assert len(speaker.call("SLOWLOG", "GET", "2")) == 2
        speaker.call("CONFIG", "SET", "slowlog-log-slower-than", "-1")
        speaker.call("SLOWLOG", "RESET")
        speaker.call("PING")
        assert speaker.call("SLOWLOG", "GET", "-1") == []


def test_slowlog_durations(server):
    """Only what takes longer than the threshold, and about how long that took."""
    with server.connect() as speaker:
        speaker.call("CONFIG", "SET", "slowlog-log-slower-than", "20000")
        speaker.call("SLOWLOG", "RESET")
        speaker.call("PING")
        speaker.call("DEBUG", "SLEEP", "0.05")
        entries = speaker.call("SLOWLOG", "GET")
        assert [entry[3][:2] for entry in entries] == [[b"DEBUG", b"SLEEP"]]
        assert 50_000 <= entries[0][2] < 500_000


# --- LATENCY ---------------------------------------------------------------------------------------------------------


def test_latency_events(server):
    with server.connect() as speaker:
        assert speaker.call("LATENCY", "LATEST") == []
        speaker.call("CONFIG", "SET", "latency-monitor-threshold", "20")
        speaker.call("DEBUG", "SLEEP", "0.03")
        latest = {entry[0]: entry for entry in speaker.call("LATENCY", "LATEST")}
        assert 30 <= latest[b"command"][2] < 300 and latest[b"command"][3] == latest[b"command"][2]
        history = speaker.call("LATENCY", "HISTORY", "command")
        assert history == [latest[b"command"][1:3]]
        assert speaker.call("LATENCY", "GRAPH", "command").startswith(b"command - high ")
        assert b"1. " in speaker.call("LATENCY", "DOCTOR")
        assert speaker.call("LATENCY", "RESET", "command") == 1
        assert speaker.call("LATENCY", "HISTORY", "command") == []


def test_latency_histogram(server):
    """Cumulative counts under rising bounds, for commands and for a container's subcommands."""
    with server.connect() as speaker:
        speaker.call("CONFIG", "RESETSTAT")
        for _ in range(50):
            speaker.call("SET", "k", "v")
        speaker.call("DEBUG", "SLEEP", "0.002")
        speaker.call("CONFIG", "GET", "port")
        told = speaker.call("LATENCY", "HISTOGRAM", "set", "debug", "config", "nosuch")
        told = {name: pairs(value) for name, value in pairs(told).items()}
        assert told[b"set"][b"calls"] == 50 and b"config|get" in told and b"nosuch" not in told
        counts = pairs(told[b"set"][b"histogram_usec"])
        assert list(counts) == sorted(counts) and list(counts.values()) == sorted(counts.values())
        assert list(counts.values())[-1] == 50
        assert set(counts) <= {1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16908, 33816, 67633}
        slow = pairs(told[b"debug"][b"histogram_usec"])
        assert set(slow.values()) == {1} and min(slow) >= 2113
        speaker.call("CONFIG", "SET", "latency-tracking", "no")
        speaker.call("ECHO", "x")
        assert speaker.call("LATENCY", "HISTOGRAM", "echo") == []


def section(speaker, name):
    text = speaker.call("INFO", name).decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def test_info_latencystats(start_server):
    server = start_server(latency_tracking_info_percentiles=("50", "99.9", "100"))
    with server.connect() as speaker:
        for _ in range(10):
            speaker.call("PING")
        told = section(speaker, "latencystats")["latency_percentiles_usec_ping"]
        match = re.match(r"^p50=(\d+\.\d{3}),p99\.9=(\d+\.\d{3}),p100=(\d+\.\d{3})$", told)
        assert match and float(match[1]) <= float(match[2]) <= float(match[3])


def test_info_commandstats(server):
    with server.connect() as speaker:
        speaker.call("CONFIG", "RESETSTAT")
        speaker.call("SET", "k", "v")
        speaker.call("INCR", "k")
        speaker.call("GET")
        speaker.call("CONFIG", "GET", "port")
        told = section(speaker, "commandstats")
        assert told["cmdstat_set"].startswith("calls=1,usec=")
        assert told["cmdstat_set"].endswith("rejected_calls=0,failed_calls=0")
        assert told["cmdstat_incr"].endswith("rejected_calls=0,failed_calls=1")
        assert told["cmdstat_get"].startswith("calls=0,") and told["cmdstat_get"].endswith("rejected_calls=1,failed_calls=0")
        assert "cmdstat_config|get" in told


def test_output_limit_of_subscribers(start_server):
    """A subscriber that does not read is let go when its messages take too much."""
    server = start_server(client_output_buffer_limit=("pubsub", "1mb", "0", "0"))
    with server.connect() as listener, server.connect() as speaker:
        listener.call("SUBSCRIBE", "ch")
        wait_until(lambda: speaker.call("PUBLISH", "ch", "m" * 100_000) == 0)
        with pytest.raises((Closed, ConnectionResetError)):
            while True:
                assert listener.read()[0] == b"message"
        assert b"sub=1" not in speaker.call("CLIENT", "LIST")


def test_memory_stats(server):
    """The fields that redis-server has, in its order, and figures that fit together."""
    with server.connect() as speaker:
        speaker.call("MSET", "a", "1", "b", "2")
        speaker.call("SELECT", "3")
        speaker.call("SET", "c", "v" * 1000, "EX", "100")
        told = speaker.call("MEMORY", "STATS")
        names = told[::2]
        assert names[:10] == [
            b"peak.allocated", b"total.allocated", b"startup.allocated", b"replication.backlog", b"clients.slaves",
            b"clients.normal", b"cluster.links", b"aof.buffer", b"lua.caches", b"functions.caches",
        ]  # fmt: skip
        assert names[10:12] == [b"db.0", b"db.3"] and names[-1] == b"fragmentation.bytes" and len(names) == 29
        told = dict(zip(names, told[1::2]))
        assert told[b"keys.count"] == 3 and pairs(told[b"db.3"])[b"overhead.hashtable.expires"] >= 0
        assert told[b"peak.allocated"] >= told[b"total.allocated"] > told[b"startup.allocated"] > 0
        assert told[b"clients.normal"] > 0 and float(told[b"peak.percentage"]) <= 100
        assert speaker.call("MEMORY", "PURGE") == b"OK" and speaker.call("MEMORY", "MALLOC-STATS")
        assert speaker.call("MEMORY", "DOCTOR")
