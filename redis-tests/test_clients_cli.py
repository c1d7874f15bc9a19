"""redis-cli, unchanged."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess

import pytest
from harness.resp import encode


@pytest.fixture
def cli(server):
    """cli(*arguments, input=None): standard output as text."""
    return lambda *arguments, **options: run_cli(server, *arguments, **options)


def run_cli(server, *arguments, input=None, status=0, environment=None):
    program = shutil.which("redis-cli")
    if program is None:
        pytest.skip("redis-cli is not installed")
    result = subprocess.run(
        [program, "-s", server.socket, *arguments],
        input=input.encode() if isinstance(input, str) else input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout.decode(errors="surrogateescape")


def test_one_command(cli):
    assert cli("SET", "key", "a value") == "OK\n"
    assert cli("GET", "key") == "a value\n"
    assert cli("--no-raw", "GET", "key") == '"a value"\n'
    assert cli("--no-raw", "GET", "missing") == "(nil)\n"
    assert cli("--no-raw", "INCR", "n") == "(integer) 1\n"
    assert cli("--csv", "MGET", "key", "missing") == '"a value",NULL\n'


def test_errors(cli):
    assert cli("INCR").startswith("ERR wrong number of arguments for 'incr' command")
    assert cli("-e", "NOSUCH", status=1) == ""


def test_over_tcp(server):
    program = shutil.which("redis-cli")
    result = subprocess.run([program, "-p", str(server.port), "PING"], capture_output=True, timeout=60, check=True)
    assert result.stdout == b"PONG\n"


def test_database_option(cli):
    cli("-n", "3", "SET", "key", "three")
    assert cli("GET", "key") == "\n"
    assert cli("-n", "3", "GET", "key") == "three\n"


def test_value_from_standard_input(cli):
    cli("-x", "SET", "key", input="line one\nline two\n")
    assert cli("GET", "key") == "line one\nline two\n\n"


def test_commands_from_standard_input(cli):
    output = cli(input="SET a 1\nINCR a\nSELECT 2\nGET a\nGET\n")
    assert output.splitlines()[:4] == ["OK", "2", "OK", ""]
    assert "wrong number of arguments" in output


def test_repeat(cli):
    assert cli("-r", "3", "-i", "0.001", "INCR", "n") == "1\n2\n3\n"


def test_pipe(cli):
    """Mass insertion, which ends with an ECHO that tells when everything has been answered."""
    data = b"".join([encode("SET", f"key:{i}", f"value {i}") for i in range(20000)]) + encode("INCR", "key:1")
    output = cli("--pipe", input=data, status=1)
    assert "errors: 1, replies: 20001" in output
    assert cli("DBSIZE") == "20000\n"
    assert cli("GET", "key:19999") == "value 19999\n"


def test_scan(cli):
    cli("--pipe", input=b"".join([encode("SET", f"key:{i}", "v") for i in range(3000)]))
    assert sorted(cli("--scan").splitlines()) == sorted(f"key:{i}" for i in range(3000))
    assert sorted(cli("--scan", "--pattern", "key:1?").splitlines()) == [f"key:{i}" for i in range(10, 20)]


def test_resp3_and_json(cli):
    cli("SET", "key", "value")
    assert cli("-3", "GET", "key") == "value\n"
    assert json.loads(cli("--json", "CONFIG", "GET", "databases")) == {"databases": "16"}
    assert json.loads(cli("--json", "HELLO", "3"))["proto"] == 3
    assert json.loads(cli("--json", "MGET", "key", "missing")) == ["value", None]


def test_password(start_server):
    server = start_server(requirepass="sésame open")
    assert run_cli(server, "PING").startswith("NOAUTH")
    assert run_cli(server, "-a", "sésame open", "--no-auth-warning", "PING") == "PONG\n"
    assert run_cli(server, "PING", environment={"REDISCLI_AUTH": "sésame open"}) == "PONG\n"
    assert run_cli(server, "--user", "default", "--pass", "sésame open", "--no-auth-warning", "PING") == "PONG\n"
    assert run_cli(server, "-a", "wrong", "--no-auth-warning", "PING").startswith("NOAUTH")


def test_info_is_formatted(cli):
    output = cli("INFO")
    assert re.search(r"^# Server", output, re.M) and re.search(r"^redis_version:[\d.]+", output, re.M)


def test_big_keys(cli):
    """Uses DBSIZE, SCAN, TYPE and STRLEN."""
    cli("SET", "small", "x")
    cli("SET", "large", "x" * 1000)
    output = cli("--bigkeys", "-i", "0")
    assert "Biggest string found" in output and '"large"' in output and "has 1000 bytes" in output


def test_memory_keys(cli):
    """Uses MEMORY USAGE."""
    cli("SET", "small", "x")
    cli("SET", "large", "x" * 10000)
    output = cli("--memkeys", "-i", "0")
    assert re.search(r'Biggest\s+string found so far .*"large"', output), output


def test_latency_sampling(cli):
    """Ends after a second when its output is no terminal."""
    fields = cli("--latency", "--raw").split()
    assert len(fields) == 4 and int(fields[3]) > 0


def test_statistics(server):
    """--stat tells the same figures again and again, a line each."""
    watching = subprocess.Popen(
        ["redis-cli", "-s", server.socket, "--stat", "-i", "0.05"], stdout=subprocess.PIPE, text=True
    )
    try:
        lines = [watching.stdout.readline() for _ in range(5)]
    finally:
        watching.kill()
        watching.wait()
        watching.stdout.close()
    assert "keys" in lines[1] and "clients" in lines[1], lines
    for line in lines[2:]:
        assert re.fullmatch(r"\d+ +[\d.]+[BKMG] +\d+ +\d+ +\d+ \(\+\d+\) +\d+ *\n", line), line


def test_latency_over_time(server):
    """--latency in a terminal goes on until it is ended."""
    with Terminal(server, "--latency") as terminal:
        terminal.expect(b"min:")
        terminal.expect(b"avg:")


def test_quoted_input(cli):
    cli("--quoted-input", "SET", '"k\\x00"', '"\\xff"')
    assert cli("--quoted-input", "--no-raw", "GET", '"k\\x00"') == '"\\xff"\n'


class Terminal:
    """redis-cli in a terminal."""

    def __init__(self, server, *arguments):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "dumb"
            os.execvp("redis-cli", ["redis-cli", "-s", server.socket, *arguments])
        self.shown = b""

    def type(self, line):
        os.write(self.terminal, line)

    def expect(self, answer):
        """Reads until this is shown, and forgets what is before its end."""
        while answer not in self.shown:
            assert select.select([self.terminal], [], [], 30)[0], self.shown
            self.shown += os.read(self.terminal, 4096)
        self.shown = self.shown[self.shown.index(answer) + len(answer) :]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        os.close(self.terminal)
        os.kill(self.pid, signal.SIGKILL)  # the hangup may be ignored, as under nohup
        os.waitpid(self.pid, 0)


@pytest.mark.parametrize("protocol", ["-2", "-3"])
def test_subscribed(server, cli, protocol):
    """SUBSCRIBE in a terminal shows messages as they come; in RESP3, pushes among replies."""
    with Terminal(server, protocol) as terminal:
        terminal.expect(b"> ")
        terminal.type(b"subscribe news\n")
        terminal.expect(b'1) "subscribe"')
        terminal.expect(b"(integer) 1")
        assert cli("PUBLISH", "news", "hello there") == "1\n"
        terminal.expect(b'"hello there"')
    assert cli("PUBLISH", "news", "hello there") == "0\n"


def test_monitor(server, cli):
    with Terminal(server, "monitor") as terminal:
        terminal.expect(b"OK")
        cli("SET", "key", "a\nvalue")
        terminal.expect(b' "SET" "key" "a\\nvalue"')


def test_events(server, cli):
    """Keyspace events by redis-cli's psubscribe, not in a terminal."""
    cli("CONFIG", "SET", "notify-keyspace-events", "KEA")
    listener = subprocess.Popen(
        ["redis-cli", "-s", server.socket, "--csv", "psubscribe", "__key*"], stdout=subprocess.PIPE
    )
    try:
        assert listener.stdout.readline().startswith(b"Reading messages")
        assert listener.stdout.readline() == b'"psubscribe","__key*",1\n'
        cli("SET", "key", "value")
        assert listener.stdout.readline() == b'"pmessage","__key*","__keyspace@0__:key","set"\n'
        assert listener.stdout.readline() == b'"pmessage","__key*","__keyevent@0__:set","key"\n'
    finally:
        listener.kill()
        listener.wait()
        listener.stdout.close()


def test_prompt(server):
    """In a terminal: it reads COMMAND DOCS for its hints and help, shows the database, and ends with exit."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "dumb"
        os.execvp("redis-cli", ["redis-cli", "-s", server.socket])
    shown = b""
    try:
        for line, answer in [
            (b"set a 1", b"OK"),
            (b"incr a", b"(integer) 2"),
            (b"help getdel", b"6.2.0"),
            (b"select 3", b"[3]>"),
            (b"get a", b"(nil)"),
        ]:
            os.write(terminal, line + b"\n")
            while answer not in shown:
                assert select.select([terminal], [], [], 30)[0], shown
                shown += os.read(terminal, 4096)
            shown = shown[shown.index(answer) + len(answer) :]
        os.write(terminal, b"exit\n")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
