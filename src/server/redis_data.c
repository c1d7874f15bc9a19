#include "server/redis_data.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "journal/names.h"
#include "server/redis_snapshot.h"

/* --- looking ------------------------------------------------------------------------------------------- */

enum kind { KIND_NONE, KIND_COMMANDS, KIND_SNAPSHOT };

/* A file, or the files of a folder together, with something to lose in it. */
struct found {
    enum kind kind; /* snapshot: there is one in it, which dkv-log cannot read */
    struct buffer path;
    uint64_t bytes;
    int64_t changed; /* seconds since 1970 */
};

static void join(struct buffer *path, const char *folder, const char *name)
{
    buffer_append_format(path, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    buffer_append_char(path, '\0');
    path->size--;
}

static enum kind kind_of(const char *path)
{
    char begin[5];
    FILE *file = fopen(path, "re");
    enum kind kind = KIND_SNAPSHOT; /* what cannot be read may hold anything */
    if (!file)
        return kind;
    size_t size = fread(begin, 1, sizeof(begin), file);
    bool is_snapshot = size == sizeof(begin) && memcmp(begin, "REDIS", sizeof(begin)) == 0;
    rewind(file);
    if (!is_snapshot)
        kind = size > 0 ? KIND_COMMANDS : KIND_NONE;
    else if (redis_snapshot_is_empty(file))
        kind = KIND_NONE;
    fclose(file);
    return kind;
}

/* Adds a regular file that holds something. */
static void look_at_file(struct found *found, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0)
        return;
    enum kind kind = kind_of(path);
    if (kind > found->kind)
        found->kind = kind;
    if (kind == KIND_NONE)
        return;
    found->bytes += (uint64_t)status.st_size;
    if (status.st_mtime > found->changed)
        found->changed = status.st_mtime;
}

/* Those of the folder whose names begin with the log's: but for its manifest. */
static void look_in_folder(struct found *found, const char *path, const char *filename)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    size_t size = strlen(filename);
    if (!folder)
        return;
    while ((entry = readdir(folder)) != NULL) {
        const char *end = strrchr(entry->d_name, '.');
        if (strncmp(entry->d_name, filename, size) != 0 || entry->d_name[size] != '.' ||
            (strcmp(end, ".rdb") != 0 && strcmp(end, ".aof") != 0))
            continue;
        struct buffer file = {0};
        join(&file, path, entry->d_name);
        look_at_file(found, file.data);
        buffer_free(&file);
    }
    closedir(folder);
}

/* dkv's own log, whole or damaged. */
static bool has_log(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    bool has = false;
    if (!folder)
        return false;
    while (!has && (entry = readdir(folder)) != NULL) {
        uint64_t number;
        enum name_kind kind = name_parse(entry->d_name, &number);
        has = kind == NAME_LOG || kind == NAME_BASE || strcmp(entry->d_name, MANIFEST_NAME) == 0;
    }
    closedir(folder);
    return has;
}

enum { DUMP, LOG_FOLDER, LOG_FILE, PLACES };

static bool look(const struct config *config, const char *folder, struct found places[PLACES])
{
    bool any = false;
    memset(places, 0, PLACES * sizeof(*places));
    if (config->dbfilename[0] != '\0')
        join(&places[DUMP].path, folder, config->dbfilename);
    join(&places[LOG_FOLDER].path, folder, config->appenddirname);
    join(&places[LOG_FILE].path, folder, config->appendfilename);
    if (places[DUMP].path.size > 0) {
        look_at_file(&places[DUMP], places[DUMP].path.data);
        if (places[DUMP].kind != KIND_NONE)
            places[DUMP].kind = KIND_SNAPSHOT;
    }
    look_in_folder(&places[LOG_FOLDER], places[LOG_FOLDER].path.data, config->appendfilename);
    look_at_file(&places[LOG_FILE], places[LOG_FILE].path.data);
    for (int i = 0; i < PLACES; i++)
        any |= places[i].kind != KIND_NONE;
    return any;
}

static void places_free(struct found places[PLACES])
{
    for (int i = 0; i < PLACES; i++)
        buffer_free(&places[i].path);
}

/* --- telling ------------------------------------------------------------------------------------------- */

static void append_found(struct buffer *out, const struct found *found)
{
    char size[32];
    char when[32] = "?";
    struct tm parts;
    time_t changed = (time_t)found->changed;
    byte_size_format(size, found->bytes);
    if (localtime_r(&changed, &parts))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &parts);
    buffer_append_slice(out, buffer_slice(&found->path));
    buffer_append_format(out, " (%s, last changed %s)", size, when);
}

static void append_all(struct buffer *out, const struct found places[PLACES])
{
    bool first = true;
    for (int i = 0; i < PLACES; i++) {
        if (places[i].kind == KIND_NONE)
            continue;
        buffer_append_text(out, first ? "" : ", ");
        append_found(out, &places[i]);
        first = false;
    }
}

/* As a shell takes it for one word. */
static void append_word(struct buffer *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        buffer_append_text(out, word);
        return;
    }
    buffer_append_char(out, '\'');
    for (; *word != '\0'; word++)
        if (*word == '\'')
            buffer_append_text(out, "'\\''");
        else
            buffer_append_char(out, *word);
    buffer_append_char(out, '\'');
}

static void tell(struct buffer *line)
{
    diag(DIAG_WARNING, "%.*s", (int)line->size, line->data);
    buffer_clear(line);
}

static void tell_text(const char *text)
{
    diag(DIAG_WARNING, "%s", text);
}

/* Of several the one that was changed last. */
static const struct found *newest(const struct found places[PLACES])
{
    const struct found *best = NULL;
    for (int i = 0; i < PLACES; i++)
        if (places[i].kind != KIND_NONE && (best == NULL || places[i].changed > best->changed))
            best = &places[i];
    return best;
}

/* The import, from path, and the start. */
static void tell_import(const char *folder, const char *path)
{
    struct buffer line = {0};
    struct buffer into = {0};
    join(&into, folder, "dkv");
    buffer_append_text(&line, "    dkv-log import ");
    append_word(&line, path);
    buffer_append_text(&line, " --into ");
    append_word(&line, into.data);
    tell(&line);
    buffer_append_text(&line, "and start dkv-server with --dir ");
    append_word(&line, into.data);
    tell(&line);
    buffer_free(&into);
    buffer_free(&line);
}

/* How redis-server makes of it a log that dkv-log can read: one without a snapshot in it. */
static void tell_conversion(const struct config *config, const char *folder, bool from_log)
{
#define SOCKET "/tmp/redis-to-dkv.sock"
    struct buffer line = {0};
    buffer_append_text(&line, "    redis-server --port 0 --unixsocket " SOCKET " --daemonize yes --save '' "
                              "--aof-use-rdb-preamble no --dir ");
    append_word(&line, folder);
    buffer_append_text(&line, " --dbfilename ");
    append_word(&line, config->dbfilename[0] ? config->dbfilename : "dump.rdb");
    buffer_append_text(&line, " --appenddirname ");
    append_word(&line, config->appenddirname);
    buffer_append_text(&line, " --appendfilename ");
    append_word(&line, config->appendfilename);
    buffer_append_format(&line, " --appendonly %s", from_log ? "yes" : "no");
    tell(&line);
    tell_text("    until redis-cli -s " SOCKET " ping 2>&1 | grep PONG; do sleep 1; done");
    tell_text(from_log ? "    redis-cli -s " SOCKET " bgrewriteaof"
                       : "    redis-cli -s " SOCKET " config set appendonly yes");
    tell_text("    until redis-cli -s " SOCKET
              " info persistence | grep aof_rewrite_in_progress:0; do sleep 1; done");
    tell_text("    redis-cli -s " SOCKET " shutdown nosave");
    buffer_free(&line);
#undef SOCKET
}

static void refuse(const struct config *config, const char *folder, const struct found places[PLACES])
{
    const struct found *source = newest(places);
    struct buffer line = {0};
    int count = 0;
    for (int i = 0; i < PLACES; i++)
        count += places[i].kind != KIND_NONE;
    buffer_append_text(&line, "cannot start: here is data of a redis-server, and no log of dkv's yet: ");
    append_all(&line, places);
    tell(&line);
    tell_text(
        "dkv does not read these files by itself, and would start empty. For that, set ignore-redis-data "
        "yes (--ignore-redis-data yes). To take over what is in them:");
    if (count > 1) {
        buffer_append_text(&line, "(taking the one that was changed last, ");
        buffer_append_slice(&line, buffer_slice(&source->path));
        buffer_append_text(&line,
                           "; redis-server reads its append-only files where its appendonly is yes, and "
                           "the other one where it is no)");
        tell(&line);
    }
    if (source->kind == KIND_COMMANDS) {
        tell_import(folder, source->path.data);
    } else {
        struct buffer path = {0};
        join(&path, folder, config->appenddirname);
        tell_conversion(config, folder, source != &places[DUMP]);
        tell_import(folder, path.data);
        buffer_free(&path);
    }
    buffer_free(&line);
}

/* False: the server may not start because of what is in this folder. */
static bool check_folder(const struct config *config, const char *folder)
{
    struct found places[PLACES];
    bool passes = true;
    if (look(config, folder, places)) {
        passes = config->ignore_redis_data || has_log(config->dir);
        if (passes) {
            struct buffer line = {0};
            append_all(&line, places);
            diag(DIAG_NOTICE, "not reading data of a redis-server, which is there, too: %.*s", (int)line.size,
                 line.data);
            buffer_free(&line);
        } else {
            refuse(config, folder, places);
        }
    }
    places_free(places);
    return passes;
}

bool redis_data_check(const struct config *config)
{
    struct stat ours;
    struct stat theirs;
    if (!check_folder(config, config->dir))
        return false;
    if (config_gives_dir(config) ||
        (stat(config->dir, &ours) == 0 && stat(config->start_folder, &theirs) == 0 &&
         ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino))
        return true;
    return check_folder(config, config->start_folder);
}
