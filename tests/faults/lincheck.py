"""Whether a history could have come from one register a key, whose operations happen one at a time, each at some moment
between its call and its return: linearizability.

The search is that of Wing and Gong with Lowe's just-in-time order and a memory of where it has been. Keys are
independent, so each is checked alone. The events of a key, calls and returns, are gone through in order of time. What
may be the case at a moment is a set of configurations: the register's value, and which of the pending operations have
happened. Nothing has to happen before some operation returns; then, from every configuration in which it has not
happened yet, every order of pending operations that ends with it and gives each the result that it had is followed. A
history is not linearizable when no configuration is left.

An operation whose client never had an answer may have happened or not. It ends, at the latest, when the server that it
was sent to was dead.
"""

import collections

# value: what SET and the compare-and-set write; expected: what the latter compares with. returned is None for an
# operation without an answer until give_ends says when it ended.
Operation = collections.namedtuple("Operation", "client key name value expected called returned result has_result")

SHOWN = 12


def operation(client, key, name, called, returned, result=None, value=None, expected=None, has_result=True):
    return Operation(client, key, name, value, expected, called, returned, result, has_result)


def apply(state, op):
    """The register after an operation, and what the operation returns. None: there is no such key."""
    if op.name == "get":
        return state, state
    if op.name == "set":
        return op.value, True
    if op.name == "cas":
        return (op.value, True) if state is not None and state == op.expected else (state, False)
    if op.name == "incr":
        return (state or 0) + 1, (state or 0) + 1
    if op.name == "del":
        return None, state is not None
    raise ValueError(op.name)


class Violation(Exception):
    """No order of these operations explains their results."""


def check(history):
    """Raises Violation, or returns how many configurations were looked at."""
    keys = collections.defaultdict(list)
    for op in history:
        keys[op.key].append(op)
    return sum(check_key(operations) for operations in keys.values())


def _events(operations):
    """(time, is a return, index): where times are equal, calls come first, so that both orders are possible."""
    events = [(op.called, 0, index) for index, op in enumerate(operations)]
    events += [(op.returned, 1, index) for index, op in enumerate(operations)]
    return sorted(events)


def check_key(operations, initial=None):
    """One key's history."""
    configurations = {(initial, 0)}  # the value, and a bit for each slot whose operation has happened
    slots = []  # indices of pending operations; None is free
    slot_of = {}
    visited = 0
    for _, is_return, index in _events(operations):
        if not is_return:
            slot_of[index] = _take_slot(slots, index)
            continue
        slot = slot_of[index]
        after, count = _happened(configurations, operations, slots, slot)
        visited += count
        if not operations[index].has_result:
            after |= configurations  # or it never happens
        if not after:
            raise Violation(_explain(operations, index, configurations, slots))
        configurations = after
        slots[slot] = None
        configurations = {(state, happened & ~(1 << slot)) for state, happened in configurations}
    return visited


def _take_slot(slots, index):
    if None in slots:
        slot = slots.index(None)
        slots[slot] = index
        return slot
    slots.append(index)
    return len(slots) - 1


def _happened(configurations, operations, slots, slot):
    """The configurations in which the slot's operation has happened, reached from these; and how many were visited."""
    bit = 1 << slot
    after = {configuration for configuration in configurations if configuration[1] & bit}
    stack = [configuration for configuration in configurations if not configuration[1] & bit]
    seen = set(stack)
    while stack:
        state, happened = stack.pop()
        for other, index in enumerate(slots):
            if index is None or happened >> other & 1:
                continue
            op = operations[index]
            next_state, result = apply(state, op)
            if op.has_result and result != op.result:
                continue
            reached = (next_state, happened | 1 << other)
            if other == slot:
                after.add(reached)
            elif reached not in seen:
                seen.add(reached)
                stack.append(reached)
    return after, len(seen) + len(after)


def _describe(op):
    arguments = [str(value) for value in (op.value, op.expected) if value is not None]
    result = repr(op.result) if op.has_result else "no answer"
    return f"[{op.called:.6f} {op.returned:.6f}] client {op.client}: {op.name}({', '.join(arguments)}) -> {result}"


def _explain(operations, index, configurations, slots):
    op = operations[index]
    before = sorted((one for one in operations if one.returned < op.called), key=lambda one: one.returned)
    pending = [operations[one] for one in slots if one is not None and one != index]
    return "\n".join(
        [f"key {op.key}: {_describe(op)} cannot be explained"]
        + [f"the value could be any of {sorted({state for state, _ in configurations}, key=str)}"]
        + ["pending meanwhile:"]
        + [f"    {_describe(one)}" for one in pending]
        + ["returned before:"]
        + [f"    {_describe(one)}" for one in before[-SHOWN:]]
    )
