"""Debian's clients for PHP, Ruby and Perl, unchanged: php-redis, ruby-redis, libredis-perl."""

import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PASSWORD = "a secret: ünï"
CLIENTS = {"php": "php/check.php", "ruby": "ruby/check.rb", "perl": "perl/check.pl"}


@pytest.fixture
def restarter(tmp_path):
    """restarter(server): a command that restarts it, and returns when it is ready again."""
    asked, done = tmp_path / "asked", tmp_path / "done"
    over = threading.Event()

    def serve(server):
        while not over.wait(0.01):
            if asked.exists():
                asked.unlink()
                server.restart(kill=True)
                done.touch()

    threads = []

    def make(server):
        threads.append(threading.Thread(target=serve, args=(server,)))
        threads[-1].start()
        script = f"import pathlib, time\npathlib.Path({str(asked)!r}).touch()\nwhile not pathlib.Path({str(done)!r}).exists(): time.sleep(0.01)"  # fmt: skip
        return f"{shlex.quote(sys.executable)} -c {shlex.quote(script)}"

    yield make
    over.set()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("language", CLIENTS)
def test_client(start_server, restarter, language):
    if shutil.which(language) is None:
        pytest.skip(f"{language} is not installed: its client is not checked")
    server = start_server(requirepass=PASSWORD, appendonly="yes", appendfsync="always")
    command = [language, str(HERE / CLIENTS[language]), server.socket, PASSWORD, restarter(server)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "all as expected" in result.stdout
