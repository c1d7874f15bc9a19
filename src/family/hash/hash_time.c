/* Hashes: times to live of fields, by themselves. Setting and reading fields along with them is in
 * hash_timed.c.
 *
 * The stream holds absolute times only: HPEXPIREAT, HPERSIST, or, for times that have passed already, HDEL.
 */
#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "command/args.h"
#include "command/effect.h"
#include "family/hash/hash_key.h"

/* What clients' commands take, as in Redis: a quarter of what a field can be given. RESTORE may have given it
 * more, so the stream may tell of that. */
#define TIME_GIVEN_MAX (FIELD_TIME_MAX >> 2)

/* --- arguments ----------------------------------------------------------------------------------------- */

bool call_field_time(struct call *call, int index, unsigned form, int64_t *at_ms)
{
    int64_t base_ms = form & EXPIRE_ABSOLUTE ? 0 : call->world->now_ms;
    int64_t unit_ms = form & EXPIRE_IN_SECONDS ? 1000 : 1;
    int64_t max_ms = call->origin->is_limited ? TIME_GIVEN_MAX : FIELD_TIME_MAX;
    int64_t given;
    if (!call_int(call, index, &given))
        return false;
    if (given < 0) {
        reply_error(call->reply, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (given > max_ms / unit_ms || given * unit_ms > max_ms - base_ms) {
        reply_error_format(call->reply, "ERR invalid expire time in '%s' command", call->command->full_name);
        return false;
    }
    *at_ms = given * unit_ms + base_ms;
    return true;
}

bool call_fields(struct call *call, int index, const char *number_error, int *first)
{
    int64_t count;
    if (index + 1 >= call->argc) {
        call_arity_error(call);
        return false;
    }
    if (!slice_is(call->argv[index], "fields")) {
        reply_error(call->reply, "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    if (!call_int_range(call, index + 1, 1, INT64_MAX, &count, number_error))
        return false;
    if (count != call->argc - index - 2) {
        reply_error(call->reply, "ERR The `numfields` parameter must match the number of arguments");
        return false;
    }
    *first = index + 2;
    return true;
}

static void reply_no_fields(struct call *call, int count)
{
    reply_array(call->reply, count);
    for (int i = 0; i < count; i++)
        reply_int(call->reply, FIELD_ABSENT);
}

/* --- effects ------------------------------------------------------------------------------------------- */

/* How many arguments from first on are picked. */
static int picked_count(const struct call *call, int first, const bool *picked)
{
    int count = 0;
    for (int i = first; i < call->argc; i++)
        count += picked[i];
    return count;
}

void effect_field_times(struct call *call, int first, const bool *picked, int64_t at_ms)
{
    char time[INT64_TEXT_MAX];
    char number[INT64_TEXT_MAX];
    struct slice count = slice_make(number, int64_format(number, picked_count(call, first, picked)));
    struct slice set[] = {SLICE_LITERAL("HPEXPIREAT"),
                          call->argv[1],
                          {time, int64_format(time, at_ms)},
                          SLICE_LITERAL("FIELDS"),
                          count};
    struct slice clear[] = {SLICE_LITERAL("HPERSIST"), call->argv[1], SLICE_LITERAL("FIELDS"), count};
    struct slice del[] = {SLICE_LITERAL("HDEL"), call->argv[1]};
    if (at_ms == FIELD_NEVER)
        effect_of_fields(call, 4, clear, first, call->argc, 1, picked);
    else if (field_time_is_past(call, at_ms))
        effect_of_fields(call, 2, del, first, call->argc, 1, picked);
    else
        effect_of_fields(call, 5, set, first, call->argc, 1, picked);
}

/* --- one field ----------------------------------------------------------------------------------------- */

bool field_time_is_past(const struct call *call, int64_t at_ms)
{
    return at_ms != FIELD_NEVER && at_ms <= call_fields_now(call);
}

void hash_change_time(struct hash_change *change, struct slice name, int64_t at_ms)
{
    struct call *call = change->call;
    if (field_time_is_past(call, at_ms)) {
        hash_change_delete(change, name);
        return;
    }
    struct hash_result result = database_hash_set_time(call->db, change->entry, name, at_ms);
    if (!result.entry)
        panic("out of memory in the middle of a command that sets the times of fields");
    ASSERT(result.found);
    change->entry = result.entry;
}

const char *field_time_event(const struct call *call, int64_t at_ms)
{
    if (at_ms == FIELD_NEVER)
        return "hpersist";
    return field_time_is_past(call, at_ms) ? "hdel" : "hexpire";
}

/* --- HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT ---------------------------------------------------------- */

enum time_condition { TIME_ALWAYS, TIME_IF_NONE, TIME_IF_ANY, TIME_IF_LATER, TIME_IF_EARLIER };

static enum time_condition condition_find(struct slice word)
{
    static const char *const words[] = {
        [TIME_IF_NONE] = "nx", [TIME_IF_ANY] = "xx", [TIME_IF_LATER] = "gt", [TIME_IF_EARLIER] = "lt"};
    for (enum time_condition i = TIME_IF_NONE; i <= TIME_IF_EARLIER; i++)
        if (slice_is(word, words[i]))
            return i;
    return TIME_ALWAYS;
}

/* No time counts as one that never comes. */
static bool condition_holds(enum time_condition condition, int64_t current_ms, int64_t at_ms)
{
    bool never = current_ms == FIELD_NEVER;
    switch (condition) {
    case TIME_ALWAYS: break;
    case TIME_IF_NONE: return never;
    case TIME_IF_ANY: return !never;
    case TIME_IF_LATER: return !never && at_ms > current_ms;
    case TIME_IF_EARLIER: return never || at_ms < current_ms;
    }
    return true;
}

/* Returns what is replied for a field; *done: its time was set, or it was deleted. */
static int64_t expire_field(struct hash_change *change, struct slice name, enum time_condition condition,
                            int64_t at_ms, bool *done)
{
    struct hash_field field;
    if (!change->entry || !entry_hash_find(change->entry, name, &field))
        return FIELD_ABSENT;
    *done = condition_holds(condition, field.expire_ms, at_ms);
    if (!*done)
        return 0;
    hash_change_time(change, name, at_ms);
    return field_time_is_past(change->call, at_ms) ? 2 : 1;
}

static void expire_fields(struct hash_change *change, int first, enum time_condition condition, int64_t at_ms)
{
    struct call *call = change->call;
    bool *done = mem_alloc_zero((size_t)call->argc * sizeof(*done));
    bool any = false;
    hash_change_expire(change, first, call->argc, 1);
    reply_array(call->reply, call->argc - first);
    for (int i = first; i < call->argc; i++) {
        reply_int(call->reply, expire_field(change, call->argv[i], condition, at_ms, &done[i]));
        any |= done[i];
    }
    if (any) {
        effect_field_times(call, first, done, at_ms);
        hash_change_end(change, field_time_event(call, at_ms));
    }
    mem_free(done);
}

static void hexpire_generic(struct call *call, unsigned form)
{
    struct hash_change change;
    int64_t at_ms;
    int first;
    if (!hash_change_begin(&change, call) || !call_field_time(call, 2, form, &at_ms))
        return;
    enum time_condition condition = condition_find(call->argv[3]);
    int index = condition == TIME_ALWAYS ? 3 : 4;
    if (!call_fields(call, index, "ERR Parameter `numFields` should be greater than 0", &first))
        return;
    if (change.entry)
        expire_fields(&change, first, condition, at_ms);
    else
        reply_no_fields(call, call->argc - first);
}

void hexpire_command(struct call *call)
{
    hexpire_generic(call, EXPIRE_IN_SECONDS);
}

void hpexpire_command(struct call *call)
{
    hexpire_generic(call, 0);
}

void hexpireat_command(struct call *call)
{
    hexpire_generic(call, EXPIRE_IN_SECONDS | EXPIRE_ABSOLUTE);
}

void hpexpireat_command(struct call *call)
{
    hexpire_generic(call, EXPIRE_ABSOLUTE);
}

/* --- HPERSIST ------------------------------------------------------------------------------------------ */

static int64_t persist_field(struct hash_change *change, struct slice name, bool *done)
{
    struct hash_field field;
    if (!entry_hash_find(change->entry, name, &field))
        return FIELD_ABSENT;
    if (field.expire_ms == FIELD_NEVER)
        return FIELD_NEVER;
    hash_change_time(change, name, FIELD_NEVER);
    return *done = true;
}

static void persist_fields(struct hash_change *change, int first)
{
    struct call *call = change->call;
    bool *done = mem_alloc_zero((size_t)call->argc * sizeof(*done));
    bool any = false;
    hash_change_expire(change, first, call->argc, 1);
    reply_array(call->reply, call->argc - first);
    for (int i = first; i < call->argc; i++) {
        reply_int(call->reply, persist_field(change, call->argv[i], &done[i]));
        any |= done[i];
    }
    if (any) {
        effect_field_times(call, first, done, FIELD_NEVER);
        hash_change_end(change, field_time_event(call, FIELD_NEVER));
    }
    mem_free(done);
}

void hpersist_command(struct call *call)
{
    struct hash_change change;
    int first;
    if (!hash_change_begin(&change, call) || !call_fields(call, 2, FIELDS_NUMBER_ERROR, &first))
        return;
    if (change.entry)
        persist_fields(&change, first);
    else
        reply_no_fields(call, call->argc - first);
}

/* --- HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME ------------------------------------------------------------ */

/* A begun second counts as a whole one. */
static int64_t told_time(const struct call *call, int64_t at_ms, unsigned form)
{
    int64_t ms = form & EXPIRE_ABSOLUTE ? at_ms : at_ms - call->world->now_ms;
    return form & EXPIRE_IN_SECONDS ? (ms + 999) / 1000 : ms;
}

static void httl_generic(struct call *call, unsigned form)
{
    struct hash_field field;
    struct entry *entry;
    int first;
    if (!call_read_hash(call, &entry) || !call_fields(call, 2, FIELDS_NUMBER_ERROR, &first))
        return;
    reply_array(call->reply, call->argc - first);
    for (int i = first; i < call->argc; i++) {
        if (!call_find_field(call, entry, call->argv[i], &field))
            reply_int(call->reply, FIELD_ABSENT);
        else if (field.expire_ms == FIELD_NEVER)
            reply_int(call->reply, FIELD_NEVER);
        else
            reply_int(call->reply, told_time(call, field.expire_ms, form));
    }
}

void httl_command(struct call *call)
{
    httl_generic(call, EXPIRE_IN_SECONDS);
}

void hpttl_command(struct call *call)
{
    httl_generic(call, 0);
}

void hexpiretime_command(struct call *call)
{
    httl_generic(call, EXPIRE_IN_SECONDS | EXPIRE_ABSOLUTE);
}

void hpexpiretime_command(struct call *call)
{
    httl_generic(call, EXPIRE_ABSOLUTE);
}
