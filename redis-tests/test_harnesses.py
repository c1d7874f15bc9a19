"""Started as test harnesses start a redis-server of their own. npm's redis-memory-server is in test_clients_node.py."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
from harness.resp import Connection, Error, pairs, wait_until
from harness.server import free_port


@pytest.fixture
def run(tmp_path):
    """run(*words): a process that is ended, and its output a file."""
    processes = []

    def make(*words, **options):
        with open(tmp_path / "output", "ab") as output:
            processes.append(subprocess.Popen([str(word) for word in words], stdout=output, stderr=output, cwd=tmp_path,
                                              **options))  # fmt: skip
        return processes[-1]

    yield make
    for process in processes:
        process.kill()
        process.wait(30)


def connected(address):
    """A connection, as soon as there is somebody to connect to."""

    def attempt():
        try:
            connection = Connection(address, 30)
            if not isinstance(connection.call("PING"), Error):
                return connection
        except (FileNotFoundError, ConnectionError):
            pass
        return None

    return wait_until(attempt)


def pytest_redis_words(binary, folder, port, save):
    """The command line of pytest-redis 3 (RedisExecutor), word by word."""
    return [binary, "--daemonize", "no", "--rdbcompression", "yes", "--rdbchecksum", "yes", "--appendonly", "no",
            "--databases", "8", "--timeout", "0", "--pidfile", folder / f"redis-server.{port}.pid",
            "--unixsocket", folder / f"redis.{port}.sock", "--dbfilename", f"dump.{port}.rdb",
            "--logfile", folder / f"redis-server.{port}.log", "--loglevel", "notice", "--syslog-enabled", "no",
            "--port", port, "--dir", folder, "--bind", "127.0.0.1", *save]  # fmt: skip


@pytest.mark.parametrize("save", [("--save", ""), ("--save", "900 1 300 10 60 10000"), ()])
def test_pytest_redis(server_binary, run, tmp_path, save):
    """It asks for the version first, waits for the unix socket, and ends the server by signals."""
    version = subprocess.run([server_binary, "--version"], capture_output=True, text=True, timeout=30, check=True)
    assert " v=" in version.stdout
    port = free_port()
    process = run(*pytest_redis_words(server_binary, tmp_path, port, save))
    with connected(str(tmp_path / f"redis.{port}.sock")) as connection, connected(("127.0.0.1", port)) as other:
        assert connection.call("SET", "k", "v") == b"OK" and other.call("GET", "k") == b"v"
        assert pairs(connection.call("CONFIG", "GET", "databases")) == {b"databases": b"8"}
        assert connection.call("SELECT", "8").startswith(b"ERR DB index")
        assert (tmp_path / f"redis-server.{port}.pid").read_text().strip() == str(process.pid)
        assert connection.call("FLUSHALL") == b"OK"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert not (tmp_path / f"redis-server.{port}.pid").exists()


def test_configuration_on_standard_input(server_binary, run, tmp_path):
    """redis-server -: as Test::RedisServer and shell scripts do."""
    process = run(server_binary, "-", stdin=subprocess.PIPE)
    process.stdin.write(f"port 0\nunixsocket {tmp_path}/socket\ndir {tmp_path}\nsave \"\"\n".encode())
    process.stdin.close()
    with connected(str(tmp_path / "socket")) as connection:
        assert connection.call("SET", "k", "v") == b"OK"
        assert pairs(connection.call("CONFIG", "GET", "port")) == {b"port": b"0"}
    process.terminate()
    assert process.wait(30) == 0


def test_options_behind_standard_input(server_binary, run, tmp_path):
    process = run(server_binary, "-", "--port", "0", "--unixsocket", tmp_path / "socket", "--dir", tmp_path, "--save", "",
                  stdin=subprocess.PIPE)  # fmt: skip
    process.stdin.write(b"port 1\nmaxclients 20\n")
    process.stdin.close()
    with connected(str(tmp_path / "socket")) as connection:
        assert pairs(connection.call("CONFIG", "GET", "port")) == {b"port": b"0"}
        assert pairs(connection.call("CONFIG", "GET", "maxclients")) == {b"maxclients": b"20"}


def test_a_link_named_redis_server(server_binary, run, tmp_path):
    """Found through PATH by its name, in a folder that the server was not built for."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(server_binary)
    (tmp_path / "redis.conf").write_text(f"dir {tmp_path}\nport 0\nunixsocket {tmp_path}/socket\nsave \"\"\n")
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    assert shutil.which("redis-server", path=environment["PATH"]) == str(tmp_path / "bin" / "redis-server")
    version = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, env=environment, timeout=30,
                             check=True)  # fmt: skip
    assert "server v=7." in version.stdout
    process = run("redis-server", tmp_path / "redis.conf", env=environment)
    with connected(str(tmp_path / "socket")) as connection:
        assert connection.call("SET", "k", "v") == b"OK"
        assert connection.call("INFO", "server").startswith(b"# Server\r\nredis_version:7.")
        title = open(f"/proc/{process.pid}/cmdline", "rb").read()
        assert title.split(b" ")[0].endswith(b"redis-server"), title  # what watches processes looks for that


def test_only_a_unix_socket(server_binary, run, tmp_path):
    process = run(server_binary, "--port", "0", "--unixsocket", tmp_path / "socket", "--unixsocketperm", "700",
                  "--dir", tmp_path, "--save", "")  # fmt: skip
    with connected(str(tmp_path / "socket")) as connection:
        assert connection.call("PING") == b"PONG"
        assert os.stat(tmp_path / "socket").st_mode & 0o777 == 0o700
    process.terminate()
    assert process.wait(30) == 0
    assert not (tmp_path / "socket").exists()


def test_ready_line(server_binary, run, tmp_path):
    """Harnesses read the output until they find this."""
    run(server_binary, "--port", "0", "--unixsocket", tmp_path / "socket", "--dir", tmp_path, "--save", "")
    assert wait_until(lambda: "ready to accept connections" in (tmp_path / "output").read_text().lower())


def test_lines_that_redis_own_harness_waits_for(server_binary, run, tmp_path):
    """Its Tcl suite (tests/support/server.tcl) looks for these in the output, with these very expressions."""
    port = free_port()
    config = tmp_path / "redis.conf"
    config.write_text(f'port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsave ""\nalways-show-logo yes\n')
    process = run(server_binary, config)
    connected(("127.0.0.1", port)).close()
    output = tmp_path / "output"
    assert wait_until(lambda: "Ready to accept" in output.read_text())
    text = output.read_text()
    assert re.search(f" PID: {process.pid}.*Server initialized.*Ready to accept", text, re.S), text


def test_a_port_that_is_taken(server_binary, run, tmp_path):
    """It looks for these words, and starts another server on another port. A socket of another kind is no port."""
    output = tmp_path / "output"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = run(server_binary, "--port", port, "--bind", "127.0.0.1", "--dir", tmp_path, "--save", "")
        assert process.wait(30) == 1
    assert f"Failed listening on port {port}" in output.read_text()
    assert "Ready to accept" not in output.read_text()


@pytest.mark.dkv("redis-server goes on without its unix socket, or speaks of port 0")
def test_a_unix_socket_that_cannot_be(server_binary, run, tmp_path):
    output = tmp_path / "output"
    process = run(server_binary, "--port", "0", "--unixsocket", tmp_path / "none" / "socket", "--dir", tmp_path, "--save", "")
    assert process.wait(30) == 1
    assert "Failed opening Unix socket" in output.read_text() and "on port" not in output.read_text()


def test_daemon(server_binary, tmp_path):
    words = [server_binary, "--daemonize", "yes", "--port", "0", "--unixsocket", tmp_path / "socket", "--dir", tmp_path,
             "--save", "", "--pidfile", tmp_path / "pid", "--logfile", tmp_path / "log"]  # fmt: skip
    started = subprocess.run([str(word) for word in words], capture_output=True, timeout=30, check=False)
    assert started.returncode == 0
    with connected(str(tmp_path / "socket")) as connection:
        pid = int((tmp_path / "pid").read_text())
        assert int(pairs_of_info(connection)["process_id"]) == pid
        connection.send("SHUTDOWN", "NOSAVE")
        connection.read_until_closed()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}") or open(f"/proc/{pid}/stat").read().split()[2] == "Z")


def pairs_of_info(connection):
    text = connection.call("INFO", "server").decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def test_perls_test_redisserver(server_binary, tmp_path):
    """Test::RedisServer, unchanged: configuration file, unix socket, its own way of stopping. That begins with CONFIG
    SET appendonly no, which dkv takes only if it is so already."""
    script = """
        use strict; use warnings; use Test::RedisServer; use Redis;
        my $server = Test::RedisServer->new(conf => { maxclients => 50, appendonly => 'no' });
        my $redis = Redis->new($server->connect_info);
        $redis->set(key => 'value');
        die unless $redis->get('key') eq 'value';
        $server->stop;
        print "all as expected\n";
    """
    if shutil.which("perl") is None or subprocess.run(["perl", "-MTest::RedisServer", "-e1"], capture_output=True).returncode:
        pytest.skip("libtest-redisserver-perl is not installed")
    (tmp_path / "redis-server").symlink_to(server_binary)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    began = time.monotonic()
    result = subprocess.run(["perl", "-e", script], capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert "all as expected" in result.stdout, result.stdout + result.stderr
    assert time.monotonic() - began < 20
