"""When two replies to one command count as the same.

Byte for byte, unless a reply holds what two servers cannot agree on (the rules by kind), or dkv means to differ (the
table of intended differences at the end; redis-tests/README.md lists them too).
"""

from collections import namedtuple

from harness.resp import ARRAYS, CRLF, MAPS, pairs, parse, reply_end

# How far two servers' clocks of one command may be apart; a stalled machine must not fail the test.
CLOCK_SLACK_MS = 20_000


class Rules:
    """How strictly to compare; a run sets these for all its comparisons."""

    def __init__(self):
        self.encodings = True  # False once a restart may have packed values anew
        self.sizes = True  # False while DBSIZE may count what has expired


def children(raw):
    """The elements of an aggregate, as the bytes they came as; None for any other reply."""
    if raw[0] not in ARRAYS and raw[0] not in MAPS:
        return None
    position = raw.index(CRLF) + 2
    elements = []
    while position < len(raw):
        end = reply_end(raw, position)
        elements.append(raw[position:end])
        position = end
    return elements


def is_error(raw):
    return raw[:1] in (b"-", b"!")


def shape(value):
    """A value's type, and its elements' types."""
    if isinstance(value, list):
        return [shape(element) for element in value]
    if isinstance(value, dict):
        return {}
    return type(value)


def near(milliseconds_each):
    def compare(a, b, rules):
        if not isinstance(a, int) or not isinstance(b, int):
            return False
        # -2 and -1 say that there is no key, no time to live.
        return a == b or (a >= 0 and b >= 0 and abs(a - b) * milliseconds_each <= CLOCK_SLACK_MS)

    return compare


def compare_scan(a, b, rules):
    return len(a) == len(b) == 2 and a[0] == b[0] == b"0" and sorted(a[1]) == sorted(b[1])


def compare_hello(a, b, rules):
    a, b = pairs(a), pairs(b)
    for figures in (a, b):
        figures.pop(b"version", None)
        figures.pop(b"id", None)
    return a == b


# a and b: parsed values of replies that are no errors and whose bytes differ.
KINDS = {
    "seconds": near(1000),
    "milliseconds": near(1),
    "unordered": lambda a, b, rules: sorted(a) == sorted(b),
    "scan": compare_scan,
    # Who else holds the object is each server's own affair.
    "references": lambda a, b, rules: a > 0 and b > 0,
    # Redis keeps one time of last use for each small integer, whichever keys hold it.
    "idle": lambda a, b, rules: a >= 0 and b >= 0,
    "random": lambda a, b, rules: (a is None) == (b is None),
    "shape": lambda a, b, rules: shape(a) == shape(b),
    "hello": compare_hello,
    # How well it is compressed is each server's own affair; what is in it, test_values.py compares.
    "dump": lambda a, b, rules: a is not None and b is not None and a[:1] == b[:1] and a[-10:-8] == b[-10:-8],
    "size": lambda a, b, rules: not rules.sizes and isinstance(a, int) and isinstance(b, int),
    "encoding": lambda a, b, rules: not rules.encodings and isinstance(a, bytes) and isinstance(b, bytes),
    "pairs": lambda a, b, rules: pairs(a) == pairs(b),
    "quit": lambda a, b, rules: False,
}


def same(command, a, b, queue, rules):
    """Whether raw replies a (under test) and b (reference) are as good as the same. queue: what EXEC ran."""
    if a == b:
        return True
    if command.kind == "exec" and not is_error(a) and not is_error(b):
        return same_transaction(a, b, queue, rules)
    if not is_error(a) and not is_error(b) and a[:1] == b[:1] and command.kind is not None:
        if KINDS[command.kind](parse(a), parse(b), rules):
            return True
    return intended(command, a, b) is not None


def same_transaction(a, b, queue, rules):
    ours, theirs = children(a), children(b)
    if ours is None or theirs is None or not len(ours) == len(theirs) == len(queue):
        return False
    for i, command in enumerate(queue):
        if not same(command, ours[i], theirs[i], [], rules):
            return False
        # RANDOMKEY followed by KEYS *: is it one of them?
        if command.kind == "random" and i + 1 < len(queue) and queue[i + 1].args == (b"KEYS", b"*"):
            for elements in (ours, theirs):
                key = parse(elements[i])
                if key is not None and key not in parse(elements[i + 1]):
                    return False
    return True


# --- intended differences -------------------------------------------------------------------------------------------

Difference = namedtuple("Difference", "name applies reason")


def intended(command, a, b):
    """The row of the table that explains why dkv's reply a differs from the reference's reply b; None: no row does."""
    for difference in INTENDED:
        if difference.applies(command.args, a, b):
            return difference
    return None


def is_subcommand(args, *names):
    return tuple(word.upper() for word in args[: len(names)]) == names


def keys_listed(reply):
    """The keys that KEYS or SCAN (with a COUNT beyond all of them) told of."""
    return set(reply[1] if len(reply) == 2 and isinstance(reply[1], list) else reply)


def only_the_empty_key_more(args, a, b):
    if args[0].upper() not in (b"KEYS", b"SCAN") or a[:1] != b"*" or b[:1] != b"*":
        return False
    return keys_listed(parse(a)) - keys_listed(parse(b)) == {b""} and keys_listed(parse(b)) <= keys_listed(parse(a))


INTENDED = [
    Difference(
        "patterns of several stars and the empty key",
        only_the_empty_key_more,
        "** matches whatever * matches; in redis it does not match the empty key",
    ),
    Difference(
        "MEMORY USAGE of what has expired",
        lambda args, a, b: is_subcommand(args, b"MEMORY", b"USAGE") and parse(a) is None and b[:1] == b":",
        "a key whose time has passed is gone for every command; redis still tells its size until it is deleted",
    ),
]
