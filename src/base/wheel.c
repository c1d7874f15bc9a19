#include "base/wheel.h"

#include <assert.h>
#include <stdbool.h>

#include "base/diag.h"
#include "base/memory.h"

/* Times are counted in ticks, rounded up, so that a slot's nodes are all due when its tick has come. A node's
 * level is that of the highest 6-bit digit in which its tick differs from the wheel's, and its slot is its
 * own digit there. As the wheel's tick only moves to where nothing in between is left, this holds of every
 * node that is not pending:
 *
 *     all digits above its level are the wheel's, and its digit is greater than the wheel's.
 *
 * So a slot is passed exactly when the wheel's tick reaches the slot's digit (or a higher digit changes), and
 * the nodes of lower levels come before those of higher ones. */
struct wheel {
    uint64_t tick;
    size_t count;
    __int128 expire_sum_ms;
    struct wheel_list pending;
    /* Slots that may hold nodes: a set bit may be out of date, a clear one is not. */
    uint64_t occupied[WHEEL_LEVELS];
    /* Levels come when they are first used: most wheels need three. */
    struct wheel_list *levels[WHEEL_LEVELS];
};

static_assert(sizeof(struct wheel_node) == 24, "layouts that hold one count on it");
static_assert(WHEEL_SLOTS == 64, "a level's slots fit the bits of a word");

static void list_init(struct wheel_list *list)
{
    list->next = list;
    list->previous = list;
}

static bool list_is_empty(const struct wheel_list *list)
{
    return list->next == list;
}

static void list_append(struct wheel_list *list, struct wheel_list *node)
{
    node->next = list;
    node->previous = list->previous;
    list->previous->next = node;
    list->previous = node;
}

static void list_unlink(struct wheel_list *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
}

/* Moves all of from to the end of to. */
static void list_splice(struct wheel_list *to, struct wheel_list *from)
{
    if (list_is_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

/* The first tick at which expire_ms has passed. */
static uint64_t tick_of(int64_t expire_ms)
{
    return expire_ms <= 0 ? 0 : ((uint64_t)expire_ms - 1) / WHEEL_TICK_MS + 1;
}

struct wheel *wheel_new(void)
{
    struct wheel *wheel = mem_alloc_zero(sizeof(*wheel));
    list_init(&wheel->pending);
    return wheel;
}

void wheel_free(struct wheel *wheel)
{
    if (wheel == NULL)
        return;
    for (int level = 0; level < WHEEL_LEVELS; level++)
        mem_free(wheel->levels[level]);
    mem_free(wheel);
}

static struct wheel_list *level_new(void)
{
    struct wheel_list *slots = mem_alloc(WHEEL_SLOTS * sizeof(*slots));
    for (int slot = 0; slot < WHEEL_SLOTS; slot++)
        list_init(&slots[slot]);
    return slots;
}

/* Links the node where it will be seen again at tick `when`, which is to come. */
static void wheel_place(struct wheel *wheel, struct wheel_node *node, uint64_t when)
{
    ASSERT(when > wheel->tick);
    unsigned level = (63U - (unsigned)__builtin_clzll(when ^ wheel->tick)) / WHEEL_SLOT_BITS;
    unsigned slot = (when >> (level * WHEEL_SLOT_BITS)) % WHEEL_SLOTS;
    if (wheel->levels[level] == NULL)
        wheel->levels[level] = level_new();
    list_append(&wheel->levels[level][slot], &node->links);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

static void wheel_link(struct wheel *wheel, struct wheel_node *node)
{
    uint64_t when = tick_of(node->expire_ms);
    if (when <= wheel->tick)
        list_append(&wheel->pending, &node->links);
    else
        wheel_place(wheel, node, when);
}

void wheel_insert(struct wheel *wheel, struct wheel_node *node, int64_t expire_ms)
{
    node->expire_ms = expire_ms;
    wheel->expire_sum_ms += expire_ms;
    wheel->count++;
    wheel_link(wheel, node);
}

void wheel_remove(struct wheel *wheel, struct wheel_node *node)
{
    ASSERT(wheel->count > 0);
    list_unlink(&node->links);
    wheel->expire_sum_ms -= node->expire_ms;
    wheel->count--;
}

void wheel_change(struct wheel *wheel, struct wheel_node *node, int64_t expire_ms)
{
    bool earlier = expire_ms < node->expire_ms;
    wheel->expire_sum_ms += (__int128)expire_ms - node->expire_ms;
    node->expire_ms = expire_ms;
    /* A time that moves away needs no new slot: the node is looked at in its old one and put further then. So
     * something whose time is prolonged at every use costs one write, not the cache misses of its neighbours.
     */
    if (earlier) {
        list_unlink(&node->links);
        wheel_link(wheel, node);
    }
}

void wheel_relocate(struct wheel_node *from, struct wheel_node *to)
{
    *to = *from;
    to->links.previous->next = &to->links;
    to->links.next->previous = &to->links;
}

/* Makes the lists of these slots pending. */
static void wheel_collect(struct wheel *wheel, int level, uint64_t slots)
{
    uint64_t found = wheel->occupied[level] & slots;
    wheel->occupied[level] &= ~slots;
    for (; found != 0; found &= found - 1)
        list_splice(&wheel->pending, &wheel->levels[level][__builtin_ctzll(found)]);
}

/* The bits of slots up to this one. */
static uint64_t slots_through(uint64_t slot)
{
    return (UINT64_C(2) << slot) - 1;
}

static void wheel_advance(struct wheel *wheel, uint64_t tick)
{
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t from = wheel->tick >> (level * WHEEL_SLOT_BITS);
        uint64_t to = tick >> (level * WHEEL_SLOT_BITS);
        if (from == to)
            break;
        bool same_round = from / WHEEL_SLOTS == to / WHEEL_SLOTS;
        wheel_collect(wheel, level,
                      same_round ? slots_through(to % WHEEL_SLOTS) & ~slots_through(from % WHEEL_SLOTS)
                                 : UINT64_MAX);
    }
    wheel->tick = tick;
}

/* After a jump backwards no node's slot means anything: all become pending, to be placed again within
 * budgets. */
static void wheel_rewind(struct wheel *wheel, uint64_t tick)
{
    for (int level = 0; level < WHEEL_LEVELS; level++)
        wheel_collect(wheel, level, UINT64_MAX);
    wheel->tick = tick;
}

struct wheel_node *wheel_next(struct wheel *wheel, int64_t now_ms, int *budget)
{
    uint64_t tick = now_ms <= 0 ? 0 : (uint64_t)now_ms / WHEEL_TICK_MS;
    if (tick > wheel->tick)
        wheel_advance(wheel, tick);
    else if (tick + WHEEL_REWIND_TICKS < wheel->tick)
        wheel_rewind(wheel, tick);

    while (*budget > 0 && !list_is_empty(&wheel->pending)) {
        --*budget;
        struct wheel_node *node = (struct wheel_node *)wheel->pending.next;
        __builtin_prefetch(node->links.next, 1);
        if (node->expire_ms <= now_ms)
            return node;
        list_unlink(&node->links);
        /* Its tick has come without its time only where the clock went back a little. */
        uint64_t when = tick_of(node->expire_ms);
        wheel_place(wheel, node, when > wheel->tick ? when : wheel->tick + 1);
    }
    return NULL;
}

int64_t wheel_due_ms(const struct wheel *wheel)
{
    if (!list_is_empty(&wheel->pending))
        return INT64_MIN;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (wheel->occupied[level] == 0)
            continue;
        uint64_t above = wheel->tick >> (level + 1) * WHEEL_SLOT_BITS << WHEEL_SLOT_BITS;
        uint64_t slot = (uint64_t)__builtin_ctzll(wheel->occupied[level]);
        uint64_t tick = (above | slot) << level * WHEEL_SLOT_BITS;
        return tick > INT64_MAX / WHEEL_TICK_MS ? INT64_MAX : (int64_t)tick * WHEEL_TICK_MS;
    }
    return INT64_MAX;
}

/* Of the first nodes of a list, the one whose time comes first. */
static struct wheel_node *list_soonest(const struct wheel_list *list, int looks)
{
    struct wheel_node *soonest = NULL;
    for (struct wheel_list *links = list->next; links != list && looks > 0; links = links->next, looks--) {
        struct wheel_node *node = (struct wheel_node *)links;
        if (soonest == NULL || node->expire_ms < soonest->expire_ms)
            soonest = node;
    }
    return soonest;
}

/* Puts the first nodes of a slot where they belong: their time may have moved away since. */
static void slot_sort(struct wheel *wheel, struct wheel_list *slot, int looks)
{
    for (; looks > 0 && !list_is_empty(slot); looks--) {
        struct wheel_node *node = (struct wheel_node *)slot->next;
        list_unlink(&node->links);
        wheel_link(wheel, node);
    }
}

struct wheel_node *wheel_soonest(struct wheel *wheel, int looks)
{
    struct wheel_node *soonest = list_soonest(&wheel->pending, looks);
    for (int level = 0; level < WHEEL_LEVELS && soonest == NULL; level++) {
        while (wheel->occupied[level] != 0 && soonest == NULL) {
            unsigned at = (unsigned)__builtin_ctzll(wheel->occupied[level]);
            struct wheel_list *slot = &wheel->levels[level][at];
            slot_sort(wheel, slot, looks);
            soonest = list_soonest(slot, looks);
            if (soonest == NULL)
                wheel->occupied[level] &= ~(UINT64_C(1) << at);
        }
    }
    return soonest;
}

size_t wheel_count(const struct wheel *wheel)
{
    return wheel->count;
}

int64_t wheel_mean_ms(const struct wheel *wheel)
{
    return wheel->count == 0 ? 0 : (int64_t)(wheel->expire_sum_ms / (__int128)wheel->count);
}

size_t wheel_memory(const struct wheel *wheel)
{
    size_t total = mem_size(wheel);
    for (int level = 0; level < WHEEL_LEVELS; level++)
        total += wheel->levels[level] == NULL ? 0 : mem_size(wheel->levels[level]);
    return total;
}
