#include "command/whole.h"

#include <assert.h>

#include "base/diag.h"
#include "base/hash.h"
#include "base/number.h"
#include "command/effect.h"
#include "rdb/rdb_hash.h"
#include "rdb/rdb_value.h"
#include "resp/request.h"
#include "store/value_hash.h"

static bool flush(struct whole_writer *writer)
{
    return !writer->flush || writer->flush(writer);
}

static void append_number(struct buffer *buffer, int64_t number)
{
    char digits[INT64_TEXT_MAX];
    request_append_argument(buffer, slice_make(digits, int64_format(digits, number)));
}

/* --- strings ------------------------------------------------------------------------------------------- */

static bool write_string(struct whole_writer *writer, const struct entry *entry)
{
    char scratch[STRING_SCRATCH];
    char digits[INT64_TEXT_MAX];
    struct slice argv[5];
    int argc = entry_set_command(entry, scratch, digits, argv);
    struct blob *blob = entry_blob(entry);
    if (!writer->value || !blob || !blob->origin) {
        request_append(writer->buffer, argc, argv);
        return true;
    }
    request_append_count(writer->buffer, argc);
    for (int i = 0; i < argc; i++) {
        if (i != 2) {
            request_append_argument(writer->buffer, argv[i]);
            continue;
        }
        request_append_size(writer->buffer, blob->size);
        if (!writer->value(writer, blob, argv[1]))
            return false;
        request_append_end(writer->buffer);
    }
    return true;
}

static uint64_t digest_string(const struct entry *entry, uint64_t seed, int64_t now_ms)
{
    (void)now_ms;
    char scratch[STRING_SCRATCH];
    return hash_slice(string_value(entry, scratch), seed);
}

/* --- loads --------------------------------------------------------------------------------------------- */

/* Whole small collections: what rdb has of them, in one command. */
static void write_load(struct whole_writer *writer, const struct entry *entry)
{
    struct buffer value = {0};
    int64_t expire_ms = entry_expire_ms(entry);
    rdb_append_value(&value, entry, false);
    request_append_count(writer->buffer, expire_ms == EXPIRE_NEVER ? 3 : 5);
    request_append_argument(writer->buffer, SLICE_LITERAL(WHOLE_LOAD));
    request_append_argument(writer->buffer, entry_key(entry));
    request_append_argument(writer->buffer, buffer_slice(&value));
    if (expire_ms != EXPIRE_NEVER) {
        request_append_argument(writer->buffer, SLICE_LITERAL("PXAT"));
        append_number(writer->buffer, expire_ms);
    }
    buffer_free(&value);
}

static void write_expiry(struct whole_writer *writer, const struct entry *entry)
{
    int64_t expire_ms = entry_expire_ms(entry);
    if (expire_ms == EXPIRE_NEVER)
        return;
    request_append_count(writer->buffer, 3);
    request_append_argument(writer->buffer, SLICE_LITERAL("PEXPIREAT"));
    request_append_argument(writer->buffer, entry_key(entry));
    append_number(writer->buffer, expire_ms);
}

/* --- hashes -------------------------------------------------------------------------------------------- */

/* Fields on their way into a piece. */
struct hash_piece {
    struct whole_writer *writer;
    struct slice key;
    size_t parts;                 /* of the whole hash */
    struct rdb_hash_piece fields; /* WHOLE_PACKED */
    struct buffer words;          /* WHOLE_PLAIN: HSET's arguments behind the key */
    int word_count;
    struct buffer times; /* WHOLE_PLAIN: whole HPEXPIREAT commands */
    bool is_first;
};

static void append_time_command(struct hash_piece *piece, const struct hash_field *field)
{
    request_append_count(&piece->times, 6);
    request_append_argument(&piece->times, SLICE_LITERAL("HPEXPIREAT"));
    request_append_argument(&piece->times, piece->key);
    append_number(&piece->times, field->expire_ms);
    request_append_argument(&piece->times, SLICE_LITERAL("FIELDS"));
    request_append_argument(&piece->times, SLICE_LITERAL("1"));
    request_append_argument(&piece->times, field->name);
}

static void piece_add(struct hash_piece *piece, const struct hash_field *field)
{
    if (piece->writer->form == WHOLE_PACKED) {
        rdb_hash_piece_add(&piece->fields, field);
        return;
    }
    request_append_argument(&piece->words, field->name);
    request_append_argument(&piece->words, field->value);
    piece->word_count += 2;
    if (field->expire_ms != FIELD_NEVER)
        append_time_command(piece, field);
}

static size_t piece_size(const struct hash_piece *piece)
{
    return piece->writer->form == WHOLE_PACKED ? rdb_hash_piece_bytes(&piece->fields)
                                               : piece->words.size + piece->times.size;
}

static void piece_write_packed(struct hash_piece *piece)
{
    struct buffer *buffer = piece->writer->buffer;
    struct buffer value = {0};
    rdb_hash_piece_end(&piece->fields, &value);
    request_append_count(buffer, piece->is_first ? 5 : 6);
    request_append_argument(buffer, SLICE_LITERAL(WHOLE_LOAD));
    request_append_argument(buffer, piece->key);
    request_append_argument(buffer, buffer_slice(&value));
    if (!piece->is_first)
        request_append_argument(buffer, SLICE_LITERAL("MORE"));
    request_append_argument(buffer, SLICE_LITERAL("OF"));
    append_number(buffer, (int64_t)piece->parts);
    buffer_free(&value);
}

static void piece_write_plain(struct hash_piece *piece)
{
    struct buffer *buffer = piece->writer->buffer;
    request_append_count(buffer, 2 + piece->word_count);
    request_append_argument(buffer, SLICE_LITERAL("HSET"));
    request_append_argument(buffer, piece->key);
    buffer_append_slice(buffer, buffer_slice(&piece->words));
    buffer_append_slice(buffer, buffer_slice(&piece->times));
    buffer_clear(&piece->words);
    buffer_clear(&piece->times);
    piece->word_count = 0;
}

static bool piece_write(struct hash_piece *piece)
{
    if (piece_size(piece) == 0)
        return true;
    if (piece->writer->form == WHOLE_PACKED)
        piece_write_packed(piece);
    else
        piece_write_plain(piece);
    piece->is_first = false;
    return flush(piece->writer);
}

static bool write_pieces(struct whole_writer *writer, const struct entry *entry)
{
    struct hash_piece piece = {
        .writer = writer, .key = entry_key(entry), .parts = entry_hash_size(entry), .is_first = true};
    piece.fields.is_timed = entry_hash_timed_size(entry) > 0;
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    struct hash_field field;
    bool ok = true;
    while (ok && entry_hash_iterate(&iterator, &field)) {
        size_t size = field.name.size + field.value.size;
        if (piece_size(&piece) + size > WHOLE_PIECE_BYTES)
            ok = piece_write(&piece);
        if (ok)
            piece_add(&piece, &field);
    }
    ok = ok && piece_write(&piece);
    rdb_hash_piece_free(&piece.fields);
    buffer_free(&piece.words);
    buffer_free(&piece.times);
    return ok;
}

static bool write_hash(struct whole_writer *writer, const struct entry *entry)
{
    ASSERT(entry_hash_size(entry) > 0);
    if (writer->form == WHOLE_PACKED && entry_hash_listpack(entry).size > 0) {
        write_load(writer, entry);
        return true;
    }
    bool ok = write_pieces(writer, entry);
    if (ok)
        write_expiry(writer, entry);
    return ok;
}

/* The sum over all fields, so that their order does not count. */
static uint64_t digest_hash(const struct entry *entry, uint64_t seed, int64_t now_ms)
{
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    struct hash_field field;
    uint64_t sum = 0;
    while (entry_hash_iterate(&iterator, &field)) {
        if (hash_field_has_expired(&field, now_ms))
            continue;
        uint64_t hash = hash_slice(field.value, hash_slice(field.name, seed));
        /* Of a time only that there is one counts, as with keys. */
        sum += hash + (field.expire_ms != FIELD_NEVER);
    }
    return hash_slice(slice_make(&sum, sizeof(sum)), seed);
}

/* --- the rows ------------------------------------------------------------------------------------------ */

static const struct {
    bool (*write)(struct whole_writer *writer, const struct entry *entry);
    uint64_t (*digest)(const struct entry *entry, uint64_t seed, int64_t now_ms);
} types[] = {
    [VALUE_STRING] = {write_string, digest_string},
    [VALUE_HASH] = {write_hash, digest_hash},
};
static_assert(sizeof(types) / sizeof(types[0]) == VALUE_TYPE_COUNT, "a row for each type");

bool whole_write(struct whole_writer *writer, const struct entry *entry)
{
    return types[entry_type(entry)].write(writer, entry);
}

uint64_t whole_digest(const struct entry *entry, uint64_t seed, int64_t now_ms)
{
    return types[entry_type(entry)].digest(entry, seed, now_ms);
}
