"""dkv-log never says better than it is: folders of real servers times damages, held against what had been acknowledged.

What is known here and nowhere in the folder: every key that was acknowledged, with its value. The tool is asked first, then
a server is started on a copy and asked for every key. Three claims are judged:

  verify ends with 0            the server starts and every key is there;
  "lost: nothing"               after the repair every key is there;
  "lost: LSN n to m", or        every key that is not there afterwards was written behind n, and before m unless the plan
  "lost: all that followed n"   says that there may have been more.

What a server that was killed wrote last is on record in the log alone. If that end is cut off between two frames nobody can
see it, the server neither. There, and only there, the tool may be wrong, and has to say so: "nothing that can be seen"."""

import json
import os
import random
import re
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from harness.figures import figure
from harness.server import StartError
from log_tool import LogTool, flip

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "faults"))
from faults import Faults, build_interposer  # noqa: E402

pytestmark = pytest.mark.dkv("dkv-log")

# Of the damages of each kind of folder, so many are tried, and as many with --full.
CASES = 7
CASES_FULL = 40

Folder = namedtuple("Folder", "path known written ended earlier")


@pytest.fixture
def log_tool(server_binary):
    return LogTool(server_binary)


@pytest.fixture(scope="module")
def interposer(tmp_path_factory):
    return build_interposer(tmp_path_factory.mktemp("interposer"))


# --- folders ----------------------------------------------------------------------------------------------------------


def wait_for_rewrite(connection):
    while b"aof_rewrite_in_progress:1" in connection.call("INFO", "persistence"):
        pass


def write(connection, known, begin, end, size=60, large=0):
    """Keys of their own and, again and again, the same few. Every large-th value lies in a file."""
    commands = []
    for i in range(begin, end):
        key = f"key:{i}" if i % 3 else f"same:{i % 7}"
        value = b"%d " % i * (30_000 if large and i % large == 0 else size // 5)
        commands.append(("SET", key, value))
        known[key.encode()] = value
    for i in range(0, len(commands), 20):
        assert all(reply == "OK" or reply == b"OK" for reply in connection.pipeline(commands[i : i + 20]))


ALWAYS = {"appendonly": "yes", "appendfsync": "always", "auto_aof_rewrite_percentage": 0, "value_load": "first-use"}
# name: directives, rewrites, whether every so-manieth value is large, how it ends
KINDS = {
    "one log, stopped": ({}, 0, 0, "stop"),
    "one log, killed": ({}, 0, 0, "kill"),
    "segments, stopped": ({"segment_size": "64kb"}, 0, 0, "stop"),
    "segments, everysec, killed": ({"segment_size": "64kb", "appendfsync": "everysec"}, 0, 0, "kill"),
    "base, no sync, killed": ({"segment_size": "64kb", "appendfsync": "no", "history_bases": 0}, 2, 0, "kill"),
    "base, nothing behind it, killed": ({"segment_size": "64kb", "history_bases": 0}, -1, 0, "kill"),
    "history, stopped": ({"segment_size": "64kb", "history_bases": 5}, 2, 0, "stop"),
    "history, everysec, killed": ({"history_bases": 5, "appendfsync": "everysec"}, 2, 0, "kill"),
    "values, stopped": ({"value_file_threshold": "64kb", "history_bases": 0}, 1, 40, "stop"),
    "values and history, killed": ({"value_file_threshold": "64kb", "history_bases": 3}, 1, 40, "kill"),
    "values, copied in use": ({"value_file_threshold": "64kb"}, 1, 40, "copy"),
    "stopped, started, killed": ({"segment_size": "64kb"}, 0, 0, "again"),
}


@pytest.fixture
def make_folder(new_server, log_tool, tmp_path):
    def make(kind):
        directives, rewrites, large, end = KINDS[kind]
        server = new_server(**{**ALWAYS, **directives}).start()
        known = {}
        earlier = []
        with server.connect() as connection:
            for i in range(abs(rewrites) + 1):
                if rewrites >= 0 or i == 0:
                    write(connection, known, i * 500, i * 500 + 500, 200, large)
                earlier.append((server.data / "MANIFEST").read_bytes())
                if i < abs(rewrites):
                    connection.call("BGREWRITEAOF")
                    wait_for_rewrite(connection)
                    earlier.append((server.data / "MANIFEST").read_bytes())
        if end == "again":
            assert server.stop() == 0
            server.start()
            with server.connect() as connection:
                write(connection, known, 9000, 9300, 200, large)
        path = tmp_path / "folder"
        if end == "copy":
            shutil.copytree(server.data, path)
        assert server.stop() == 0 if end == "stop" else server.kill() is None
        if end != "copy":
            shutil.copytree(server.data, path)
        # The LSN behind the last write of each key, where the log still has it.
        written = {}
        for command in log_tool.commands(path):
            if command["command"][0].upper() == "SET":
                written[command["command"][1].encode()] = command["lsn"]
        server.directives["dir"] = tmp_path / "started"
        return server, Folder(path, known, written, end, earlier)

    return make


def lost_keys(server, folder, path):
    """What a server gives that starts from a copy: the keys that are not there as they were written; None, it refuses."""
    started = server.directives["dir"]
    shutil.rmtree(started, ignore_errors=True)
    shutil.copytree(path, started, symlinks=True)
    try:
        server.start()
    except StartError:
        return None
    with server.connect() as connection:
        keys = list(folder.known)
        values = connection.pipeline([("GET", key) for key in keys])
        assert connection.call("DBSIZE") <= len(keys)
    server.kill()
    return {key for key, value in zip(keys, values, strict=True) if value != folder.known[key]}


# --- damages ----------------------------------------------------------------------------------------------------------


def used_size(path):
    return len(path.read_bytes().rstrip(b"\0"))


def cut(path, rng):
    size = used_size(path)
    os.truncate(path, rng.choice([0, 30, 64, size // 2, max(size - rng.randrange(1, 100), 0), size]))


def cut_at_frame(path, rng):
    """Behind whole frames, where the file tells nothing of what is gone."""
    data = path.read_bytes()
    magic = data[72:76]
    starts = [at for at in range(64, len(data)) if data.startswith(magic, at)]
    os.truncate(path, rng.choice(starts) - 8 if starts else len(data) // 2)


def zero(path, rng, whole=True):
    size = path.stat().st_size
    begin = 0 if whole else rng.choice([64, used_size(path) // 2])
    with open(path, "r+b") as file:
        file.seek(begin)
        file.write(b"\0" * max(size - begin, 0))


def flip_one(path, rng):
    if used_size(path) > 0:
        flip(path, rng.randrange(used_size(path)))


def swap(path, rng):
    """With another of its kind, or with one of another folder."""
    others = [one for one in path.parent.glob(path.name.split("-")[0] + "-*.dkv") if one != path and one.is_file()]
    if not others:
        path.write_bytes(os.urandom(64) + b"\0" * 1000)
        return
    other = rng.choice(others)
    mine = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(mine)


def to_folder(path, rng):
    path.unlink()
    path.mkdir()


def to_link(path, rng):
    path.rename(path.parent.parent / path.name)
    path.symlink_to(path.parent.parent / path.name)


DAMAGES = {
    "missing": lambda path, rng: path.unlink(),
    "emptied": lambda path, rng: os.truncate(path, 0),
    "cut": cut,
    "cut at a frame": cut_at_frame,
    "zeroed": zero,
    "end zeroed": lambda path, rng: zero(path, rng, whole=False),
    "flipped": flip_one,
    "flipped anywhere": flip_one,
    "swapped": swap,
    "a folder": to_folder,
    "a link": to_link,
    "not to be read": None,  # the disk refuses, or the rights do: the interposer's part
    "not to be opened": None,
}
REFUSALS = {"not to be read": ("read", "EIO"), "not to be opened": ("open", "EACCES")}


class Refusing:
    """The tool and the server, for which some calls on some files fail."""

    def __init__(self, log_tool, interposer, tmp_path, path):
        self.tool = log_tool
        self.faults = Faults(tmp_path / "faults", path)
        # A program under sanitizers does not mind that another library comes before theirs.
        self.environment = {
            **os.environ,
            "LD_PRELOAD": str(interposer),
            "DKV_FAULTS": str(self.faults.path),
            "ASAN_OPTIONS": "verify_asan_link_order=0",
        }
        self.refused = False

    def refuse(self, how, name):
        call, error = REFUSALS[how]
        self.faults.add(call, error=error, name=name)
        self.refused = True

    def run(self, *arguments):
        options = {"env": self.environment} if self.refused else {}
        done = self.tool.run(*arguments, **options)
        assert done.returncode in (0, 1, 3), done
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def harm(refusing, path, damages, rng, earlier):
    for name, damage in damages:
        file = path / name
        # The damage before may have taken the file away, or put something else in its place.
        if damage == "extra":  # what somebody copied and renamed
            if file.is_file():
                (path / f"{name.split('-')[0]}-{rng.randrange(10**6):020}.dkv").write_bytes(file.read_bytes())
        elif damage == "earlier":
            if file.is_file() or not file.exists():
                file.write_bytes(rng.choice(earlier))
        elif damage in REFUSALS:
            refusing.refuse(damage, name)
        elif file.is_file() and not file.is_symlink():
            DAMAGES[damage](file, rng)


def all_damages(folder):
    names = sorted(path.name for path in folder.path.iterdir() if path.name != "LOCK")
    damages = [(name, damage) for name in names for damage in DAMAGES]
    damages += [("MANIFEST", "earlier")] * 3
    damages += [(name, "extra") for name in names if name[0] in "bl"]
    return damages


# --- judging ----------------------------------------------------------------------------------------------------------


class Judge:
    def __init__(self, server, folder, refusing, path, is_unrecorded):
        self.server, self.folder, self.refusing, self.path = server, folder, refusing, path
        self.is_unrecorded = is_unrecorded

    def fail(self, claim, lost, text):
        lost = "the server refuses" if lost is None else f"{len(lost)} of {len(self.folder.known)} keys are lost"
        pytest.fail(f"{claim}, but {lost}; the folder is {self.path}:\n{text}")

    def may_be_blind(self, report):
        """Whether the end is on record nowhere, and the tool says that."""
        return self.is_unrecorded and report.get("closed") is False

    def verify(self):
        status, text = self.refusing.run("verify", self.path)
        json_status, json_text = self.refusing.run("verify", "--json", self.path)
        report = json.loads(json_text[: json_text.index("\n") + 1])
        assert json_status == status and report["ok"] == (status == 0), text
        if self.refusing.refused:
            return status, None
        lost = lost_keys(self.server, self.folder, self.path)
        if status == 0 and (lost is None or (lost and not self.may_be_blind(report))):
            self.fail("verify ends with 0", lost, text)
        if "all is well" in text and lost:
            self.fail("all is well", lost, text)
        if status == 0 and lost and "no server closed this log" not in text:
            self.fail("verify does not say what it cannot see", lost, text)
        return status, lost

    def repair(self, lost_before):
        before = snapshot_of(self.path)
        planned, plan = self.refusing.run("repair", self.path)
        assert snapshot_of(self.path) == before
        said = re.search(r"^lost: (.*)$", plan, re.M)
        said = said.group(1) if said else ""
        gives_up = said.startswith("LSN ") or said.startswith("all that")
        status, text = self.refusing.run("repair", "--yes", self.path)
        if gives_up:
            assert status == 1 and snapshot_of(self.path) == before, text
            assert "--accept-loss" in text and "--accept-loss" in plan
            status, text = self.refusing.run("repair", "--yes", "--accept-loss", self.path)
        if self.refusing.refused:
            return said
        lost = lost_keys(self.server, self.folder, self.path)
        if status == 0 and lost is None:
            self.fail("repair ends with 0", lost, text)
        if lost_before == set() and lost != set():
            self.fail("a server gave all before the repair", lost, text)
        if said == "nothing" and status == 0 and lost:
            self.fail("lost: nothing", lost, text)
        if "nothing to repair" in text and lost and "no server closed this log" not in text:
            self.fail("nothing to repair", lost, text)
        if gives_up and status == 0:
            self.check_range(said, text, lost)
        return said

    def check_range(self, said, text, lost):
        numbers = [int(number) for number in re.findall(r"LSN (\d+)(?: to (\d+))?", said)[0] if number]
        begin = numbers[0]
        end = numbers[1] if len(numbers) == 2 and "at least that" not in text else None
        for key in lost:
            lsn = self.folder.written.get(key)
            # What a base alone holds was written before it, and is lost with it.
            if lsn is not None and (lsn < begin or (end is not None and lsn >= end)):
                self.fail(f"{said}; {key} was written at LSN {lsn}", lost, text)


def snapshot_of(path):
    """Also of what is no file any more."""
    return {one.name: one.read_bytes() if one.is_file() else one.is_dir() for one in path.iterdir() if one.name != "LOCK"}


@pytest.mark.parametrize("kind", KINDS)
def test_never_better_than_it_is(kind, make_folder, log_tool, interposer, tmp_path, pytestconfig, seed):
    rng = random.Random(f"{seed} {kind}")
    server, folder = make_folder(kind)
    single = [[one] for one in all_damages(folder)]
    pairs = [[rng.choice(single)[0], rng.choice(single)[0]] for _ in range(len(single) // 2)]
    count = CASES_FULL if pytestconfig.getoption("--full") else CASES
    cases = [[], *rng.sample(single + pairs, min(count, len(single + pairs)))]
    said = {}
    for number, damages in enumerate(cases):
        path = tmp_path / str(number) / "folder"
        shutil.copytree(folder.path, path)
        refusing = Refusing(log_tool, interposer, tmp_path, path)
        print(number, damages)
        harm(refusing, path, damages, rng, folder.earlier)
        is_unrecorded = folder.ended != "stop" or ("MANIFEST", "earlier") in damages
        judge = Judge(server, folder, refusing, path, is_unrecorded)
        status, lost = judge.verify()
        if not damages:
            assert status == 0 and lost == set(), "a folder that is whole"
        loss = judge.repair(lost)
        said[loss.split(" ")[0]] = said.get(loss.split(" ")[0], 0) + 1
        shutil.rmtree(path.parent)
    figure(len(cases), "damaged folders judged by what had been acknowledged")


# --- what was seen ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["missing", "emptied", "zeroed", "swapped", "a folder", "not to be read"])
def test_a_lost_log_of_a_killed_server(damage, make_folder, log_tool, interposer, tmp_path):
    """All that was ever acknowledged was in it, and nothing else knows how much that was."""
    server, folder = make_folder("one log, killed")
    (log,) = folder.path.glob("log-*.dkv")
    refusing = Refusing(log_tool, interposer, tmp_path, folder.path)
    harm(refusing, folder.path, [(log.name, damage)], random.Random(1), [])
    assert refusing.run("verify", folder.path)[0] != 0
    plan = refusing.run("repair", folder.path)[1]
    assert "lost: nothing" not in plan
    before = snapshot_of(folder.path)
    status, text = refusing.run("repair", "--yes", folder.path)
    assert status == 1 and snapshot_of(folder.path) == before
    if damage == "a folder":
        assert "is a directory" in text.lower()
    else:
        assert "all that followed LSN 0" in plan and "--accept-loss" in text


@pytest.mark.parametrize("damage", ["missing", "not to be read", "zeroed", "flipped header"])
def test_a_damaged_manifest_and_a_lost_log_keep_the_newest_base(damage, make_folder, log_tool, interposer, tmp_path):
    server, folder = make_folder("history, stopped")
    flip(folder.path / "MANIFEST", (folder.path / "MANIFEST").read_bytes().index(b"checksum") + 12)
    durable = re.search(rb"durable (\d+)", (folder.path / "MANIFEST").read_bytes()).group(1).decode()
    base = max(folder.path.glob("base-*.dkv"))
    log = folder.path / base.name.replace("base", "log")
    refusing = Refusing(log_tool, interposer, tmp_path, folder.path)
    flip(log, 20) if damage == "flipped header" else harm(refusing, folder.path, [(log.name, damage)], None, [])
    assert len(list(folder.path.glob("log-*.dkv"))) >= 1
    status, text = refusing.run("repair", folder.path)
    if damage == "flipped header":
        assert "lost: nothing\n" in text  # the salt is in MANIFEST, and the frames prove it
    else:
        begin = int(base.name[5:-4])
        assert f"kept: the state of {base.name}" in text and f"lost: LSN {begin} to {durable}" in text
    refusing.run("repair", "--yes", "--accept-loss", folder.path)
    refusing.faults.clear()
    assert base.exists()
    lost = lost_keys(server, folder, folder.path)
    assert lost is not None and all(folder.written[key] >= int(base.name[5:-4]) for key in lost)
    assert (lost == set()) == (damage == "flipped header")


@pytest.mark.parametrize("harm_value", ["flipped", "missing", "cut"])
def test_a_damaged_value_of_a_folder_in_use(harm_value, new_server, log_tool):
    """The server's own GET names it and sends to verify, which then says the same; also for one that it has not read yet."""
    server = new_server(value_file_threshold="64kb", value_load="first-use", appendfsync="always").start()
    with server.connect() as connection:
        for key in ("large", "other"):
            connection.call("SET", key, key[0] * 100_000)
        connection.call("SET", "small", "1")
    assert server.stop() == 0
    server.start()
    assert log_tool.verify(server.data)["ok"]
    value = min(server.data.glob("value-*.dkv"))
    {"flipped": lambda: flip(value, 50_000), "missing": value.unlink, "cut": lambda: os.truncate(value, 50_000)}[harm_value]()
    with server.connect() as connection:
        assert value.name in str(connection.call("GET", "large"))
        text = log_tool("verify", server.data, status=1)
        assert f"damage: {value.name}" in text and "all is well" not in text
        (damage,) = log_tool.verify(server.data)["damage"]
        assert damage["file"] == value.name and damage["kind"] == "value"
        assert value.name in log_tool("export", server.data, status=1)
        # What is replaced is no longer needed, and no damage then.
        connection.call("SET", "large", "x")
        connection.call("SET", "small", "2")
        assert connection.call("GET", "other") == b"o" * 100_000
    assert log_tool.verify(server.data)["ok"]


def test_a_file_that_may_not_be_read_is_not_judged(make_folder, log_tool, interposer, tmp_path):
    server, folder = make_folder("values, stopped")
    for name in [max(folder.path.glob("log-*.dkv")).name, min(folder.path.glob("value-*.dkv")).name]:
        refusing = Refusing(log_tool, interposer, tmp_path, folder.path)
        refusing.refuse("not to be opened", name)
        status, text = refusing.run("verify", folder.path)
        before = snapshot_of(folder.path)
        if name.startswith("log"):
            assert status == 3 and "could not be checked" in text and "Permission denied" in text, text
            status, text = refusing.run("repair", "--yes", "--accept-loss", folder.path)
            assert status == 1 and "readable" in text
        else:
            assert status in (0, 3), text
        assert snapshot_of(folder.path) == before
    assert lost_keys(server, folder, folder.path) == set()


def test_an_older_manifest_costs_no_base(make_folder, log_tool, tmp_path):
    """Put back right behind a rewrite: what it names is gone already, and what there is it does not name. A server refuses,
    and leaves the folder as it was: what looks like the leftover of a rewrite is all that there is."""
    server, folder = make_folder("base, nothing behind it, killed")
    (earlier,) = {earlier for earlier in folder.earlier if earlier != (folder.path / "MANIFEST").read_bytes()}
    (folder.path / "MANIFEST").write_bytes(earlier)
    before = snapshot_of(folder.path)
    assert lost_keys(server, folder, folder.path) is None
    assert snapshot_of(server.directives["dir"]) == before
    text = log_tool("verify", folder.path, status=1)
    assert "MANIFEST does not name base-" in text
    assert "lost: nothing that can be seen" in log_tool("repair", "--yes", folder.path)
    assert lost_keys(server, folder, folder.path) == set()
