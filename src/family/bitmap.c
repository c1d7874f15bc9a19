/* Bitmaps: strings seen as rows of bits. BITFIELD is in bitfield.c. */
#include "base/bits.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "command/lookup.h"
#include "family/bit_offset.h"
#include "family/expire.h"
#include "family/families.h"
#include "family/string_key.h"

bool call_bit_offset(struct call *call, int index, unsigned field_bits, uint64_t *offset)
{
    struct slice text = call->argv[index];
    int64_t number;
    bool counts_fields = field_bits > 0 && text.size > 0 && text.data[0] == '#';
    if (counts_fields)
        text = slice_make(text.data + 1, text.size - 1);
    bool is_offset = int64_parse(text, &number) && number >= 0 &&
                     (!counts_fields || !__builtin_mul_overflow(number, (int64_t)field_bits, &number));
    if (is_offset && (!call->origin->is_limited || (uint64_t)number >> 3 < call->world->settings.bulk_max)) {
        *offset = (uint64_t)number;
        return true;
    }
    reply_error(call->reply, "ERR bit offset is not an integer or out of range");
    return false;
}

/* --- one bit ------------------------------------------------------------------------------------------- */

/* The byte of a string; what is not there is zero. */
static unsigned byte_at(struct slice value, uint64_t index)
{
    return index < value.size ? (unsigned char)value.data[index] : 0;
}

static unsigned bit_mask(uint64_t offset)
{
    return 0x80U >> (offset & 7);
}

static void setbit_command(struct call *call)
{
    char scratch[STRING_SCRATCH];
    struct entry *entry;
    uint64_t offset;
    int64_t on;
    static const char error[] = "ERR bit is not an integer or out of range";
    if (!call_bit_offset(call, 2, 0, &offset) || !call_int_range(call, 3, 0, 1, &on, error) ||
        !call_write_string(call, 1, &entry))
        return;
    struct slice value = entry ? string_value(entry, scratch) : slice_make(NULL, 0);
    uint64_t index = offset >> 3;
    unsigned old = byte_at(value, index);
    unsigned mask = bit_mask(offset);
    char byte = (char)(on ? old | mask : old & ~mask);
    bool was_on = old & mask;
    if (index < value.size && was_on == (on == 1)) {
        call_make_raw(call, entry);
        reply_int(call->reply, was_on);
        return;
    }
    if (!call_write_bytes(call, 1, entry, index, slice_make(&byte, 1)))
        return;
    effect_verbatim(call);
    call_notify(call, NOTIFY_STRING, "setbit", call->argv[1]);
    reply_int(call->reply, was_on);
}

static void getbit_command(struct call *call)
{
    char scratch[STRING_SCRATCH];
    struct entry *entry;
    uint64_t offset;
    if (!call_bit_offset(call, 2, 0, &offset) || !call_read_string(call, 1, &entry))
        return;
    struct slice value = entry ? string_value(entry, scratch) : slice_make(NULL, 0);
    reply_int(call->reply, (byte_at(value, offset >> 3) & bit_mask(offset)) != 0);
}

/* --- many bits ----------------------------------------------------------------------------------------- */

/* Bits [begin, end) of a string. */
struct bit_range {
    uint64_t begin;
    uint64_t end;
};

/* The first and last position that a client named: bytes or bits, from the end when below 0. */
struct span {
    int64_t first;
    int64_t last;
    bool in_bits;
};

static struct bit_range span_range(struct span span, size_t size)
{
    int64_t total = (int64_t)size * (span.in_bits ? 8 : 1);
    uint64_t scale = span.in_bits ? 1 : 8;
    int64_t first = span.first < 0 ? span.first + total : span.first;
    int64_t last = span.last < 0 ? span.last + total : span.last;
    first = first < 0 ? 0 : first;
    last = last < 0 ? 0 : last;
    last = last >= total ? total - 1 : last;
    if (first > last)
        return (struct bit_range){0, 0};
    return (struct bit_range){(uint64_t)first * scale, (uint64_t)(last + 1) * scale};
}

/* BYTE or BIT; replies the error and returns false when it is neither. */
static bool unit_read(struct call *call, int index, struct span *span)
{
    span->in_bits = slice_is(call->argv[index], "bit");
    if (span->in_bits || slice_is(call->argv[index], "byte"))
        return true;
    call_syntax_error(call);
    return false;
}

/* Counts the bytes that the range touches whole, and takes off what it leaves out of the first and last. */
static uint64_t range_count(struct slice value, struct bit_range range)
{
    if (range.begin == range.end)
        return 0;
    const unsigned char *bytes = (const unsigned char *)value.data;
    uint64_t first = range.begin / 8;
    uint64_t last = (range.end - 1) / 8;
    unsigned before = bytes[first] & ~(0xffU >> range.begin % 8);
    unsigned after = bytes[last] & (0x7fU >> (range.end - 1) % 8);
    return bits_count(bytes + first, last - first + 1) - (uint64_t)__builtin_popcount(before & 0xff) -
           (uint64_t)__builtin_popcount(after);
}

static void bitcount_command(struct call *call)
{
    char scratch[STRING_SCRATCH];
    struct entry *entry;
    struct span span = {0, -1, false};
    if (!call_read_string(call, 1, &entry))
        return;
    if (!entry) {
        reply_int(call->reply, 0);
        return;
    }
    if (call->argc == 3 || call->argc > 5) {
        call_syntax_error(call);
        return;
    }
    if (call->argc > 3 && (!call_int(call, 2, &span.first) || !call_int(call, 3, &span.last)))
        return;
    if (span.first < 0 && span.last < 0 && span.first > span.last) {
        reply_int(call->reply, 0);
        return;
    }
    if (call->argc == 5 && !unit_read(call, 4, &span))
        return;
    struct slice value = string_value(entry, scratch);
    reply_int(call->reply, (int64_t)range_count(value, span_range(span, value.size)));
}

/* Where BITPOS is to look; replies the error and returns false. */
static bool bitpos_span(struct call *call, struct span *span)
{
    *span = (struct span){0, -1, false};
    if (call->argc > 6) {
        call_syntax_error(call);
        return false;
    }
    return (call->argc < 4 || call_int(call, 3, &span->first)) &&
           (call->argc < 6 || unit_read(call, 5, span)) && (call->argc < 5 || call_int(call, 4, &span->last));
}

/* A string goes on in zero bits for ever, unless the client said where to stop. */
static void bitpos_command(struct call *call)
{
    char scratch[STRING_SCRATCH];
    struct entry *entry;
    struct span span;
    int64_t bit;
    if (!call_int(call, 2, &bit))
        return;
    if (bit != 0 && bit != 1) {
        reply_error(call->reply, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!call_read_string(call, 1, &entry))
        return;
    if (!entry) {
        reply_int(call->reply, bit ? -1 : 0);
        return;
    }
    if (!bitpos_span(call, &span))
        return;
    struct slice value = string_value(entry, scratch);
    struct bit_range range = span_range(span, value.size);
    uint64_t found = bits_find(value.data, range.begin, range.end, bit == 1);
    bool padded = bit == 0 && call->argc < 5 && range.begin < range.end;
    reply_int(call->reply, found < range.end || padded ? (int64_t)found : -1);
}

/* --- BITOP --------------------------------------------------------------------------------------------- */

enum bitop { BITOP_AND = BITS_AND, BITOP_OR = BITS_OR, BITOP_XOR = BITS_XOR, BITOP_NOT };

/* The result is made in pieces of this size, each from all sources while it is in the cache. */
#define BITOP_PIECE ((size_t)16 << 10)

struct bitop_source {
    struct slice value;
    char scratch[STRING_SCRATCH];
};

static bool bitop_read(struct call *call, enum bitop *operation)
{
    static const char *const names[] = {"and", "or", "xor", "not"};
    for (enum bitop i = BITOP_AND; i <= BITOP_NOT; i++) {
        if (!slice_is(call->argv[1], names[i]))
            continue;
        *operation = i;
        if (i != BITOP_NOT || call->argc == 4)
            return true;
        reply_error(call->reply, "ERR BITOP NOT must be called with a single source key.");
        return false;
    }
    call_syntax_error(call);
    return false;
}

/* Reads the sources' values; *size is that of the longest. */
static bool bitop_sources(struct call *call, struct bitop_source *sources, size_t *size)
{
    *size = 0;
    for (int i = 3; i < call->argc; i++)
        lookup_write(call, call->argv[i], call_hash(call, i));
    /* Only now, when none of them is deleted any more because its time has passed. */
    for (int i = 3; i < call->argc; i++) {
        struct bitop_source *source = &sources[i - 3];
        struct entry *entry;
        if (!call_read_string(call, i, &entry))
            return false;
        source->value = entry ? string_value(entry, source->scratch) : slice_make(NULL, 0);
        *size = source->value.size > *size ? source->value.size : *size;
    }
    return true;
}

/* The bytes of a source in [begin, end) to out, zeros behind its end. */
static void source_copy(char *out, struct slice value, size_t begin, size_t end)
{
    size_t size = value.size > begin ? value.size - begin : 0;
    size = size < end - begin ? size : end - begin;
    if (size > 0)
        memcpy(out, value.data + begin, size);
    memset(out + size, 0, end - begin - size);
}

static void bitop_piece(char *out, enum bitop operation, const struct bitop_source *sources, int count,
                        size_t begin, size_t end)
{
    source_copy(out, sources[0].value, begin, end);
    if (operation == BITOP_NOT)
        bits_invert(out, end - begin);
    for (int i = 1; i < count; i++) {
        struct slice value = sources[i].value;
        size_t shared = value.size > begin ? (value.size < end ? value.size : end) - begin : 0;
        if (shared > 0)
            bits_combine(out, value.data + begin, shared, (enum bits_operation)operation);
        if (operation == BITOP_AND)
            memset(out + shared, 0, end - begin - shared);
    }
}

/* Puts the result into the key that argument 2 names. False, with the error replied, without memory. */
static bool bitop_store(struct call *call, enum bitop operation, const struct bitop_source *sources,
                        size_t size)
{
    struct blob *result = blob_new(size);
    if (!result) {
        call_memory_error(call);
        return false;
    }
    result->size = size;
    for (size_t begin = 0; begin < size; begin += BITOP_PIECE) {
        size_t end = size - begin > BITOP_PIECE ? begin + BITOP_PIECE : size;
        bitop_piece(result->data + begin, operation, sources, call->argc - 3, begin, end);
    }
    bool stored = call_store_blob(call, 2, result, STRING_FORM_RAW, EXPIRE_NEVER);
    blob_drop(result);
    return stored;
}

/* A result without bytes is no key. */
static bool bitop_finish(struct call *call, enum bitop operation, const struct bitop_source *sources,
                         size_t size)
{
    if (size > 0) {
        if (!bitop_store(call, operation, sources, size))
            return false;
        effect_verbatim(call);
        call_notify(call, NOTIFY_STRING, "set", call->argv[2]);
    } else if (lookup_write(call, call->argv[2], call_hash(call, 2))) {
        call_delete(call, call->argv[2], call_hash(call, 2));
    }
    return true;
}

static void bitop_command(struct call *call)
{
    enum bitop operation;
    size_t size;
    if (!bitop_read(call, &operation))
        return;
    struct bitop_source *sources = mem_alloc((size_t)(call->argc - 3) * sizeof(*sources));
    if (bitop_sources(call, sources, &size) && bitop_finish(call, operation, sources, size))
        reply_int(call->reply, (int64_t)size);
    mem_free(sources);
}

/* --- the table ----------------------------------------------------------------------------------------- */

const struct command bitmap_commands[] = {
    {.name = "setbit",
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .categories = CAT_BITMAP,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
     .function = setbit_command,
     .arguments = "key#key0 offset#integer value#integer",
     .group = "bitmap",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Sets or clears a bit of a string and returns what it was; the string grows as needed."},
    {.name = "getbit",
     .arity = 3,
     .flags = CMD_READONLY | CMD_FAST,
     .categories = CAT_BITMAP,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = getbit_command,
     .arguments = "key#key0 offset#integer",
     .group = "bitmap",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Returns a bit of a string."},
    {.name = "bitcount",
     .arity = -2,
     .flags = CMD_READONLY,
     .categories = CAT_BITMAP,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = bitcount_command,
     .arguments = "key#key0 [index(start#integer end#integer [index_unit(BYTE|BIT)~7.0.0])]",
     .group = "bitmap",
     .since = "2.6.0",
     .history = "7.0.0 Takes `BYTE` and `BIT`.",
     .complexity = "O(N) where N is the number of bytes looked at",
     .summary = "Counts the set bits of a string, or of a part of it."},
    {.name = "bitpos",
     .arity = -3,
     .flags = CMD_READONLY,
     .categories = CAT_BITMAP,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = bitpos_command,
     .arguments =
         "key#key0 bit#integer [index(start#integer [end_index(end#integer [index_unit(BYTE|BIT)~7.0.0])])]",
     .group = "bitmap",
     .since = "2.8.7",
     .history = "7.0.0 Takes `BYTE` and `BIT`.",
     .complexity = "O(N) where N is the number of bytes looked at",
     .summary = "Finds the first set or clear bit of a string, or of a part of it."},
    {.name = "bitop",
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .categories = CAT_BITMAP,
     .keys = {KEY_AT(2, KEY_OW | KEY_UPDATE), KEYS_FROM(3, KEY_RO | KEY_ACCESS)},
     .function = bitop_command,
     .arguments = "operation destkey#key0 key#key1*",
     .group = "bitmap",
     .since = "2.6.0",
     .complexity = "O(N) where N is the number of bytes of all sources",
     .summary = "Combines strings bit by bit and stores the result."},
};
const size_t bitmap_command_count = sizeof(bitmap_commands) / sizeof(bitmap_commands[0]);
