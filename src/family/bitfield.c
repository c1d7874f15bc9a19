/* BITFIELD: a string seen as integers of any width at any bit.
 *
 * A field's bits are in big-endian order. A field of up to 64 bits at any bit lies within nine bytes, which
 * are read, changed and written back as one number. */
#include "base/diag.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "command/large.h"
#include "command/lookup.h"
#include "family/bit_offset.h"
#include "family/families.h"
#include "family/string_key.h"

enum field_action { FIELD_GET, FIELD_SET, FIELD_INCRBY };
enum field_overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

struct field {
    enum field_action action;
    enum field_overflow overflow;
    bool is_signed;
    unsigned bits;
    uint64_t offset;
    int64_t operand;
};

struct fields {
    struct field *list;
    int count;
    bool writes;
    uint64_t end; /* the bytes that what is written needs */
};

/* --- reading the arguments ----------------------------------------------------------------------------- */

/* i or u and a width. */
static bool type_read(struct call *call, int index, struct field *field)
{
    struct slice text = call->argv[index];
    int64_t bits = 0;
    field->is_signed = text.size > 0 && text.data[0] == 'i';
    bool is_type = field->is_signed || (text.size > 0 && text.data[0] == 'u');
    is_type = is_type && int64_parse(slice_make(text.data + 1, text.size - 1), &bits);
    if (is_type && bits >= 1 && bits <= (field->is_signed ? 64 : 63)) {
        field->bits = (unsigned)bits;
        return true;
    }
    reply_error(call->reply, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
                             "supported but i64 is.");
    return false;
}

static bool overflow_read(struct call *call, int index, enum field_overflow *overflow)
{
    static const char *const names[] = {
        [OVERFLOW_WRAP] = "wrap", [OVERFLOW_SAT] = "sat", [OVERFLOW_FAIL] = "fail"};
    for (enum field_overflow i = OVERFLOW_WRAP; i <= OVERFLOW_FAIL; i++) {
        if (slice_is(call->argv[index], names[i])) {
            *overflow = i;
            return true;
        }
    }
    reply_error(call->reply, "ERR Invalid OVERFLOW type specified");
    return false;
}

/* The action that a word names, and how many arguments it has; 0 when it names none. */
static int action_find(struct slice word, enum field_action *action)
{
    static const struct {
        const char *name;
        int arguments;
    } actions[] = {[FIELD_GET] = {"get", 2}, [FIELD_SET] = {"set", 3}, [FIELD_INCRBY] = {"incrby", 3}};
    for (enum field_action i = FIELD_GET; i <= FIELD_INCRBY; i++) {
        if (slice_is(word, actions[i].name)) {
            *action = i;
            return actions[i].arguments;
        }
    }
    return 0;
}

/* One action from argument *index on, which moves behind it. */
static bool field_read(struct call *call, int *index, enum field_overflow overflow, struct fields *fields)
{
    struct field *field = &fields->list[fields->count];
    *field = (struct field){.overflow = overflow};
    int arguments = action_find(call->argv[*index], &field->action);
    if (arguments == 0 || call->argc - *index <= arguments) {
        call_syntax_error(call);
        return false;
    }
    if (!type_read(call, *index + 1, field) ||
        !call_bit_offset(call, *index + 2, field->bits, &field->offset))
        return false;
    if (field->action != FIELD_GET) {
        uint64_t end = (field->offset + field->bits + 7) / 8;
        fields->writes = true;
        fields->end = end > fields->end ? end : fields->end;
        if (!call_int(call, *index + 3, &field->operand))
            return false;
    }
    fields->count++;
    *index += arguments + 1;
    return true;
}

static bool fields_read(struct call *call, struct fields *fields)
{
    enum field_overflow overflow = OVERFLOW_WRAP;
    int i = 2;
    while (i < call->argc) {
        if (slice_is(call->argv[i], "overflow") && i + 1 < call->argc) {
            if (!overflow_read(call, i + 1, &overflow))
                return false;
            i += 2;
        } else if (!field_read(call, &i, overflow, fields)) {
            return false;
        }
    }
    return true;
}

/* --- fields in bytes ----------------------------------------------------------------------------------- */

/* The bytes that a field touches: nine at the most, as one number of which the first byte is the highest. */
struct window {
    uint64_t begin; /* in the string */
    size_t size;
    unsigned shift; /* bits behind the field */
    unsigned __int128 bytes;
};

static uint64_t field_mask(const struct field *field)
{
    return field->bits == 64 ? UINT64_MAX : (UINT64_C(1) << field->bits) - 1;
}

/* What is behind the string's end is zero. */
static struct window window_open(struct slice value, const struct field *field)
{
    uint64_t end = field->offset + field->bits;
    struct window window = {.begin = field->offset / 8};
    window.size = (size_t)((end + 7) / 8 - window.begin);
    window.shift = (unsigned)((8 - end % 8) % 8);
    for (size_t i = 0; i < window.size; i++) {
        uint64_t at = window.begin + i;
        window.bytes = window.bytes << 8 | (at < value.size ? (unsigned char)value.data[at] : 0U);
    }
    return window;
}

/* The field's bits as a number of its type. */
static int64_t window_get(const struct window *window, const struct field *field)
{
    uint64_t bits = (uint64_t)(window->bytes >> window->shift) & field_mask(field);
    bool is_negative = field->is_signed && bits >> (field->bits - 1);
    return (int64_t)(is_negative ? bits | ~field_mask(field) : bits);
}

static void window_put(struct window *window, const struct field *field, int64_t number)
{
    unsigned __int128 mask = (unsigned __int128)field_mask(field) << window->shift;
    unsigned __int128 bits = (unsigned __int128)((uint64_t)number & field_mask(field)) << window->shift;
    window->bytes = (window->bytes & ~mask) | bits;
}

/* Writes the window back into a string that has room for it. */
static struct entry *window_write(struct call *call, struct entry *entry, const struct window *window)
{
    char bytes[sizeof(window->bytes)];
    for (size_t i = 0; i < window->size; i++)
        bytes[i] = (char)(window->bytes >> (8 * (window->size - 1 - i)));
    return database_write_string(call->db, entry, window->begin, slice_make(bytes, window->size));
}

/* --- overflow ------------------------------------------------------------------------------------------ */

/* A sum as a number of the field's type, as the overflow rule has it; false where that is to fail. */
static bool field_fit(const struct field *field, __int128 sum, int64_t *number)
{
    __int128 max = (__int128)(field_mask(field) >> (field->is_signed ? 1 : 0));
    __int128 min = field->is_signed ? -max - 1 : 0;
    bool fits = sum >= min && sum <= max;
    if (!fits && field->overflow == OVERFLOW_FAIL)
        return false;
    if (!fits && field->overflow == OVERFLOW_SAT)
        sum = sum < min ? min : max;
    uint64_t bits = (uint64_t)sum & field_mask(field);
    bool is_negative = field->is_signed && bits >> (field->bits - 1);
    *number = (int64_t)(is_negative ? bits | ~field_mask(field) : bits);
    return true;
}

/* What SET or INCRBY makes of the number that the field holds. */
static bool field_next(const struct field *field, int64_t old, int64_t *number)
{
    if (field->action == FIELD_INCRBY)
        return field_fit(field, (__int128)old + field->operand, number);
    /* To a field without sign, a number below 0 is a very large one. */
    __int128 operand = field->is_signed ? (__int128)field->operand : (__int128)(uint64_t)field->operand;
    return field_fit(field, operand, number);
}

/* --- the commands -------------------------------------------------------------------------------------- */

static void fields_get(struct call *call, const struct fields *fields, struct slice value)
{
    reply_array(call->reply, fields->count);
    for (int i = 0; i < fields->count; i++) {
        struct window window = window_open(value, &fields->list[i]);
        reply_int(call->reply, window_get(&window, &fields->list[i]));
    }
}

enum field_outcome {
    FIELD_READ, /* or not written, because that would overflow */
    FIELD_SAME, /* written what was there */
    FIELD_CHANGED
};

/* One action on a string that has room for it. */
static enum field_outcome field_run(struct call *call, struct entry **entry, const struct field *field)
{
    char scratch[STRING_SCRATCH];
    int64_t number;
    struct window window = window_open(string_value(*entry, scratch), field);
    int64_t old = window_get(&window, field);
    if (field->action == FIELD_GET) {
        reply_int(call->reply, old);
        return FIELD_READ;
    }
    if (!field_next(field, old, &number)) {
        reply_null(call->reply);
        return FIELD_READ;
    }
    reply_int(call->reply, field->action == FIELD_SET ? old : number);
    if (number == old)
        return FIELD_SAME;
    window_put(&window, field, number);
    *entry = window_write(call, *entry, &window);
    ASSERT(*entry);
    return FIELD_CHANGED;
}

static enum field_outcome outcome_max(enum field_outcome a, enum field_outcome b)
{
    return a > b ? a : b;
}

/* A string that is long enough, made ready to be written in place: writing fails no more. */
static struct entry *string_own(struct call *call, struct entry *entry)
{
    char scratch[STRING_SCRATCH];
    struct slice value = string_value(entry, scratch);
    char last = value.data[value.size - 1];
    entry = database_write_string(call->db, entry, value.size - 1, slice_make(&last, 1));
    if (!entry)
        call_memory_error(call);
    return entry;
}

/* The string grows to hold all that is written, also where nothing is written in the end. */
static void fields_run(struct call *call, const struct fields *fields)
{
    struct entry *entry;
    if (!call_write_string(call, 1, &entry))
        return;
    bool grown = !entry || string_size(entry) < fields->end;
    enum field_outcome outcome = FIELD_READ;
    entry =
        grown ? call_write_bytes(call, 1, entry, fields->end, slice_make(NULL, 0)) : string_own(call, entry);
    if (!entry)
        return;
    reply_array(call->reply, fields->count);
    for (int i = 0; i < fields->count; i++)
        outcome = outcome_max(outcome, field_run(call, &entry, &fields->list[i]));
    if (!grown && outcome != FIELD_CHANGED)
        return;
    database_touch(call->db, entry);
    call_changed(call, call->argv[1], call_hash(call, 1));
    large_changed(call->world, entry); /* growing planned a file, and writing took it back */
    effect_verbatim(call);
    if (outcome != FIELD_READ)
        call_notify(call, NOTIFY_STRING, "setbit", call->argv[1]);
}

static void bitfield_generic(struct call *call, bool may_write)
{
    char scratch[STRING_SCRATCH];
    struct fields fields = {.list = mem_alloc((size_t)call->argc * sizeof(*fields.list))};
    struct entry *entry;
    if (fields_read(call, &fields)) {
        if (fields.writes && !may_write)
            reply_error(call->reply, "ERR BITFIELD_RO only supports the GET subcommand");
        else if (fields.writes)
            fields_run(call, &fields);
        else if (call_read_string(call, 1, &entry))
            fields_get(call, &fields, entry ? string_value(entry, scratch) : slice_make(NULL, 0));
    }
    mem_free(fields.list);
}

/* BITFIELD may do nothing but read. */
static unsigned bitfield_key_flags(int argc, const struct slice *argv, unsigned key_flags)
{
    static const char *const words[] = {"set", "incrby", NULL};
    return arguments_have(argc, argv, 2, words) ? key_flags : KEY_RO | KEY_ACCESS;
}

static void bitfield_command(struct call *call)
{
    bitfield_generic(call, true);
}

static void bitfield_ro_command(struct call *call)
{
    bitfield_generic(call, false);
}

/* --- the table ----------------------------------------------------------------------------------------- */

const struct command bitfield_commands[] = {
    {.name = "bitfield",
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .categories = CAT_BITMAP,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS)},
     .vary_key_flags = bitfield_key_flags,
     .function = bitfield_command,
     .arguments =
         "key#key0 [operation(GET=encoding_offset(encoding "
         "offset#integer)|write([OVERFLOW=wrap_sat_fail(WRAP|SAT|FAIL)] "
         "write_operation(SET=encoding_offset_value(encoding offset#integer "
         "value#integer)|INCRBY=encoding_offset_increment(encoding offset#integer increment#integer))))*]",
     .group = "bitmap",
     .since = "3.2.0",
     .complexity = "O(N) where N is the number of actions",
     .summary = "Reads, writes and counts in integers of any width within a string."},
    {.name = "bitfield_ro",
     .arity = -2,
     .flags = CMD_READONLY | CMD_FAST,
     .categories = CAT_BITMAP,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = bitfield_ro_command,
     .arguments = "key#key0 [GET=encoding_offset(encoding offset#integer)+]",
     .group = "bitmap",
     .since = "6.0.0",
     .complexity = "O(N) where N is the number of actions",
     .summary = "Reads integers of any width within a string."},
};
const size_t bitfield_command_count = sizeof(bitfield_commands) / sizeof(bitfield_commands[0]);
