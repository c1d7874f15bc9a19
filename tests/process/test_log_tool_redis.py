"""dkv-log and redis-server: what one writes, the other loads."""

import json
import random
import subprocess
import sys
import time

import pytest
from harness.resp import encode
from harness.server import is_sanitized
from log_tool import LogTool, contents, random_commands

pytestmark = pytest.mark.dkv("dkv-log")


@pytest.fixture
def log_tool(server_binary):
    return LogTool(server_binary)


@pytest.fixture
def redis(new_server, reference_binary):
    """redis(**directives): a reference server that is not started, with a log of commands."""

    def make(**directives):
        return new_server(binary=reference_binary, **{"appendonly": "yes", "aof_use_rdb_preamble": "no", **directives})

    return make


def run_commands(server, commands):
    with server.connect() as connection:
        connection.pipeline(commands)


def rewrite(server):
    with server.connect() as connection:
        connection.call("BGREWRITEAOF")
        while b"aof_rewrite_in_progress:1" in connection.call("INFO", "persistence"):
            time.sleep(0.01)


def test_export_is_loaded_by_redis(new_server, redis, log_tool, seed):
    """A base, a log behind it, units, databases, times to live, bytes of every kind."""
    rng = random.Random(seed)
    ours = new_server(appendonly="yes", appendfsync="no", auto_aof_rewrite_percentage=0).start()
    run_commands(ours, random_commands(rng, 2000))
    rewrite(ours)
    run_commands(ours, random_commands(rng, 1000))
    assert ours.stop() == 0
    theirs = redis()
    (theirs.data / "appendonly.aof").write_bytes(log_tool.bytes("export", ours.data))
    theirs.start()
    ours.start()
    assert contents(theirs) == contents(ours) != {}


def piped_into(server, commands):
    """What redis-cli --pipe made of them, which must not be an error."""
    piped = subprocess.run(["redis-cli", "-s", server.socket, "--pipe"], input=commands, capture_output=True, timeout=120, check=True)
    assert b"errors: 0" in piped.stdout, piped.stdout


def set_hashes(connection, field_times):
    """Hashes of every form: in an entry, a listpack beside it, a large one; with times of fields, or without."""
    for name, count, size in (("inline", 5, 10), ("listpack", 100, 60), ("longer", 5, 300), ("large", 30000, 20), ("mixed", 700, 3)):
        pairs = [(f"field:{i}".encode(), b"%d:" % i + b"x" * size if i % 3 else b"%d" % i) for i in range(count)]
        for at in range(0, count, 1000):
            connection.call("HSET", name, *[word for pair in pairs[at : at + 1000] for word in pair])
        if field_times:
            names = [pair[0] for pair in pairs[::2]]
            for at in range(0, len(names), 1000):
                some = names[at : at + 1000]
                connection.call("HPEXPIREAT", name, 4 * 10**12 + at, "FIELDS", len(some), *some)
    connection.call("HSET", "binary", b"\xff\0\r\n", b"*1\r\n$4\r\nPING\r\n", "", "an empty name", "an empty value", "")
    connection.call("EXPIRE", "inline", 100000)
    connection.call("EXPIRE", "large", 100000)


@pytest.mark.parametrize("rewritten", [False, True], ids=["log", "base and log"])
@pytest.mark.parametrize("field_times", [False, True], ids=["plain", "times"])
def test_hashes_of_every_form(new_server, redis, log_tool, request, tmp_path, rewritten, field_times):
    """Export of hashes small and large, from a base that holds blocks and pieces of them and from a log, gives a server
    that knows nothing of dkv's own commands the same data, times of fields too where it knows those; and back."""
    ours = new_server(appendonly="yes", appendfsync="no", auto_aof_rewrite_percentage=0).start()
    with ours.connect() as connection:
        set_hashes(connection, field_times)
        if rewritten:
            rewrite(ours)
            connection.call("HDEL", "large", *[f"field:{i}" for i in range(0, 30000, 100)])
            connection.call("HSET", "mixed", "field:1", "changed", "new", "1")
    expected = contents(ours, field_times)
    assert ours.stop() == 0
    assert log_tool.verify(ours.data)["ok"]
    exported = log_tool.bytes("export", ours.data)
    assert b"DKV." not in exported
    theirs = (redis if not field_times else lambda: new_server(binary=request.getfixturevalue("newer_binary"), appendonly="yes", aof_use_rdb_preamble="no"))()
    theirs.start()
    piped_into(theirs, exported)
    assert contents(theirs, field_times) == expected != {}
    rewrite(theirs)
    theirs.kill()
    back, _ = import_and_start(new_server, log_tool, theirs.data / "appendonlydir", tmp_path / "back")
    assert contents(back, field_times) == expected


def test_hashes_in_history(new_server, log_tool, tmp_path, seed):
    """Show tells of a hash as of a key, with the commands that make it in place of what the base holds; restore brings
    back hashes as they were at a moment, with the times of their fields."""
    rng = random.Random(seed)
    ours = new_server(appendonly="yes", appendfsync="no", auto_aof_rewrite_percentage=0, history_bases=5).start()
    run_commands(ours, random_commands(rng, 1000, field_times=True))
    with ours.connect() as connection:
        set_hashes(connection, True)
    rewrite(ours)
    run_commands(ours, random_commands(rng, 500, field_times=True))
    with ours.connect() as connection:
        connection.call("SELECT", 0)
        connection.call("HSET", "mixed", "mark", "1")
        then = contents(ours, field_times=True)
        connection.call("WAITAOF", 1, 0, 10000)
    time.sleep(0.05)
    moment = time.time()
    time.sleep(0.05)
    run_commands(ours, random_commands(rng, 500, field_times=True))
    with ours.connect() as connection:
        connection.call("SELECT", 0)
        connection.call("DEL", "large", "mixed")
    rewrite(ours)
    now = contents(ours, field_times=True)
    assert ours.stop() == 0
    log_tool("restore", ours.data, "--to", f"@{moment:.3f}", "--into", tmp_path / "then")
    restored = new_server(appendonly="yes", dir=tmp_path / "then").start()
    assert contents(restored, field_times=True) == then
    assert restored.stop() == 0
    shown = log_tool.commands(tmp_path / "then", "--base", "--key", "mixed")
    words = [command["command"] for command in shown]
    assert not [command for command in words if command[0].upper().startswith("DKV.")]
    assert ["HSET", "mixed", "mark", "1"] in words and any(command[:2] == ["HPEXPIREAT", "mixed"] for command in words)
    assert b'"HPEXPIREAT" "mixed"' in log_tool.bytes("show", "--base", "--key", "mixed", tmp_path / "then")
    hashes = sum(isinstance(value, dict) for value, _ in then.values())
    assert f"types         string {len(then) - hashes}, hash {hashes}\n" in log_tool("stat", tmp_path / "then")
    types = json.loads(log_tool.bytes("stat", "--json", tmp_path / "then"))["keys_by_type"]
    assert types == {"string": len(then) - hashes, "hash": hashes}
    ours.start()
    assert contents(ours, field_times=True) == now


def test_hashes_before_damage_survive_repair(new_server, log_tool):
    """The base holds hashes of every form, the log behind it has changed them, and its end is lost."""
    ours = new_server(appendonly="yes", appendfsync="no", auto_aof_rewrite_percentage=0).start()
    with ours.connect() as connection:
        set_hashes(connection, True)
        rewrite(ours)
        connection.call("HDEL", "large", *[f"field:{i}" for i in range(0, 30000, 100)])
        connection.call("HSET", "mixed", "field:1", "changed", "new", "1")
    kept = contents(ours, field_times=True)
    assert ours.stop() == 0
    ours.start()
    with ours.connect() as connection:
        connection.call("HSET", "mixed", "lost", "what is cut", "field:3", "lost, too")
    assert ours.stop() == 0
    log = max(ours.data.glob("log-*.dkv"))
    log.write_bytes(log.read_bytes().partition(b"what is cut")[0])
    assert not log_tool.verify(ours.data)["ok"]
    log_tool("repair", "--yes", "--accept-loss", ours.data)
    ours.start()
    assert contents(ours, field_times=True) == kept


def test_export_of_a_huge_hash_takes_little_memory(new_server, log_tool):
    """A base holds a large hash in pieces, and export makes them plain one by one: its memory does not grow with it."""

    def peak_kb(count):
        ours = new_server(appendonly="yes", appendfsync="no").start()
        with ours.connect() as connection:
            for at in range(0, count, 10000):
                connection.call("HSET", "h", *[word for i in range(at, at + 10000) for word in (f"field:{i}", "x" * 50)])
        rewrite(ours)
        assert ours.stop() == 0
        script = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
        script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        command = [sys.executable, "-c", script, log_tool.binary, "export", str(ours.data)]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    if is_sanitized(log_tool.binary):
        pytest.skip("a sanitizer keeps what was freed")
    small, large = peak_kb(20_000), peak_kb(400_000)
    # 400,000 fields take 30 MB, in a file or in memory.
    assert large < small + 12_000, (small, large)


def test_show_is_taken_by_redis_cli(new_server, redis, log_tool, seed):
    """The log alone, through redis-cli --pipe; and only what was written since a moment."""
    rng = random.Random(seed)
    ours = new_server(appendonly="yes", appendfsync="no", auto_aof_rewrite_percentage=0).start()
    theirs = redis().start()
    run_commands(ours, random_commands(rng, 1000))
    time.sleep(0.05)
    half = len(log_tool.commands(ours.data))
    moment = time.time()
    run_commands(ours, random_commands(rng, 1000))
    assert ours.stop() == 0
    commands = log_tool.commands(ours.data)
    assert half < len(commands)
    # Units are shown whole: a place within one would show it twice.
    second = commands[half].get("unit", commands[half]["lsn"])
    for options in (["--to", second], ["--since", f"{moment:.3f}"]):
        part = log_tool.bytes("show", "--resp", *options, ours.data)
        piped = subprocess.run(
            ["redis-cli", "-s", theirs.socket, "--pipe"], input=part, capture_output=True, timeout=60, check=True
        )
        assert b"errors: 0" in piped.stdout, piped.stdout
    ours.start()
    assert contents(theirs) == contents(ours) != {}


def import_and_start(new_server, log_tool, source, folder):
    text = log_tool("import", source, "--into", folder)
    assert log_tool.verify(folder)["ok"]
    return new_server(appendonly="yes", dir=folder).start(), text


@pytest.mark.parametrize("timestamps", ["no", "yes"])
def test_import_of_a_folder(new_server, redis, log_tool, tmp_path, seed, timestamps):
    """What redis-server keeps in several files, base and increments, with annotations or without."""
    rng = random.Random(seed)
    theirs = redis(aof_timestamp_enabled=timestamps).start()
    run_commands(theirs, random_commands(rng, 1000))
    rewrite(theirs)
    run_commands(theirs, random_commands(rng, 2000))
    expected = contents(theirs)
    theirs.kill()
    ours, text = import_and_start(new_server, log_tool, theirs.data / "appendonlydir", tmp_path / "new")
    assert contents(ours) == expected != {}
    assert f"{len(expected)} keys" in text
    # Redis's data folder says as much.
    other, _ = import_and_start(new_server, log_tool, theirs.data, tmp_path / "other")
    assert contents(other) == expected
    assert any("unit" in command for command in log_tool.commands(tmp_path / "new")), "units are kept as such"


def test_import_of_files_without_select(new_server, redis, log_tool, tmp_path):
    """A file of Redis's begins in database 0, wherever the one before it ended: as redis-server loads it."""
    theirs = redis()
    parts = theirs.data / "appendonlydir"
    parts.mkdir()
    files = [("base", 1, b"SELECT 3", b"SET a 1"), ("incr", 1, b"SET b 2", b"SELECT 5"), ("incr", 2, b"SET c 3")]
    manifest = ""
    for kind, number, *commands in files:
        name = f"appendonly.aof.{number}.{kind}.aof"
        manifest += f"file {name} seq {number} type {kind[0]}\n"
        (parts / name).write_bytes(b"".join(encode(*command.split()) for command in commands))
    (parts / "appendonly.aof.manifest").write_text(manifest)
    theirs.start()
    ours, _ = import_and_start(new_server, log_tool, parts, tmp_path / "new")
    assert contents(ours) == contents(theirs)
    assert set(contents(ours)) == {(3, b"a"), (0, b"b"), (0, b"c")}


def test_import_keeps_times(new_server, redis, log_tool, tmp_path):
    """Annotations become the times of frames, so that the imported log can be restored to them."""
    theirs = redis(aof_timestamp_enabled="yes").start()
    run_commands(theirs, [("SET", "a", "1")])
    time.sleep(1.1)
    between = time.time()
    time.sleep(1.1)
    run_commands(theirs, [("SET", "b", "2")])
    theirs.kill()
    log_tool("import", theirs.data, "--into", tmp_path / "new")
    log_tool("restore", tmp_path / "new", "--to", f"@{between:.3f}", "--into", tmp_path / "then")
    ours = new_server(appendonly="yes", dir=tmp_path / "then").start()
    assert {key for _, key in contents(ours)} == {b"a"}


def test_there_and_back(new_server, redis, log_tool, tmp_path, seed):
    """Export, load, rewrite, import: the same data at the end."""
    rng = random.Random(seed)
    ours = new_server(appendonly="yes", appendfsync="no").start()
    run_commands(ours, random_commands(rng, 2000))
    expected = contents(ours)
    assert ours.stop() == 0
    theirs = redis()
    (theirs.data / "appendonly.aof").write_bytes(log_tool.bytes("export", ours.data))
    theirs.start()
    rewrite(theirs)
    theirs.stop()
    back, _ = import_and_start(new_server, log_tool, theirs.data, tmp_path / "back")
    assert contents(back) == expected != {}


def test_import_of_a_cut_file(new_server, redis, log_tool, tmp_path):
    """What was cut off at the end is left out, and told; a unit that was not finished goes as a whole."""
    theirs = redis().start()
    run_commands(theirs, [("SET", "a", "1"), ("MULTI",), ("SET", "b", "2"), ("SET", "c", "3"), ("EXEC",)])
    theirs.kill()
    log = next((theirs.data / "appendonlydir").glob("*.incr.aof"))
    log.write_bytes(log.read_bytes()[:-3])
    ours, text = import_and_start(new_server, log_tool, log, tmp_path / "new")
    assert {key for _, key in contents(ours)} == {b"a"}
    assert "are left out" in text


def test_import_refuses_what_it_cannot_read(redis, log_tool, tmp_path):
    """A snapshot, a type that is not there yet, something else: one line that says what to do, and nothing is made."""
    theirs = redis(aof_use_rdb_preamble="yes").start()
    run_commands(theirs, [("SET", "a", "1")])
    rewrite(theirs)
    run_commands(theirs, [("LPUSH", "l", "v")])
    theirs.kill()
    text = log_tool("import", theirs.data, "--into", tmp_path / "new", status=1)
    assert "aof-use-rdb-preamble no" in text and "BGREWRITEAOF" in text
    increment = sorted((theirs.data / "appendonlydir").glob("*.incr.aof"))[-1]
    text = log_tool("import", increment, "--into", tmp_path / "new", status=1)
    assert "LPUSH" in text and "offset" in text
    for other in ("/dev/null/x", tmp_path, "/bin/true"):
        assert log_tool("import", other, "--into", tmp_path / "new", status=1).count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_import_into_what_cannot_be_a_folder(log_tool, tmp_path):
    """The reason is told: only a folder that has something in it is not an empty one."""
    log = tmp_path / "log.aof"
    log.write_bytes(encode("SET", "a", "1"))
    for into, reason in (("x" * 300, "File name too long"), (log / "x", "Not a directory"), (log, "Not a directory"),
                         (tmp_path, "is not an empty folder")):  # fmt: skip
        assert reason in log_tool("import", log, "--into", tmp_path / into, status=1)
