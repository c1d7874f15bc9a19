"""What operators scrape and look at over HTTP: /metrics, /stats, /healthz, /readyz, and the table at the end."""

import json
import re
import shutil
import subprocess
import time

import pytest
from harness.web import Web, web_directives

parser = pytest.importorskip("prometheus_client.parser", reason="python3-prometheus-client is not installed")

pytestmark = pytest.mark.dkv("HTTP")

# What an operator must be able to draw, by what the issue calls it.
WANTED = {
    "requests by command": "dkv_commands_total",
    "latency by command": "dkv_command_duration_seconds_bucket",
    "requests by route and status": "dkv_http_requests_total",
    "latency by route": "dkv_http_request_duration_seconds_bucket",
    "write latency": "dkv_write_wait_seconds_bucket",
    "fsync latency": "dkv_fsync_duration_seconds_bucket",
    "bytes written": "dkv_log_written_bytes_total",
    "frames written": "dkv_log_frames_written_total",
    "LSN executed": "dkv_lsn_executed",
    "LSN written": "dkv_lsn_written",
    "LSN durable": "dkv_lsn_durable",
    "segments": "dkv_log_segments",
    "stale share": "dkv_log_stale_ratio",
    "rewrites": "dkv_rewrites_total",
    "their duration": "dkv_rewrite_duration_seconds_total",
    "recovery": "dkv_recovery_duration_seconds",
    "memory": "dkv_memory_used_bytes",
    "evictions": "dkv_evicted_keys_total",
    "expirations": "dkv_expired_keys_total",
    "expirations of fields": "dkv_expired_fields_total",
    "keys by type": "dkv_keys_by_type",
    "hashes with fields that expire": "dkv_hashes_timed",
    "connections": "dkv_connections",
    "event-loop lag": "dkv_event_loop_lag_seconds_bucket",
}


@pytest.fixture
def watched(start_server):
    return start_server(**web_directives())


def scrape(web):
    """Value by series: name and its labels, in order."""
    status, fields, body = web.ask("GET", "/metrics")
    assert status == 200
    assert fields["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in parser.text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


def value(series, name, **labels):
    return series[(name, *sorted(labels.items()))]


def work(server, web):
    """Some of everything that is counted."""
    with server.connect() as connection:
        for i in range(200):
            connection.call("SET", f"key:{i % 20}", "x" * 50)
        for i in range(100):
            connection.call("GET", f"key:{i % 40}")
        connection.call("INCR", "key:1")
        connection.call("NOSUCH")
        connection.call("SET", "short", "1", "PX", "1")
        connection.call("BGREWRITEAOF")
    for path, body in (("/kv/web", b"1"), ("/kv/web", b"2")):
        assert web.ask("PUT", path, body)[0] == 200
    assert web.ask("GET", "/kv/web")[0] == 200
    assert web.ask("GET", "/kv/nothing")[0] == 404
    assert web.ask("GET", "/nowhere")[0] == 404


def test_metrics_have_all_series_and_right_values(watched):
    """Shows: after known work each series that the issue asks for is there, Prometheus' own parser reads all of it,
    and the counters say what was done."""
    web = Web(watched)
    work(watched, web)
    with watched.connect() as connection:
        while connection.call("EXISTS", "short") or b"aof_rewrite_in_progress:1" in connection.call("INFO", "persistence"):
            pass
        connection.call("WAITAOF", "1", "0", "1000")
    series = scrape(web)
    names = {key[0] for key in series}
    assert not [what for what, name in WANTED.items() if name not in names]
    assert value(series, "dkv_commands_total", command="set") == 203
    assert value(series, "dkv_commands_failed_total", command="incr") == 1
    assert value(series, "dkv_command_duration_seconds_count", command="get") == 102
    assert value(series, "dkv_command_duration_seconds_bucket", command="get", le="+Inf") == 102
    assert value(series, "dkv_http_requests_total", method="PUT", route="/kv/{key}", status="200") == 2
    assert value(series, "dkv_http_requests_total", method="GET", route="/kv/{key}", status="404") == 1
    assert value(series, "dkv_http_requests_total", method="any", route="other", status="404") == 1
    assert value(series, "dkv_http_request_duration_seconds_count", method="PUT", route="/kv/{key}") == 2
    assert value(series, "dkv_rewrites_total", result="ok") == 1
    assert value(series, "dkv_rewrite_duration_seconds_total") > 0
    assert value(series, "dkv_expired_keys_total") == 1
    assert value(series, "dkv_keys", db="0") == 21
    assert value(series, "dkv_lsn_durable") == value(series, "dkv_lsn_executed") > 10000
    assert value(series, "dkv_fsync_duration_seconds_count") > 100
    assert value(series, "dkv_event_loop_lag_seconds_count") > 100
    # 200 SETs and that of "short", two PUTs; INCR failed.
    assert value(series, "dkv_writes_total") == value(series, "dkv_write_wait_seconds_count") == 203
    assert 0 < value(series, "dkv_log_stale_ratio") < 1 or value(series, "dkv_log_stale_bytes") == 0


def test_keys_by_type(watched):
    """Shows: how many keys there are of each type, and of hashes with fields that expire, is right after whatever puts,
    replaces, moves and takes away keys, and after a restart; INFO tells of such hashes and fields as Redis 8 does."""
    web = Web(watched)

    def counted():
        series = scrape(web)
        text = connection.call("INFO", "keyspace").decode()
        told = dict(re.findall(r"db(\d+):.*,subexpiry=(\d+)", text))
        found = {}
        for key, count in series.items():
            if key[0] == "dkv_keys_by_type":
                labels = dict(key[1:])
                found.setdefault(labels["db"], {})[labels["type"]] = count
        for db, types in found.items():
            assert sum(types.values()) == value(series, "dkv_keys", db=db)
            assert int(told.get(db, 0)) == value(series, "dkv_hashes_timed", db=db)
        stats = json.loads(web.ask("GET", "/stats")[2])["keyspace"]
        for one in stats["databases"]:
            assert one["types"] == found[str(one["db"])] and one["timed_hashes"] == int(told.get(str(one["db"]), 0))
        assert sum(stats["types"].values()) == stats["keys"]
        return {db: (types["string"], types["hash"], int(told.get(db, 0))) for db, types in found.items()}

    with watched.connect() as connection:
        for i in range(3):
            connection.call("HSET", f"h{i}", "f", "1", "g", "2")
            connection.call("SET", f"s{i}", "1")
        connection.call("HPEXPIRE", "h0", "100000", "FIELDS", "1", "f")
        connection.call("HPEXPIRE", "h1", "100000", "FIELDS", "1", "f")
        assert counted() == {"0": (3, 3, 2)}
        connection.call("SET", "h1", "a string now")
        connection.call("RENAME", "h2", "s0")
        assert counted() == {"0": (3, 2, 1)}
        connection.call("COPY", "h0", "h9", "DB", "1")
        connection.call("MOVE", "s1", "1")
        assert counted() == {"0": (2, 2, 1), "1": (1, 1, 1)}
        connection.call("HSET", "s9", "f", "1")
        connection.call("HPERSIST", "h0", "FIELDS", "1", "f")
        connection.call("SWAPDB", "0", "1")
        assert counted() == {"0": (1, 1, 1), "1": (2, 3, 0)}
        assert connection.call("HPEXPIRE", "h9", "1", "FIELDS", "2", "f", "g") == [1, 1]
        while connection.call("DBSIZE") != 1:
            pass
        assert counted() == {"0": (1, 0, 0), "1": (2, 3, 0)}
        assert b"\r\nexpired_subkeys:2\r\n" in connection.call("INFO", "stats")
        assert value(scrape(web), "dkv_expired_fields_total") == 2
    watched.restart()
    web = Web(watched)
    with watched.connect() as connection:
        assert counted() == {"0": (1, 0, 0), "1": (2, 3, 0)}
        connection.call("FLUSHALL")
        assert counted() == {}


def test_histograms_are_cumulative(watched):
    """Shows: buckets never fall with their bound, the last one is the count, and the sum is at least what the
    buckets say and no less than nothing."""
    web = Web(watched)
    work(watched, web)
    series = scrape(web)
    histograms = {}
    for (name, *labels), count in series.items():
        if name.endswith("_bucket"):
            bound = float(dict(labels)["le"])
            rest = tuple(label for label in labels if label[0] != "le")
            histograms.setdefault((name[: -len("_bucket")], rest), []).append((bound, count))
    assert len(histograms) >= 6
    for (name, labels), buckets in histograms.items():
        buckets.sort()
        counts = [count for _, count in buckets]
        assert counts == sorted(counts), name
        assert counts[-1] == series[(name + "_count", *labels)], name
        least = sum(low * (count - before) for (low, before), (_, count) in zip(buckets, buckets[1:]))
        # A tick's length is measured, so that bounds and sum may differ a little.
        assert series[(name + "_sum", *labels)] >= 0.98 * least - 1e-6, name


def test_counters_only_grow(watched):
    """Shows: whatever is called a counter does not fall while the server runs, not by the least: to Prometheus it would
    have begun anew, and all of it would count once more."""
    web = Web(watched)
    work(watched, web)
    while value(scrape(web), "dkv_uptime_seconds") < 0.2:
        time.sleep(0.05)
    before = scrape(web)
    for _ in range(5):
        after = scrape(web)
        for key, count in before.items():
            if key[0].endswith(("_total", "_count", "_bucket", "_sum")):
                assert after[key] >= count, key
        before = after


def test_promtool_has_no_complaint(watched):
    """Shows: promtool, which also knows the conventions of naming, says nothing. Where it is installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus, 20 MB; its parser was used above)")
    web = Web(watched)
    work(watched, web)
    done = subprocess.run([promtool, "check", "metrics"], input=web.get("/metrics"), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_memory_only(start_server):
    """Shows: without a log nothing is told of one, in either form."""
    web = Web(start_server(appendonly="no", **web_directives()))
    assert "dkv_fsync" not in web.get("/metrics")
    stats = web.stats()
    assert "log" not in stats
    assert stats["server"]["appendfsync"] == "none"


def test_stats_follow_the_work(watched):
    """Shows: /stats is JSON whose counts grow by what was done in between, with the slow log's words in it."""
    web = Web(watched)
    with watched.connect() as connection:
        connection.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
        before = web.stats()
        connection.call("SET", "<b>", b"\xff\x00")
        connection.call("GET", "<b>")
        connection.call("CONFIG", "SET", "slowlog-log-slower-than", "-1")
    status, fields, body = web.ask("GET", "/stats")
    assert (status, fields["Content-Type"]) == (200, "application/json")
    after = json.loads(body)
    assert after["commands"]["writes"] - before["commands"]["writes"] == 1
    assert after["commands"]["reads"] - before["commands"]["reads"] == 1
    assert after["keyspace"]["keys"] == 1
    assert ["SET", "<b>", "\\xff\0"] in [slow["words"] for slow in after["slow"]]
    assert b"<" not in body


def test_ready_and_alive(watched, new_server):
    """Shows: both are answered to anybody, without a password."""
    web = Web(watched)
    assert web.get("/healthz") == "ok\n"
    assert web.get("/readyz") == "ready\n"
    locked = new_server(requirepass="secret", **web_directives())
    locked.start()
    web = Web(locked)
    assert web.get("/healthz") == "ok\n"
    assert web.get("/readyz") == "ready\n"


def test_summary_at_the_end(watched):
    """Shows: a stop logs one table of what was asked for, most often first."""
    web = Web(watched)
    work(watched, web)
    watched.stop()
    lines = [line.split(" * ", 1)[1] for line in watched.log().splitlines() if " * " in line]
    head = next(i for i, line in enumerate(lines) if line.startswith("requests "))
    rows = [line for line in lines[head + 1 :] if line.startswith("  ")]
    assert re.fullmatch(r"  set +203 +0( +[\d.]+ [num]?s){3}", rows[0]), rows
    assert re.fullmatch(r"  get +102 +0( +[\d.]+ [num]?s){3}", rows[1]), rows
    assert any(re.fullmatch(r"  PUT /kv/\{key\} +2 +0( +[\d.]+ [num]?s){3}", row) for row in rows), rows
    assert len(rows) <= 13
