#include "tools/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/diag.h"
#include "journal/segment_reader.h"
#include "tools/text.h"

#define CHUNK_SIZE ((size_t)1 << 20)
/* What is skipped where the disk refuses to read. */
#define UNREADABLE_STEP 4096
/* With a server at work, a frame may be seen half written: it is looked at again so often, at such intervals.
 */
#define SETTLE_TRIES 10
#define SETTLE_MS    20

struct scan {
    const struct folder *folder;
    const struct scan_visitor *visitor;
    struct scan_log *log; /* NULL: a base */
    struct segment_reader reader;
    enum journal_source source;
    size_t index;
    bool is_last; /* the segment being appended to */
    bool is_odd;  /* the header is wrong, and no frame was found yet that shows that the rest is right */
    bool denied;
    lsn_t lsn_end; /* at which the next segment begins; UINT64_MAX in the last one and in a base */
    bool stopped;
};

/* --- saying what is wrong ----------------------------------------------------------------------------- */

const char *damage_place(char out[DAMAGE_PLACE_SIZE], const struct damage *damage)
{
    int size =
        snprintf(out, DAMAGE_PLACE_SIZE, "%s is damaged at offset %" PRIu64, damage->name, damage->offset);
    if (damage->source == SOURCE_BASE)
        return out;
    size += snprintf(out + size, DAMAGE_PLACE_SIZE - (size_t)size, " (LSN %" PRIu64, damage->lsn);
    if (damage->lsn_end > damage->lsn)
        size += snprintf(out + size, DAMAGE_PLACE_SIZE - (size_t)size, " to %" PRIu64, damage->lsn_end);
    snprintf(out + size, DAMAGE_PLACE_SIZE - (size_t)size, ")");
    return out;
}

static bool tell(struct scan *scan, enum damage_kind kind, uint64_t end, lsn_t lsn_end, const char *what)
{
    struct damage damage = {.kind = kind,
                            .source = scan->source,
                            .index = scan->index,
                            .offset = kind == DAMAGE_HEADER ? 0 : scan->reader.offset,
                            .end = end,
                            .lsn = scan->reader.lsn,
                            .lsn_end = lsn_end,
                            .denied = scan->denied};
    memcpy(damage.name, scan->reader.name, sizeof(damage.name));
    text_cut(damage.what, sizeof(damage.what), what);
    if (scan->visitor->damage && !scan->visitor->damage(scan->visitor->context, &damage))
        scan->stopped = true;
    return !scan->stopped;
}

/* Up to where the stream is missing when nothing more can be read in this file. */
static lsn_t lost_until(const struct scan *scan)
{
    lsn_t until = scan->is_last ? scan->log->promised : scan->lsn_end;
    bool unknown = scan->source == SOURCE_BASE || until < scan->reader.lsn;
    return unknown ? scan->reader.lsn : until;
}

static bool tell_rest(struct scan *scan, const char *what)
{
    return tell(scan, DAMAGE_FRAMES, scan->reader.size, lost_until(scan), what);
}

/* --- finding the next frame --------------------------------------------------------------------------- */

/* Reads what can be read of [at, at + size); that is nothing where the disk refuses. */
static void read_chunk(struct scan *scan, uint64_t at, struct buffer *chunk, size_t size)
{
    ssize_t got;
    buffer_clear(chunk);
    do {
        got = disk_read(scan->reader.file, buffer_reserve(chunk, size), size, at);
        if (got < 0)
            size = size > UNREADABLE_STEP ? UNREADABLE_STEP : 0;
    } while (got < 0 && size > 0);
    chunk->size = got < 0 ? 0 : (size_t)got;
}

/* Whether there is a valid frame at an offset that carries the stream on from behind the damage. */
static bool is_next_frame(struct scan *scan, uint64_t at, struct frame *frame)
{
    struct buffer bytes = {0};
    enum frame_verdict verdict = FRAME_SHORT;
    uint64_t left = scan->reader.size - at;
    size_t need = FRAME_HEADER_SIZE;
    while (verdict == FRAME_SHORT) {
        read_chunk(scan, at, &bytes, need);
        if (bytes.size < need)
            break;
        verdict = frame_decode(frame, buffer_slice(&bytes), left, scan->reader.header.salt, &need);
    }
    buffer_free(&bytes);
    /* One of an earlier LSN is a copy of what was read already. */
    return verdict == FRAME_VALID && frame->lsn >= scan->reader.lsn && frame->lsn < scan->lsn_end;
}

/* Moves the reader to the first valid frame behind its place. False when there is none. */
static bool resync(struct scan *scan, uint64_t *offset, lsn_t *lsn)
{
    struct buffer chunk = {0};
    struct frame frame = {0};
    uint64_t at = scan->reader.offset + 1;
    bool found = false;
    while (!found && scan->reader.size >= FRAME_HEADER_SIZE && at <= scan->reader.size - FRAME_HEADER_SIZE) {
        uint64_t left = scan->reader.size - at;
        read_chunk(scan, at, &chunk, left < CHUNK_SIZE ? (size_t)left : CHUNK_SIZE);
        if (chunk.size < FRAME_HEADER_SIZE) {
            at += UNREADABLE_STEP;
            continue;
        }
        size_t skip = frame_search(buffer_slice(&chunk), 0, scan->reader.header.salt);
        if (skip == chunk.size) {
            /* A header may begin in this chunk and end behind it. */
            at += chunk.size - FRAME_HEADER_SIZE + 1;
            continue;
        }
        at += skip;
        found = is_next_frame(scan, at, &frame);
        if (!found)
            at++;
    }
    buffer_free(&chunk);
    *offset = at;
    *lsn = frame.lsn;
    return found;
}

/* --- opening ------------------------------------------------------------------------------------------ */

/* A reader for what MANIFEST says the file is, whatever its own header says. Returns 0 or a negative errno.
 */
static int open_file(struct scan *scan, const char *name, const struct file_header *header)
{
    struct segment_reader *reader = &scan->reader;
    *reader = (struct segment_reader){.header = *header, .offset = FILE_HEADER_SIZE};
    snprintf(reader->name, sizeof(reader->name), "%s", name);
    reader->lsn = header->kind == FILE_LOG ? header->lsn : 0;
    int rc = disk_open(scan->folder->disk, name, DISK_READ, &reader->file);
    return rc < 0 ? rc : disk_size(reader->file, &reader->size);
}

/* What is wrong with the file's own header, NULL if nothing. */
static const char *judge_header(struct scan *scan, char *scratch, size_t scratch_size)
{
    char bytes[FILE_HEADER_SIZE];
    struct file_header header;
    ssize_t got = disk_read(scan->reader.file, bytes, sizeof(bytes), 0);
    if (got < 0) {
        snprintf(scratch, scratch_size, "the header cannot be read: %s", strerror((int)-got));
        return scratch;
    }
    const char *wrong = file_header_decode(&header, slice_make(bytes, (size_t)got));
    return wrong ? wrong : file_header_compare(&header, &scan->reader.header);
}

bool scan_is_denied(int rc)
{
    switch (-rc) {
    case EACCES:
    case EPERM:
    case ELOOP:
    case EISDIR:
    case ENOTDIR:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return true;
    default: return false;
    }
}

static bool tell_missing(struct scan *scan, int rc)
{
    char scratch[128];
    snprintf(scratch, sizeof(scratch), rc == -ENOENT ? "the file is missing" : "it cannot be read: %s",
             strerror(-rc));
    scan->reader.offset = 0;
    scan->denied = scan_is_denied(rc);
    tell(scan, DAMAGE_MISSING, 0, lost_until(scan), scratch);
    return false;
}

/* Opens and looks at the header. False when there is nothing to read on. */
static bool begin(struct scan *scan, const char *name, struct file_header *header)
{
    char scratch[128];
    char byte;
    memcpy(header->stream_id, scan->folder->manifest.stream_id, STREAM_ID_SIZE);
    int rc = open_file(scan, name, header);
    /* A folder can be opened, too, and is not told from a file before it is read. */
    if (rc == 0 && disk_read(scan->reader.file, &byte, 1, 0) == -EISDIR)
        rc = -EISDIR;
    if (rc < 0)
        return tell_missing(scan, rc);
    const char *wrong = judge_header(scan, scratch, sizeof(scratch));
    if (wrong && !tell(scan, DAMAGE_HEADER, FILE_HEADER_SIZE, scan->reader.lsn, wrong))
        return false;
    scan->is_odd = wrong != NULL;
    if (scan->reader.size >= FILE_HEADER_SIZE)
        return true;
    /* Every file that MANIFEST names was written with its header, so this one was cut, and nobody knows how
     * much it held. */
    scan->reader.offset = scan->reader.size;
    tell_rest(scan, "the file ends");
    return false;
}

/* Opens the file anew at the same place: what was read ahead may be older than what is there by now. */
static bool reopen(struct scan *scan)
{
    struct segment_reader before = scan->reader;
    segment_reader_close(&before);
    int rc = open_file(scan, before.name, &before.header);
    scan->reader.offset = before.offset;
    scan->reader.lsn = before.lsn;
    return rc == 0 && scan->reader.size >= before.offset;
}

/* --- reading ------------------------------------------------------------------------------------------ */

static enum segment_read read_frame(struct scan *scan, struct frame *frame, char *what, size_t what_size)
{
    const char *why = "";
    struct journal_error error;
    enum segment_read read = segment_reader_next(&scan->reader, frame, &why, &error);
    if (read == SEGMENT_ERROR)
        text_cut(what, what_size, error.text);
    else if (read == SEGMENT_NO_FRAME)
        text_cut(what, what_size, why);
    return read;
}

/* What seemed damaged while a server writes may have been read half written. */
static enum segment_read settle(struct scan *scan, struct frame *frame, char *what, size_t what_size)
{
    const struct timespec pause = {.tv_nsec = SETTLE_MS * 1000000L};
    enum segment_read read = SEGMENT_NO_FRAME;
    for (int i = 0; i < SETTLE_TRIES && read != SEGMENT_FRAME && scan->folder->in_use; i++) {
        nanosleep(&pause, NULL);
        if (!reopen(scan))
            return SEGMENT_NO_FRAME;
        read = read_frame(scan, frame, what, what_size);
    }
    return read;
}

/* Whether nothing from here on was ever promised. Of a file without its header and without a single frame
 * nobody can say that: it may be another file, or be overwritten as a whole. */
static bool is_torn_tail(struct scan *scan)
{
    struct segment_rest rest;
    struct journal_error ignored;
    struct scan_log *log = scan->log;
    if (scan->is_odd)
        return false;
    if (!segment_reader_look_beyond(&scan->reader, &rest, &ignored))
        return false;
    if (rest.durable_lsn > log->promised)
        log->promised = rest.durable_lsn;
    if (scan->reader.lsn < log->promised)
        return false;
    log->tail_offset = scan->reader.offset;
    log->torn_frames = rest.frames;
    log->torn_bytes = rest.end_offset - scan->reader.offset;
    log->has_end = true;
    return true;
}

/* Tells the damage at the reader's place and moves behind it. False when the file has no more to give. */
static bool pass_damage(struct scan *scan, const char *what)
{
    uint64_t offset;
    lsn_t lsn;
    if (!resync(scan, &offset, &lsn)) {
        tell_rest(scan, what);
        return false;
    }
    if (!tell(scan, DAMAGE_FRAMES, offset, lsn, what))
        return false;
    scan->reader.offset = offset;
    scan->reader.lsn = lsn;
    return true;
}

/* Whether there may be more behind what looks like the end. */
static bool looks_again(struct scan *scan)
{
    bool again = scan->log->again;
    scan->log->again = false;
    return again && reopen(scan);
}

/* Gives the next frame, having passed what is damaged. False at the end. */
static bool next_frame(struct scan *scan, struct frame *frame)
{
    char what[128];
    for (;;) {
        enum segment_read read = read_frame(scan, frame, what, sizeof(what));
        if (read == SEGMENT_FRAME) {
            scan->is_odd = false;
            return true;
        }
        if (scan->is_last && read == SEGMENT_NO_FRAME && is_torn_tail(scan)) {
            if (!looks_again(scan))
                return false;
            continue;
        }
        if (scan->folder->in_use && settle(scan, frame, what, sizeof(what)) == SEGMENT_FRAME) {
            scan->is_odd = false;
            return true;
        }
        if (!pass_damage(scan, what))
            return false;
    }
}

static bool visit_frame(struct scan *scan, uint64_t offset, const struct frame *frame)
{
    if (scan->visitor->frame &&
        !scan->visitor->frame(scan->visitor->context, scan->reader.name, offset, frame))
        scan->stopped = true;
    return !scan->stopped;
}

static void read_base(struct scan *scan)
{
    struct frame frame;
    const struct manifest_base *base = &scan->folder->manifest.bases[scan->index];
    while (next_frame(scan, &frame)) {
        uint64_t offset = scan->reader.offset - FRAME_HEADER_SIZE - frame.payload.size;
        if (!visit_frame(scan, offset, &frame))
            return;
        if (frame.kind != FRAME_BASE_END)
            continue;
        if (scan->reader.offset != scan->reader.size)
            tell_rest(scan, "something follows the end of the base");
        else if (scan->reader.size != base->bytes)
            tell_rest(scan, "its size is not the one that MANIFEST names");
        return;
    }
}

static void read_segment(struct scan *scan)
{
    struct frame frame;
    struct scan_log *log = scan->log;
    /* Where the next segment begins, this one ends, whatever is behind that place. */
    while (scan->reader.lsn < scan->lsn_end && next_frame(scan, &frame)) {
        uint64_t offset = scan->reader.offset - FRAME_HEADER_SIZE - frame.payload.size;
        if (scan->reader.lsn > scan->lsn_end) {
            scan->reader.offset = offset;
            scan->reader.lsn = frame.lsn;
            tell_rest(scan, "the frame there reaches into the next segment");
            return;
        }
        if (frame.durable_lsn > log->promised)
            log->promised = frame.durable_lsn;
        if (scan->reader.lsn > log->end)
            log->end = scan->reader.lsn;
        log->is_closed = scan->is_last && frame.kind == FRAME_CLOSE && frame.durable_lsn == frame.lsn;
        if (!visit_frame(scan, offset, &frame))
            return;
    }
}

bool scan_base(const struct folder *folder, size_t index, const struct scan_visitor *visitor)
{
    const struct manifest_base *base = &folder->manifest.bases[index];
    char name[FILE_NAME_SIZE];
    if (base->bytes == 0)
        return true;
    struct scan scan = {
        .folder = folder, .visitor = visitor, .source = SOURCE_BASE, .index = index, .lsn_end = UINT64_MAX};
    struct file_header header = {
        .kind = FILE_BASE, .salt = base->salt, .lsn = base->lsn, .time_ms = base->time_ms};
    base_name(name, base->lsn);
    if (begin(&scan, name, &header))
        read_base(&scan);
    segment_reader_close(&scan.reader);
    return !scan.stopped;
}

bool scan_segment(const struct folder *folder, size_t index, const struct scan_visitor *visitor,
                  struct scan_log *log)
{
    const struct manifest *manifest = &folder->manifest;
    const struct manifest_segment *segment = &manifest->segments[index];
    char name[FILE_NAME_SIZE];
    struct scan scan = {.folder = folder,
                        .visitor = visitor,
                        .log = log,
                        .source = SOURCE_LOG,
                        .index = index,
                        .is_last = index + 1 == manifest->segment_count};
    scan.lsn_end = scan.is_last ? UINT64_MAX : manifest->segments[index + 1].lsn;
    struct file_header header = {.kind = FILE_LOG, .salt = segment->salt, .lsn = segment->lsn};
    if (manifest_durable(manifest) > log->promised)
        log->promised = manifest_durable(manifest);
    if (segment->lsn > log->end)
        log->end = segment->lsn;
    log_name(name, segment->lsn);
    if (begin(&scan, name, &header))
        read_segment(&scan);
    segment_reader_close(&scan.reader);
    return !scan.stopped;
}
