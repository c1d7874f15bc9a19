"""What a fault may lead to: the right answer, or a clear refusal or stop. Nothing else."""

import errno as errnos
import os

from harness.resp import Error
from harness.server import StartError

# Errors that each call can have on a real system, and the two that are no errors.
ERRORS = {
    "open": ["EIO", "ENOSPC", "EMFILE", "EACCES", "EINTR"],
    "read": ["EIO", "EINTR", "short"],
    "write": ["EIO", "ENOSPC", "EDQUOT", "EINTR", "short"],
    "fdatasync": ["EIO", "ENOSPC", "EDQUOT", "EINTR"],
    "fsync": ["EIO", "ENOSPC", "EINTR"],
    "fallocate": ["EIO", "ENOSPC", "EDQUOT", "EOPNOTSUPP", "EINTR"],
    "ftruncate": ["EIO", "EINTR"],
    "rename": ["EIO", "ENOSPC", "EDQUOT"],
    "unlink": ["EIO", "EACCES"],
    "mkdir": ["EIO", "EACCES", "ENOSPC"],
    "flock": ["EIO", "ENOLCK"],
    "fork": ["EAGAIN", "ENOMEM"],
}

# The kernel may have dropped what a failed sync was for, whatever the reason it gives.
FINAL = ("fdatasync", "fsync")


def strike(faults, calls, what, **where):
    """Adds a rule for one of ERRORS, or "crash"."""
    if what in ("short", "crash"):
        return faults.add(calls, what, **where)
    return faults.add(calls, error=what, **where)


def is_final(call, what):
    """Whether a server that met this must not go on."""
    return call in FINAL or (call == "write" and what == "EIO")


def complaints(text):
    """The lines of a log that say that something is wrong."""
    return [line for line in text.splitlines() if " # " in line or line.startswith("dkv-server: ")]


def assert_clear_stop(server, status, text, what):
    """It ended with exit status 1, and said why: what it could not do, with what, and the system's reason."""
    assert status == 1, f"{what}: exit status {status}; log:\n{text}"
    told = complaints(text)
    reason = os.strerror(getattr(errnos, what))
    assert told, f"{what}: nothing was said; log:\n{text}"
    assert any("cannot " in line and reason in line for line in told), f"{what}: not named in {told}"


def assert_clear_refusal(server, refusal, text, what):
    """A start that did not come about: exit status 1 and one line that says why. What fails just after the log was opened
    adds that this is why the server stops."""
    assert isinstance(refusal, StartError) and "exit status 1;" in str(refusal), str(refusal)
    assert_clear_stop(server, 1, text, what)
    told = [line for line in complaints(text) if "stopping, because the log has failed" not in line]
    assert len(told) == 1, told


def assert_refuses_writes_clearly(reply):
    assert isinstance(reply, Error) and reply.code == "MISCONF" and b"no space is left for the log in /" in reply, reply
