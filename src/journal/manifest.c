#include "journal/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "journal/names.h"

#define MANIFEST_TITLE "dkv manifest 1"
/* A manifest of a million segments is about this large; more is not one. */
#define MANIFEST_SIZE_MAX (64u << 20)
#define HEX_DIGITS        16

/* --- text --------------------------------------------------------------------------------------------- */

static void format_base(struct buffer *out, const char *word, const struct manifest_base *base)
{
    buffer_append_format(out, "%s %" PRIu64 " %" PRIu64 " %016" PRIx64 " %" PRId64, word, base->lsn,
                         base->bytes, base->salt, base->time_ms);
    if (base->age_ms > 0)
        buffer_append_format(out, " %" PRId64, base->age_ms);
    buffer_append_char(out, '\n');
}

void manifest_format(const struct manifest *manifest, struct buffer *out)
{
    size_t begin = out->size;
    buffer_append_text(out, MANIFEST_TITLE "\nstream ");
    for (int i = 0; i < STREAM_ID_SIZE; i++)
        buffer_append_format(out, "%02x", manifest->stream_id[i]);
    buffer_append_format(out, "\nsequence %" PRIu64 "\n", manifest->sequence);
    for (size_t i = 0; i < manifest->base_count; i++)
        format_base(out, i + 1 < manifest->base_count ? "history" : "base", &manifest->bases[i]);
    for (size_t i = 0; i < manifest->segment_count; i++)
        buffer_append_format(out, "segment %" PRIu64 " %016" PRIx64 "\n", manifest->segments[i].lsn,
                             manifest->segments[i].salt);
    if (manifest->durable_lsn > manifest_last_segment(manifest)->lsn)
        buffer_append_format(out, "durable %" PRIu64 "\n", manifest->durable_lsn);
    uint64_t checksum = hash_bytes(out->data + begin, out->size - begin, 0);
    buffer_append_format(out, "checksum %016" PRIx64 "\n", checksum);
}

/* Reads lines one by one; the first thing that is wrong ends it. */
struct parser {
    struct slice rest;
    int line;
    const char *wrong;
};

static bool parse_fail(struct parser *parser, const char *wrong)
{
    if (!parser->wrong)
        parser->wrong = wrong;
    return false;
}

/* Takes what stands before the first separator off the front of text; false when there is no separator. */
static bool cut_at(struct slice *text, char separator, struct slice *front)
{
    const char *at = text->size ? memchr(text->data, separator, text->size) : NULL;
    if (!at)
        return false;
    *front = slice_make(text->data, (size_t)(at - text->data));
    *text = slice_make(at + 1, text->size - front->size - 1);
    return true;
}

static bool parse_hex(struct slice text, uint64_t *value)
{
    static const char digits[] = "0123456789abcdef";
    *value = 0;
    if (text.size != HEX_DIGITS)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        const char *digit = memchr(digits, text.data[i], sizeof(digits) - 1);
        if (!digit)
            return false;
        *value = *value << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

/* A time and, if there is one, an age behind it: one field or two. */
static bool parse_time_and_age(struct slice text, int64_t *time_ms, int64_t *age_ms)
{
    struct slice time;
    *age_ms = 0;
    if (!cut_at(&text, ' ', &time))
        return int64_parse(text, time_ms);
    return int64_parse(time, time_ms) && int64_parse(text, age_ms) && *age_ms > 0;
}

/* One field by its format: u, a number; x, 16 hexadecimal digits; t, a time and perhaps an age, which is the
 * last and fills two values. */
static bool parse_field(char format, struct slice text, uint64_t *value)
{
    int64_t times[2];
    switch (format) {
    case 'u': return uint64_parse(text, value);
    case 'x': return parse_hex(text, value);
    default:
        if (!parse_time_and_age(text, &times[0], &times[1]))
            return false;
        memcpy(value, times, sizeof(times));
        return true;
    }
}

/* Whether the next line begins with word, which is then taken with its fields. Nothing is taken otherwise. */
static bool parse_line(struct parser *parser, const char *word, const char *formats, uint64_t *values)
{
    struct slice rest = parser->rest;
    struct slice line;
    struct slice field;
    if (parser->wrong || !cut_at(&rest, '\n', &line) || !cut_at(&line, ' ', &field) ||
        !slice_equal(field, slice_of(word)))
        return false;
    parser->line++;
    parser->rest = rest;
    for (size_t i = 0; formats[i]; i++) {
        bool is_last = formats[i + 1] == '\0';
        if (is_last)
            field = line;
        else if (!cut_at(&line, ' ', &field))
            return parse_fail(parser, "a field is missing");
        if (!parse_field(formats[i], field, &values[i]))
            return parse_fail(parser, "a field is not what it should be");
    }
    return true;
}

/* As parse_line, for a line that has to be there. */
static bool need_line(struct parser *parser, const char *word, const char *formats, uint64_t *values,
                      const char *wrong)
{
    if (parse_line(parser, word, formats, values))
        return true;
    if (!parser->wrong)
        parser->line++;
    return parse_fail(parser, wrong);
}

static bool parse_title(struct parser *parser)
{
    struct slice line;
    parser->line = 1;
    if (cut_at(&parser->rest, '\n', &line) && slice_equal(line, slice_of(MANIFEST_TITLE)))
        return true;
    return parse_fail(parser, "not \"" MANIFEST_TITLE "\"");
}

/* The stream id is 32 digits: two fields of 16 without a space between. */
static bool parse_stream_id(struct parser *parser, struct manifest *manifest)
{
    struct slice line;
    struct slice word;
    uint64_t byte;
    parser->line++;
    if (!cut_at(&parser->rest, '\n', &line) || !cut_at(&line, ' ', &word) ||
        !slice_equal(word, slice_of("stream")) || line.size != 2 * STREAM_ID_SIZE)
        return parse_fail(parser, "not the stream id");
    for (size_t i = 0; i < STREAM_ID_SIZE; i++) {
        char padded[HEX_DIGITS];
        memset(padded, '0', sizeof(padded));
        memcpy(padded + HEX_DIGITS - 2, line.data + 2 * i, 2);
        if (!parse_hex(slice_make(padded, sizeof(padded)), &byte))
            return parse_fail(parser, "the stream id is not hexadecimal");
        manifest->stream_id[i] = (uint8_t)byte;
    }
    return true;
}

static bool parse_bases(struct parser *parser, struct manifest *manifest)
{
    uint64_t values[5];
    bool in_use = false;
    while (!in_use) {
        if (!parse_line(parser, "history", "uuxt", values)) {
            if (!need_line(parser, "base", "uuxt", values, "no base"))
                return false;
            in_use = true;
        }
        struct manifest_base base = {values[0], values[1], values[2], (int64_t)values[3], (int64_t)values[4]};
        if (manifest->base_count > 0 && base.lsn <= manifest_base_in_use(manifest)->lsn)
            return parse_fail(parser, "the LSN is not above that of the line before");
        if (base.bytes == 0 && (base.lsn != 0 || base.salt != 0))
            return parse_fail(parser, "a base without a file is not at LSN 0");
        manifest_add_base(manifest, &base);
    }
    return true;
}

static bool parse_segments(struct parser *parser, struct manifest *manifest)
{
    uint64_t values[2];
    while (parse_line(parser, "segment", "ux", values)) {
        if (manifest->segment_count > 0 && values[0] <= manifest_last_segment(manifest)->lsn)
            return parse_fail(parser, "the LSN is not above that of the line before");
        manifest_add_segment(manifest, values[0], values[1]);
    }
    return !parser->wrong;
}

/* It is left out when it says no more than the segments do. */
static bool parse_durable(struct parser *parser, struct manifest *manifest)
{
    uint64_t lsn;
    if (!parse_line(parser, "durable", "u", &lsn))
        return !parser->wrong;
    if (manifest->segment_count == 0 || lsn <= manifest_last_segment(manifest)->lsn)
        return parse_fail(parser, "the LSN is not beyond the start of the last segment");
    manifest->durable_lsn = lsn;
    return true;
}

/* The segments carry the stream on from every base. */
static const char *check_structure(const struct manifest *manifest)
{
    if (manifest->segment_count == 0 || manifest->segments[0].lsn != manifest->bases[0].lsn)
        return "the segments do not begin at the oldest base";
    for (size_t i = 0; i < manifest->base_count; i++)
        if (manifest_find_segment(manifest, manifest->bases[i].lsn) == manifest->segment_count)
            return "no segment begins at one of the bases";
    return NULL;
}

static bool parse_checksum(struct parser *parser, struct slice text)
{
    uint64_t checksum;
    size_t before = text.size - parser->rest.size;
    if (!need_line(parser, "checksum", "x", &checksum, "neither a segment nor what follows them"))
        return false;
    if (checksum != hash_bytes(text.data, before, 0))
        return parse_fail(parser, "the checksum differs");
    if (parser->rest.size != 0)
        return parse_fail(parser, "something follows the checksum");
    return true;
}

bool manifest_parse(struct manifest *manifest, struct slice text, struct journal_error *error)
{
    struct parser parser = {.rest = text};
    *manifest = (struct manifest){0};
    uint64_t sequence;
    bool ok = parse_title(&parser) && parse_stream_id(&parser, manifest) &&
              need_line(&parser, "sequence", "u", &sequence, "no sequence number") &&
              parse_bases(&parser, manifest) && parse_segments(&parser, manifest) &&
              parse_durable(&parser, manifest) && parse_checksum(&parser, text);
    const char *wrong = ok ? check_structure(manifest) : parser.wrong;
    if (wrong) {
        error_set(error, "%s is damaged, line %d: %s", MANIFEST_NAME, parser.line, wrong);
        return false;
    }
    manifest->sequence = sequence;
    return true;
}

/* --- the list in memory ------------------------------------------------------------------------------- */

void manifest_add_segment(struct manifest *manifest, lsn_t lsn, uint64_t salt)
{
    size_t count = manifest->segment_count + 1;
    manifest->segments = mem_realloc(manifest->segments, count * sizeof(*manifest->segments));
    manifest->segments[manifest->segment_count] = (struct manifest_segment){lsn, salt};
    manifest->segment_count = count;
}

void manifest_add_base(struct manifest *manifest, const struct manifest_base *base)
{
    size_t count = manifest->base_count + 1;
    manifest->bases = mem_realloc(manifest->bases, count * sizeof(*manifest->bases));
    manifest->bases[manifest->base_count] = *base;
    manifest->base_count = count;
}

void manifest_age(struct manifest *manifest, int64_t now_us)
{
    int64_t passed_ms = (now_us - manifest->aged_us) / 1000;
    ASSERT(passed_ms >= 0);
    for (size_t i = 0; i < manifest->base_count; i++)
        if (__builtin_add_overflow(manifest->bases[i].age_ms, passed_ms, &manifest->bases[i].age_ms))
            manifest->bases[i].age_ms = INT64_MAX;
    manifest->aged_us += passed_ms * 1000;
}

void manifest_drop_history(struct manifest *manifest, size_t count)
{
    ASSERT(count < manifest->base_count);
    size_t segments = manifest_find_segment(manifest, manifest->bases[count].lsn);
    ASSERT(segments < manifest->segment_count);
    manifest->base_count -= count;
    memmove(manifest->bases, manifest->bases + count, manifest->base_count * sizeof(*manifest->bases));
    manifest->segment_count -= segments;
    memmove(manifest->segments, manifest->segments + segments,
            manifest->segment_count * sizeof(*manifest->segments));
}

void manifest_copy(struct manifest *to, const struct manifest *from)
{
    *to = *from;
    to->bases = NULL;
    to->segments = NULL;
    to->base_count = 0;
    to->segment_count = 0;
    for (size_t i = 0; i < from->base_count; i++)
        manifest_add_base(to, &from->bases[i]);
    for (size_t i = 0; i < from->segment_count; i++)
        manifest_add_segment(to, from->segments[i].lsn, from->segments[i].salt);
}

void manifest_free(struct manifest *manifest)
{
    mem_free(manifest->bases);
    mem_free(manifest->segments);
    *manifest = (struct manifest){0};
}

const struct manifest_base *manifest_base_in_use(const struct manifest *manifest)
{
    ASSERT(manifest->base_count > 0);
    return &manifest->bases[manifest->base_count - 1];
}

const struct manifest_segment *manifest_last_segment(const struct manifest *manifest)
{
    ASSERT(manifest->segment_count > 0);
    return &manifest->segments[manifest->segment_count - 1];
}

lsn_t manifest_durable(const struct manifest *manifest)
{
    lsn_t start = manifest_last_segment(manifest)->lsn;
    return manifest->durable_lsn > start ? manifest->durable_lsn : start;
}

size_t manifest_find_segment(const struct manifest *manifest, lsn_t lsn)
{
    size_t i = 0;
    while (i < manifest->segment_count && manifest->segments[i].lsn != lsn)
        i++;
    return i;
}

/* --- the file ----------------------------------------------------------------------------------------- */

int manifest_load(struct disk *disk, struct manifest *manifest, struct journal_error *error)
{
    struct disk_file *file;
    uint64_t size = 0;
    *manifest = (struct manifest){0};
    int rc = disk_open(disk, MANIFEST_NAME, DISK_READ, &file);
    if (rc < 0) {
        io_error(error, rc, "open", MANIFEST_NAME);
        return rc;
    }
    struct buffer text = {0};
    rc = disk_size(file, &size);
    if (rc == 0 && size > MANIFEST_SIZE_MAX)
        rc = -EFBIG;
    if (rc == 0) {
        ssize_t got = disk_read(file, buffer_reserve(&text, size), size, 0);
        text.size = got < 0 ? 0 : (size_t)got;
        rc = got < 0 ? (int)got : 0;
    }
    disk_close(file);
    if (rc < 0)
        io_error(error, rc, "read", MANIFEST_NAME);
    else if (!manifest_parse(manifest, buffer_slice(&text), error))
        rc = -EINVAL;
    buffer_free(&text);
    if (rc < 0)
        manifest_free(manifest);
    return rc;
}

static enum io_result write_temporary(struct disk *disk, struct slice text, struct journal_error *error)
{
    struct disk_file *file;
    /* An earlier try that found the disk full may have left it. */
    int rc = disk_unlink(disk, MANIFEST_TEMPORARY);
    if (rc < 0 && rc != -ENOENT)
        return io_error(error, rc, "remove", MANIFEST_TEMPORARY);
    rc = disk_open(disk, MANIFEST_TEMPORARY, DISK_CREATE, &file);
    if (rc < 0)
        return io_error(error, rc, "create", MANIFEST_TEMPORARY);
    enum io_result result = IO_DONE;
    rc = disk_write(file, text.data, text.size, 0);
    if (rc < 0)
        result = io_error(error, rc, "write", MANIFEST_TEMPORARY);
    else if ((rc = disk_sync(file)) < 0)
        result = io_final_error(error, rc, "sync", MANIFEST_TEMPORARY);
    disk_close(file);
    return result;
}

enum io_result manifest_store(struct disk *disk, struct manifest *manifest, struct journal_error *error)
{
    struct buffer text = {0};
    manifest->sequence++;
    manifest_format(manifest, &text);
    enum io_result result = write_temporary(disk, buffer_slice(&text), error);
    buffer_free(&text);
    if (result != IO_DONE)
        return result;
    int rc = disk_rename(disk, MANIFEST_TEMPORARY, MANIFEST_NAME);
    if (rc < 0)
        return io_error(error, rc, "replace", MANIFEST_NAME);
    rc = disk_sync_folder(disk);
    return rc < 0 ? io_final_error(error, rc, "sync the folder of", MANIFEST_NAME) : IO_DONE;
}
