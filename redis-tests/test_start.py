"""The command line and the configuration file: the syntax of redis-server."""

import os
import re
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness.resp import Connection, pairs, wait_until
from harness.server import Server, StartError
from harness.web import Web, web_directives


def run(binary, *arguments, **options):
    command = [binary, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.fixture
def start(server_binary):
    """start(*arguments, **directives): a running server."""
    started = []

    def make(*arguments, **options):
        started.append(Server(server_binary, arguments=arguments, **options))
        return started[-1].start()

    yield make
    for server in started:
        server.remove()


def setting(server, name):
    with server.connect() as connection:
        return pairs(connection.call("CONFIG", "GET", name))[name.encode()].decode()


@pytest.mark.parametrize("option", ["--version", "-v"])
def test_version(server_binary, option):
    result = run(server_binary, option)
    assert result.returncode == 0
    assert re.search(r"v=7\.\d+\.\d+", result.stdout)


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(server_binary, option):
    result = run(server_binary, option)
    assert "Usage:" in result.stdout + result.stderr


@pytest.mark.dkv("exit status and version of its own")
def test_version_and_help_of_dkv(server_binary):
    assert run(server_binary, "--help").returncode == 0
    version = run(server_binary, "--version")
    assert "v=7.2.4" in version.stdout and "dkv" in version.stdout and version.stdout.count("\n") == 1


def test_configuration_file(start, tmp_path):
    """Comments, quotes, several values, include; the command line comes last."""
    included = tmp_path / "included.conf"
    included.write_text("maxmemory-samples 9\ntimeout 30\n")
    path = tmp_path / "server.conf"
    path.write_text(
        "# a comment\n\n"
        'requirepass "a \\"b\\" \\x41"\n'
        "  timeout   10  \n"
        f"include {included}\n"
        "TCP-KEEPALIVE 55\n"
        "client-output-buffer-limit normal 1mb 2mb 3\n"
        "save 900 1 300 10\n"
    )
    server = start(path, port=0, save=None)
    with server.connect() as connection:
        assert connection.call("AUTH", 'a "b" A') == b"OK"
        told = pairs(connection.call("CONFIG", "GET", "*"))
    assert told[b"timeout"] == b"30" and told[b"maxmemory-samples"] == b"9" and told[b"tcp-keepalive"] == b"55"
    assert told[b"client-output-buffer-limit"].startswith(b"normal 1048576 2097152 3 ")
    assert told[b"save"] == b"900 1 300 10"


def test_command_line_overrides_the_file(start, tmp_path):
    path = tmp_path / "server.conf"
    path.write_text("timeout 10\n")
    assert setting(start(path, timeout=20), "timeout") == "20"


def test_configuration_on_standard_input(start):
    assert setting(start("-", standard_input=b"timeout 44\n"), "timeout") == "44"


def test_several_values(start):
    server = start(client_output_buffer_limit=("normal", "1mb", "1mb", "1"), save=("900", "1"))
    assert setting(server, "client-output-buffer-limit").startswith("normal 1048576 1048576 1")
    assert setting(server, "save") == "900 1"


@pytest.mark.parametrize(
    "text, told",
    [
        ("nosuch-directive 1\n", ["nosuch-directive"]),
        ("timeout 1\ntimeout abc\n", ["timeout", "2"]),
        ("timeout\n", ["timeout", "1"]),
        ('requirepass "open\n', ["1"]),
        ("appendfsync sometimes\n", ["appendfsync"]),
        ("port 70000\n", ["port"]),
        ("include /nonexistent/file\n", ["/nonexistent/file"]),
        ("maxmemory 1xb\n", ["maxmemory"]),
    ],
)
def test_bad_configuration(server_binary, tmp_path, text, told):
    """Exit status 1, and the message names what and where."""
    path = tmp_path / "server.conf"
    path.write_text(text)
    result = run(server_binary, path, "--port", "0", cwd=tmp_path)
    assert result.returncode == 1, result
    for word in told:
        assert word in result.stdout + result.stderr, result


@pytest.mark.dkv("one line that names file and line")
def test_bad_configuration_is_one_clear_line(server_binary, tmp_path):
    path = tmp_path / "server.conf"
    path.write_text("# fine\ntimeout abc\n")
    result = run(server_binary, path, "--port", "0", cwd=tmp_path)
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and str(path) in lines[0] and "2" in lines[0] and "timeout" in lines[0], result


@pytest.mark.parametrize("arguments", [("/nonexistent.conf",), ("--timeout", "abc"), ("--nosuch", "1")])
def test_bad_command_line(server_binary, tmp_path, arguments):
    assert run(server_binary, *arguments, cwd=tmp_path).returncode == 1


def test_port_in_use(server, new_server):
    """The one that was there stays; the other says why it cannot, and exits with 1."""
    other = new_server(port=server.port)
    with pytest.raises(StartError) as refusal:
        other.start()
    assert "exit status 1" in str(refusal.value) and str(server.port) in str(refusal.value)
    with server.connect() as connection:
        assert connection.call("PING") == b"PONG"


def test_process_title(start):
    """It follows the configuration while the server runs."""
    server = start(proc_title_template="at {port}")

    def title():
        return Path(f"/proc/{server.pid}/cmdline").read_bytes().split(b"\0")[0].strip().decode()

    with server.connect() as connection:
        assert title() == f"at {server.port}"
        assert connection.call("CONFIG", "SET", "proc-title-template", "{port} {unixsocket}") == b"OK"
        assert title() == f"{server.port} {server.socket}"
        assert connection.call("CONFIG", "SET", "port", "0") == b"OK"
        assert title() == f"0 {server.socket}"
        assert connection.raw("CONFIG", "SET", "proc-title-template", "{nosuch}").startswith(b"-ERR CONFIG SET failed")
        assert title() == f"0 {server.socket}"


def test_nowhere_to_listen(server_binary, tmp_path):
    """A server that nobody could reach does not start."""
    result = run(server_binary, "--port", "0", "--dir", tmp_path, cwd=tmp_path)
    assert result.returncode == 1 and "Configured to not listen anywhere" in result.stdout + result.stderr, result


def test_data_folder_that_cannot_be(new_server, tmp_path):
    """A file is in the way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError) as refusal:
        new_server(dir=tmp_path / "file" / "data").start()
    assert "exit status 1" in str(refusal.value)


@pytest.mark.dkv("a warning that names them all")
def test_directives_that_do_nothing_yet(start):
    """Kept for CONFIG GET, and named in one warning."""
    server = start(cluster_node_timeout=15001, activedefrag="no", repl_timeout=99)
    assert setting(server, "cluster-node-timeout") == "15001"
    assert setting(server, "repl-timeout") == "99"
    warnings = [line for line in server.log().splitlines() if "cluster-node-timeout" in line]
    assert len(warnings) == 1 and "repl-timeout" in warnings[0]


RENAMES = [("FLUSHALL", ""), ("GET", "Fetch"), ("SET", "GET"), ("bitfield", "SET"), ("CONFIG", "c" * 60)]


def test_renamed_commands(new_server):
    """Clients know a command by its new name only, or not at all; users' rules by its own."""
    server = new_server(rename_command=RENAMES).start()
    with server.connect() as client:
        assert b"unknown command 'FLUSHALL'" in client.raw("FLUSHALL")
        assert b"unknown command 'config'" in client.raw("config", "GET", "port")
        assert client.call("C" * 60, "GET", "port") == [b"port", str(server.port).encode()]
        assert client.call("get", "key", "value") == b"OK" and client.call("fetch", "key") == b"value"
        assert client.call("COMMAND", "INFO", "flushall", "fetch")[1][0] == b"get"
        assert client.call("COMMAND", "INFO", "flushall")[0] is None
        assert [b"key"] == client.call("COMMAND", "GETKEYS", "get", "key", "value")
        listed = client.call("COMMAND", "LIST")
        assert b"flushall" not in listed and b"set" in listed and b"get" in listed
        assert client.call("ACL", "SETUSER", "writer", "on", "nopass", "~*", "+set") == b"OK"
        assert client.call("AUTH", "writer", "x") == b"OK"
        assert client.call("GET", "key", "more") == b"OK"
        assert b"NOPERM" in client.raw("FETCH", "key")


@pytest.mark.dkv("the log has commands by their own names, so that others can be given later")
def test_renamed_commands_in_the_log(new_server):
    server = new_server(rename_command=RENAMES).start()
    with server.connect() as client:
        count = client.call("COMMAND", "COUNT")
        assert client.call("get", "key", "value") == b"OK"
        assert client.call("SET", "bits", "SET", "u8", "0", "255") == [0]
        client.call("MULTI")
        client.call("get", "other", "x" * 100, "EX", "1000")
        assert client.call("EXEC") == [b"OK"]
    server.kill()
    server.start(rename_command=None)
    with server.connect() as client:
        assert client.call("COMMAND", "COUNT") == count + 1
        assert client.call("MGET", "key", "bits") == [b"value", b"\xff"]
        assert 0 < client.call("TTL", "other") <= 1000


def test_renamed_commands_of_other_types(new_server):
    """Also those that dkv has not yet may be taken from clients: hardened configurations do."""
    names = ["EVAL", "script", "REPLICAOF", "SLAVEOF", "SYNC", "CLUSTER", "LPUSH"]
    server = new_server(rename_command=[(name, "") for name in names] + [("XADD", "other")]).start()
    with server.connect() as client:
        for name in names + ["XADD"]:
            assert client.raw(name).startswith(b"-ERR unknown command"), name


@pytest.mark.dkv("HTTP")
def test_rules_of_users_for_commands_taken_from_clients(new_server):
    """HTTP runs them still, for those whose rules say so."""
    server = new_server(rename_command=[("FLUSHALL", ""), ("SET", "")], **web_directives()).start()
    with server.connect() as client:
        for user, rules in (("reader", ["+@all", "-@write"]), ("careful", ["+@all", "-@dangerous"]), ("writer", ["+@write"])):
            assert client.call("ACL", "SETUSER", user, "on", ">x", "~*", *rules) == b"OK"
    for user, writes, clears in (("reader", 403, 403), ("careful", 200, 403), ("writer", 200, 200)):
        web = Web(server, user, "x")
        assert (web.ask("PUT", "/kv/key", b"value")[0], web.ask("DELETE", "/clear")[0]) == (writes, clears), user


@pytest.mark.parametrize("renames, word", [([("NOSUCH", "x")], "NOSUCH"), ([("GET", "SET")], "SET"), ([("GET",)], "GET")])
def test_renames_that_cannot_be(new_server, renames, word):
    with pytest.raises(StartError) as refusal:
        new_server(rename_command=renames).start()
    assert "exit status 1" in str(refusal.value) and word in str(refusal.value)


def test_pidfile(start, tmp_path):
    path = tmp_path / "server.pid"
    server = start(pidfile=path, daemonize="no")
    if server.flavor == "redis":
        pytest.skip("written by a daemon only, in redis")
    assert int(path.read_text()) == server.pid
    server.stop()
    assert not path.exists()


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def short_folder():
    """A folder whose path leaves room for a socket's name, whatever pytest's own is."""
    with tempfile.TemporaryDirectory(prefix="dkv-test-", dir="/tmp") as folder:
        yield Path(folder)


def test_daemonize(server_binary, short_folder):
    """Returns when it has begun, goes on in the background, ends by SHUTDOWN."""
    (short_folder / "data").mkdir()
    address, pidfile = str(short_folder / "socket"), short_folder / "pid"
    directives = {"port": 0, "unixsocket": address, "dir": short_folder / "data", "logfile": short_folder / "log"}
    directives |= {"daemonize": "yes", "pidfile": pidfile}
    words = [word for name, value in directives.items() for word in ("--" + name, value)]
    result = run(server_binary, *words, cwd=short_folder)
    assert result.returncode == 0, result
    # It left this process's group, so nobody else ends it.
    with Connection(address) as connection:
        try:
            assert connection.call("PING") == b"PONG"
            assert is_running(int(pidfile.read_text()))
            pid = int(pidfile.read_text())
        finally:
            connection.send("SHUTDOWN", "NOSAVE")
        assert connection.read_until_closed() == b""
    wait_until(lambda: not is_running(pid))


def test_daemonize_tells_that_it_failed(server_binary, short_folder):
    """What keeps the server from starting ends the one who waits for it with a status and the reason, wherever the log
    goes: a port in use, a folder in use, a log that cannot be read or opened."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        in_use = taken.getsockname()[1]
        damaged = short_folder / "damaged"
        damaged.mkdir()
        (damaged / "MANIFEST").write_text("dkv manifest\n")
        socket_directives = ["--port", 0, "--unixsocket", short_folder / "socket"]
        for directives, word in (
            (["--port", in_use, "--dir", short_folder / "data"], "Address already in use"),
            ([*socket_directives, "--dir", short_folder / "data", "--http-port", in_use], "Address already in use"),
            ([*socket_directives, "--dir", damaged], "MANIFEST"),
            ([*socket_directives, "--dir", short_folder / "data", "--logfile", short_folder / "none" / "log"], "log file"),
        ):
            for more in ([], ["--logfile", short_folder / "log"]):
                if word == "log file" and more:
                    continue
                result = run(server_binary, "--daemonize", "yes", *directives, *more)
                assert (result.returncode, word in result.stderr) == (1, True), result
                assert not more or word in (short_folder / "log").read_text()


def test_daemonize_without_standard_input(server_binary, short_folder):
    """Who starts a daemon with closed descriptors, as some init scripts do, hears the outcome too."""
    address = str(short_folder / "socket")
    words = [server_binary, "--daemonize", "yes", "--port", "0", "--unixsocket", address, "--dir", str(short_folder / "data")]
    for closed in ("<&-", "<&- >&-", "<&- >&- 2>&-"):
        done = subprocess.run(["bash", "-c", f'"$@" {closed}', "bash", *words], timeout=60, check=False)
        assert done.returncode == 0
        with Connection(address) as connection:
            assert connection.call("PING") == b"PONG"
            connection.send("SHUTDOWN", "NOSAVE")
            assert connection.read_until_closed() == b""
        wait_until(lambda: not os.path.exists(address))


def test_supervised_by_systemd(start, short_folder, monkeypatch):
    """Says READY=1 on the socket of $NOTIFY_SOCKET."""
    path = str(short_folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        start(supervised="systemd")
        told = b""
        while b"READY=1" not in told:
            told = listener.recv(4096)


@pytest.mark.dkv("how dkv is installed")
def test_installed(server_binary, tmp_path):
    """What is installed names one data folder, wherever the server is started, and goes again."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    root = Path(__file__).parent.parent
    for prefix, configuration in (("/usr", "etc/dkv.conf"), ("/opt/dkv", "opt/dkv/etc/dkv.conf")):
        words = ["make", "-C", root, "V=q", f"PREFIX={prefix}", f"DESTDIR={tmp_path}"]
        subprocess.run([*words, "install"], check=True, capture_output=True, env=environment)
        folder = re.search(r"^dir (.*)$", (tmp_path / configuration).read_text(), re.M)[1]
        assert folder == ("/var/lib/dkv" if prefix == "/usr" else "/opt/dkv/var/lib/dkv")
        here = (root / "dkv.conf").read_text()
        assert (tmp_path / configuration).read_text() == here.replace("\ndir ./data\n", f"\ndir {folder}\n") != here
        subprocess.run([*words, "uninstall"], check=True, capture_output=True, env=environment)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
