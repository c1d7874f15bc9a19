"""dkv-log on the folders of real servers: looking, verifying, repairing, restoring."""

import json
import random
import subprocess
import threading
import time

import pytest
from harness.figures import figure
from harness.server import StartError
from log_tool import LogTool, flip, snapshot

pytestmark = pytest.mark.dkv("dkv-log")

SMALL = {"appendonly": "yes", "appendfsync": "no", "segment_size": "64kb", "auto_aof_rewrite_percentage": 0}


@pytest.fixture
def log_tool(server_binary):
    return LogTool(server_binary)


def wait_for_rewrite(connection):
    while b"aof_rewrite_in_progress:1" in connection.call("INFO", "persistence"):
        time.sleep(0.01)


def count_up(server, count, begin=0):
    """Key after key, each a unit of its own: how many there are tells how long a prefix is."""
    with server.connect() as connection:
        for at in range(begin, begin + count, 50):
            connection.pipeline([("SET", f"key:{i}", f"value-{i}" * 3) for i in range(at, min(at + 50, begin + count))])


@pytest.fixture
def counted(new_server):
    """counted(history_bases=2, rewrites=2): a stopped server whose keys were counted up, 1000 at a time."""

    def make(rewrites=0, **directives):
        server = new_server(**{**SMALL, **directives}).start()
        for i in range(rewrites + 1):
            count_up(server, 1000, i * 1000)
            with server.connect() as connection:
                if i < rewrites:
                    connection.call("BGREWRITEAOF")
                    wait_for_rewrite(connection)
        assert server.stop() == 0
        server.count = (rewrites + 1) * 1000
        return server

    return make


def prefix_of(server):
    """How many keys there are, having seen that they are the first ones."""
    with server.connect() as connection:
        size = connection.call("DBSIZE")
        values = connection.pipeline([("GET", f"key:{i}") for i in range(size)])
    assert values == [b"value-%d" % i * 3 for i in range(size)]
    return size


# --- verify -----------------------------------------------------------------------------------------------------------


def test_a_whole_folder(counted, log_tool):
    server = counted(rewrites=2, history_bases=5)
    report = log_tool.verify(server.data)
    assert report["ok"] and not report["damage"] and not report["in_use"]
    assert report["durable_lsn"] == report["end_lsn"]
    assert sum(file["commands"] for file in report["files"] if file["kind"] == "log") == server.count
    assert "all is well" in log_tool("verify", server.data)
    assert "nothing to repair" in log_tool("repair", "--yes", server.data)


def test_a_restart_right_behind_a_rewrite(new_server, log_tool):
    """The server then does not know which database the stream has selected: what it writes fits behind what it wrote
    before, in history, all the same."""
    server = new_server(history_bases=5).start()
    with server.connect() as connection:
        connection.call("SELECT", "1")
        connection.call("SET", "before", "1")
        connection.call("BGREWRITEAOF")
        wait_for_rewrite(connection)
    server.kill()
    server.start()
    with server.connect() as connection:
        connection.call("SET", "behind", "0")
    assert server.stop() == 0
    assert log_tool.verify(server.data)["ok"]
    text = log_tool("show", server.data)
    assert '1  "SET" "before"' in text and '0  "SET" "behind"' in text


def test_every_damage_is_named(counted, log_tool, seed):
    """A flipped byte is found in the right file, within the right offsets; recovery finds it, too, unless it is in
    history."""
    rng = random.Random(seed)
    server = counted(rewrites=2, history_bases=5)
    files = log_tool.verify(server.data)["files"]
    for _ in range(40):
        file = rng.choice(files)
        path = server.data / file["name"]
        used = file["bytes"] if file["kind"] == "base" else len(path.read_bytes().rstrip(b"\0"))
        # What the last closing frame says is a courtesy; a torn one is no damage.
        offset = rng.randrange(used - (100 if file == files[-1] else 0))
        flip(path, offset)
        report = log_tool.verify(server.data)
        assert [damage["file"] for damage in report["damage"]] == [file["name"]], (offset, report)
        damage = report["damage"][0]
        assert damage["offset"] <= offset < damage["offset_end"] and damage["at_stake"]
        if not file["history"]:
            with pytest.raises(StartError) as refusal:
                server.start()
            assert file["name"] in str(refusal.value) and "dkv-log" in str(refusal.value)
        flip(path, offset)
    assert log_tool.verify(server.data)["ok"]


def test_a_damaged_header_says_what_is_at_stake(counted, log_tool):
    """A server starts without the header of a file that is only kept for going back, and says nothing of it."""
    server = counted(history_bases=2, rewrites=2)
    for file in log_tool.verify(server.data)["files"]:
        flip(server.data / file["name"], 3)
        (damage,) = log_tool.verify(server.data)["damage"]
        assert damage["kind"] == "header" and ("start of a server" in damage["at_stake"]) == (not file["history"])
        if file["history"]:
            server.start()
            assert server.stop() == 0
        else:
            with pytest.raises(StartError):
                server.start()
        flip(server.data / file["name"], 3)


@pytest.mark.parametrize("share", [0, 0.5, 1], ids=["gone", "half", "but for a byte"])
def test_a_lost_end_is_named_and_accepted_when_told(counted, log_tool, share):
    """What a clean stop left is cut from outside. The frames that knew how far it reached are gone with it, but MANIFEST
    knows: the server does not start, the tool says the same, and after an explicit repair both go on from what is left."""
    server = counted(rewrites=1)
    log = max(server.data.glob("log-*.dkv"))
    end = log_tool.verify(server.data)["end_lsn"]
    start = int(log.name[4:-4])
    bytes_ = log.read_bytes()
    used = bytes_.rindex(b"value-1999value-1999value-1999") + 32
    log.unlink() if share == 0 else log.write_bytes(bytes_[: int(64 + share * (used - 1 - 64))])
    with pytest.raises(StartError) as refusal:
        server.start()
    report = log_tool.verify(server.data)
    (damage,) = report["damage"]
    assert damage["file"] == log.name and damage["lsn_end"] == report["durable_lsn"] == end
    assert start <= damage["lsn"] < end and (share == 0) == (damage["lsn"] == start)
    for expected in [log.name, f"(LSN {damage['lsn']})", f"{end - damage['lsn']} bytes", "dkv-log repair"]:
        assert expected in str(refusal.value)
    assert f"lost: LSN {damage['lsn']} to {end}" in log_tool("repair", server.data)
    before = snapshot(server.data)
    assert "--accept-loss" in log_tool("repair", "--yes", server.data, status=1)
    assert snapshot(server.data) == before
    log_tool("repair", "--yes", "--accept-loss", server.data)
    assert log_tool.verify(server.data)["ok"]
    server.start()
    kept = prefix_of(server)
    assert kept == 1000 if share == 0 else 1000 <= kept < 2000
    assert server.stop() == 0
    assert log_tool.verify(server.data)["ok"]


def test_a_damaged_manifest_is_named(counted, log_tool):
    server = counted()
    flip(server.data / "MANIFEST", 30)
    report = log_tool.verify(server.data)
    assert [damage["file"] for damage in report["damage"]] == ["MANIFEST"]
    assert json.loads(log_tool.run("stat", "--json", "--quick", server.data).stdout)["damages"] == 1
    (server.data / "MANIFEST").unlink()
    (server.data / "MANIFEST").mkdir()
    assert f"{server.data}: cannot read MANIFEST" in log_tool("verify", server.data, status=1)


def test_reading_while_a_server_writes(new_server, log_tool, new_load, seed):
    """Nothing that a server is doing looks like damage: rotation, rewrites, recycled segments, frames half written."""
    server = new_server(**{**SMALL, "appendfsync": "always", "history_bases": 0}).start()
    count_up(server, 20000)  # so that reading takes a moment
    load = new_load(server)
    load.start(seed)
    until = time.monotonic() + 6
    done = threading.Event()

    def rewrite():
        with server.connect() as connection:
            while not done.is_set():
                connection.call("BGREWRITEAOF")
                wait_for_rewrite(connection)

    rewriting = threading.Thread(target=rewrite)
    rewriting.start()
    rounds = 0
    while time.monotonic() < until:
        report = log_tool.verify(server.data)
        assert report["ok"] and report["in_use"] and report["holder"] == server.pid, report
        log_tool("stat", server.data)
        rounds += 1
    done.set()
    rewriting.join()
    assert str(server.pid) in log_tool("verify", server.data)
    load.stop()
    figure(rounds, "folders verified under load")


# Replaces values as fast as it can: what is in the way of reading.
REWRITTEN = {**SMALL, "history_bases": 0, "value_file_threshold": "16kb"}
PAIRS = 300


class Rewriting:
    """A server that rewrites without end, while a client sets pairs of keys to the same number, always higher ones."""

    def __init__(self, server):
        self.server = server
        self.done = threading.Event()
        self.acknowledged = 0
        self.threads = [threading.Thread(target=target) for target in (self.rewrite, self.write)]

    def rewrite(self):
        with self.server.connect() as connection:
            while not self.done.is_set():
                connection.call("BGREWRITEAOF")
                wait_for_rewrite(connection)

    def write(self):
        with self.server.connect() as connection:
            number = 0
            while not self.done.is_set():
                number += 1
                large = b"%d " % number * 10000
                connection.pipeline([("MSET", f"a:{i}", number, f"b:{i}", number) for i in range(PAIRS)])
                connection.call("SET", "large", large)
                self.acknowledged = number

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        while self.acknowledged < 2:
            time.sleep(0.01)
        return self

    def __exit__(self, *exception):
        self.done.set()
        for thread in self.threads:
            thread.join()


def replay(exported):
    """What the commands of an append-only file leave: strings only."""
    state = {}
    words = []
    at = 0
    while at < len(exported):
        assert exported[at : at + 1] == b"*", exported[at : at + 40]
        end = exported.index(b"\r\n", at)
        count, at, words = int(exported[at + 1 : end]), end + 2, []
        for _ in range(count):
            end = exported.index(b"\r\n", at)
            size = int(exported[at + 1 : end])
            words.append(exported[end + 2 : end + 2 + size])
            at = end + 4 + size
        if words[0].upper() in (b"SET", b"MSET"):
            state.update(zip(words[1::2], words[2::2], strict=True))
    return state


@pytest.mark.parametrize("way", ["pipe", "file"])
def test_a_folder_that_is_rewritten_all_the_time(way, new_server, log_tool, tmp_path, pytestconfig):
    """export, show, stat and verify come to an end, however often files are replaced under them, and what they give is a
    state that was: nothing is left over from a try that was given up."""
    server = new_server(**REWRITTEN).start()
    rounds = 60 if pytestconfig.getoption("--full") else 8
    with Rewriting(server) as rewriting:
        for _ in range(rounds):
            before = rewriting.acknowledged
            if way == "pipe":
                exported = log_tool.bytes("export", server.data)
            else:
                (tmp_path / "exported").write_bytes(b"")
                with open(tmp_path / "exported", "ab") as file:
                    done = log_tool.run("export", server.data, capture_output=False, stdout=file)
                assert done.returncode == 0
                exported = (tmp_path / "exported").read_bytes()
            state = replay(exported)
            assert len(state) == 2 * PAIRS + 1
            assert all(state[b"a:%d" % i] == state[b"b:%d" % i] for i in range(PAIRS))
            assert min(int(state[b"a:%d" % i]) for i in range(PAIRS)) >= before
            number = int(state[b"large"].split()[0])
            assert number >= before and state[b"large"] == b"%d " % number * 10000
            lsns = [command["lsn"] for command in log_tool.commands(server.data)]
            assert lsns == sorted(lsns)
            log_tool("verify", server.data)
            log_tool("stat", server.data)
        last = rewriting.acknowledged
    figure(4 * rounds, "readings of a folder that is rewritten all the time")
    assert last > 2


# --- repair -----------------------------------------------------------------------------------------------------------


def damage_log(server, log_tool, share=0.5):
    """Flips a byte in the middle of the log in use; the LSN where the damage begins."""
    files = log_tool.verify(server.data)["files"]
    files = [file for file in files if file["kind"] == "log" and not file["history"]]
    path = server.data / files[int(len(files) * share)]["name"]
    flip(path, len(path.read_bytes().rstrip(b"\0")) // 2)
    return log_tool.verify(server.data)["damage"][0]["lsn"]


def test_repair_tells_of_values_too(new_server, log_tool):
    """Once the log is whole again, a large value that is still missing is named, and what to do then; not called repaired."""
    server = new_server(value_file_threshold="64kb").start()
    with server.connect() as connection:
        connection.call("SET", "large", b"x" * 100_000)
        for i in range(2000):
            connection.call("SET", f"key:{i}", f"value-{i}" * 3)
    assert server.stop() == 0
    (value,) = server.data.glob("value-*.dkv")
    flip(value, 50_000)
    damage_log(server, log_tool)
    text = log_tool("repair", "--yes", "--accept-loss", server.data, status=1)
    assert "repaired: " in text and value.name in text and "export --skip-damaged" in text
    flip(value, 50_000)
    assert "nothing to repair" in log_tool("repair", "--yes", server.data)
    with server.start().connect() as connection:
        assert connection.call("GET", "large") == b"x" * 100_000
        assert connection.call("DBSIZE") < 2001


def test_export_tells_a_lost_value_from_a_replaced_one(new_server, log_tool):
    """Files of values that later commands replaced are not missed; that of a value that is still there is, and nothing takes
    its place unless that was asked for."""
    server = new_server(value_file_threshold="64kb").start()
    with server.connect() as connection:
        for byte in b"xyz":
            connection.call("SET", "large", bytes([byte]) * 100_000)
            connection.call("SET", "small", bytes([byte]))
    assert server.stop() == 0
    (value,) = server.data.glob("value-*.dkv")
    assert b"z" * 100_000 in log_tool.bytes("export", server.data)
    value.unlink()
    text = log_tool("export", server.data, status=1)
    assert value.name in text and '"large"' in text
    exported = log_tool.run("export", "--skip-damaged", server.data)
    assert exported.returncode == 0 and value.name.encode() in exported.stderr


def test_values_of_earlier_states_are_judged(new_server, log_tool, tmp_path):
    """A value that was replaced since, and that a kept base needs: damage to it is told, keeps no server from starting, and
    a restore of that state is refused instead of giving something else."""
    server = new_server(value_file_threshold="64kb", history_bases=5).start()
    with server.connect() as connection:
        connection.call("SET", "large", b"x" * 100_000)
        connection.call("BGREWRITEAOF")
        wait_for_rewrite(connection)
        (old,) = server.data.glob("value-*.dkv")
        connection.call("SET", "large", b"y" * 100_000)
        connection.call("BGREWRITEAOF")
        wait_for_rewrite(connection)
    assert server.stop() == 0
    report = log_tool.verify(server.data)
    moment = report["files"][0]["lsn"]
    assert report["ok"] and len(list(server.data.glob("value-*.dkv"))) == 2
    flip(old, 50_000)
    (damage,) = log_tool.verify(server.data)["damage"]
    assert damage["file"] == old.name and "earlier states" in damage["at_stake"]
    assert old.name == f"value-{damage['lsn']:020}-0000000000.dkv"
    text = log_tool("repair", "--yes", server.data, status=1)
    assert old.name in text and "loses nothing" in text
    assert old.name in log_tool("restore", "--to", moment, "--into", tmp_path / "then", server.data, status=1)
    with server.start().connect() as connection:
        assert connection.call("GET", "large") == b"y" * 100_000


def test_repair_shows_first(counted, log_tool):
    """Without --yes it says what would be lost, to the command, and changes nothing."""
    server = counted()
    lsn = damage_log(server, log_tool)
    before = snapshot(server.data)
    text = log_tool("repair", server.data)
    assert snapshot(server.data) == before
    assert f"LSN {lsn} to " in text and "cp -a" in text and "repair --yes" in text
    assert f"dkv-log show --from {lsn} --skip-damaged {server.data}" in text
    kept = len(log_tool.commands(server.data, "--to", lsn))
    shown = len(log_tool.commands(server.data, "--skip-damaged"))
    assert f"with {shown - kept} commands" in text
    lost = log_tool("show", "--from", lsn, "--skip-damaged", server.data)
    assert lost.count('"SET"') == shown - kept


def test_repair_gives_a_prefix(counted, log_tool):
    server = counted()
    lsn = damage_log(server, log_tool)
    kept = len(log_tool.commands(server.data, "--to", lsn))
    before = snapshot(server.data)
    with pytest.raises(StartError):
        server.start()
    assert "dkv-log show" in log_tool("repair", "--yes", server.data, status=1)
    assert snapshot(server.data) == before
    text = log_tool("repair", "--yes", "--accept-loss", server.data)
    assert "dkv-log show" not in text, "there is nothing to be seen any more"
    assert log_tool.verify(server.data)["ok"]
    after = snapshot(server.data).values()
    assert all(data in after for name, data in before.items() if name != "MANIFEST"), "something was not kept"
    server.start()
    assert prefix_of(server) == kept and 0 < kept < server.count
    # It goes on from there, through a restart.
    count_up(server, 100, kept)
    server.restart()
    assert prefix_of(server) == kept + 100
    assert server.stop() == 0
    assert log_tool.verify(server.data)["ok"]


def test_repair_falls_back_to_an_older_base(counted, log_tool):
    """Nothing is lost where history is kept."""
    server = counted(rewrites=2, history_bases=5)
    base = [file for file in log_tool.verify(server.data)["files"] if file["kind"] == "base"][-1]
    flip(server.data / base["name"], base["bytes"] // 2)
    with pytest.raises(StartError):
        server.start()
    text = log_tool("export", server.data, status=1)
    place = text.splitlines()[-1].partition(" offset ")
    assert base["name"] in place[0] and "LSN" not in place[2], "a base's bytes have no LSN of their own"
    assert "lost: nothing" in log_tool("repair", server.data)
    log_tool("repair", "--yes", server.data)
    server.start()
    assert prefix_of(server) == server.count


def test_repair_without_any_whole_base(counted, log_tool, tmp_path):
    """It says so, changes nothing, and the way out that it names works: export what can be read, and import that."""
    server = counted(rewrites=1)
    base = [file for file in log_tool.verify(server.data)["files"] if file["kind"] == "base"][0]
    flip(server.data / base["name"], base["bytes"] // 2)
    before = snapshot(server.data)
    text = log_tool("repair", "--yes", server.data, status=1)
    assert snapshot(server.data) == before
    assert "export --skip-damaged" in text
    salvaged = tmp_path / "salvaged"
    salvaged.write_bytes(log_tool.bytes("export", "--skip-damaged", server.data))
    log_tool("import", salvaged, "--into", tmp_path / "new")
    server.directives["dir"] = tmp_path / "new"
    server.start()
    with server.connect() as connection:
        assert connection.call("GET", "key:1999") == b"value-1999" * 3
        assert 1000 <= connection.call("DBSIZE") < 2000


def test_repair_of_a_lost_manifest(counted, log_tool):
    server = counted(rewrites=1, history_bases=1)
    (server.data / "MANIFEST").unlink()
    with pytest.raises(StartError):
        server.start()
    log_tool("repair", "--yes", server.data)
    server.start()
    assert prefix_of(server) == server.count


def test_repair_refuses_a_running_server(start_server, log_tool):
    server = start_server(**SMALL)
    for arguments in (["repair"], ["repair", "--yes"]):
        assert str(server.pid) in log_tool(*arguments, server.data, status=1)


def test_repair_killed_again_and_again(counted, log_tool, seed):
    """Wherever SIGKILL meets it, the next repair comes to the same state."""
    rng = random.Random(seed)
    server = counted(rewrites=1, history_bases=1)
    lsn = damage_log(server, log_tool)
    flip(server.data / "MANIFEST", 40)
    begin = [file["lsn"] for file in log_tool.verify(server.data)["files"] if not file["history"]][0]
    kept = 1000 + len(log_tool.commands(server.data, "--skip-damaged", "--from", begin, "--to", lsn))
    for _ in range(25):
        process = subprocess.Popen(
            [log_tool.binary, "repair", "--yes", "--accept-loss", server.data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(rng.uniform(0, 0.012))
        process.kill()
        process.wait()
    log_tool("repair", "--yes", "--accept-loss", server.data)
    assert log_tool.verify(server.data)["ok"]
    server.start()
    assert prefix_of(server) == kept


# --- restore ----------------------------------------------------------------------------------------------------------


def restored(server, folder):
    """Starts the server on a restored folder; how many keys there are."""
    server.directives["dir"] = folder
    server.start()
    size = prefix_of(server)
    assert server.stop() == 0
    return size


def test_restore_to_lsn(counted, log_tool, tmp_path):
    server = counted(rewrites=2, history_bases=5)
    commands = log_tool.commands(server.data)
    before = snapshot(server.data)
    for number in (0, 1, 999, 1000, 1500, 2001, 2999):
        log_tool("restore", server.data, "--to", commands[number]["lsn"], "--into", tmp_path / str(number))
    assert snapshot(server.data) == before
    for number in (0, 1, 999, 1000, 1500, 2001, 2999):
        assert restored(server, tmp_path / str(number)) == number


def test_restore_to_time(new_server, log_tool, tmp_path):
    """While the server runs. A folder that is not empty is refused, and what is not kept, with what is."""
    server = new_server(**SMALL, history_bases=5).start()
    moments = []
    for i in range(4):
        count_up(server, 100, i * 100)
        time.sleep(0.15)  # frames are written and their times lie apart
        moments.append(time.time())
        with server.connect() as connection:
            connection.call("BGREWRITEAOF")
            wait_for_rewrite(connection)
    for i, moment in enumerate(moments):
        log_tool("restore", server.data, "--to", f"@{moment:.3f}", "--into", tmp_path / str(i))
    assert "not an empty folder" in log_tool("restore", server.data, "--to", 5, "--into", tmp_path / "0", status=1)
    text = log_tool("restore", server.data, "--to", "2001-01-01", "--into", tmp_path / "x", status=1)
    assert "can be restored:" in text and "LSN 0 (" in text and not (tmp_path / "x").exists()
    assert "can be restored:" in log_tool("restore", server.data)
    assert server.stop() == 0
    assert [restored(server, tmp_path / str(i)) for i in range(4)] == [100, 200, 300, 400]


# --- show and stat ----------------------------------------------------------------------------------------------------


def test_show_as_people_read_it(start_server, log_tool):
    server = start_server(**SMALL)
    with server.connect() as connection:
        connection.call("SET", "plain", b"\x00 \"quoted\"\n")
        connection.call("SELECT", 3)
        connection.pipeline([("MULTI",), ("SET", "a", "1"), ("INCR", "a"), ("EXEC",)])
    assert server.stop() == 0
    lines = log_tool("show", server.data).splitlines()
    words = [line.split(None, 3)[2:] for line in lines]
    assert words == [
        ["0", r'"SET" "plain" "\x00 \"quoted\"\n"'],
        ["3", "MULTI"],
        ["3", '"SET" "a" "1"'],
        ["3", '"INCR" "a"'],
        ["3", "EXEC"],
    ]
    assert lines[2].index('"SET"') > lines[1].index("MULTI")
    assert log_tool("show", "--key", "pl*", server.data).count("\n") == 1
    assert log_tool("show", "--key", "b", server.data) == ""
    assert log_tool("show", "--since", "@4000000000", server.data) == ""


def test_stat(counted, log_tool):
    server = counted(rewrites=1, history_bases=1)
    text = log_tool("stat", server.data)
    assert "last rewrite  at LSN" in text and "2000 (0 with a time to live)" in text
    assert "live          about" in text and "frames a second" in text
    assert "live" not in log_tool("stat", "--quick", server.data)


def test_stat_counts_what_is_stale(new_server, log_tool):
    server = new_server(**SMALL).start()
    with server.connect() as connection:
        for i in range(2000):
            connection.call("SET", "the same", "x" * 100)
    assert server.stop() == 0
    statistics = json.loads(log_tool.bytes("stat", "--json", server.data))
    assert statistics["keys"] == 1 and statistics["live_bytes"] < 300
    assert statistics["stale_bytes"] > 0.99 * statistics["state_bytes"] > 200000
    assert statistics["log"]["commands"] == 2000
    assert sum(statistics["frames_over_time"]["frames"]) == statistics["log"]["frames"] - 1  # the closing one


def test_usage(log_tool, tmp_path):
    assert "dkv-log verify" in log_tool("--help") and "--yes" in log_tool("repair", "--help")
    assert log_tool("--version").startswith("dkv-log ")
    wrong = ("", "nothing", "show", "show --nothing x", "import x", "restore x --to 5", "show --from x y")
    for arguments in [words.split() for words in wrong]:
        text = log_tool(*arguments, status=2)
        assert text.startswith("dkv-log: ") and text.count("\n") == 1
    for command in ("show", "verify", "repair", "restore", "stat", "export"):
        for folder in (tmp_path, tmp_path / "missing", "/dev/null"):
            text = log_tool(command, folder, status=1)
            assert text.startswith("dkv-log: ") and text.count("\n") == 1
    assert log_tool.verify(tmp_path)["error"] and not log_tool.verify(tmp_path)["ok"]
    assert not (tmp_path / "missing").exists() and not list(tmp_path.iterdir())


def older_manifest(new_server):
    """A killed server's folder and how much was written, with the MANIFEST of one rotation before, and its last segment."""
    server = new_server(**{**SMALL, "appendfsync": "always"}).start()
    seen = []
    written = 0
    while len(seen) < 3:
        count_up(server, 200, written)
        written += 200
        text = (server.data / "MANIFEST").read_bytes()
        if text not in seen:
            seen.append(text)
    server.kill()
    (server.data / "MANIFEST").write_bytes(seen[-2])
    return server, sorted(server.data.glob("log-*"))[-1]


@pytest.mark.parametrize("damage", ["none", "frame", "header", "hole"])
def test_older_manifest_and_a_damaged_beginning(new_server, log_tool, damage):
    """A MANIFEST that was put back does not name the last segment, which has a damaged beginning besides: what follows in it
    was promised all the same. Nobody calls such a folder sound, and no start takes the segment away."""
    server, last = older_manifest(new_server)
    if damage == "frame":
        flip(last, 80)
    elif damage == "header":
        flip(last, 10)
    elif damage == "hole":
        with open(last, "r+b") as file:
            file.write(bytes(4096))
    before = snapshot(server.data)
    assert not log_tool.verify(server.data)["ok"]
    assert b"nothing to repair" not in log_tool.run("repair", server.data).stdout
    with pytest.raises(StartError):
        server.start()
    assert snapshot(server.data) == before


def test_manifest_of_another_folder(new_server, log_tool):
    """Another folder's MANIFEST says nothing of the files: all that is in them can be had again, and repair says so."""
    server = new_server(**{**SMALL, "appendfsync": "always"}).start()
    count_up(server, 1000)
    server.kill()
    other = new_server(**SMALL).start()
    assert other.stop() == 0
    (server.data / "MANIFEST").write_bytes((other.data / "MANIFEST").read_bytes())
    assert not log_tool.verify(server.data)["ok"]
    assert "another folder's" in log_tool("verify", server.data, status=1)
    log_tool("repair", server.data, "--yes")
    server.start()
    assert prefix_of(server) == 1000


def test_values_behind_the_end_are_put_aside(new_server, log_tool):
    """Where repair cuts the log, the large values that belong behind the cut are kept with it, under another name."""
    server = new_server(**{**SMALL, "appendfsync": "always", "value_file_threshold": "64kb"}).start()
    count_up(server, 50)
    with server.connect() as connection:
        connection.call("SET", "marked", "mark" * 10)
        connection.call("SET", "large", "x" * 200_000)
        connection.call("SET", "behind", "y")
    server.kill()
    log = sorted(server.data.glob("log-*"))[-1]
    flip(log, log.read_bytes().rindex(b"markmark"))
    value = next(server.data.glob("value-*"))
    log_tool("repair", server.data, "--yes", "--accept-loss")
    server.start()
    kept = [path for path in server.data.iterdir() if path.name.startswith(value.name) and path.name != value.name]
    assert len(kept) == 1 and kept[0].stat().st_size >= 200_000


def test_copy_that_repair_names_is_one(new_server, log_tool, tmp_path):
    """The command that repair prints for a copy names the folder itself, also where it was given a link."""
    server = new_server(**{**SMALL, "appendfsync": "always"}).start()
    count_up(server, 50)
    server.kill()
    (server.data / "MANIFEST").unlink()
    link = tmp_path / "link"
    link.symlink_to(server.data)
    real = str(server.data.resolve())
    for name in (link, f"{server.data}/"):
        assert f"cp -a {real} {real}.copy" in log_tool("repair", name)
