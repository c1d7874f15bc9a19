/* Times to live: the EXPIRE family sets them, the TTL family tells them, PERSIST takes them away.
 *
 * The stream holds absolute times only, so that a replay, whenever it happens, comes to the same state: every
 * change is stated as PEXPIREAT, PERSIST, or, for a time that has passed already, DEL. */
#include "family/expire.h"

#include "base/diag.h"
#include "base/number.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "command/lookup.h"
#include "family/families.h"

bool call_expire_time(struct call *call, int index, unsigned form, int64_t *at_ms)
{
    int64_t base_ms = (form & EXPIRE_ABSOLUTE) ? 0 : call->world->now_ms;
    int64_t unit_ms = (form & EXPIRE_IN_SECONDS) ? 1000 : 1;
    int64_t given;
    if (!call_int(call, index, &given))
        return false;
    bool too_low = (form & EXPIRE_POSITIVE) && given <= 0;
    if (too_low || __builtin_mul_overflow(given, unit_ms, at_ms) ||
        __builtin_add_overflow(*at_ms, base_ms, at_ms)) {
        reply_error_format(call->reply, "ERR invalid expire time in '%s' command", call->command->full_name);
        return false;
    }
    return true;
}

void call_delete(struct call *call, struct slice key, uint64_t hash)
{
    call_changed(call, key, hash);
    effect_delete(call, call->session->database, key);
    bool was_there = database_delete(call->db, key, hash);
    ASSERT(was_there);
    call_notify(call, NOTIFY_GENERIC, "del", key);
}

void call_set_expire(struct call *call, struct slice key, uint64_t hash, struct entry *entry, int64_t at_ms)
{
    if (at_ms <= call->world->now_ms && call->origin->expires) {
        call_delete(call, key, hash);
        return;
    }
    char digits[INT64_TEXT_MAX];
    struct slice argv[] = {SLICE_LITERAL("PEXPIREAT"), key, slice_make(digits, int64_format(digits, at_ms))};
    database_set_expire(call->db, entry, at_ms);
    call_changed(call, key, hash);
    effect_command(call, call->session->database, 3, argv);
    call_notify(call, NOTIFY_GENERIC, "expire", key);
}

bool call_persist(struct call *call, struct slice key, uint64_t hash, struct entry *entry)
{
    if (entry_expire_ms(entry) == EXPIRE_NEVER)
        return false;
    database_set_expire(call->db, entry, EXPIRE_NEVER);
    call_changed(call, key, hash);
    effect_command(call, call->session->database, 2, (struct slice[]){SLICE_LITERAL("PERSIST"), key});
    call_notify(call, NOTIFY_GENERIC, "persist", key);
    return true;
}

/* --- EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT -------------------------------------------------------------- */

enum expire_condition { IF_NONE = 1 << 0, IF_ANY = 1 << 1, IF_LATER = 1 << 2, IF_EARLIER = 1 << 3 };

static bool read_conditions(struct call *call, unsigned *conditions)
{
    static const struct {
        const char *word;
        unsigned condition;
    } words[] = {{"nx", IF_NONE}, {"xx", IF_ANY}, {"gt", IF_LATER}, {"lt", IF_EARLIER}};

    *conditions = 0;
    for (int i = 3; i < call->argc; i++) {
        unsigned condition = 0;
        for (size_t j = 0; j < sizeof(words) / sizeof(words[0]); j++)
            if (slice_is(call->argv[i], words[j].word))
                condition = words[j].condition;
        if (!condition) {
            reply_error_format(call->reply, "ERR Unsupported option %.*s", quote_size(call->argv[i]),
                               call->argv[i].data);
            return false;
        }
        *conditions |= condition;
    }
    if ((*conditions & IF_NONE) && *conditions != IF_NONE) {
        reply_error(call->reply, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*conditions & IF_LATER) && (*conditions & IF_EARLIER)) {
        reply_error(call->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* No time to live counts as one that never ends. */
static bool conditions_hold(unsigned conditions, int64_t current_ms, int64_t at_ms)
{
    bool never = current_ms == EXPIRE_NEVER;
    if ((conditions & IF_NONE) && !never)
        return false;
    if ((conditions & IF_ANY) && never)
        return false;
    if ((conditions & IF_LATER) && (never || at_ms <= current_ms))
        return false;
    return !(conditions & IF_EARLIER) || never || at_ms < current_ms;
}

static void expire_generic(struct call *call, unsigned form)
{
    struct slice key = call->argv[1];
    uint64_t hash = call_hash(call, 1);
    unsigned conditions;
    int64_t at_ms;
    if (!read_conditions(call, &conditions) || !call_expire_time(call, 2, form, &at_ms))
        return;
    struct entry *entry = lookup_write(call, key, hash);
    bool set = entry && conditions_hold(conditions, entry_expire_ms(entry), at_ms);
    if (set)
        call_set_expire(call, key, hash, entry, at_ms);
    reply_int(call->reply, set);
}

static void expire_command(struct call *call)
{
    expire_generic(call, EXPIRE_IN_SECONDS);
}

static void pexpire_command(struct call *call)
{
    expire_generic(call, 0);
}

static void expireat_command(struct call *call)
{
    expire_generic(call, EXPIRE_IN_SECONDS | EXPIRE_ABSOLUTE);
}

static void pexpireat_command(struct call *call)
{
    expire_generic(call, EXPIRE_ABSOLUTE);
}

static void persist_command(struct call *call)
{
    uint64_t hash = call_hash(call, 1);
    struct entry *entry = lookup_write(call, call->argv[1], hash);
    reply_int(call->reply, entry && call_persist(call, call->argv[1], hash, entry));
}

/* --- TTL, PTTL, EXPIRETIME, PEXPIRETIME ---------------------------------------------------------------- */

/* -2: no such key. -1: no time to live. */
static void ttl_generic(struct call *call, unsigned form)
{
    struct entry *entry = lookup_peek(call, call->argv[1], call_hash(call, 1));
    int64_t ms = entry ? entry_expire_ms(entry) : EXPIRE_NEVER;
    if (ms == EXPIRE_NEVER) {
        reply_int(call->reply, entry ? -1 : -2);
        return;
    }
    if (!(form & EXPIRE_ABSOLUTE))
        ms -= call->world->now_ms;
    /* Rounded to the nearest second, halves up; the remainder first, for times near the end of the range. */
    reply_int(call->reply, (form & EXPIRE_IN_SECONDS) ? ms / 1000 + (ms % 1000 >= 500) : ms);
}

static void ttl_command(struct call *call)
{
    ttl_generic(call, EXPIRE_IN_SECONDS);
}

static void pttl_command(struct call *call)
{
    ttl_generic(call, 0);
}

static void expiretime_command(struct call *call)
{
    ttl_generic(call, EXPIRE_IN_SECONDS | EXPIRE_ABSOLUTE);
}

static void pexpiretime_command(struct call *call)
{
    ttl_generic(call, EXPIRE_ABSOLUTE);
}

const struct command expire_commands[] = {
    {.name = "expire",
     .arity = -3,
     .flags = CMD_WRITE | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RW | KEY_UPDATE)},
     .function = expire_command,
     .arguments = "key#key0 seconds#integer [condition(NX|XX|GT|LT)~7.0.0]",
     .group = "generic",
     .since = "1.0.0",
     .history = "7.0.0 Takes `NX`, `XX`, `GT` and `LT`.",
     .complexity = "O(1)",
     .summary = "Gives a key a time to live in seconds."},
    {.name = "pexpire",
     .arity = -3,
     .flags = CMD_WRITE | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RW | KEY_UPDATE)},
     .function = pexpire_command,
     .arguments = "key#key0 milliseconds#integer [condition(NX|XX|GT|LT)~7.0.0]",
     .group = "generic",
     .since = "2.6.0",
     .history = "7.0.0 Takes `NX`, `XX`, `GT` and `LT`.",
     .complexity = "O(1)",
     .summary = "Gives a key a time to live in milliseconds."},
    {.name = "expireat",
     .arity = -3,
     .flags = CMD_WRITE | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RW | KEY_UPDATE)},
     .function = expireat_command,
     .arguments = "key#key0 unix-time-seconds#unix-time [condition(NX|XX|GT|LT)~7.0.0]",
     .group = "generic",
     .since = "1.2.0",
     .history = "7.0.0 Takes `NX`, `XX`, `GT` and `LT`.",
     .complexity = "O(1)",
     .summary = "Sets when a key expires, in seconds since 1970."},
    {.name = "pexpireat",
     .arity = -3,
     .flags = CMD_WRITE | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RW | KEY_UPDATE)},
     .function = pexpireat_command,
     .arguments = "key#key0 unix-time-milliseconds#unix-time [condition(NX|XX|GT|LT)~7.0.0]",
     .group = "generic",
     .since = "2.6.0",
     .history = "7.0.0 Takes `NX`, `XX`, `GT` and `LT`.",
     .complexity = "O(1)",
     .summary = "Sets when a key expires, in milliseconds since 1970."},
    {.name = "persist",
     .arity = 2,
     .flags = CMD_WRITE | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RW | KEY_UPDATE)},
     .function = persist_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Takes a key's time to live away."},
    {.name = "ttl",
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = ttl_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "1.0.0",
     .history = "2.8.0 Replies -2 where there is no key.",
     .complexity = "O(1)",
     .summary = "Tells how many seconds a key has left to live.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "pttl",
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = pttl_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "2.6.0",
     .history = "2.8.0 Replies -2 where there is no key.",
     .complexity = "O(1)",
     .summary = "Tells how many milliseconds a key has left to live.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "expiretime",
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = expiretime_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Tells when a key expires, in seconds since 1970."},
    {.name = "pexpiretime",
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = pexpiretime_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Tells when a key expires, in milliseconds since 1970."},
};
const size_t expire_command_count = sizeof(expire_commands) / sizeof(expire_commands[0]);
