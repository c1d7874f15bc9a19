/* dkv-log import: makes a folder that a server starts from out of a Redis append-only log.
 *
 * The commands of such a log are effects already, as those of the stream are, so they are taken as they
 * stand; times to live are made absolute where they are not. A unit is kept as one. What was written is then
 * recovered in memory, by the server's own recovery, and removed again if that refuses it. */
#include "tools/import.h"

#include <errno.h>
#include <inttypes.h>
#include <strings.h>

#include "base/memory.h"
#include "base/number.h"
#include "command/dispatch.h"
#include "family/families.h"
#include "resp/request.h"
#include "server/redis_snapshot.h"
#include "tools/aof.h"
#include "tools/payload.h"
#include "tools/recovery.h"
#include "tools/text.h"

/* A frame is closed at the first end of a unit behind so many bytes, a segment likewise. */
#define FRAME_SIZE   ((size_t)256 << 10)
#define SEGMENT_SIZE ((uint64_t)64 << 20)

void importer_open(struct importer *importer, struct disk *into, struct clock *clock)
{
    int64_t now_ms = clock_wall_ms(clock);
    *importer = (struct importer){.now_ms = now_ms, .time_ms = now_ms};
    importer->commands = command_table_new();
    command_families_add(importer->commands);
    family_add_all(importer->commands);
    new_folder_begin(&importer->out, into, now_ms);
    new_folder_empty_base(&importer->out, now_ms);
    new_folder_segment(&importer->out, 0);
}

void importer_close(struct importer *importer)
{
    new_folder_end(&importer->out);
    command_table_free(importer->commands);
    buffer_free(&importer->frame);
    buffer_free(&importer->unit);
}

/* --- writing ------------------------------------------------------------------------------------------ */

static void end_frame(struct importer *importer)
{
    if (importer->frame.size == 0)
        return;
    struct frame frame = {.kind = FRAME_DATA,
                          .database = importer->frame_database,
                          .lsn = importer->lsn,
                          .time_ms = importer->time_ms,
                          .payload = buffer_slice(&importer->frame)};
    new_folder_frame(&importer->out, &frame);
    importer->lsn += frame.payload.size;
    buffer_clear(&importer->frame);
    if (importer->lsn - importer->segment_lsn >= SEGMENT_SIZE) {
        new_folder_segment(&importer->out, importer->lsn);
        importer->segment_lsn = importer->lsn;
    }
}

/* Takes the finished unit over into the frame. */
static void end_unit(struct importer *importer)
{
    if (importer->frame.size == 0)
        importer->frame_database = importer->written_database;
    buffer_append_slice(&importer->frame, buffer_slice(&importer->unit));
    buffer_clear(&importer->unit);
    importer->written_database = importer->database;
    if (importer->frame.size >= FRAME_SIZE)
        end_frame(importer);
}

/* A unit that was not finished is as good as never written. */
static void drop_unit(struct importer *importer)
{
    buffer_clear(&importer->unit);
    importer->in_unit = false;
}

/* --- times to live ------------------------------------------------------------------------------------ */

/* now + the given number of units; false when that is no time. */
static bool absolute_ms(const struct importer *importer, struct slice text, int64_t unit_ms, char *digits,
                        struct slice *at)
{
    int64_t given;
    int64_t ms;
    if (!int64_parse(text, &given) || __builtin_mul_overflow(given, unit_ms, &ms) ||
        __builtin_add_overflow(ms, importer->time_ms, &ms))
        return false;
    *at = slice_make(digits, int64_format(digits, ms));
    return true;
}

/* SET ... EX 10 and the like: the option becomes PXAT and its value the time. */
static bool make_option_absolute(const struct importer *importer, struct slice *argv, int argc, int from,
                                 char *digits)
{
    for (int i = from; i + 1 < argc; i++) {
        bool seconds = slice_is(argv[i], "ex");
        if (!seconds && !slice_is(argv[i], "px"))
            continue;
        argv[i] = SLICE_LITERAL("PXAT");
        return absolute_ms(importer, argv[i + 1], seconds ? 1000 : 1, digits, &argv[i + 1]);
    }
    return true;
}

/* Makes a relative time to live absolute, as of when the command was written. argv has room for two more.
 * False when the command's time is none. */
static bool make_absolute(const struct importer *importer, struct slice *argv, int *argc, char *digits)
{
    static const struct {
        const char *name;
        int64_t unit_ms;
        bool is_set;
    } rows[] = {{"expire", 1000, false}, {"pexpire", 1, false}, {"setex", 1000, true}, {"psetex", 1, true}};
    if (slice_is(argv[0], "set"))
        return make_option_absolute(importer, argv, *argc, 3, digits);
    if (slice_is(argv[0], "getex"))
        return make_option_absolute(importer, argv, *argc, 2, digits);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice at;
        if (!slice_is(argv[0], rows[i].name))
            continue;
        if (!absolute_ms(importer, argv[2], rows[i].unit_ms, digits, &at))
            return false;
        if (!rows[i].is_set) {
            argv[0] = SLICE_LITERAL("PEXPIREAT");
            argv[2] = at;
            return true;
        }
        struct slice set[] = {SLICE_LITERAL("SET"), argv[1], argv[3], SLICE_LITERAL("PXAT"), at};
        memcpy(argv, set, sizeof(set));
        *argc = 5;
        return true;
    }
    return true;
}

/* --- one command -------------------------------------------------------------------------------------- */

static bool fail_at(struct importer *importer, uint64_t offset, const char *what, struct slice name)
{
    return error_set(&importer->error, "at offset %" PRIu64 ": %s: %.*s", offset, what,
                     (int)(name.size < 64 ? name.size : 64), name.data);
}

static bool take_effect(struct importer *importer, const struct request *request, uint64_t offset)
{
    char digits[INT64_TEXT_MAX];
    const struct command_entry *entry = command_table_find(importer->commands, request->argv[0]);
    int argc = request->argc;
    if (!entry || (entry->row->traits & TRAIT_STREAM_ONLY))
        return fail_at(importer, offset, "this version of dkv does not know the command", request->argv[0]);
    if (!entry->row->function || !command_arity_fits(entry->row, argc))
        return fail_at(importer, offset, "wrong number of arguments", request->argv[0]);
    if (!(entry->row->flags & CMD_WRITE)) {
        importer->left_out++;
        return true;
    }
    struct slice *argv = mem_alloc((size_t)(argc + 2) * sizeof(*argv));
    memcpy(argv, request->argv, (size_t)argc * sizeof(*argv));
    bool ok = make_absolute(importer, argv, &argc, digits);
    if (ok)
        request_append(&importer->unit, argc, argv);
    else
        fail_at(importer, offset, "invalid expire time", request->argv[0]);
    mem_free(argv);
    importer->effects++;
    return ok;
}

static bool take_command(struct importer *importer, const struct request *request, uint64_t offset)
{
    enum stream_command_kind kind = request_kind(request);
    if (kind == COMMAND_EFFECT && !take_effect(importer, request, offset))
        return false;
    if (kind == COMMAND_SELECT && !request_selected(request, &importer->database))
        return fail_at(importer, offset, "it selects what is no database", request->argv[1]);
    if ((kind == COMMAND_MULTI && importer->in_unit) || (kind == COMMAND_EXEC && !importer->in_unit))
        return fail_at(importer, offset, "units are not paired", request->argv[0]);
    if (kind == COMMAND_MULTI) {
        importer->in_unit = true;
        importer->unit_offset = offset;
    }
    if (kind != COMMAND_EFFECT)
        request_append(&importer->unit, request->argc, request->argv);
    if (kind == COMMAND_EXEC)
        importer->in_unit = false;
    if (!importer->in_unit)
        end_unit(importer);
    return !importer->out.failed;
}

/* A frame has one time. */
static void take_time(struct importer *importer, int64_t time_ms)
{
    if (!importer->in_unit)
        end_frame(importer);
    importer->time_ms = time_ms;
    /* The empty state that the stream begins with is as old as the first thing written. */
    if (importer->lsn == 0)
        importer->out.manifest.bases[0].time_ms = time_ms;
}

/* --- files -------------------------------------------------------------------------------------------- */

/* Redis begins every file with database 0 selected. */
static void select_first(struct importer *importer)
{
    if (importer->database == 0)
        return;
    request_append(&importer->unit, 2, (struct slice[]){SLICE_LITERAL("SELECT"), SLICE_LITERAL("0")});
    importer->database = 0;
    end_unit(importer);
}

static bool end_of_file(struct importer *importer, struct aof_reader *reader, enum aof_read read)
{
    if (read == AOF_FAILED)
        return false;
    uint64_t size = reader->offset + reader->window.size;
    if (read == AOF_CUT)
        importer->cut_offset = reader->offset;
    if (importer->in_unit)
        importer->cut_offset = importer->unit_offset;
    importer->is_cut = read == AOF_CUT || importer->in_unit;
    importer->cut_bytes = importer->is_cut ? size - importer->cut_offset : 0;
    drop_unit(importer);
    end_frame(importer);
    return true;
}

bool importer_read(struct importer *importer, FILE *file)
{
    struct aof_reader reader;
    const struct request *request;
    uint64_t offset;
    int64_t time_ms;
    enum aof_read read;
    bool ok = true;
    select_first(importer);
    aof_reader_open(&reader, file);
    do {
        read = aof_next(&reader, &request, &offset, &time_ms, &importer->error);
        if (read == AOF_COMMAND)
            ok = take_command(importer, request, offset);
        else if (read == AOF_TIME)
            take_time(importer, time_ms);
    } while (ok && (read == AOF_COMMAND || read == AOF_TIME));
    ok = ok && end_of_file(importer, &reader, read);
    aof_reader_close(&reader);
    return ok;
}

/* --- the command -------------------------------------------------------------------------------------- */

/* redis-server begins a log with a snapshot of nothing where there was nothing. */
static bool is_empty_snapshot(FILE *file)
{
    if (fseek(file, 0, SEEK_SET) != 0) /* a pipe */
        return false;
    bool is = redis_snapshot_is_empty(file);
    rewind(file);
    return is;
}

static bool read_file(struct importer *importer, struct tool *tool, const char *path, bool is_last)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        tool_fail(tool, "cannot open %s: %s", path, strerror(errno));
        return false;
    }
    bool ok = is_empty_snapshot(file) || importer_read(importer, file);
    fclose(file);
    if (!ok && importer->out.failed)
        tool_fail(tool, "%s: %s", tool->options->into, importer->out.error.text);
    else if (!ok)
        tool_fail(tool, "%s %s", path, importer->error.text);
    else if (importer->is_cut && !is_last)
        tool_fail(tool, "%s ends within a command or unit, at offset %" PRIu64 ", and is not the last file",
                  path, importer->cut_offset);
    else if (importer->is_cut)
        tool_note(tool,
                  "%s ends within a command or unit: its last %" PRIu64 " bytes, from offset %" PRIu64
                  " on, are left out",
                  path, importer->cut_bytes, importer->cut_offset);
    return ok && (is_last || !importer->is_cut);
}

static void tell_result(struct tool *tool, const struct importer *importer, const struct replay_result *state)
{
    fprintf(tool->out, "imported %" PRIu64 " command%s, %" PRIu64 " key%s, into %s\n", importer->effects,
            plural(importer->effects), state->keys, plural(state->keys), tool->options->into);
    if (importer->left_out > 0)
        fprintf(tool->out, "left out %" PRIu64 " command%s that change%s nothing\n", importer->left_out,
                plural(importer->left_out), importer->left_out == 1 ? "s" : "");
    fprintf(tool->out, "to start from it: dkv-server --dir %s%s", tool->options->into,
            state->databases > 16 ? "" : "\n");
    if (state->databases > 16)
        fprintf(tool->out, " --databases %d\n", state->databases);
}

/* Reads the files, takes the folder into use and tries to recover it. */
static bool import(struct importer *importer, struct tool *tool, const struct aof_files *files)
{
    struct journal_error error;
    struct replay_result state;
    for (size_t i = 0; i < files->count; i++)
        if (!read_file(importer, tool, files->paths[i], i + 1 == files->count))
            return false;
    if (!new_folder_finish(&importer->out)) {
        tool_fail(tool, "%s: %s", tool->options->into, importer->out.error.text);
        return false;
    }
    if (!replay_folder(tool->into, tool->options->into, tool->clock, REPLAY_DATABASES, &state, &error)) {
        tool_fail(tool, "what was imported cannot be recovered: %s", error.text);
        return false;
    }
    tell_result(tool, importer, &state);
    return true;
}

int import_run(struct tool *tool)
{
    struct aof_files files;
    struct journal_error error;
    struct importer importer;
    if (!aof_find(tool->options->folder, &files, &error)) {
        aof_files_free(&files);
        return tool_fail(tool, "%s", error.text);
    }
    importer_open(&importer, tool->into, tool->clock);
    bool ok = import(&importer, tool, &files);
    if (!ok)
        new_folder_remove(tool->into);
    importer_close(&importer);
    aof_files_free(&files);
    return ok ? STATUS_FINE : STATUS_PROBLEM;
}
