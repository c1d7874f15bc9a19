#include "journal/stream_reader.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/diag.h"

void stream_reader_open(struct stream_reader *reader, struct disk *disk, const char *folder,
                        const struct manifest *manifest, size_t base)
{
    ASSERT(base < manifest->base_count);
    const struct manifest_base *from = &manifest->bases[base];
    *reader = (struct stream_reader){.disk = disk,
                                     .folder = folder,
                                     .manifest = manifest,
                                     .base = base,
                                     .segment = manifest_find_segment(manifest, from->lsn),
                                     .in_log = from->bytes == 0,
                                     .lsn = from->lsn,
                                     .promised_lsn = manifest_durable(manifest)};
    ASSERT(reader->segment < manifest->segment_count);
}

void stream_reader_close(struct stream_reader *reader)
{
    if (reader->is_open)
        segment_reader_close(&reader->file);
    reader->is_open = false;
}

void stream_reader_describe(const struct stream_reader *reader, const char *wrong,
                            struct journal_error *error)
{
    char stake[160];
    lsn_t lsn = reader->lsn;
    if (!reader->in_log)
        snprintf(stake, sizeof(stake),
                 "At stake: the whole state, of which this base holds what came before LSN %" PRIu64, lsn);
    else if (reader->promised_lsn > lsn)
        snprintf(stake, sizeof(stake),
                 "At stake: what follows LSN %" PRIu64 ", at least %" PRIu64
                 " bytes of which had been made durable",
                 lsn, reader->promised_lsn - lsn);
    else
        snprintf(stake, sizeof(stake), "At stake: what follows LSN %" PRIu64, lsn);
    error_set(
        error,
        "%s. %s. To look: dkv-log verify %s; to cut it out and go on without: dkv-log repair %s; to get an "
        "earlier state: dkv-log restore %s --to %" PRIu64 " --into NEWFOLDER",
        wrong, stake, reader->folder, reader->folder, reader->folder, lsn);
}

/* Ends at the reader's place. file_error, when given, names the file already; otherwise wrong is put behind
 * the place. */
static enum stream_read fail(struct stream_reader *reader, const char *file_error, const char *wrong,
                             struct journal_error *error)
{
    struct journal_error text;
    if (file_error)
        error_set(&text, "%s (LSN %" PRIu64 ")", file_error, reader->lsn);
    else
        error_set(&text, "%s is damaged at offset %" PRIu64 " (LSN %" PRIu64 "): %s", reader->place_name,
                  reader->place_offset, reader->lsn, wrong);
    stream_reader_describe(reader, text.text, error);
    stream_reader_close(reader);
    return STREAM_FAILED;
}

static void note_place(struct stream_reader *reader)
{
    snprintf(reader->place_name, sizeof(reader->place_name), "%s", reader->file.name);
    reader->place_offset = reader->file.offset;
}

/* Opens the file of this kind that MANIFEST names with this LSN and salt. */
static enum stream_read open_file(struct stream_reader *reader, const char *name, enum file_kind kind,
                                  lsn_t lsn, uint64_t salt, struct journal_error *error)
{
    struct journal_error why;
    struct file_header expected = {.kind = kind, .salt = salt, .lsn = lsn};
    memcpy(expected.stream_id, reader->manifest->stream_id, STREAM_ID_SIZE);
    snprintf(reader->place_name, sizeof(reader->place_name), "%s", name);
    reader->place_offset = 0;
    if (!segment_reader_open(&reader->file, reader->disk, name, &why))
        return fail(reader, why.text, NULL, error);
    reader->is_open = true;
    const char *wrong = file_header_compare(&reader->file.header, &expected);
    reader->bytes_done += FILE_HEADER_SIZE;
    return wrong ? fail(reader, NULL, wrong, error) : STREAM_FRAME;
}

/* Reads the frame that the open file goes on with. STREAM_END: there is none, *why says what is there
 * instead. */
static enum stream_read next_in_file(struct stream_reader *reader, struct frame *frame, const char **why,
                                     struct journal_error *error)
{
    struct journal_error read_error;
    note_place(reader);
    switch (segment_reader_next(&reader->file, frame, why, &read_error)) {
    case SEGMENT_ERROR: return fail(reader, read_error.text, NULL, error);
    case SEGMENT_NO_FRAME: return STREAM_END;
    case SEGMENT_FRAME: break;
    }
    reader->frames++;
    reader->bytes_done += FRAME_HEADER_SIZE + frame->payload.size;
    return STREAM_FRAME;
}

/* A base was whole and synced before MANIFEST named it, so whatever is wrong in it is damage. */
static enum stream_read next_in_base(struct stream_reader *reader, struct frame *frame,
                                     struct journal_error *error)
{
    const struct manifest_base *base = &reader->manifest->bases[reader->base];
    const char *wrong;
    if (!reader->is_open) {
        char name[FILE_NAME_SIZE];
        base_name(name, base->lsn);
        enum stream_read result = open_file(reader, name, FILE_BASE, base->lsn, base->salt, error);
        if (result != STREAM_FRAME)
            return result;
        if (reader->file.size != base->bytes)
            return fail(reader, NULL, "its size is not the one that MANIFEST names", error);
    }
    enum stream_read result = next_in_file(reader, frame, &wrong, error);
    if (result == STREAM_END)
        return fail(reader, NULL, wrong, error);
    if (result == STREAM_FRAME && frame->kind == FRAME_BASE_END) {
        if (reader->file.offset != reader->file.size)
            return fail(reader, NULL, "something follows the end of the base", error);
        reader->in_log = true;
        stream_reader_close(reader);
    }
    return result;
}

/* What is behind the reader in the last segment is not the next frame. It is a torn tail if nothing there was
 * ever promised: neither by a frame that was read, nor by one beyond, nor by MANIFEST (by which all below the
 * last segment's start is, so that in an earlier segment it is always damage). */
static enum stream_read end_or_damage(struct stream_reader *reader, const char *wrong,
                                      struct journal_error *error)
{
    struct journal_error read_error;
    if (!segment_reader_look_beyond(&reader->file, &reader->torn, &read_error))
        return fail(reader, read_error.text, NULL, error);
    if (reader->torn.durable_lsn > reader->promised_lsn)
        reader->promised_lsn = reader->torn.durable_lsn;
    if (reader->lsn < reader->promised_lsn)
        return fail(reader, NULL, wrong, error);
    stream_reader_close(reader);
    return STREAM_END;
}

static enum stream_read open_segment(struct stream_reader *reader, struct journal_error *error)
{
    const struct manifest_segment *segment = &reader->manifest->segments[reader->segment];
    ASSERT(segment->lsn == reader->lsn);
    char name[FILE_NAME_SIZE];
    log_name(name, segment->lsn);
    reader->data_end = FILE_HEADER_SIZE;
    return open_file(reader, name, FILE_LOG, segment->lsn, segment->salt, error);
}

static enum stream_read next_in_log(struct stream_reader *reader, struct frame *frame,
                                    struct journal_error *error)
{
    const struct manifest *manifest = reader->manifest;
    /* Where the next segment begins, this one ends, whatever is behind that place. */
    if (reader->is_open && reader->segment + 1 < manifest->segment_count &&
        manifest->segments[reader->segment + 1].lsn == reader->lsn) {
        stream_reader_close(reader);
        reader->segment++;
    }
    if (!reader->is_open) {
        enum stream_read result = open_segment(reader, error);
        if (result != STREAM_FRAME)
            return result;
    }
    const char *wrong;
    enum stream_read result = next_in_file(reader, frame, &wrong, error);
    if (result == STREAM_END)
        return end_or_damage(reader, wrong, error);
    if (result != STREAM_FRAME)
        return result;
    if (reader->segment + 1 < manifest->segment_count &&
        reader->file.lsn > manifest->segments[reader->segment + 1].lsn)
        return fail(reader, NULL, "the frame there reaches into the next segment", error);
    reader->lsn = reader->file.lsn;
    if (frame_has_units(frame))
        reader->data_end = reader->file.offset;
    if (frame->durable_lsn > reader->promised_lsn)
        reader->promised_lsn = frame->durable_lsn;
    return STREAM_FRAME;
}

enum stream_read stream_reader_next(struct stream_reader *reader, enum journal_source *source,
                                    struct frame *frame, struct journal_error *error)
{
    *source = reader->in_log ? SOURCE_LOG : SOURCE_BASE;
    return reader->in_log ? next_in_log(reader, frame, error) : next_in_base(reader, frame, error);
}
