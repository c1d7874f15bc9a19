#include "tools/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/random.h"
#include "journal/segment_reader.h"
#include "tools/salvage.h"

/* A folder that does not change and cannot be read is tried so often, at such intervals: with a server at
 * work, a frame may be seen half written. */
#define SETTLE_TRIES 10
#define SETTLE_MS    20

uint64_t folder_file_size(struct disk *disk, const char *name)
{
    uint64_t size;
    return disk_size_of(disk, name, &size) == 0 ? size : 0;
}

/* --- what is there ------------------------------------------------------------------------------------ */

static void collect_file(void *context, const char *name)
{
    struct folder *folder = context;
    struct found_file file = {.name = mem_strdup(name)};
    file.kind = name_parse(name, &file.number);
    folder->files = mem_realloc(folder->files, (folder->file_count + 1) * sizeof(*folder->files));
    folder->files[folder->file_count++] = file;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct found_file *)a)->name, ((const struct found_file *)b)->name);
}

static int compare_name_and_file(const void *name, const void *file)
{
    return strcmp(name, ((const struct found_file *)file)->name);
}

static bool list_files(struct folder *folder, struct journal_error *error)
{
    int rc = disk_list(folder->disk, collect_file, folder);
    if (rc < 0)
        return error_set(error, "cannot list %s: %s", folder->path, strerror(-rc));
    if (folder->file_count > 1)
        qsort(folder->files, folder->file_count, sizeof(*folder->files), compare_files);
    for (size_t i = 0; i < folder->file_count; i++)
        folder->files[i].size = folder_file_size(folder->disk, folder->files[i].name);
    return true;
}

bool folder_has_file(const struct folder *folder, const char *name)
{
    return folder->file_count > 0 && bsearch(name, folder->files, folder->file_count, sizeof(*folder->files),
                                             compare_name_and_file) != NULL;
}

/* --- a manifest made from the files ------------------------------------------------------------------- */

/* Reads the header of a file that is named as one of ours. False when it is not what its name says. */
static bool read_header(const struct folder *folder, const struct found_file *file,
                        struct file_header *header)
{
    struct segment_reader reader;
    struct journal_error ignored;
    if ((file->kind != NAME_LOG && file->kind != NAME_BASE) ||
        !segment_reader_open(&reader, folder->disk, file->name, &ignored))
        return false;
    *header = reader.header;
    segment_reader_close(&reader);
    return header->lsn == file->number && (header->kind == FILE_LOG) == (file->kind == NAME_LOG);
}

/* The stream that the files belong to. False when there is none, or when they belong to several. */
static bool find_stream(const struct folder *folder, const struct salvage *salvage, struct manifest *manifest,
                        struct journal_error *error)
{
    bool found = false;
    struct file_header header;
    for (size_t i = 0; i < folder->file_count; i++) {
        if (!read_header(folder, &folder->files[i], &header))
            continue;
        if (found && memcmp(header.stream_id, manifest->stream_id, STREAM_ID_SIZE) != 0)
            return error_set(error,
                             "%s, and the files in %s belong to different streams: put those of one stream "
                             "into a folder of their own",
                             folder->manifest_error.text, folder->path);
        memcpy(manifest->stream_id, header.stream_id, STREAM_ID_SIZE);
        found = true;
    }
    if (!found && salvage->has_stream)
        memcpy(manifest->stream_id, salvage->manifest.stream_id, STREAM_ID_SIZE);
    return found || salvage->has_stream ||
           error_set(error, "%s, and %s holds no other file of a server's whose header is whole",
                     folder->manifest_error.text, folder->path);
}

/* Whether the log goes on at an LSN: the last segment so far does not lead past it. */
static bool goes_on_at(const struct folder *folder, const struct manifest *manifest, lsn_t lsn)
{
    struct segment_reader reader;
    struct journal_error ignored;
    struct frame frame;
    const char *why;
    char name[FILE_NAME_SIZE];
    if (manifest->segment_count == 0)
        return true;
    log_name(name, manifest_last_segment(manifest)->lsn);
    if (!segment_reader_open(&reader, folder->disk, name, &ignored))
        return true;
    while (reader.lsn < lsn && segment_reader_next(&reader, &frame, &why, &ignored) == SEGMENT_FRAME)
        ;
    bool goes_on = reader.lsn <= lsn;
    segment_reader_close(&reader);
    return goes_on;
}

/* A segment is taken by its name where its header cannot be had. With the salt that MANIFEST names, its
 * frames can still be read; without, it stands for a part of the stream that is lost. */
static void add_segment(const struct folder *folder, const struct salvage *salvage, struct manifest *manifest,
                        const struct found_file *file, const struct file_header *header)
{
    const struct manifest *old = &salvage->manifest;
    size_t named = manifest_find_segment(old, file->number);
    uint64_t salt;
    if (header)
        salt = header->salt;
    else if (named < old->segment_count)
        salt = old->segments[named].salt;
    else if (goes_on_at(folder, manifest, file->number))
        random_secure(&salt, sizeof(salt));
    else
        return;
    manifest_add_segment(manifest, file->number, salt);
}

static void add_base(const struct salvage *salvage, struct manifest *manifest, const struct found_file *file,
                     const struct file_header *header)
{
    const struct manifest *old = &salvage->manifest;
    /* A base without bytes would be the empty state. */
    struct manifest_base base = {.lsn = file->number, .bytes = file->size > 0 ? file->size : 1};
    for (size_t i = 0; i < old->base_count; i++)
        if (old->bases[i].lsn == file->number) {
            base.salt = old->bases[i].salt;
            base.time_ms = old->bases[i].time_ms;
            base.age_ms = old->bases[i].age_ms;
        }
    if (header) {
        base.salt = header->salt;
        base.time_ms = header->time_ms;
    }
    manifest_add_base(manifest, &base);
}

/* Names in the folder are sorted, and so are the LSNs in them. */
static void add_files(const struct folder *folder, const struct salvage *salvage, struct manifest *manifest)
{
    struct file_header header;
    for (size_t i = 0; i < folder->file_count; i++) {
        const struct found_file *file = &folder->files[i];
        bool has_header = read_header(folder, file, &header);
        if (has_header && memcmp(header.stream_id, manifest->stream_id, STREAM_ID_SIZE) != 0)
            continue;
        if (file->kind == NAME_LOG)
            add_segment(folder, salvage, manifest, file, has_header ? &header : NULL);
        else if (file->kind == NAME_BASE)
            add_base(salvage, manifest, file, has_header ? &header : NULL);
    }
}

/* A segment begins at every base. Where its file is gone, the base is worth as much as before. */
static void add_lost_segment(struct manifest *manifest, lsn_t lsn)
{
    uint64_t salt;
    size_t at = 0;
    random_secure(&salt, sizeof(salt));
    while (at < manifest->segment_count && manifest->segments[at].lsn < lsn)
        at++;
    manifest_add_segment(manifest, lsn, salt);
    memmove(manifest->segments + at + 1, manifest->segments + at,
            (manifest->segment_count - 1 - at) * sizeof(*manifest->segments));
    manifest->segments[at] = (struct manifest_segment){lsn, salt};
}

static void add_lost_segments(const struct folder *folder, struct manifest *manifest)
{
    struct file_header header;
    for (size_t i = 0; i < folder->file_count; i++)
        if (folder->files[i].kind == NAME_BASE && read_header(folder, &folder->files[i], &header) &&
            memcmp(header.stream_id, manifest->stream_id, STREAM_ID_SIZE) == 0 &&
            manifest_find_segment(manifest, header.lsn) == manifest->segment_count)
            add_lost_segment(manifest, header.lsn);
}

/* Removes bases that no segment carries on, and segments before the first base. */
static void drop_unusable(struct manifest *manifest)
{
    size_t kept = 0;
    for (size_t i = 0; i < manifest->base_count; i++)
        if (manifest_find_segment(manifest, manifest->bases[i].lsn) < manifest->segment_count)
            manifest->bases[kept++] = manifest->bases[i];
    manifest->base_count = kept;
    if (kept > 0)
        manifest_drop_history(manifest, 0);
}

/* The beginning of the stream is a state too, the empty one, and has no file. */
static void add_beginning(const struct folder *folder, struct manifest *manifest)
{
    struct file_header header = {0};
    bool has_beginning = manifest->segment_count > 0 && manifest->segments[0].lsn == 0;
    if (!has_beginning || (manifest->base_count > 0 && manifest->bases[0].lsn == 0))
        return;
    for (size_t i = 0; i < folder->file_count; i++)
        if (folder->files[i].kind == NAME_LOG && folder->files[i].number == 0)
            read_header(folder, &folder->files[i], &header);
    manifest_add_base(manifest, &(struct manifest_base){.time_ms = header.time_ms});
    struct manifest_base beginning = manifest->bases[manifest->base_count - 1];
    memmove(manifest->bases + 1, manifest->bases, (manifest->base_count - 1) * sizeof(*manifest->bases));
    manifest->bases[0] = beginning;
}

/* All that MANIFEST says can be read from the files, but for which of them count. Taking all that are there
 * is safe: a base that is whole stands for the log before it, and a segment has no frames before MANIFEST
 * names it. */
static bool rebuild_manifest(struct folder *folder, const struct salvage *salvage,
                             struct journal_error *error)
{
    struct manifest manifest = {0};
    bool ok = find_stream(folder, salvage, &manifest, error);
    if (ok) {
        add_files(folder, salvage, &manifest);
        add_lost_segments(folder, &manifest);
        add_beginning(folder, &manifest);
        drop_unusable(&manifest);
        ok = manifest.base_count > 0 ||
             error_set(error, "%s, and among the files of %s is no base with the segment that follows it",
                       folder->manifest_error.text, folder->path);
    }
    if (!ok) {
        manifest_free(&manifest);
        return false;
    }
    manifest.sequence = folder->sequence;
    manifest_free(&folder->manifest);
    folder->manifest = manifest;
    folder->claimed = salvage->highest;
    return true;
}

/* --- whether MANIFEST is up to date ------------------------------------------------------------------- */

bool folder_names(const struct folder *folder, enum name_kind kind, uint64_t number)
{
    const struct manifest *manifest = &folder->manifest;
    if (kind == NAME_LOG)
        return manifest_find_segment(manifest, number) < manifest->segment_count;
    for (size_t i = 0; kind == NAME_BASE && i < manifest->base_count; i++)
        if (manifest->bases[i].lsn == number && manifest->bases[i].bytes > 0)
            return true;
    return false;
}

/* A segment behind the last that MANIFEST names, with frames in it, or what may be some: MANIFEST named it
 * once. */
static bool is_later_segment(const struct folder *folder, const struct found_file *file)
{
    struct journal_error ignored;
    bool holds;
    return file->kind == NAME_LOG && file->number > manifest_last_segment(&folder->manifest)->lsn &&
           segment_file_holds_data(folder->disk, file->name, file->number, folder->manifest.stream_id, &holds,
                                   &ignored) &&
           holds;
}

/* Whether a file is gone that MANIFEST names and that a base of this LSN would stand for. */
static bool lacks_before(const struct folder *folder, lsn_t lsn)
{
    const struct manifest *manifest = &folder->manifest;
    char name[FILE_NAME_SIZE];
    for (size_t i = 0; i < manifest->segment_count && manifest->segments[i].lsn < lsn; i++) {
        log_name(name, manifest->segments[i].lsn);
        if (!folder_has_file(folder, name))
            return true;
    }
    base_name(name, manifest_base_in_use(manifest)->lsn);
    return manifest_base_in_use(manifest)->bytes > 0 && !folder_has_file(folder, name);
}

/* A base that was in use behind the one that MANIFEST names: what it stands for is gone already. (Beside one
 * that an interrupted rewrite left, that is still there.) */
static bool is_later_base(const struct folder *folder, const struct found_file *file)
{
    const struct manifest *manifest = &folder->manifest;
    struct file_header header;
    return file->kind == NAME_BASE && file->number > manifest_base_in_use(manifest)->lsn &&
           !folder_names(folder, NAME_BASE, file->number) && read_header(folder, file, &header) &&
           memcmp(header.stream_id, manifest->stream_id, STREAM_ID_SIZE) == 0 &&
           lacks_before(folder, file->number);
}

/* With a server at work, files that were made since MANIFEST was read are nothing strange. */
static void check_age(struct folder *folder)
{
    for (size_t i = 0; i < folder->file_count && folder->state == MANIFEST_GOOD; i++) {
        const struct found_file *file = &folder->files[i];
        if ((!is_later_segment(folder, file) && !is_later_base(folder, file)) || folder_changed(folder))
            continue;
        folder->state = MANIFEST_OLD;
        error_set(&folder->manifest_error,
                  "%s does not name %s, which holds a later %s: it is older than the files", MANIFEST_NAME,
                  file->name, file->kind == NAME_BASE ? "state" : "part of the stream");
    }
}

/* Whether there are files of a server, and none that can be told is of MANIFEST's stream. */
static bool is_foreign(const struct folder *folder)
{
    struct file_header header;
    bool found = false;
    for (size_t i = 0; i < folder->file_count; i++) {
        if (!read_header(folder, &folder->files[i], &header))
            continue;
        if (memcmp(header.stream_id, folder->manifest.stream_id, STREAM_ID_SIZE) == 0)
            return false;
        found = true;
    }
    return found;
}

static void check_stream(struct folder *folder)
{
    if (!is_foreign(folder) || folder_changed(folder))
        return;
    folder->state = MANIFEST_FOREIGN;
    error_set(&folder->manifest_error, "%s belongs to another stream than the files: it is another folder's",
              MANIFEST_NAME);
}

/* A first start that was interrupted leaves the first segment's header and nothing else; the next one begins
 * anew, if it finds no more than that (journal/leftovers.c). */
bool folder_is_fresh(const struct folder *folder)
{
    for (size_t i = 0; i < folder->file_count; i++) {
        enum name_kind kind = folder->files[i].kind;
        if ((kind == NAME_BASE || kind == NAME_LOG || kind == NAME_VALUE) &&
            folder->files[i].size > FILE_HEADER_SIZE)
            return false;
    }
    return folder->state == MANIFEST_MISSING;
}

bool folder_manifest_is_bad(const struct folder *folder)
{
    return folder->state != MANIFEST_GOOD && !folder_is_fresh(folder);
}

/* 0 without a good one. */
static uint64_t sequence_of(struct disk *disk)
{
    struct manifest manifest;
    struct journal_error ignored;
    bool good = manifest_load(disk, &manifest, &ignored) == 0;
    uint64_t sequence = good ? manifest.sequence : 0;
    manifest_free(&manifest);
    return sequence;
}

bool folder_changed(const struct folder *folder)
{
    return sequence_of(folder->disk) != folder->sequence;
}

void folder_watch_begin(struct folder_watch *watch, struct disk *disk, bool in_use)
{
    *watch = (struct folder_watch){.disk = disk, .in_use = in_use, .sequence = sequence_of(disk)};
}

bool folder_watch_again(struct folder_watch *watch)
{
    const struct timespec pause = {.tv_nsec = SETTLE_MS * 1000000L};
    uint64_t before = watch->sequence;
    watch->sequence = sequence_of(watch->disk);
    if (!watch->in_use || (watch->sequence == before && watch->still == SETTLE_TRIES))
        return false;
    if (watch->sequence != before) {
        watch->still = 0;
        return true;
    }
    watch->still++;
    nanosleep(&pause, NULL);
    return true;
}

/* --- loading ------------------------------------------------------------------------------------------ */

bool folder_load(struct folder *folder, struct tool *tool, struct journal_error *error)
{
    *folder = (struct folder){.disk = tool->disk, .path = tool->options->folder, .in_use = tool->in_use};
    /* MANIFEST first: what it names was there before. */
    int rc = manifest_load(folder->disk, &folder->manifest, &folder->manifest_error);
    bool is_damaged = rc == -EINVAL || rc == -EIO || rc == -EFBIG;
    if (rc != 0 && rc != -ENOENT && !is_damaged)
        return error_set(error, "%s: %s", folder->path, folder->manifest_error.text);
    if (!list_files(folder, error))
        return false;
    if (rc == 0) {
        folder->sequence = folder->manifest.sequence;
        check_stream(folder);
        check_age(folder);
    } else {
        folder->state = rc == -ENOENT ? MANIFEST_MISSING : MANIFEST_DAMAGED;
    }
    if (folder->state == MANIFEST_MISSING)
        error_set(&folder->manifest_error, "there is no %s", MANIFEST_NAME);
    if (folder->state == MANIFEST_GOOD)
        return true;
    struct salvage salvage = {0};
    if (folder->state == MANIFEST_OLD)
        salvage_take(&salvage, &folder->manifest);
    else if (folder->state == MANIFEST_DAMAGED)
        salvage_load(&salvage, folder->disk);
    bool ok = rebuild_manifest(folder, &salvage, error);
    salvage_free(&salvage);
    return ok;
}

void folder_free(struct folder *folder)
{
    for (size_t i = 0; i < folder->file_count; i++)
        mem_free(folder->files[i].name);
    mem_free(folder->files);
    manifest_free(&folder->manifest);
    folder->files = NULL;
    folder->file_count = 0;
}

uint64_t folder_bytes(const struct folder *folder)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < folder->file_count; i++)
        if (folder_names(folder, folder->files[i].kind, folder->files[i].number))
            bytes += folder->files[i].size;
    return bytes;
}
