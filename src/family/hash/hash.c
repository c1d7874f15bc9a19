/* Hashes: setting, reading and deleting fields by name. */
#include "base/memory.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "family/hash/hash_key.h"

/* --- setting ------------------------------------------------------------------------------------------- */

/* Sets all fields that the arguments name. false: an error was replied. */
static bool set_fields(struct call *call, int64_t *added)
{
    struct hash_change change;
    if (call->argc % 2 == 1) {
        call_arity_error(call);
        return false;
    }
    if (!hash_change_begin(&change, call))
        return false;
    if (call->argc == 4) {
        bool found;
        hash_change_expire(&change, 2, 3, 2);
        if (!hash_change_set(&change, call->argv[2], call->argv[3], FIELD_NEVER, 0, &found))
            return false;
        *added = !found;
    } else {
        if (!hash_change_admit(call, 2))
            return false;
        hash_change_expire(&change, 2, call->argc, 2);
        *added = hash_change_set_pairs(&change, 2, call->argc, FIELD_NEVER);
    }
    effect_verbatim(call);
    hash_change_end(&change, "hset");
    return true;
}

void hset_command(struct call *call)
{
    int64_t added;
    if (set_fields(call, &added))
        reply_int(call->reply, added);
}

void hmset_command(struct call *call)
{
    int64_t added;
    if (set_fields(call, &added))
        reply_ok(call->reply);
}

void hsetnx_command(struct call *call)
{
    struct hash_change change;
    struct hash_field field;
    bool found;
    if (!hash_change_begin(&change, call))
        return;
    hash_change_expire(&change, 2, 3, 1);
    if (change.entry && entry_hash_find(change.entry, call->argv[2], &field)) {
        reply_int(call->reply, 0);
        return;
    }
    if (!hash_change_set(&change, call->argv[2], call->argv[3], FIELD_NEVER, 0, &found))
        return;
    effect_verbatim(call);
    hash_change_end(&change, "hset");
    reply_int(call->reply, 1);
}

/* --- reading ------------------------------------------------------------------------------------------- */

static void reply_field(struct call *call, const struct entry *entry, struct slice name)
{
    struct hash_field field;
    if (call_find_field(call, entry, name, &field))
        reply_bulk(call->reply, field.value);
    else
        reply_null(call->reply);
}

void hget_command(struct call *call)
{
    struct entry *entry;
    if (call_read_hash(call, &entry))
        reply_field(call, entry, call->argv[2]);
}

void hmget_command(struct call *call)
{
    struct entry *entry;
    if (!call_read_hash(call, &entry))
        return;
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        call_fields_ahead(call, entry, i, 2, call->argc, 1);
        reply_field(call, entry, call->argv[i]);
    }
}

void hlen_command(struct call *call)
{
    struct entry *entry;
    if (call_read_hash(call, &entry))
        reply_int(call->reply, entry ? (int64_t)call_hash_size(call, entry) : 0);
}

void hstrlen_command(struct call *call)
{
    struct hash_field field;
    struct entry *entry;
    if (call_read_hash(call, &entry))
        reply_int(call->reply,
                  call_find_field(call, entry, call->argv[2], &field) ? (int64_t)field.value.size : 0);
}

void hexists_command(struct call *call)
{
    struct hash_field field;
    struct entry *entry;
    if (call_read_hash(call, &entry))
        reply_int(call->reply, call_find_field(call, entry, call->argv[2], &field));
}

/* --- deleting ------------------------------------------------------------------------------------------ */

void hdel_command(struct call *call)
{
    struct hash_change change;
    int64_t deleted = 0;
    if (!hash_change_begin(&change, call))
        return;
    hash_change_expire(&change, 2, call->argc, 1);
    for (int i = 2; i < call->argc; i++) {
        call_fields_ahead(call, change.entry, i, 2, call->argc, 1);
        deleted += hash_change_delete(&change, call->argv[i]);
    }
    if (deleted > 0) {
        effect_verbatim(call);
        hash_change_end(&change, "hdel");
    }
    reply_int(call->reply, deleted);
}
