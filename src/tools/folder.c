#include "tools/folder.h"

#include <errno.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/memory.h"
#include "journal/segment_reader.h"

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
static bool find_stream(const struct folder *folder, struct manifest *manifest, struct journal_error *error)
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
    return found || error_set(error, "%s, and %s holds no other file of a server's",
                              folder->manifest_error.text, folder->path);
}

/* Names in the folder are sorted, and so are the LSNs in them. */
static void add_files(const struct folder *folder, struct manifest *manifest)
{
    struct file_header header;
    for (size_t i = 0; i < folder->file_count; i++) {
        const struct found_file *file = &folder->files[i];
        if (!read_header(folder, file, &header) ||
            memcmp(header.stream_id, manifest->stream_id, STREAM_ID_SIZE) != 0)
            continue;
        if (file->kind == NAME_LOG)
            manifest_add_segment(manifest, header.lsn, header.salt);
        else
            manifest_add_base(manifest,
                              &(struct manifest_base){header.lsn, file->size, header.salt, header.time_ms});
    }
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
static bool rebuild_manifest(struct folder *folder, struct journal_error *error)
{
    struct manifest manifest = {0};
    bool ok = find_stream(folder, &manifest, error);
    if (ok) {
        add_files(folder, &manifest);
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

/* A segment behind the last that MANIFEST names, with frames in it: MANIFEST named it once. */
static bool is_later_segment(const struct folder *folder, const struct found_file *file)
{
    struct segment_reader reader;
    struct journal_error ignored;
    struct file_header header;
    struct frame frame;
    const char *why;
    if (file->kind != NAME_LOG || file->number <= manifest_last_segment(&folder->manifest)->lsn ||
        !read_header(folder, file, &header) ||
        memcmp(header.stream_id, folder->manifest.stream_id, STREAM_ID_SIZE) != 0 ||
        !segment_reader_open(&reader, folder->disk, file->name, &ignored))
        return false;
    bool has_frame = segment_reader_next(&reader, &frame, &why, &ignored) == SEGMENT_FRAME;
    segment_reader_close(&reader);
    return has_frame;
}

/* With a server at work, files that were made since MANIFEST was read are nothing strange. */
static void check_age(struct folder *folder)
{
    for (size_t i = 0; i < folder->file_count && folder->state == MANIFEST_GOOD; i++) {
        if (!is_later_segment(folder, &folder->files[i]) || folder_changed(folder))
            continue;
        folder->state = MANIFEST_OLD;
        error_set(&folder->manifest_error,
                  "%s does not name %s, which holds a later part of the stream: it is older than the files",
                  MANIFEST_NAME, folder->files[i].name);
    }
}

/* A first start that was interrupted leaves the first segment's header and nothing else; the next one begins
 * anew. */
static bool is_fresh(const struct folder *folder)
{
    for (size_t i = 0; i < folder->file_count; i++)
        if (folder->files[i].kind == NAME_BASE ||
            (folder->files[i].kind == NAME_LOG && folder->files[i].size > FILE_HEADER_SIZE))
            return false;
    return folder->state == MANIFEST_MISSING;
}

bool folder_manifest_is_bad(const struct folder *folder)
{
    return folder->state != MANIFEST_GOOD && !is_fresh(folder);
}

bool folder_changed(const struct folder *folder)
{
    struct manifest manifest;
    struct journal_error ignored;
    bool good = manifest_load(folder->disk, &manifest, &ignored) == 0;
    uint64_t sequence = good ? manifest.sequence : 0;
    manifest_free(&manifest);
    return sequence != folder->sequence;
}

/* --- loading ------------------------------------------------------------------------------------------ */

bool folder_load(struct folder *folder, struct tool *tool, struct journal_error *error)
{
    *folder = (struct folder){.disk = tool->disk, .path = tool->options->folder, .in_use = tool->in_use};
    /* MANIFEST first: what it names was there before. */
    int rc = manifest_load(folder->disk, &folder->manifest, &folder->manifest_error);
    if (rc != 0 && rc != -ENOENT && rc != -EINVAL)
        return error_set(error, "%s: %s", folder->path, folder->manifest_error.text);
    if (!list_files(folder, error))
        return false;
    if (rc == 0) {
        folder->sequence = folder->manifest.sequence;
        check_age(folder);
    } else {
        folder->state = rc == -ENOENT ? MANIFEST_MISSING : MANIFEST_DAMAGED;
    }
    if (folder->state == MANIFEST_MISSING)
        error_set(&folder->manifest_error, "there is no %s", MANIFEST_NAME);
    return folder->state == MANIFEST_GOOD || rebuild_manifest(folder, error);
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
