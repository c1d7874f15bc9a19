/* Effects: the commands that repeat what a command did, appended to the journal as units.
 *
 * A unit's bytes go straight into the journal's open buffer. Most units are one command, so nothing is put in
 * front of the first; when a second one joins, MULTI is moved in before it at the end of the unit, which is
 * rare and short. A SELECT that a unit needs stands in front of MULTI: on its own it changes nothing, so it
 * may be there without what follows. */
#include "command/effect.h"
#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "command/block.h"
#include "command/event.h"
#include "command/large.h"
#include "command/lookup.h"
#include "command/message/push.h"
#include "command/message/tracking.h"
#include "command/watch.h"
#include "command/world.h"
#include "resp/request.h"

/* --- the unit ------------------------------------------------------------------------------------------ */

/* Whether effects are to be written, and the unit opened for them. */
static bool unit_open(struct world *world)
{
    if (!world->journal)
        return false;
    if (!world->unit_open) {
        world->unit_buffer =
            journal_unit_begin(world->journal, world->stream_database < 0 ? 0 : world->stream_database);
        world->unit_begin = world->unit_buffer->size;
        world->unit_effects = 0;
        world->unit_open = true;
    }
    return true;
}

static void select_database(struct world *world, int database)
{
    if (world->stream_database == database)
        return;
    char digits[INT64_TEXT_MAX];
    size_t size = int64_format(digits, database);
    request_append(world->unit_buffer, 2, (struct slice[]){SLICE_LITERAL("SELECT"), {digits, size}});
    if (world->unit_effects == 0)
        world->unit_begin = world->unit_buffer->size;
    world->stream_database = database;
}

/* Opens the unit for one more effect; NULL when nothing is to be written. */
static struct buffer *effect_begin(struct world *world, int database)
{
    world->stats.changes++;
    world->changes_since_rewrite++;
    if (!unit_open(world))
        return NULL;
    select_database(world, database);
    world->unit_effects++;
    return world->unit_buffer;
}

/* The same for an effect of a command. */
static struct buffer *call_effect_begin(struct call *call, int database)
{
    return call->origin->is_logged ? effect_begin(call->world, database) : NULL;
}

uint64_t effect_unit_size(const struct world *world)
{
    return world->unit_open ? world->unit_buffer->size - world->unit_begin : 0;
}

/* In a transaction, what is in the unit already and what its writes may still add come on top. */
bool effect_admit(struct call *call)
{
    struct world *world = call->world;
    struct session *session = call->session;
    if (!world->journal || !call->origin->is_logged)
        return true;
    struct effect_bound bound =
        effect_bound_of(world, session->database, call->command->row, call->argc, call->argv);
    if (!call->origin->is_alone)
        effect_bound_sum(&bound, &session->queue_bound);
    bound.bytes += effect_unit_size(world);
    return journal_admit_values(world->journal, bound.bytes, bound.value_bytes) == ADMIT_YES;
}

void effect_verbatim(struct call *call)
{
    struct buffer *buffer = call_effect_begin(call, call->session->database);
    if (!buffer)
        return;
    large_note_effect(call->world, call->command->row, call->argc, call->argv);
    if (call->command->called) { /* by that name nobody could repeat it */
        request_append_count(buffer, call->argc);
        request_append_argument(buffer, slice_of(call->command->full_name));
        for (int i = 1; i < call->argc; i++)
            request_append_argument(buffer, call->argv[i]);
    } else if (call->raw.size) {
        buffer_append_slice(buffer, call->raw);
    } else {
        request_append(buffer, call->argc, call->argv);
    }
}

/* Which of the files that hold what this command looked at its effect needs. */
static void note_effect(struct world *world, int argc, const struct slice *argv)
{
    if (world->looked_at.size == 0)
        return;
    const struct command_entry *entry = command_table_find(world->commands, argv[0]);
    ASSERT(entry);
    large_note_effect(world, entry->row, argc, argv);
}

void effect_command(struct call *call, int database, int argc, const struct slice *argv)
{
    struct buffer *buffer = call_effect_begin(call, database);
    if (!buffer)
        return;
    note_effect(call->world, argc, argv);
    request_append(buffer, argc, argv);
}

void effect_values(struct call *call, int database, int argc, const struct slice *argv,
                   struct blob *const *blobs)
{
    struct buffer *buffer = call_effect_begin(call, database);
    if (!buffer)
        return;
    note_effect(call->world, argc, argv);
    request_append_count(buffer, argc);
    for (int i = 0; i < argc; i++) {
        if (!blobs[i]) {
            request_append_argument(buffer, argv[i]);
            continue;
        }
        request_append_size(buffer, blobs[i]->size);
        journal_unit_value(call->world->journal, blobs[i], argv[i - 1]);
        request_append_end(buffer);
    }
}

int entry_set_command(const struct entry *entry, char scratch[STRING_SCRATCH], char digits[INT64_TEXT_MAX],
                      struct slice argv[5])
{
    int64_t expire_ms = entry_expire_ms(entry);
    argv[0] = SLICE_LITERAL("SET");
    argv[1] = entry_key(entry);
    argv[2] = string_value(entry, scratch);
    if (expire_ms == EXPIRE_NEVER)
        return 3;
    argv[3] = SLICE_LITERAL("PXAT");
    argv[4] = slice_make(digits, int64_format(digits, expire_ms));
    return 5;
}

void effect_set(struct call *call, int database, const struct entry *entry)
{
    char scratch[STRING_SCRATCH];
    char digits[INT64_TEXT_MAX];
    struct slice argv[5];
    int argc = entry_set_command(entry, scratch, digits, argv);
    struct blob *blobs[5] = {[2] = large_blob(call->world, entry)};
    if (blobs[2])
        effect_values(call, database, argc, argv, blobs);
    else
        effect_command(call, database, argc, argv);
}

static void world_effect_delete(struct world *world, int database, struct slice command, struct slice key)
{
    struct buffer *buffer = effect_begin(world, database);
    if (buffer)
        request_append(buffer, 2, (struct slice[]){command, key});
}

void effect_delete(struct call *call, int database, struct slice key)
{
    if (call->origin->is_logged)
        world_effect_delete(call->world, database, SLICE_LITERAL("DEL"), key);
}

bool effect_unit_end(struct world *world)
{
    static const char multi[] = "*1\r\n$5\r\nMULTI\r\n";
    static const char exec[] = "*1\r\n$4\r\nEXEC\r\n";
    if (!world->unit_open)
        return false;
    struct buffer *buffer = world->unit_buffer;
    if (world->unit_effects > 1) {
        size_t size = sizeof(multi) - 1;
        buffer_reserve(buffer, size + sizeof(exec));
        char *begin = buffer->data + world->unit_begin;
        memmove(begin + size, begin, buffer->size - world->unit_begin);
        memcpy(begin, multi, size);
        buffer->size += size;
        journal_unit_moved(world->journal, world->unit_begin, size);
        buffer_append(buffer, exec, sizeof(exec) - 1);
    }
    world->time.on_record_lsn = journal_unit_end(world->journal);
    world->time.on_record_ms = world->now_ms;
    world->unit_open = false;
    return true;
}

/* The unit's frame will say the time: a SELECT of what is selected changes nothing. */
void effect_time(struct world *world)
{
    ASSERT(!world->unit_open);
    if (!world->journal || journal_admit_note(world->journal) != ADMIT_YES)
        return;
    int database = world->stream_database < 0 ? 0 : world->stream_database;
    unit_open(world);
    world->stream_database = -1;
    select_database(world, database);
    effect_unit_end(world);
}

lsn_t effect_of_hiding(struct world *world)
{
    world->hides = false;
    if (!world->journal)
        return 0;
    if (world->time.hidden_ms > world->time.on_record_ms)
        effect_time(world);
    return world->time.on_record_lsn;
}

/* A reader of the key waits for the end of the unit that is being built or comes next. Durability moves from
 * one end of a unit to another, so any LSN behind the unit's begin stands for its end. */
static lsn_t unit_lsn(const struct world *world)
{
    return journal_executed(world->journal) + 1;
}

static void key_changed(struct world *world, int database, struct slice key, uint64_t hash, bool expired)
{
    if (world->journal)
        world->key_lsns[hash % KEY_LSN_SLOTS] = unit_lsn(world);
    if (watch_table_count(world->watches))
        watch_touch(world->watches, database, key, hash, expired);
    if (__builtin_expect(world->blocked_count > 0, 0))
        block_note_key(world, database, key, hash);
    tracking_key_changed(world, key, hash);
}

void call_changed_in(struct call *call, int database, struct slice key, uint64_t hash)
{
    if (call->origin->is_announced)
        key_changed(call->world, database, key, hash, false);
}

void call_changed(struct call *call, struct slice key, uint64_t hash)
{
    call_changed_in(call, call->session->database, key, hash);
}

void call_changed_all(struct call *call, int database)
{
    if (!call->origin->is_announced)
        return;
    if (call->world->journal)
        call->world->all_keys_lsn = unit_lsn(call->world);
    watch_touch_present(call->world->watches, call->world, database);
    if (call->world->blocked_count > 0)
        block_note_database(call->world, database);
}

void call_came_all(struct call *call, int database)
{
    if (!call->origin->is_announced)
        return;
    watch_touch_came(call->world->watches, call->world, database);
    if (call->world->blocked_count > 0)
        block_note_database(call->world, database);
}

/* What is told and counted when an entry goes because its time has passed, or that of all its parts. */
static void expired_tell(struct world *world, int database, const struct entry *entry)
{
    struct slice key = entry_key(entry);
    if (entry_parts_have_expired(entry, world->now_ms) &&
        !expire_has_passed(entry_expire_ms(entry), world->now_ms)) {
        world_notify(world, NOTIFY_HASH, "hexpired", database, key);
        world_notify(world, NOTIFY_GENERIC, "del", database, key);
        world->stats.expired_fields += entry_hash_size(entry);
    } else {
        world_notify(world, NOTIFY_EXPIRED, "expired", database, key);
        world->stats.expired++;
    }
}

/* Deletes an entry whose time has passed, or that of all its parts, within whatever unit is being built. */
static void expire_entry(struct world *world, int database, struct entry *entry)
{
    struct slice key = entry_key(entry);
    uint64_t hash = store_hash(world->store, key);
    world_effect_delete(world, database, SLICE_LITERAL("DEL"), key);
    key_changed(world, database, key, hash, true);
    expired_tell(world, database, entry);
    database_delete(store_database(world->store, database), key, hash);
}

/* Whether the journal can take the deletion of an entry now. */
static bool delete_admitted(struct world *world, const struct entry *entry)
{
    uint64_t size_max = effect_delete_size_max(entry_key(entry).size);
    return !world->journal || journal_admit(world->journal, size_max) == ADMIT_YES;
}

bool world_expire(struct world *world, int database, struct entry *entry)
{
    if (!delete_admitted(world, entry))
        return false;
    expire_entry(world, database, entry);
    effect_unit_end(world);
    world_deliver(world);
    return true;
}

/* Names in an effect that deletes fields which are due, and their bytes, at the most; a single name may have
 * more. */
#define DUE_FIELDS_MAX 64
#define DUE_BYTES_MAX  ((size_t)16 << 10)

/* Names of fields that were deleted; they lie one behind the other. */
struct due_names {
    struct buffer bytes;
    size_t ends[DUE_FIELDS_MAX];
    int count;
};

static void effect_due(struct world *world, int database, struct slice key, const struct due_names *names)
{
    struct slice argv[2 + DUE_FIELDS_MAX] = {SLICE_LITERAL("HDEL"), key};
    size_t begin = 0;
    for (int i = 0; i < names->count; i++) {
        argv[2 + i] = slice_make(names->bytes.data + begin, names->ends[i] - begin);
        begin = names->ends[i];
    }
    struct buffer *buffer = effect_begin(world, database);
    if (buffer)
        request_append(buffer, 2 + names->count, argv);
}

/* Deletes fields that are due, as far as their names have room, and keeps the names. */
static struct entry *due_delete(struct world *world, struct database *db, struct entry *entry, int *budget,
                                struct due_names *names)
{
    struct hash_field due;
    while (names->count < DUE_FIELDS_MAX && entry_hash_next_due(entry, world->now_ms, &due)) {
        if (names->count > 0 && names->bytes.size + due.name.size > DUE_BYTES_MAX)
            break;
        size_t begin = names->bytes.size;
        buffer_append_slice(&names->bytes, due.name);
        names->ends[names->count++] = names->bytes.size;
        struct slice name = slice_make(names->bytes.data + begin, due.name.size);
        struct hash_result result = database_hash_delete(db, entry, name);
        ASSERT(result.found);
        entry = result.entry;
    }
    *budget -= names->count;
    return entry;
}

/* Whether the journal takes the effect of a batch whose first name is this. */
static bool due_admitted(struct world *world, struct slice key, size_t first_name_size)
{
    struct effect_bound bound = {.bytes = effect_delete_size_max(key.size)};
    effect_bound_add_many(&bound, DUE_FIELDS_MAX, first_name_size + DUE_BYTES_MAX);
    return !world->journal || journal_admit(world->journal, bound.bytes) == ADMIT_YES;
}

bool world_expire_fields(struct world *world, int database, struct entry *entry, int *budget)
{
    struct database *db = store_database(world->store, database);
    struct due_names names = {.count = 0};
    struct hash_field due;
    if (entry_has_expired(entry, world->now_ms))
        return world_expire(world, database, entry);
    bool is_due = entry_hash_next_due(entry, world->now_ms, &due);
    ASSERT(is_due);
    struct slice key = entry_key(entry);
    uint64_t hash = store_hash(world->store, key);
    if (!due_admitted(world, key, due.name.size))
        return false;
    entry = due_delete(world, db, entry, budget, &names);
    /* Were all of them due, it would have gone as a whole. */
    ASSERT(names.count > 0 && entry_hash_size(entry) > 0);
    key = entry_key(entry);
    effect_due(world, database, key, &names);
    key_changed(world, database, key, hash, false);
    world_notify(world, NOTIFY_HASH, "hexpired", database, key);
    world->stats.expired_fields += (uint64_t)names.count;
    buffer_free(&names.bytes);
    effect_unit_end(world);
    world_deliver(world);
    return true;
}

/* What is being freed beside the loop counts as gone. */
static size_t memory_staying(const struct world *world)
{
    size_t leaving = world_memory_leaving(world);
    size_t used = world_memory_used(world);
    return used > leaving ? used - leaving : 0;
}

bool world_evict_entry(struct world *world, int database, struct entry *entry, size_t *freed)
{
    if (!delete_admitted(world, entry))
        return false;
    struct slice key = entry_key(entry);
    uint64_t hash = store_hash(world->store, key);
    struct slice command = world->settings.evict_lazy ? SLICE_LITERAL("UNLINK") : SLICE_LITERAL("DEL");
    world_effect_delete(world, database, command, key);
    key_changed(world, database, key, hash, false);
    world_notify(world, NOTIFY_EVICTED, "evicted", database, key);
    size_t before = memory_staying(world);
    database_delete(store_database(world->store, database), key, hash);
    size_t after = memory_staying(world);
    *freed = before > after ? before - after : 0;
    world->stats.evicted++;
    effect_unit_end(world);
    world_deliver(world);
    return true;
}

struct entry *lookup_write_in(struct call *call, int database, struct slice key, uint64_t hash)
{
    struct world *world = call->world;
    struct entry *entry = database_find(store_database(world->store, database), key, hash);
    if (!entry || !call->origin->expires || !entry_has_expired(entry, world->now_ms))
        return entry;
    ASSERT(call->origin->is_logged);
    expire_entry(world, database, entry);
    return NULL;
}

struct entry *lookup_write(struct call *call, struct slice key, uint64_t hash)
{
    return lookup_write_in(call, call->session->database, key, hash);
}
