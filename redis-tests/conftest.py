"""See harness/fixtures.py: what both test folders share."""

from harness.fixtures import *  # noqa: F401,F403
