"""npm's `redis` and `ioredis`, unchanged. Their versions are pinned in node/package-lock.json."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent / "node"


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory):
    """The scripts and their packages, installed into a folder of this run."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not installed: the Node.js clients are not checked")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", ".npmrc", *[path.name for path in HERE.glob("*.mjs")]):
        shutil.copy(HERE / name, folder)
    # redis-memory-server would fetch and build a redis-server of its own.
    environment = {**os.environ, "REDISMS_DISABLE_POSTINSTALL": "1"}
    install = subprocess.run(
        ["npm", "ci", "--prefer-offline", "--loglevel=error"], cwd=folder, capture_output=True, text=True, timeout=600,
        env=environment,
    )
    assert install.returncode == 0, f"npm ci:\n{install.stdout}\n{install.stderr}"
    return folder


def run_script(folder, *arguments):
    result = subprocess.run(
        ["node", *[str(argument) for argument in arguments]], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "all as expected" in result.stdout


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis(node_folder, server, protocol):
    run_script(node_folder, "check_redis.mjs", server.socket, server.port, protocol)


def test_ioredis(node_folder, server):
    run_script(node_folder, "check_ioredis.mjs", server.socket, server.port)


@pytest.mark.parametrize("protocol", [2, 3])
def test_hashes(node_folder, known_commands, server, protocol):
    """Of both, with the times to live of fields where the server has them."""
    if "hset" not in known_commands:
        pytest.skip("this server has no hashes")
    run_script(node_folder, "check_hashes.mjs", server.socket, protocol, "times" if "hsetex" in known_commands else "none")


def test_redis_memory_server(node_folder, server_binary):
    """Finds the program by its output, gives it a port, and stops it."""
    run_script(node_folder, "check_memory_server.mjs", server_binary)
