#include "family/hash/hash_key.h"

#include "base/diag.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "command/lookup.h"

/* --- reading ------------------------------------------------------------------------------------------- */

bool call_read_hash(struct call *call, struct entry **entry)
{
    *entry = lookup_read(call, call->argv[1], call_hash(call, 1));
    return call_check_type(call, *entry, VALUE_HASH);
}

int64_t call_fields_now(const struct call *call)
{
    return call->origin->expires ? call->world->now_ms : INT64_MIN;
}

bool call_hides_field(struct call *call, const struct hash_field *field)
{
    if (__builtin_expect(field->expire_ms == FIELD_NEVER, 1))
        return false;
    return call->origin->expires && world_hides_time(call->world, field->expire_ms);
}

bool call_find_field(struct call *call, const struct entry *entry, struct slice name,
                     struct hash_field *found)
{
    return entry && entry_hash_find(entry, name, found) && !call_hides_field(call, found);
}

/* Fields that are looked up ahead at a time: about as many misses as a processor has under way. */
#define AHEAD_MAX 16

static void fields_ahead(const struct call *call, const struct entry *entry, int first, int end, int step)
{
    struct packed_ahead ahead[AHEAD_MAX];
    int count = 0;
    for (int i = first; i < end && count < AHEAD_MAX; i += step)
        if (!entry_hash_ahead(entry, call->argv[i], &ahead[count++]))
            return;
    for (int i = 0; i < count; i++)
        packed_ahead_block(&ahead[i]);
    for (int i = 0; i < count; i++)
        packed_ahead_record(&ahead[i]);
}

void call_fields_ahead(const struct call *call, const struct entry *entry, int argument, int first, int end,
                       int step)
{
    if (entry && (argument - first) % (AHEAD_MAX * step) == 0 && argument + step < end)
        fields_ahead(call, entry, argument, end, step);
}

size_t call_hash_size(struct call *call, const struct entry *entry)
{
    size_t size = entry_hash_size(entry);
    if (!entry_parts_expire(entry) || !call->origin->expires)
        return size;
    size_t live = entry_hash_live_size(entry, call->world->now_ms);
    if (live < size)
        world_hides_time(call->world, call->world->now_ms);
    return live;
}

/* --- changing ------------------------------------------------------------------------------------------ */

bool hash_change_begin(struct hash_change *change, struct call *call)
{
    struct entry *entry = lookup_write(call, call->argv[1], call_hash(call, 1));
    *change = (struct hash_change){.call = call, .entry = entry};
    return call_check_type(call, entry, VALUE_HASH);
}

/* Keeps those of the named fields that have expired, each once, and deletes them; returns how many. */
static int expired_take(struct hash_change *change, int first, int end, int step, bool *expired)
{
    struct call *call = change->call;
    int count = 0;
    for (int i = first; i < end; i += step) {
        struct hash_field field;
        if (!entry_hash_find(change->entry, call->argv[i], &field) ||
            !hash_field_has_expired(&field, call->world->now_ms))
            continue;
        struct hash_result result = database_hash_delete(call->db, change->entry, call->argv[i]);
        ASSERT(result.found);
        change->entry = result.entry;
        expired[i] = true;
        count++;
    }
    return count;
}

void hash_change_expire(struct hash_change *change, int first, int end, int step)
{
    struct call *call = change->call;
    if (!change->entry || !entry_parts_expire(change->entry) || !call->origin->expires ||
        entry_hash_earliest_ms(change->entry) > call->world->now_ms)
        return;
    bool *expired = mem_alloc_zero((size_t)call->argc * sizeof(*expired));
    int count = expired_take(change, first, end, step, expired);
    if (count > 0) {
        struct slice words[] = {SLICE_LITERAL("HDEL"), call->argv[1]};
        /* A hash of which nothing else is left was not found. */
        ASSERT(entry_hash_size(change->entry) > 0);
        call_changed(call, call->argv[1], call_hash(call, 1));
        effect_of_fields(call, 2, words, first, end, step, expired);
        call_notify(call, NOTIFY_HASH, "hexpired", call->argv[1]);
        call->world->stats.expired_fields += (uint64_t)count;
    }
    mem_free(expired);
}

bool hash_change_admit(struct call *call, int first)
{
    size_t total = 0;
    for (int i = first; i < call->argc; i++)
        total += call->argv[i].size;
    return call_memory(call, total);
}

bool hash_change_set(struct hash_change *change, struct slice name, struct slice value, int64_t expire_ms,
                     size_t more_bytes, bool *found)
{
    struct call *call = change->call;
    struct hash_result result = database_hash_set(call->db, call->argv[1], call_hash(call, 1), change->entry,
                                                  name, value, expire_ms, more_bytes);
    if (__builtin_expect(!result.entry, 0)) {
        call_memory_error(call);
        return false;
    }
    change->created |= !change->entry;
    change->entry = result.entry;
    *found = result.found;
    return true;
}

int64_t hash_change_set_pairs(struct hash_change *change, int first, int end, int64_t expire_ms)
{
    const struct slice *argv = change->call->argv;
    int64_t added = 0;
    size_t more_bytes = 0;
    for (int i = first + 2; i < end; i += 2)
        more_bytes += packed_hash_pair_bytes(argv[i], argv[i + 1]);
    for (int i = first; i < end; i += 2) {
        bool found;
        call_fields_ahead(change->call, change->entry, i, first, end, 2);
        if (!hash_change_set(change, argv[i], argv[i + 1], expire_ms, more_bytes, &found))
            panic("out of memory in the middle of a command that sets several fields");
        added += !found;
        if (i + 2 < end)
            more_bytes -= packed_hash_pair_bytes(argv[i + 2], argv[i + 3]);
    }
    return added;
}

bool hash_change_delete(struct hash_change *change, struct slice name)
{
    struct call *call = change->call;
    if (!change->entry)
        return false;
    struct hash_result result = database_hash_delete(call->db, change->entry, name);
    change->entry = result.entry;
    if (result.found && entry_hash_size(change->entry) == 0) {
        database_delete(call->db, call->argv[1], call_hash(call, 1));
        change->entry = NULL;
    }
    return result.found;
}

static void change_tell(struct hash_change *change, const char *event, const char *second_event)
{
    struct call *call = change->call;
    struct slice key = call->argv[1];
    call_changed(call, key, call_hash(call, 1));
    if (change->created)
        call_notify(call, NOTIFY_NEW, "new", key);
    call_notify(call, NOTIFY_HASH, event, key);
    if (second_event)
        call_notify(call, NOTIFY_HASH, second_event, key);
    if (!change->entry)
        call_notify(call, NOTIFY_GENERIC, "del", key);
    else
        database_touch(call->db, change->entry);
}

void hash_change_end(struct hash_change *change, const char *event)
{
    change_tell(change, event, NULL);
}

void hash_change_end_set(struct hash_change *change, const char *second_event)
{
    change_tell(change, "hset", second_event);
}

void effect_of_fields(struct call *call, int count, const struct slice *words, int first, int end, int step,
                      const bool *picked)
{
    struct slice *argv = mem_alloc((size_t)(count + call->argc) * sizeof(*argv));
    memcpy(argv, words, (size_t)count * sizeof(*argv));
    for (int i = first; i < end; i += step)
        if (!picked || picked[i])
            argv[count++] = call->argv[i];
    effect_command(call, call->session->database, count, argv);
    mem_free(argv);
}
