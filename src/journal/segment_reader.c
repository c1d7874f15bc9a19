#include "journal/segment_reader.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/diag.h"

/* Read at a time; the window grows beyond this only for a frame that is larger, and shrinks again after it.
 */
#define WINDOW_SIZE ((size_t)1 << 20)

static bool read_error(const struct segment_reader *reader, uint64_t offset, int rc,
                       struct journal_error *error)
{
    error_set(error, "%s cannot be read at offset %" PRIu64 ": %s", reader->name, offset, strerror(-rc));
    return false;
}

/* Reads on until the window holds size bytes or the file ends. */
static bool window_fill(struct segment_reader *reader, size_t size, struct journal_error *error)
{
    struct buffer *window = &reader->window;
    uint64_t left = reader->size - reader->window_offset;
    if (size > left)
        size = (size_t)left;
    if (window->capacity > size + WINDOW_SIZE)
        buffer_shrink(window, size);
    size_t missing = size - window->size;
    uint64_t offset = reader->window_offset + window->size;
    ssize_t got = disk_read(reader->file, buffer_reserve(window, missing), missing, offset);
    if (got < 0)
        return read_error(reader, offset, (int)got, error);
    window->size += (size_t)got;
    /* The file became shorter since it was opened: a server that is using the folder may do that. */
    if ((size_t)got < missing)
        reader->size = reader->window_offset + window->size;
    return true;
}

/* Gives the bytes of the file from an offset on: at least need of them, or all that is left if that is less.
 */
static bool window_at(struct segment_reader *reader, uint64_t from, size_t need, struct slice *bytes,
                      struct journal_error *error)
{
    struct buffer *window = &reader->window;
    ASSERT(from <= reader->size);
    if (from < reader->window_offset || from > reader->window_offset + window->size) {
        buffer_clear(window);
        reader->window_offset = from;
    }
    size_t skip = (size_t)(from - reader->window_offset);
    uint64_t left = reader->size - from;
    if (window->size - skip < need && window->size - skip < left) {
        /* What was passed is dropped only now, so that a window full of small frames is moved once. */
        buffer_consume(window, skip);
        reader->window_offset = from;
        skip = 0;
        if (!window_fill(reader, need < WINDOW_SIZE ? WINDOW_SIZE : need, error))
            return false;
    }
    *bytes = window->size ? slice_make(window->data + skip, window->size - skip) : slice_make(NULL, 0);
    return true;
}

/* Decodes what is at an offset, reading as much as that takes. */
static bool decode_at(struct segment_reader *reader, uint64_t offset, struct frame *frame, bool *valid,
                      struct journal_error *error)
{
    size_t need = FRAME_HEADER_SIZE;
    struct slice bytes;
    enum frame_verdict verdict;
    do {
        if (!window_at(reader, offset, need, &bytes, error))
            return false;
        verdict = frame_decode(frame, bytes, reader->size - offset, reader->header.salt, &need);
    } while (verdict == FRAME_SHORT);
    *valid = verdict == FRAME_VALID;
    return true;
}

bool segment_reader_open(struct segment_reader *reader, struct disk *disk, const char *name,
                         struct journal_error *error)
{
    *reader = (struct segment_reader){0};
    snprintf(reader->name, sizeof(reader->name), "%s", name);
    int rc = disk_open(disk, name, DISK_READ, &reader->file);
    if (rc < 0) {
        error_set(error, "%s cannot be opened: %s", name, strerror(-rc));
        return false;
    }
    rc = disk_size(reader->file, &reader->size);
    const char *wrong = NULL;
    struct slice bytes;
    bool ok =
        rc == 0 ? window_at(reader, 0, FILE_HEADER_SIZE, &bytes, error) : read_error(reader, 0, rc, error);
    if (ok && (wrong = file_header_decode(&reader->header, bytes)) != NULL)
        error_set(error, "%s is damaged at offset 0: %s", name, wrong);
    if (!ok || wrong) {
        segment_reader_close(reader);
        return false;
    }
    reader->offset = FILE_HEADER_SIZE;
    /* In a base, positions count its own bytes. */
    reader->lsn = reader->header.kind == FILE_LOG ? reader->header.lsn : 0;
    return true;
}

void segment_reader_close(struct segment_reader *reader)
{
    if (reader->file)
        disk_close(reader->file);
    reader->file = NULL;
    buffer_free(&reader->window);
}

enum segment_read segment_reader_next(struct segment_reader *reader, struct frame *frame, const char **why,
                                      struct journal_error *error)
{
    bool valid;
    if (!decode_at(reader, reader->offset, frame, &valid, error))
        return SEGMENT_ERROR;
    *why = NULL;
    if (!valid)
        *why = reader->offset == reader->size ? "the file ends" : "there is no valid frame";
    else if (frame->lsn != reader->lsn)
        *why = "the frame there belongs to another LSN";
    else if ((frame->kind == FRAME_BASE_END && reader->header.kind != FILE_BASE) ||
             (frame->kind == FRAME_CLOSE && reader->header.kind != FILE_LOG))
        *why = "the frame there is of a kind that this file never holds";
    if (*why)
        return SEGMENT_NO_FRAME;
    reader->offset += FRAME_HEADER_SIZE + frame->payload.size;
    reader->lsn += frame_stream_size(frame);
    return SEGMENT_FRAME;
}

/* Finds the first offset at or after from at which something looks like a frame; the file's size when nothing
 * does. */
static bool search_from(struct segment_reader *reader, uint64_t from, uint64_t *found,
                        struct journal_error *error)
{
    struct slice bytes;
    while (reader->size - from >= FRAME_HEADER_SIZE) {
        if (!window_at(reader, from, FRAME_HEADER_SIZE, &bytes, error))
            return false;
        size_t at = frame_search(bytes, 0, reader->header.salt);
        *found = from + at;
        if (at < bytes.size)
            return true;
        if (bytes.size < FRAME_HEADER_SIZE)
            break;
        /* A header may begin in the window and end behind it. */
        from += bytes.size - FRAME_HEADER_SIZE + 1;
    }
    *found = reader->size;
    return true;
}

/* Whether the file ends within a header, from this offset on at the earliest: once there are zeros behind it,
 * it looks like a frame, and has to be found before. */
static bool ends_within_header(struct segment_reader *reader, uint64_t from, bool *found,
                               struct journal_error *error)
{
    char bytes[2 * FRAME_HEADER_SIZE] = {0};
    struct slice last;
    uint64_t begin = reader->size > FRAME_HEADER_SIZE ? reader->size - FRAME_HEADER_SIZE + 1 : 0;
    begin = begin > from ? begin : from;
    if (!window_at(reader, begin, 1, &last, error))
        return false;
    ASSERT(last.size < FRAME_HEADER_SIZE);
    if (last.size > 0)
        memcpy(bytes, last.data, last.size);
    *found = frame_search(slice_make(bytes, sizeof(bytes)), 0, reader->header.salt) < last.size;
    return true;
}

bool segment_reader_look_beyond(struct segment_reader *reader, struct segment_rest *rest,
                                struct journal_error *error)
{
    uint64_t at = reader->offset;
    uint64_t behind = at; /* all that was found */
    *rest = (struct segment_rest){.end_offset = at};
    while (search_from(reader, at, &at, error)) {
        if (at >= reader->size) {
            bool is_cut;
            if (!ends_within_header(reader, behind, &is_cut, error))
                return false;
            rest->frames += is_cut;
            rest->end_offset = is_cut ? reader->size : rest->end_offset;
            return true;
        }
        struct frame frame = {0};
        bool valid;
        if (!decode_at(reader, at, &frame, &valid, error))
            return false;
        rest->frames++;
        rest->end_offset = at + FRAME_HEADER_SIZE;
        if (valid) {
            rest->end_offset += frame.payload.size;
            if (frame.durable_lsn > rest->durable_lsn)
                rest->durable_lsn = frame.durable_lsn;
        }
        /* Behind an invalid header, the next may begin at any byte. */
        at = valid ? rest->end_offset : at + 1;
        behind = rest->end_offset < reader->size ? rest->end_offset : reader->size;
    }
    return false;
}

/* --- a file that MANIFEST does not name --------------------------------------------------------------- */

static bool all_zero(struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] != 0)
            return false;
    return true;
}

/* For a file whose header is damaged. */
static bool may_hold_data(struct segment_reader *reader, lsn_t lsn, bool *holds, struct journal_error *error)
{
    struct slice bytes;
    if (!window_at(reader, 0, FILE_HEADER_SIZE + FRAME_HEADER_SIZE, &bytes, error))
        return false;
    if (bytes.size < FILE_HEADER_SIZE + FRAME_HEADER_SIZE)
        return true;
    *holds = frame_claimed_lsn(bytes.data + FILE_HEADER_SIZE) == lsn;
    if (*holds || !all_zero(slice_make(bytes.data, FILE_HEADER_SIZE)))
        return true;
    for (uint64_t at = FILE_HEADER_SIZE; !*holds && at < reader->size; at += bytes.size) {
        if (!window_at(reader, at, 1, &bytes, error))
            return false;
        if (bytes.size == 0)
            break;
        *holds = !all_zero(bytes);
    }
    return true;
}

bool segment_file_holds_data(struct disk *disk, const char *name, lsn_t lsn,
                             const uint8_t stream_id[STREAM_ID_SIZE], bool *holds,
                             struct journal_error *error)
{
    struct segment_reader reader = {0};
    struct slice bytes;
    *holds = false;
    snprintf(reader.name, sizeof(reader.name), "%s", name);
    int rc = disk_open(disk, name, DISK_READ, &reader.file);
    if (rc < 0) {
        io_error(error, rc, "look at", name);
        return false;
    }
    rc = disk_size(reader.file, &reader.size);
    bool ok =
        rc == 0 ? window_at(&reader, 0, FILE_HEADER_SIZE, &bytes, error) : read_error(&reader, 0, rc, error);
    if (ok && reader.size > FILE_HEADER_SIZE) {
        if (file_header_decode(&reader.header, bytes) != NULL) {
            ok = may_hold_data(&reader, lsn, holds, error);
        } else if (reader.header.kind == FILE_LOG && reader.header.lsn == lsn &&
                   memcmp(reader.header.stream_id, stream_id, STREAM_ID_SIZE) == 0) {
            struct segment_rest rest;
            reader.offset = FILE_HEADER_SIZE;
            ok = segment_reader_look_beyond(&reader, &rest, error);
            *holds = ok && rest.frames > 0;
        }
    }
    segment_reader_close(&reader);
    return ok;
}
