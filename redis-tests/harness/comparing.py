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
        self.newer = False  # True where the reference is: it dumps in a newer format, and keeps short strings otherwise


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
        for name in (b"version", b"id", b"modules"):
            figures.pop(name, None)
    return a == b


def near_each(milliseconds_each):
    """The same for the times of a hash's fields."""
    compare = near(milliseconds_each)

    def compare_each(a, b, rules):
        if not isinstance(a, list) or not isinstance(b, list) or len(a) != len(b):
            return False
        return all(compare(one, other, rules) for one, other in zip(a, b))

    return compare_each


def fields(reply):
    """HGETALL's fields and values, sorted, whichever protocol they came by."""
    return sorted(reply.items()) if isinstance(reply, dict) else sorted(zip(reply[::2], reply[1::2]))


def compare_fields_scan(a, b, rules):
    """All at once, in any order."""
    return len(a) == len(b) == 2 and a[0] == b[0] == b"0" and fields(a[1]) == fields(b[1])


def compare_random_fields(a, b, rules):
    """As many of them, in the same form; whether they are the hash's own, a transaction shows."""
    return (a is None) == (b is None) and shape(a) == shape(b)


# In a redis-server the second for ever once a time was to be set for any field, in dkv where one is set.
PACKED = {b"listpack", b"listpackex"}


def compare_encodings(a, b, rules):
    if rules.newer and {a, b} in ({b"embstr", b"raw"}, PACKED):
        return True
    return not rules.encodings and isinstance(a, bytes) and isinstance(b, bytes)


def compare_dumps(a, b, rules):
    if a is None or b is None:
        return False
    # The type says whether it is packed.
    return rules.newer or (a[:1] == b[:1] or not rules.encodings) and a[-10:-8] == b[-10:-8]


# a and b: parsed values of replies that are no errors and whose bytes differ.
KINDS = {
    "seconds": near(1000),
    "milliseconds": near(1),
    "seconds each": near_each(1000),
    "milliseconds each": near_each(1),
    "fields": lambda a, b, rules: len(a) == len(b) and fields(a) == fields(b),
    "fields scan": compare_fields_scan,
    "random fields": compare_random_fields,
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
    "dump": compare_dumps,
    "size": lambda a, b, rules: not rules.sizes and isinstance(a, int) and isinstance(b, int),
    "encoding": compare_encodings,
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
        if i + 1 < len(queue) and not same_beside(queue[i : i + 2], ours[i : i + 2], theirs[i : i + 2], rules):
            return False
    return True


def same_beside(commands, ours, theirs, rules):
    """What the second of two commands of a transaction has to say of the first, or the first of the second."""
    first, second = commands
    if first.kind == "random" and second.args == (b"KEYS", b"*"):
        return all(parse(key) is None or parse(key) in parse(keys) for key, keys in (ours, theirs))
    if first.args[1:2] != second.args[1:2] and first.args[2:3] != second.args[1:2]:
        return True
    if first.kind == "random fields" and second.args[0] == b"HGETALL":
        return all(is_error(chosen) or are_of(first.args, chosen, everything) for chosen, everything in (ours, theirs))
    if first.args[0] == b"OBJECT" and second.kind in ("fields", "unordered", "fields scan"):
        return is_unordered(parse(ours[0]), parse(theirs[0])) or ours[1] == theirs[1]
    return True


def is_unordered(encoding, other):
    """Whether nothing is said of the order of a hash's fields: a listpack has one, and, in one with times, the times."""
    return {encoding, other} != {b"listpack"}


def are_of(args, chosen, everything):
    """Whether HRANDFIELD's reply is made of the hash that HGETALL tells, each field once unless the count is negative."""
    chosen = parse(chosen)
    hash_ = dict(fields(parse(everything)))
    if not isinstance(chosen, list):
        return chosen is None and not hash_ or chosen in hash_
    pairs_chosen = [(field, None) for field in chosen]
    if len(args) == 4:
        pairs_chosen = [tuple(pair) for pair in chosen if isinstance(pair, list)] or list(zip(chosen[::2], chosen[1::2]))
    if not all(field in hash_ and value in (None, hash_[field]) for field, value in pairs_chosen):
        return False
    count = int(args[2])
    if count < 0:
        return len(pairs_chosen) == (-count if hash_ else 0)
    return len({field for field, _ in pairs_chosen}) == len(pairs_chosen) == min(count, len(hash_))


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
    """Or the empty field, with its value unless that was not asked for."""
    if args[0].upper() not in (b"KEYS", b"SCAN", b"HSCAN") or a[:1] != b"*" or b[:1] != b"*":
        return False
    if args[0].upper() == b"HSCAN" and b"NOVALUES" not in args:
        more = [pair for pair in fields(parse(a)[1]) if pair[0] != b""]
        return b"MATCH" in args and more == fields(parse(b)[1])
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
