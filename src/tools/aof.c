#include "tools/aof.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/number.h"

#define CHUNK_SIZE        ((size_t)1 << 20)
#define MANIFEST_SUFFIX   ".manifest"
#define DEFAULT_FOLDER    "appendonlydir"
#define MANIFEST_SIZE_MAX ((size_t)1 << 20)
/* As large as a command of Redis's can be made. */
#define COMMAND_SIZE_MAX (UINT64_C(1) << 40)

/* --- files -------------------------------------------------------------------------------------------- */

static char *join(const char *folder, struct slice name)
{
    struct buffer path = {0};
    buffer_append_format(&path, "%s/", folder);
    buffer_append_slice(&path, name);
    char *copy = slice_to_cstring(buffer_slice(&path));
    buffer_free(&path);
    return copy;
}

static void add_path(struct aof_files *files, char *path)
{
    files->paths = mem_realloc(files->paths, (files->count + 1) * sizeof(*files->paths));
    files->paths[files->count++] = path;
}

/* The name of the folder's one manifest, to be freed; NULL when there is none, or more than one. */
static char *find_manifest(const char *folder, struct journal_error *error)
{
    DIR *opened = opendir(folder);
    char *found = NULL;
    struct dirent *entry;
    size_t suffix = strlen(MANIFEST_SUFFIX);
    if (!opened) {
        error_set(error, "cannot open %s: %s", folder, strerror(errno));
        return NULL;
    }
    error_set(
        error,
        "%s holds no %s of a Redis append-only log: say which file is to be imported, or the folder named by "
        "appenddirname",
        folder, MANIFEST_SUFFIX);
    while ((entry = readdir(opened)) != NULL) {
        size_t size = strlen(entry->d_name);
        if (size <= suffix || strcmp(entry->d_name + size - suffix, MANIFEST_SUFFIX) != 0)
            continue;
        if (found) {
            error_set(error, "%s holds more than one manifest: %s and %s", folder, found, entry->d_name);
            mem_free(found);
            found = NULL;
            break;
        }
        found = mem_strdup(entry->d_name);
    }
    closedir(opened);
    return found;
}

/* One line: pairs of a word and its value, of which file and type count here. */
static bool take_line(struct aof_files *files, const char *folder, struct slice line,
                      struct journal_error *error)
{
    struct buffer *words;
    struct slice name = {0};
    struct slice type = {0};
    int count = words_split(line, &words);
    bool ok = count >= 0 && count % 2 == 0;
    for (int i = 0; ok && i < count; i += 2) {
        if (slice_is(buffer_slice(&words[i]), "file"))
            name = buffer_slice(&words[i + 1]);
        else if (slice_is(buffer_slice(&words[i]), "type"))
            type = buffer_slice(&words[i + 1]);
    }
    bool is_plain =
        name.size > 0 && !memchr(name.data, '/', name.size) && !memchr(name.data, '\0', name.size);
    if (!ok || !is_plain || type.size != 1 || !memchr("bhi", type.data[0], 3))
        ok = error_set(error, "the manifest in %s holds a line that cannot be read: %.*s", folder,
                       (int)(line.size < 100 ? line.size : 100), line.data);
    else if (type.data[0] != 'h') /* what an older rewrite left behind */
        add_path(files, join(folder, name));
    if (count > 0)
        words_free(words, count);
    return ok;
}

/* Lines are in the order in which the files are to be read: the base, then the increments. */
static bool read_manifest(struct aof_files *files, const char *folder, FILE *file,
                          struct journal_error *error)
{
    char *line = NULL;
    size_t capacity = 0;
    size_t total = 0;
    ssize_t size;
    bool ok = true;
    while (ok && (size = getline(&line, &capacity, file)) > 0) {
        total += (size_t)size;
        while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
            size--;
        if (total > MANIFEST_SIZE_MAX)
            ok = error_set(error, "the manifest in %s is too large to be one", folder);
        else if (size > 0 && line[0] != '#')
            ok = take_line(files, folder, slice_make(line, (size_t)size), error);
    }
    free(line);
    return ok && (files->count > 0 || error_set(error, "the manifest in %s names no file", folder));
}

static bool find_in_folder(const char *folder, struct aof_files *files, struct journal_error *error)
{
    char *manifest = find_manifest(folder, error);
    if (!manifest)
        return false;
    char *path = join(folder, slice_of(manifest));
    FILE *file = fopen(path, "re");
    bool ok = file ? read_manifest(files, folder, file, error)
                   : error_set(error, "cannot open %s: %s", path, strerror(errno));
    if (file)
        fclose(file);
    mem_free(path);
    mem_free(manifest);
    return ok;
}

bool aof_find(const char *path, struct aof_files *files, struct journal_error *error)
{
    struct stat status;
    *files = (struct aof_files){0};
    if (stat(path, &status) < 0)
        return error_set(error, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISDIR(status.st_mode)) {
        add_path(files, mem_strdup(path));
        return true;
    }
    char *inner = join(path, slice_of(DEFAULT_FOLDER));
    bool is_data_folder = stat(inner, &status) == 0 && S_ISDIR(status.st_mode);
    bool ok = find_in_folder(is_data_folder ? inner : path, files, error);
    mem_free(inner);
    return ok;
}

void aof_files_free(struct aof_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        mem_free(files->paths[i]);
    mem_free(files->paths);
    *files = (struct aof_files){0};
}

/* --- commands ----------------------------------------------------------------------------------------- */

void aof_reader_open(struct aof_reader *reader, FILE *file)
{
    *reader = (struct aof_reader){.file = file, .parser = parser_new(), .more = true};
}

void aof_reader_close(struct aof_reader *reader)
{
    parser_free(reader->parser);
    buffer_free(&reader->window);
}

/* Drops what was given and reads on. False when reading failed. */
static bool read_on(struct aof_reader *reader, struct journal_error *error)
{
    uint64_t wants = parser_wants(reader->parser);
    size_t size = wants > CHUNK_SIZE && wants < COMMAND_SIZE_MAX ? (size_t)wants : CHUNK_SIZE;
    /* A length that is not true costs no more memory than there is in the file. */
    if (size > CHUNK_SIZE && size > reader->window.size + CHUNK_SIZE)
        size = reader->window.size + CHUNK_SIZE;
    size_t got = fread(buffer_reserve(&reader->window, size), 1, size, reader->file);
    reader->window.size += got;
    reader->at_end = got < size;
    if (got < size && ferror(reader->file))
        return error_set(error, "cannot be read: %s", strerror(errno));
    return true;
}

static enum aof_read fail_format(struct aof_reader *reader, struct journal_error *error)
{
    error_set(error, "is damaged at offset %" PRIu64 ": there is no command of a Redis log",
              reader->offset + reader->used);
    return AOF_FAILED;
}

static bool is_snapshot(const struct aof_reader *reader, struct journal_error *error)
{
    if (reader->offset > 0 || reader->window.size < 5 || memcmp(reader->window.data, "REDIS", 5) != 0)
        return false;
    error_set(error, "begins with an RDB snapshot, which cannot be read yet. In redis-cli: CONFIG SET "
                     "aof-use-rdb-preamble no, then BGREWRITEAOF; import when INFO persistence says "
                     "aof_rewrite_in_progress:0");
    return true;
}

/* What is left when the file has ended: nothing, a command that was cut off, or no command at all. */
static enum aof_read end_of_file(struct aof_reader *reader, struct journal_error *error)
{
    if (reader->window.size == 0)
        return AOF_END;
    char first = reader->window.data[0];
    return first == '*' || first == '#' ? AOF_CUT : fail_format(reader, error);
}

/* Frames what is in the window, reading on as long as that gives nothing. */
static enum aof_read frame_more(struct aof_reader *reader, struct journal_error *error)
{
    const struct parser_limits limits = {.bulk_max = COMMAND_SIZE_MAX, .query_max = COMMAND_SIZE_MAX};
    for (;;) {
        buffer_consume(&reader->window, reader->used);
        reader->offset += reader->used;
        reader->used = 0;
        reader->given = 0;
        reader->count = 0;
        if (!reader->more && reader->at_end)
            return end_of_file(reader, error);
        if (!reader->more && !read_on(reader, error))
            return AOF_FAILED;
        if (is_snapshot(reader, error))
            return AOF_FAILED;
        enum parse_end end =
            parser_run(reader->parser, buffer_slice(&reader->window), &limits, &reader->count, &reader->used);
        reader->more = end != PARSE_MORE;
        if (reader->count > 0)
            return AOF_COMMAND;
        if (end == PARSE_ERROR)
            return fail_format(reader, error);
    }
}

/* #TS:<seconds>, an inline command to the parser. */
static bool read_annotation(const struct request *request, int64_t *time_ms)
{
    struct slice text = request->argv[0];
    int64_t seconds;
    *time_ms = -1;
    if (text.size > 4 && memcmp(text.data, "#TS:", 4) == 0 &&
        int64_parse(slice_make(text.data + 4, text.size - 4), &seconds) && seconds >= 0 &&
        seconds < INT64_MAX / 1000)
        *time_ms = seconds * 1000;
    return text.size > 0 && text.data[0] == '#';
}

enum aof_read aof_next(struct aof_reader *reader, const struct request **request, uint64_t *offset,
                       int64_t *time_ms, struct journal_error *error)
{
    for (;;) {
        if (reader->given == reader->count) {
            enum aof_read read = frame_more(reader, error);
            if (read != AOF_COMMAND)
                return read;
        }
        *request = parser_request(reader->parser, reader->given++);
        *offset = reader->offset + (*request)->begin;
        bool is_inline = reader->window.data[(*request)->begin] != '*';
        if (!is_inline)
            return AOF_COMMAND;
        if (!read_annotation(*request, time_ms)) {
            reader->used = (*request)->begin;
            return fail_format(reader, error);
        }
        if (*time_ms >= 0)
            return AOF_TIME;
    }
}
