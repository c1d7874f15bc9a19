/* DUMP and RESTORE: a value as bytes that redis-server understands, too. They are an object of its RDB
 * format, version and checksum behind it:
 *
 *     1 byte   type; 0: string
 *     ...      the string, see below
 *     2 bytes  version of the format, little endian
 *     8 bytes  CRC-64 of all before, little endian (base/crc64.h)
 *
 * A string begins with a length, whose first two bits tell its form:
 *
 *     00nnnnnn                    n bytes
 *     01nnnnnn nnnnnnnn           n bytes, the higher bits first
 *     10000000 and 4 bytes        n bytes, big endian
 *     10000001 and 8 bytes        n bytes, big endian
 *     11000000 and 1 byte         an integer, which stands for its decimal digits
 *     11000001 and 2 bytes        the same, little endian
 *     11000010 and 4 bytes        the same
 *     11000011, length, length    compressed by LZF: compressed size, size, the compressed bytes
 *
 * Strings of 11 bytes at the most are made integers where they are one; longer ones than 20 bytes are
 * compressed where that makes them shorter. */
#include <liblzf/lzf.h>

#include "base/crc64.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "command/lookup.h"
#include "family/dump.h"
#include "family/expire.h"
#include "family/families.h"
#include "family/string_key.h"
#include "store/entry.h"

#define TYPE_STRING 0
/* What strings are written as since long: what redis-server 7.0 writes, and all after it read. */
#define VERSION     10
#define VERSION_MAX 11
#define FOOTER_SIZE (2 + sizeof(uint64_t))

#define INTEGER_TEXT_MAX   11
#define COMPRESSED_FROM    21
#define COMPRESSION_GAIN   4  /* bytes that it has to save */
#define COMPRESSION_FACTOR 88 /* LZF makes three bytes of 264 at the most */
#define LENGTH_SIZE_MAX    9

enum length_form { LENGTH_6, LENGTH_14, LENGTH_WIDE, LENGTH_SPECIAL };
enum special { SPECIAL_INT8, SPECIAL_INT16, SPECIAL_INT32, SPECIAL_LZF };
#define WIDE_32 0x80
#define WIDE_64 0x81

/* --- writing ------------------------------------------------------------------------------------------- */

static void append_little_endian(struct buffer *out, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buffer_append_char(out, (char)(value >> (8 * i)));
}

static void append_big_endian(struct buffer *out, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0;)
        buffer_append_char(out, (char)(value >> (8 * i)));
}

static void append_length(struct buffer *out, uint64_t length)
{
    if (length < 1 << 6) {
        buffer_append_char(out, (char)length);
    } else if (length < 1 << 14) {
        append_big_endian(out, LENGTH_14 << 14 | length, 2);
    } else if (length <= UINT32_MAX) {
        buffer_append_char(out, (char)WIDE_32);
        append_big_endian(out, length, 4);
    } else {
        buffer_append_char(out, (char)WIDE_64);
        append_big_endian(out, length, 8);
    }
}

static bool append_integer(struct buffer *out, struct slice value)
{
    int64_t number;
    if (value.size > INTEGER_TEXT_MAX || !int64_parse(value, &number) || number != (int32_t)number)
        return false;
    enum special form = number == (int8_t)number    ? SPECIAL_INT8
                        : number == (int16_t)number ? SPECIAL_INT16
                                                    : SPECIAL_INT32;
    buffer_append_char(out, (char)(LENGTH_SPECIAL << 6 | form));
    append_little_endian(out, (uint64_t)number, (size_t)1 << form);
    return true;
}

/* The compressed bytes are made behind the longest header there may be, and moved up to the one that they
 * get. */
static bool append_compressed(struct buffer *out, struct slice value)
{
    size_t header_max = 1 + 2 * LENGTH_SIZE_MAX;
    if (value.size < COMPRESSED_FROM || value.size > UINT32_MAX)
        return false;
    size_t room = value.size - COMPRESSION_GAIN;
    size_t begin = out->size;
    buffer_reserve(out, header_max + room);
    unsigned size =
        lzf_compress(value.data, (unsigned)value.size, out->data + begin + header_max, (unsigned)room);
    if (size == 0)
        return false;
    buffer_append_char(out, (char)(LENGTH_SPECIAL << 6 | SPECIAL_LZF));
    append_length(out, size);
    append_length(out, value.size);
    memmove(out->data + out->size, out->data + begin + header_max, size);
    out->size += size;
    return true;
}

static void append_string(struct buffer *out, struct slice value, bool compress)
{
    if (append_integer(out, value) || (compress && append_compressed(out, value)))
        return;
    append_length(out, value.size);
    buffer_append_slice(out, value);
}

void dump_append(struct buffer *out, const struct world *world, const struct entry *entry)
{
    char scratch[STRING_SCRATCH];
    struct slice value = string_value(entry, scratch);
    size_t begin = out->size;
    buffer_reserve(out, value.size + 1 + 3 * LENGTH_SIZE_MAX + FOOTER_SIZE);
    buffer_append_char(out, TYPE_STRING);
    append_string(out, value, world->settings.dump_compressed);
    append_little_endian(out, VERSION, 2);
    append_little_endian(out, crc64(0, out->data + begin, out->size - begin), sizeof(uint64_t));
}

size_t dump_value_size(const struct world *world, const struct entry *entry)
{
    struct buffer out = {0};
    char scratch[STRING_SCRATCH];
    if (entry_form(entry) == FORM_BLOB) {
        append_length(&out, string_size(entry));
        out.size += string_size(entry);
    } else {
        append_string(&out, string_value(entry, scratch), world->settings.dump_compressed);
    }
    size_t size = out.size;
    buffer_free(&out);
    return size;
}

static void dump_command(struct call *call)
{
    struct buffer dump = {0};
    struct entry *entry = lookup_peek(call, call->argv[1], call_hash(call, 1));
    if (!entry) {
        reply_null(call->reply);
        return;
    }
    if (!call_check_type(call, entry, VALUE_STRING))
        return;
    if (!call_memory(call, 2 * string_size(entry)))
        return;
    dump_append(&dump, call->world, entry);
    reply_bulk(call->reply, buffer_slice(&dump));
    buffer_free(&dump);
}

/* --- reading ------------------------------------------------------------------------------------------- */

/* A string that was read: in the payload, in digits, or in a blob of its own. */
struct loaded {
    struct slice value;
    char digits[INT64_TEXT_MAX];
    struct blob *blob; /* NULL: none */
};

/* Takes size bytes off the front. */
static bool take(struct slice *rest, uint64_t size, struct slice *taken)
{
    if (size > rest->size)
        return false;
    *taken = slice_make(rest->data, (size_t)size);
    *rest = slice_make(rest->data + size, rest->size - (size_t)size);
    return true;
}

static uint64_t big_endian(struct slice bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++)
        value = value << 8 | (unsigned char)bytes.data[i];
    return value;
}

static uint64_t little_endian(struct slice bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes.size; i-- > 0;)
        value = value << 8 | (unsigned char)bytes.data[i];
    return value;
}

/* A length, or what is special about the string. */
static bool length_read(struct slice *rest, uint64_t *length, bool *is_special)
{
    struct slice taken;
    if (!take(rest, 1, &taken))
        return false;
    unsigned byte = (unsigned char)taken.data[0];
    enum length_form form = (enum length_form)(byte >> 6);
    *is_special = form == LENGTH_SPECIAL;
    *length = byte & 0x3f;
    if (form == LENGTH_6 || form == LENGTH_SPECIAL)
        return true;
    if (form == LENGTH_WIDE && byte != WIDE_32 && byte != WIDE_64)
        return false;
    size_t size = form == LENGTH_14 ? 1 : byte == WIDE_32 ? 4 : 8;
    if (!take(rest, size, &taken))
        return false;
    *length = form == LENGTH_14 ? *length << 8 | big_endian(taken) : big_endian(taken);
    return true;
}

static bool integer_read(struct slice *rest, enum special form, struct loaded *loaded)
{
    struct slice taken;
    if (!take(rest, UINT64_C(1) << form, &taken))
        return false;
    uint64_t bits = little_endian(taken);
    int64_t number = form == SPECIAL_INT8    ? (int8_t)bits
                     : form == SPECIAL_INT16 ? (int16_t)bits
                                             : (int32_t)bits;
    loaded->value = slice_make(loaded->digits, int64_format(loaded->digits, number));
    return true;
}

/* What the sizes promise is believed only as far as it can be, so that a few bytes cannot ask for much
 * memory. A size that is marked as special counts as its lower six bits, as it does in Redis. */
static bool compressed_read(struct slice *rest, uint64_t size_max, struct loaded *loaded)
{
    struct slice taken;
    uint64_t compressed_size;
    uint64_t size;
    bool is_special;
    if (!length_read(rest, &compressed_size, &is_special) || !length_read(rest, &size, &is_special) ||
        !take(rest, compressed_size, &taken))
        return false;
    if (size == 0 || size > UINT32_MAX || size > size_max || compressed_size > UINT32_MAX ||
        size / COMPRESSION_FACTOR > compressed_size)
        return false;
    loaded->blob = blob_new((size_t)size);
    if (!loaded->blob)
        return false;
    loaded->blob->size = (size_t)size;
    loaded->value = blob_slice(loaded->blob);
    return lzf_decompress(taken.data, (unsigned)taken.size, loaded->blob->data, (unsigned)size) == size;
}

/* The string in a payload. Nobody looks whether it ends where the footer begins, as nobody does in Redis.
 * loaded->blob is the caller's to drop, also on failure. */
static bool string_read(struct slice rest, uint64_t size_max, struct loaded *loaded)
{
    struct slice type;
    uint64_t length;
    bool is_special;
    *loaded = (struct loaded){.blob = NULL};
    if (!take(&rest, 1, &type) || type.data[0] != TYPE_STRING || !length_read(&rest, &length, &is_special))
        return false;
    if (!is_special)
        return length <= size_max && take(&rest, length, &loaded->value);
    if (length == SPECIAL_LZF)
        return compressed_read(&rest, size_max, loaded);
    return length < SPECIAL_LZF && integer_read(&rest, (enum special)length, loaded);
}

static bool footer_is_right(struct slice payload)
{
    if (payload.size < FOOTER_SIZE)
        return false;
    size_t size = payload.size - FOOTER_SIZE;
    uint64_t version = little_endian(slice_make(payload.data + size, 2));
    uint64_t checksum = little_endian(slice_make(payload.data + size + 2, sizeof(uint64_t)));
    return version <= VERSION_MAX && crc64(0, payload.data, size + 2) == checksum;
}

/* --- RESTORE ------------------------------------------------------------------------------------------- */

struct restore_options {
    bool replace;
    bool absolute;
    int64_t idle_s;    /* -1: not given */
    int64_t frequency; /* -1: not given */
};

static bool option_number(struct call *call, int index, int64_t max, const char *error, int64_t *number)
{
    if (!call_int(call, index, number))
        return false;
    if (*number >= 0 && *number <= max)
        return true;
    reply_error(call->reply, error);
    return false;
}

static bool options_read(struct call *call, struct restore_options *options)
{
    *options = (struct restore_options){.idle_s = -1, .frequency = -1};
    for (int i = 4; i < call->argc; i++) {
        struct slice word = call->argv[i];
        bool has_next = i + 1 < call->argc;
        if (slice_is(word, "replace")) {
            options->replace = true;
        } else if (slice_is(word, "absttl")) {
            options->absolute = true;
        } else if (slice_is(word, "idletime") && has_next && options->frequency == -1) {
            if (!option_number(call, ++i, INT64_MAX, "ERR Invalid IDLETIME value, must be >= 0",
                               &options->idle_s))
                return false;
        } else if (slice_is(word, "freq") && has_next && options->idle_s == -1) {
            if (!option_number(call, ++i, USE_FREQUENCY_MAX,
                               "ERR Invalid FREQ value, must be >= 0 and <= 255", &options->frequency))
                return false;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* When the value expires: EXPIRE_NEVER for a time to live of 0. */
static bool restore_time(struct call *call, bool absolute, int64_t *at_ms)
{
    if (!option_number(call, 2, INT64_MAX, "ERR Invalid TTL value, must be >= 0", at_ms))
        return false;
    if (*at_ms == 0) {
        *at_ms = EXPIRE_NEVER;
        return true;
    }
    if (absolute || !__builtin_add_overflow(*at_ms, call->world->now_ms, at_ms))
        return true;
    reply_error_format(call->reply, "ERR invalid expire time in '%s' command", call->command->full_name);
    return false;
}

static void set_use(struct call *call, struct entry *entry, const struct restore_options *options)
{
    /* Longer than this no time of last use tells. */
    static const int64_t idle_max_s = 100 * 24 * 3600;
    int64_t idle_s = options->idle_s < idle_max_s ? options->idle_s : idle_max_s;
    if (idle_s >= 0)
        entry_set_idle_ms(entry, call->world->use_ms, idle_s * 1000);
    if (options->frequency >= 0)
        database_set_frequency(call->db, entry, (int)options->frequency);
}

/* The effect is the same payload, with the time to live as it came out. */
static void effect_restore(struct call *call, int64_t at_ms)
{
    char digits[INT64_TEXT_MAX];
    size_t size = int64_format(digits, at_ms == EXPIRE_NEVER ? 0 : at_ms);
    const struct slice argv[] = {SLICE_LITERAL("RESTORE"), call->argv[1],
                                 slice_make(digits, size), call->argv[3],
                                 SLICE_LITERAL("ABSTTL"),  SLICE_LITERAL("REPLACE")};
    effect_command(call, call->session->database, sizeof(argv) / sizeof(argv[0]), argv);
}

static void restore(struct call *call, const struct restore_options *options, int64_t at_ms,
                    const struct loaded *loaded)
{
    uint64_t hash = call_hash(call, 1);
    struct entry *entry = lookup_write(call, call->argv[1], hash);
    if (expire_has_passed(at_ms, call->world->now_ms) && !call->session->replaying) {
        if (entry)
            call_delete(call, call->argv[1], hash);
        reply_ok(call->reply);
        return;
    }
    bool replaces = entry != NULL;
    if (loaded->blob)
        entry = call_store_blob(call, 1, loaded->blob, STRING_FORM_BEST, at_ms);
    else
        entry = call_store_string(call, 1, loaded->value, STRING_FORM_BEST, at_ms);
    if (!entry)
        return;
    set_use(call, entry, options);
    effect_restore(call, at_ms);
    /* Redis deletes what was there and adds it anew. */
    if (replaces)
        call_notify(call, NOTIFY_NEW, "new", call->argv[1]);
    call_notify(call, NOTIFY_GENERIC, "restore", call->argv[1]);
    reply_ok(call->reply);
}

static void restore_command(struct call *call)
{
    struct restore_options options;
    struct loaded loaded;
    int64_t at_ms;
    if (!options_read(call, &options))
        return;
    if (!options.replace && lookup_write(call, call->argv[1], call_hash(call, 1))) {
        reply_error(call->reply, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!restore_time(call, options.absolute, &at_ms))
        return;
    if (!footer_is_right(call->argv[3])) {
        reply_error(call->reply, "ERR DUMP payload version or checksum are wrong");
        return;
    }
    uint64_t size_max = call->session->replaying ? UINT64_MAX : call->world->settings.bulk_max;
    if (string_read(call->argv[3], size_max, &loaded))
        restore(call, &options, at_ms, &loaded);
    else
        reply_error(call->reply, "ERR Bad data format");
    blob_drop(loaded.blob);
}

/* --- the table ----------------------------------------------------------------------------------------- */

#define RESTORE_ARGUMENTS                                                   \
    "key#key0 ttl#integer serialized-value [REPLACE~3.0.0] [ABSTTL~5.0.0] " \
    "[IDLETIME=seconds#integer~5.0.0] [FREQ=frequency#integer~5.0.0]"
#define RESTORE_HISTORY        \
    "3.0.0 Takes `REPLACE`.\n" \
    "5.0.0 Takes `ABSTTL`.\n"  \
    "5.0.0 Takes `IDLETIME` and `FREQ`."

const struct command dump_commands[] = {
    {.name = "dump",
     .arity = 2,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = dump_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "2.6.0",
     .complexity = "O(N) where N is the size of the value",
     .summary = "Returns the value of a key as bytes that RESTORE takes, of this server or another.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "restore",
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS,
     .keys = {KEY_AT(1, KEY_OW | KEY_UPDATE)},
     .function = restore_command,
     .arguments = RESTORE_ARGUMENTS,
     .group = "generic",
     .since = "2.6.0",
     .history = RESTORE_HISTORY,
     .complexity = "O(N) where N is the size of the value",
     .summary = "Creates a key from what DUMP returned."},
    {.name = "restore-asking",
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_ASKING,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS,
     .keys = {KEY_AT(1, KEY_OW | KEY_UPDATE)},
     .function = restore_command,
     .arguments = RESTORE_ARGUMENTS,
     .group = "server",
     .since = "3.0.0",
     .history = RESTORE_HISTORY,
     .internal = true,
     .complexity = "O(N) where N is the size of the value",
     .summary = "Is RESTORE, as the nodes of a cluster send it."},
};
const size_t dump_command_count = sizeof(dump_commands) / sizeof(dump_commands[0]);
