/* How much room effects may need. */
#include <assert.h>

#include "base/diag.h"
#include "command/effect.h"
#include "command/large.h"
#include "command/world.h"

/* What a command's effects take beyond the bytes of its arguments: SELECT there and back, MULTI and EXEC, a
 * time, its name where clients call it by a shorter one. */
#define EFFECT_OVERHEAD 256
/* An argument's framing. */
#define ARGUMENT_OVERHEAD 32
/* More than any disk has; two of these do not wrap. */
#define BOUND_MAX (UINT64_MAX / 4)

static_assert(VALUE_TOO_LARGE <= BOUND_MAX, "a sum of bounds tells of a value that is too large");

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a + b < BOUND_MAX ? a + b : BOUND_MAX;
}

void effect_bound_sum(struct effect_bound *bound, const struct effect_bound *other)
{
    ASSERT(bound->bytes <= BOUND_MAX && other->bytes <= BOUND_MAX);
    bound->bytes = sum(bound->bytes, other->bytes);
    bound->value_bytes = sum(bound->value_bytes, other->value_bytes);
}

/* What an argument takes; one that becomes a large value takes room elsewhere. */
static inline __attribute__((always_inline)) void add(struct effect_bound *bound, const struct world *world,
                                                      size_t size, bool is_value)
{
    bound->bytes += ARGUMENT_OVERHEAD;
    if (is_value && large_size(world, size)) {
        bool too_large = size + VALUE_FILE_OVERHEAD > journal_file_max(world->journal);
        bound->bytes += VALUE_IN_UNIT;
        bound->value_bytes =
            sum(bound->value_bytes, too_large ? VALUE_TOO_LARGE : size + VALUE_FILE_OVERHEAD);
    } else {
        bound->bytes += size;
    }
}

void effect_bound_add(struct effect_bound *bound, const struct world *world, size_t size, bool is_value)
{
    add(bound, world, size, is_value);
}

void effect_bound_add_many(struct effect_bound *bound, uint64_t count, uint64_t size)
{
    uint64_t framing = count < BOUND_MAX / ARGUMENT_OVERHEAD ? count * ARGUMENT_OVERHEAD : BOUND_MAX;
    bound->bytes = sum(bound->bytes, sum(framing, size < BOUND_MAX ? size : BOUND_MAX));
}

struct entry *effect_view_find(const struct effect_view *view, int index)
{
    ASSERT(index > 0 && index < view->argc);
    struct slice key = view->argv[index];
    return database_find(store_database(view->world->store, view->database), key,
                         store_hash(view->world->store, key));
}

/* The DEL of a key within a unit. */
static uint64_t delete_size_max(size_t key_size)
{
    return key_size + 2 * ARGUMENT_OVERHEAD;
}

uint64_t effect_delete_size_max(size_t key_size)
{
    return EFFECT_OVERHEAD + delete_size_max(key_size);
}

struct key_visit {
    const struct world *world;
    const struct slice *argv;
    uint64_t bytes;
    bool stores;
};

static void add_key(void *context, int index, unsigned key_flags)
{
    (void)key_flags;
    struct key_visit *visit = context;
    visit->bytes += delete_size_max(visit->argv[index].size);
    /* It was taken for a value. */
    if (visit->stores && large_size(visit->world, visit->argv[index].size))
        visit->bytes += visit->argv[index].size;
}

/* Each argument once, and each key once more: it may have expired, and is deleted first then. So may parts of
 * values that arguments name. */
struct effect_bound effect_bound_of(const struct world *world, int database, const struct command *command,
                                    int argc, const struct slice *argv)
{
    bool stores = command->traits & TRAIT_STORES_VALUES;
    struct effect_bound bound = {EFFECT_OVERHEAD + command->effect_extra, 0};
    for (int i = 0; i < argc; i++)
        add(&bound, world, argv[i].size, stores);
    for (int i = 0; command->traits & TRAIT_NAMES_PARTS && i < argc; i++)
        effect_bound_add(&bound, world, argv[i].size, false);
    if (command_has_keys(command)) {
        struct key_visit visit = {.world = world, .argv = argv, .stores = stores};
        command_each_key(command, argc, argv, add_key, &visit);
        bound.bytes += visit.bytes;
    }
    if (command->effect_bound)
        command->effect_bound(&(struct effect_view){world, database, argc, argv}, &bound);
    ASSERT(bound.bytes >= EFFECT_OVERHEAD && bound.bytes <= BOUND_MAX && bound.value_bytes <= BOUND_MAX);
    return bound;
}

/* --- transactions -------------------------------------------------------------------------------------- */

static struct effect_bound bound_of_queued(const struct session *session, const struct queued_command *queued)
{
    return effect_bound_of(session->world, session->database, queued->entry->row, queued->argc, queued->argv);
}

struct effect_bound effect_bound_of_queue(struct session *session)
{
    struct effect_bound all = session->queue_bound;
    if (!session->queue_asks)
        return all;
    for (size_t i = 0; i < session->queue_size; i++) {
        struct queued_command *queued = &session->queue[i];
        if (!queued->entry->row->effect_bound)
            continue;
        queued->bound = bound_of_queued(session, queued);
        effect_bound_sum(&all, &queued->bound);
    }
    const struct effect_bound once = all;
    effect_bound_sum(&all, &once);
    return all;
}

bool effect_bound_is_admitted(struct session *session, const struct queued_command *queued)
{
    struct world *world = session->world;
    struct effect_bound *admitted = &session->queue_admitted;
    if (!world->journal || !queued->entry->row->effect_bound || !(queued->entry->row->flags & CMD_WRITE))
        return true;
    struct effect_bound needed = bound_of_queued(session, queued);
    effect_bound_sum(&needed, &session->queue_bound);
    needed.bytes = sum(needed.bytes, effect_unit_size(world));
    if (needed.bytes <= admitted->bytes && needed.value_bytes <= admitted->value_bytes)
        return true;
    if (journal_admit_values(world->journal, needed.bytes, needed.value_bytes) != ADMIT_YES)
        return false;
    *admitted = needed;
    return true;
}
