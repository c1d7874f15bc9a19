"""The checker can tell: what is right passes, each kind of fault is rejected, and on small histories it agrees with a
search that tries every order."""

import itertools
import random

import pytest
from lincheck import Violation, apply, check, operation


def op(name, called, returned, result=None, **more):
    return operation(more.pop("client", 0), more.pop("key", "k"), name, called, returned, result, **more)


def maybe(name, called, dead, **more):
    return op(name, called, dead, has_result=False, **more)


RIGHT = {
    "one after the other": [op("set", 0, 1, True, value=5), op("get", 2, 3, 5)],
    "a read beside a write sees the old": [
        op("set", 0, 1, True, value=5),
        op("set", 2, 6, True, value=6),
        op("get", 3, 4, 5),
    ],
    "a read beside a write sees the new": [
        op("set", 0, 1, True, value=5),
        op("set", 2, 6, True, value=6),
        op("get", 3, 4, 6),
    ],
    "two counts": [op("incr", 0, 5, 2), op("incr", 1, 4, 1)],
    "one of two compare-and-sets wins": [
        op("set", 0, 1, True, value=1),
        op("cas", 2, 6, True, value=2, expected=1),
        op("cas", 3, 5, False, value=3, expected=1),
    ],
    "one deletes": [op("set", 0, 1, True, value=1), op("del", 2, 6, False), op("del", 3, 5, True), op("get", 7, 8, None)],
    "no answer, and it happened": [maybe("set", 0, 2, value=5), op("get", 3, 4, 5)],
    "no answer, and it did not": [maybe("set", 0, 2, value=5), op("get", 3, 4, None)],
    "no answer, and what follows builds on it": [maybe("incr", 0, 2), op("incr", 3, 4, 2)],
    "keys are independent": [op("set", 0, 1, True, value=5, key="a"), op("get", 2, 3, None, key="b")],
}

WRONG = {
    "a stale read": [op("set", 0, 1, True, value=5), op("set", 2, 3, True, value=6), op("get", 4, 5, 5)],
    "a write that was lost": [op("set", 0, 1, True, value=5), op("get", 2, 3, None)],
    "a value that nobody wrote": [op("set", 0, 1, True, value=5), op("get", 2, 3, 7)],
    "two reads that saw a write come and go": [
        op("set", 0, 1, True, value=5),
        op("set", 2, 9, True, value=6),
        op("get", 3, 4, 6),
        op("get", 5, 6, 5),
    ],
    "a count that was lost": [op("incr", 0, 1, 1), op("incr", 2, 3, 1)],
    "a compare-and-set that was won twice": [
        op("set", 0, 1, True, value=1),
        op("cas", 2, 6, True, value=2, expected=1),
        op("cas", 3, 5, True, value=3, expected=1),
    ],
    "a key that was deleted twice": [op("set", 0, 1, True, value=1), op("del", 2, 6, True), op("del", 3, 5, True)],
    "shown, then gone: the write had no answer": [maybe("set", 0, 4, value=5), op("get", 1, 2, 5), op("get", 5, 6, None)],
    "it happened after its server was dead": [maybe("set", 0, 2, value=5), op("get", 3, 4, None), op("get", 5, 6, 5)],
    "it happened twice": [maybe("incr", 0, 2), op("get", 3, 4, 2)],
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    check(RIGHT[name])


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name):
    with pytest.raises(Violation):
        check(WRONG[name])


def explains(order):
    state = None
    for one in order:
        state, result = apply(state, one)
        if one.has_result and result != one.result:
            return False
    return True


def by_trying_all(history):
    """Every subset of those without an answer, in every order that keeps what returned before what was called later."""
    unsure = [one for one in history if not one.has_result]
    sure = [one for one in history if one.has_result]
    for count in range(len(unsure) + 1):
        for some in itertools.combinations(unsure, count):
            for order in itertools.permutations(sure + list(some)):
                in_time = all(a.called <= b.returned for a, b in itertools.combinations(order, 2))
                if in_time and explains(order):
                    return True
    return False


def random_history(rng):
    """Of a register that is right most of the time, seen by clients that overlap."""
    state, history, now = None, [], 0.0
    for client in range(rng.randrange(2, 7)):
        now += rng.random()
        name = rng.choice(["get", "get", "set", "cas", "incr", "del"])
        called, returned = now - rng.random() * 2, now + rng.random() * 2
        draft = op(name, called, returned, value=rng.randrange(3), expected=rng.randrange(3))
        if rng.random() < 0.15:
            history.append(draft._replace(has_result=False))
            if rng.random() < 0.5:
                state, _ = apply(state, draft)
            continue
        state, result = apply(state, draft)
        if rng.random() < 0.15 and name in ("get", "incr"):
            result = rng.choice([None, 0, 1, 2])
        history.append(draft._replace(result=result, client=client))
    return history


def is_accepted(history):
    try:
        check(history)
    except Violation:
        return False
    return True


def test_agrees_with_trying_all(seed, full):
    rng = random.Random(seed)
    verdicts = [0, 0]
    for _ in range(20_000 if full else 1_500):
        history = random_history(rng)
        expected = by_trying_all(history)
        assert is_accepted(history) == expected, history
        verdicts[expected] += 1
    print(f"{verdicts[1]} right, {verdicts[0]} wrong")
    assert min(verdicts) > 50
