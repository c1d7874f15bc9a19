"""How much was tried: tests count, and the end of the run tells the sums in one line, as tests/run.py reads it."""

import collections

_sums = collections.Counter()


def figure(count, what):
    """Adds to what the run tells, and prints it for the test's own output."""
    _sums[what] += count
    print(f"{count} {what}")


def take_line():
    """The line of all sums, once; None when nothing was counted."""
    line = ", ".join(f"{count} {what}" for what, count in _sums.items() if count)
    _sums.clear()
    return f"figures: {line}" if line else None
