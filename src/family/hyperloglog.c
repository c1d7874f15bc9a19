/* HyperLogLog: counting different elements in little memory. The sketches themselves are hll.c's.
 *
 * Whether a sparse sketch that grew becomes dense hangs on hll-sparse-max-bytes as it was then. So a command
 * that made one dense for its size states the whole result as its effect, and no command of the stream ever
 * does that: what is repeated leads to the same bytes, whatever the limit is by then. */
#include "base/diag.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "command/lookup.h"
#include "family/families.h"
#include "family/hll.h"
#include "family/string_key.h"

static size_t sparse_max(const struct call *call)
{
    return call->origin->is_limited ? call->world->settings.hll_sparse_max : SIZE_MAX;
}

static void corrupt_error(struct call *call)
{
    reply_error(call->reply, "INVALIDOBJ Corrupted HLL object detected");
}

/* Whether an entry, if it is there, is a sketch: its bytes go to *sketch. Replies the error and returns
 * false. */
static bool sketch_of(struct call *call, const struct entry *entry, struct slice *sketch)
{
    char scratch[STRING_SCRATCH];
    *sketch = slice_make(NULL, 0);
    if (!entry)
        return true;
    if (!call_check_type(call, entry, VALUE_STRING))
        return false;
    struct slice value = string_value(entry, scratch);
    if (!hll_is_valid(value)) {
        reply_error(call->reply, "WRONGTYPE Key is not a valid HyperLogLog string value.");
        return false;
    }
    *sketch = value; /* never in scratch: no integer is a sketch */
    return true;
}

static bool sketch_read(struct call *call, int index, struct entry **entry, struct slice *sketch)
{
    *entry = lookup_read(call, call->argv[index], call_hash(call, index));
    return sketch_of(call, *entry, sketch);
}

static bool sketch_write(struct call *call, int index, struct entry **entry, struct slice *sketch)
{
    *entry = lookup_write(call, call->argv[index], call_hash(call, index));
    return sketch_of(call, *entry, sketch);
}

/* What looks into a sketch has its string raw from then on, as in Redis, also where nothing changes. */
static void sketch_make_raw(struct call *call, struct entry **entry, struct slice *sketch)
{
    char scratch[STRING_SCRATCH];
    if (!*entry || string_encoding(*entry) == STRING_RAW)
        return;
    *entry = call_make_raw(call, *entry);
    *sketch = string_value(*entry, scratch);
}

/* Makes the key hold a sketch that was changed, with its effect. False, with the error replied and nothing
 * changed, without memory. */
static bool sketch_store(struct call *call, int index, const struct entry *old, struct slice sketch,
                         bool was_too_large)
{
    int64_t expire_ms = old ? entry_expire_ms(old) : EXPIRE_NEVER;
    struct entry *entry = call_store_string(call, index, sketch, STRING_FORM_RAW, expire_ms);
    if (!entry)
        return false;
    if (was_too_large)
        effect_set(call, call->session->database, entry);
    else
        effect_verbatim(call);
    call_notify(call, NOTIFY_STRING, "pfadd", call->argv[index]);
    return true;
}

/* --- PFADD --------------------------------------------------------------------------------------------- */

/* Into a dense sketch, in place: nothing can go wrong. */
static void add_to_dense(struct call *call, struct entry *entry)
{
    char scratch[STRING_SCRATCH];
    bool changed = false;
    for (int i = 2; i < call->argc; i++) {
        char bytes[2];
        size_t offset;
        struct slice sketch = string_value(entry, scratch);
        struct hll_hit hit = hll_hash(call->argv[i]);
        if (hll_dense_get(sketch, hit.index) >= hit.value)
            continue;
        size_t size = hll_dense_put(sketch, hit, &offset, bytes);
        entry = database_write_string(call->db, entry, offset, slice_make(bytes, size));
        ASSERT(entry);
        changed = true;
    }
    if (changed) {
        char stale = hll_stale_byte(string_value(entry, scratch));
        call_write_bytes(call, 1, entry, HLL_STALE_OFFSET, slice_make(&stale, 1));
        effect_verbatim(call);
        call_notify(call, NOTIFY_STRING, "pfadd", call->argv[1]);
    }
    reply_int(call->reply, changed);
}

/* Into a sparse sketch or a new one. The work is done on a copy, so that a corrupt one stays as it was. */
static void add_to_sparse(struct call *call, const struct entry *entry, struct slice sketch)
{
    struct buffer copy = {0};
    bool changed = !entry;
    bool is_corrupt = false;
    bool too_large = false;
    if (entry)
        buffer_append_slice(&copy, sketch);
    else
        hll_create(&copy);
    for (int i = 2; i < call->argc && !is_corrupt; i++) {
        enum hll_change change = hll_raise(&copy, hll_hash(call->argv[i]), sparse_max(call), &too_large);
        changed = changed || change == HLL_CHANGED;
        is_corrupt = change == HLL_CORRUPT;
    }
    if (changed)
        copy.data[HLL_STALE_OFFSET] = hll_stale_byte(buffer_slice(&copy));
    if (is_corrupt)
        corrupt_error(call);
    else if (!changed || sketch_store(call, 1, entry, buffer_slice(&copy), too_large))
        reply_int(call->reply, changed);
    buffer_free(&copy);
}

static void pfadd_command(struct call *call)
{
    struct entry *entry;
    struct slice sketch;
    if (!sketch_write(call, 1, &entry, &sketch))
        return;
    sketch_make_raw(call, &entry, &sketch);
    if (entry && hll_encoding(sketch) == HLL_DENSE)
        add_to_dense(call, entry);
    else
        add_to_sparse(call, entry, sketch);
}

/* --- PFCOUNT ------------------------------------------------------------------------------------------- */

/* The union's count is kept nowhere. */
static void count_union(struct call *call)
{
    uint8_t max[HLL_REGISTERS] = {0};
    for (int i = 1; i < call->argc; i++) {
        struct entry *entry;
        struct slice sketch;
        if (!sketch_read(call, i, &entry, &sketch))
            return;
        if (entry && !hll_merge(max, sketch)) {
            corrupt_error(call);
            return;
        }
    }
    reply_int(call->reply, (int64_t)hll_count_registers(max));
}

/* Keeps the count in the sketch's header, as Redis does. That is a write, though the command is a read: where
 * the log has no room for it, it is left out. */
static void keep_count(struct call *call, struct entry *entry, uint64_t count)
{
    char bytes[HLL_COUNT_SIZE];
    if (!effect_admit(call))
        return;
    hll_count_bytes(count, bytes);
    if (!database_write_string(call->db, entry, HLL_COUNT_OFFSET, slice_make(bytes, sizeof(bytes))))
        return;
    call_changed(call, call->argv[1], call_hash(call, 1));
    effect_verbatim(call);
}

static void pfcount_command(struct call *call)
{
    struct entry *entry;
    struct slice sketch;
    uint64_t count = 0;
    if (call->argc > 2) {
        count_union(call);
        return;
    }
    if (!sketch_read(call, 1, &entry, &sketch))
        return;
    sketch_make_raw(call, &entry, &sketch);
    if (entry && !hll_cached_count(sketch, &count)) {
        if (!hll_count(sketch, &count)) {
            corrupt_error(call);
            return;
        }
        keep_count(call, entry, count);
    }
    reply_int(call->reply, (int64_t)count);
}

/* --- PFMERGE ------------------------------------------------------------------------------------------- */

/* The highest of each register, over the target and all sources; whether any of them is dense. */
static bool merge_all(struct call *call, uint8_t max[HLL_REGISTERS], bool *dense)
{
    *dense = false;
    for (int i = 1; i < call->argc; i++) {
        struct entry *entry;
        struct slice sketch;
        if (!sketch_write(call, i, &entry, &sketch))
            return false;
        if (!entry) {
            call_notify(call, NOTIFY_MISS, "keymiss", call->argv[i]);
            continue;
        }
        *dense = *dense || hll_encoding(sketch) == HLL_DENSE;
        if (!hll_merge(max, sketch)) {
            corrupt_error(call);
            return false;
        }
    }
    return true;
}

static void pfmerge_command(struct call *call)
{
    uint8_t max[HLL_REGISTERS] = {0};
    struct buffer merged = {0};
    struct entry *entry;
    struct slice sketch;
    bool dense;
    bool too_large = false;
    if (!merge_all(call, max, &dense) || !sketch_write(call, 1, &entry, &sketch))
        return;
    if (entry)
        buffer_append_slice(&merged, sketch);
    else
        hll_create(&merged);
    if (dense)
        hll_make_dense(&merged);
    for (int i = 0; i < HLL_REGISTERS; i++)
        if (max[i] > 0)
            hll_raise(&merged, (struct hll_hit){i, max[i]}, sparse_max(call), &too_large);
    merged.data[HLL_STALE_OFFSET] = hll_stale_byte(buffer_slice(&merged));
    if (sketch_store(call, 1, entry, buffer_slice(&merged), too_large))
        reply_ok(call->reply);
    buffer_free(&merged);
}

/* --- PFDEBUG, PFSELFTEST ------------------------------------------------------------------------------- */

/* Makes the sketch of argument 2 dense, with its effect. False, with the error replied, when it is corrupt.
 */
static bool make_dense(struct call *call, struct slice *sketch)
{
    struct buffer dense = {0};
    struct entry *entry = lookup_write(call, call->argv[2], call_hash(call, 2));
    buffer_append_slice(&dense, *sketch);
    bool made = hll_make_dense(&dense);
    if (!made)
        corrupt_error(call);
    else
        made = call_store_string(call, 2, buffer_slice(&dense), STRING_FORM_RAW, entry_expire_ms(entry));
    buffer_free(&dense);
    if (made) {
        const struct slice argv[] = {SLICE_LITERAL("PFDEBUG"), SLICE_LITERAL("TODENSE"), call->argv[2]};
        effect_command(call, call->session->database, 3, argv);
    }
    return made && sketch_write(call, 2, &entry, sketch);
}

static void debug_getreg(struct call *call, struct slice sketch)
{
    if (hll_encoding(sketch) == HLL_SPARSE && !make_dense(call, &sketch))
        return;
    reply_array(call->reply, HLL_REGISTERS);
    for (int i = 0; i < HLL_REGISTERS; i++)
        reply_int(call->reply, hll_dense_get(sketch, i));
}

static void debug_decode(struct call *call, struct slice sketch)
{
    struct buffer text = {0};
    if (hll_encoding(sketch) == HLL_SPARSE) {
        hll_describe(sketch, &text);
        reply_bulk(call->reply, buffer_slice(&text));
    } else {
        reply_error(call->reply, "ERR HLL encoding is not sparse");
    }
    buffer_free(&text);
}

static void debug_encoding(struct call *call, struct slice sketch)
{
    reply_simple(call->reply, hll_encoding(sketch) == HLL_DENSE ? "dense" : "sparse");
}

static void debug_todense(struct call *call, struct slice sketch)
{
    bool was_sparse = hll_encoding(sketch) == HLL_SPARSE;
    if (!was_sparse || make_dense(call, &sketch))
        reply_int(call->reply, was_sparse);
}

static void pfdebug_command(struct call *call)
{
    static const struct {
        const char *name;
        void (*run)(struct call *call, struct slice sketch);
    } actions[] = {{"getreg", debug_getreg},
                   {"decode", debug_decode},
                   {"encoding", debug_encoding},
                   {"todense", debug_todense}};
    struct entry *entry;
    struct slice sketch;
    if (!sketch_write(call, 2, &entry, &sketch))
        return;
    if (!entry) {
        reply_error(call->reply, "ERR The specified key does not exist");
        return;
    }
    sketch_make_raw(call, &entry, &sketch);
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (slice_is(call->argv[1], actions[i].name)) {
            actions[i].run(call, sketch);
            return;
        }
    }
    reply_error_format(call->reply, "ERR Unknown PFDEBUG subcommand '%.*s'", quote_size(call->argv[1]),
                       call->argv[1].data);
}

/* What the self test adds, and how far off its counts may be: four times the standard error of 1.04 /
 * sqrt(m). */
#define SELFTEST_ELEMENTS  1000000
#define SELFTEST_ERROR_MAX (4 * 1.04 / 128)

/* Adds numbers to a sketch that starts sparse, and to registers kept apart, and compares. */
static const char *selftest(void)
{
    static const char *const failures[] = {"registers differ", "the count is too far off"};
    uint8_t registers[HLL_REGISTERS] = {0};
    struct buffer sketch = {0};
    const char *failure = NULL;
    bool too_large;
    hll_create(&sketch);
    for (int64_t i = 1; i <= SELFTEST_ELEMENTS && !failure; i++) {
        struct hll_hit hit = hll_hash(slice_make(&i, sizeof(i)));
        hll_raise(&sketch, hit, 3000, &too_large);
        registers[hit.index] = hit.value > registers[hit.index] ? (uint8_t)hit.value : registers[hit.index];
        if ((i & (i - 1)) != 0) /* now and then */
            continue;
        uint64_t count;
        if (!hll_count(buffer_slice(&sketch), &count) || count != hll_count_registers(registers))
            failure = failures[0];
        else if ((double)count < (double)i * (1 - SELFTEST_ERROR_MAX) - 1 ||
                 (double)count > (double)i * (1 + SELFTEST_ERROR_MAX) + 1)
            failure = failures[1];
    }
    buffer_free(&sketch);
    return failure;
}

static void pfselftest_command(struct call *call)
{
    const char *failure = selftest();
    if (failure)
        reply_error_format(call->reply, "TESTFAILED %s", failure);
    else
        reply_ok(call->reply);
}

/* --- the table ----------------------------------------------------------------------------------------- */

const struct command hyperloglog_commands[] = {
    {.name = "pfadd",
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .effect_extra = HLL_DENSE_SIZE,
     .categories = CAT_HYPERLOGLOG,
     .keys = {KEY_AT(1, KEY_RW | KEY_INSERT)},
     .function = pfadd_command,
     .arguments = "key#key0 [element*]",
     .group = "hyperloglog",
     .since = "2.8.9",
     .complexity = "O(1) for each element",
     .summary = "Adds elements to a HyperLogLog, which is created if it is not there."},
    {.name = "pfcount",
     .arity = -2,
     .flags = CMD_READONLY | CMD_MAY_REPLICATE,
     .categories = CAT_HYPERLOGLOG,
     .keys = {KEYS_FROM(1, KEY_RW | KEY_ACCESS)},
     .function = pfcount_command,
     .arguments = "key#key0*",
     .group = "hyperloglog",
     .since = "2.8.9",
     .complexity = "O(1) for one key, where the count is mostly known; O(N) for N keys",
     .summary =
         "Tells about how many different elements were added to one HyperLogLog, or to any of several."},
    {.name = "pfmerge",
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .effect_extra = HLL_DENSE_SIZE,
     .categories = CAT_HYPERLOGLOG,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_INSERT), KEYS_FROM(2, KEY_RO | KEY_ACCESS)},
     .function = pfmerge_command,
     .arguments = "destkey#key0 sourcekey#key1*",
     .group = "hyperloglog",
     .since = "2.8.9",
     .complexity = "O(N) for N keys",
     .summary = "Merges HyperLogLogs into one."},
    {.name = "pfdebug",
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_ADMIN,
     .categories = CAT_HYPERLOGLOG,
     .keys = {KEY_AT(2, KEY_RW | KEY_ACCESS)},
     .function = pfdebug_command,
     .arguments = "subcommand key#key0",
     .group = "hyperloglog",
     .since = "2.8.9",
     .internal = true,
     .complexity = "N/A",
     .summary = "Shows how a HyperLogLog is kept."},
    {.name = "pfselftest",
     .arity = 1,
     .flags = CMD_ADMIN,
     .categories = CAT_HYPERLOGLOG,
     .function = pfselftest_command,
     .group = "hyperloglog",
     .since = "2.8.9",
     .internal = true,
     .complexity = "N/A",
     .summary = "Tests the HyperLogLog code."},
};
const size_t hyperloglog_command_count = sizeof(hyperloglog_commands) / sizeof(hyperloglog_commands[0]);
