/* dkv-log show and export: the stream as people read it, as JSON, or as bytes that redis-cli --pipe and
 * redis-server take.
 *
 * A unit is shown whole or not at all: it was executed so. So a payload is gone through twice: first to find
 * the units that are wanted, then to write them.
 *
 * A server may replace files meanwhile. Then it goes on from the LSN reached in what MANIFEST names by then;
 * where that does not reach back so far, it begins anew, and takes back what was written. As often as the
 * server does so: each further round follows a rotation or a rewrite. */
#include <errno.h>
#include <inttypes.h>

#include "base/glob.h"
#include "base/memory.h"
#include "base/number.h"
#include "resp/request.h"
#include "tools/filter.h"
#include "tools/json.h"
#include "tools/outlet.h"
#include "tools/payload.h"
#include "tools/plain.h"
#include "tools/scan.h"
#include "tools/text.h"
#include "tools/value_list.h"

/* Of a key in a message. */
#define KEY_TOLD_MAX ((size_t)200)

enum form { FORM_TEXT, FORM_RESP, FORM_JSON };

/* A unit's place, in LSNs. */
struct range {
    lsn_t begin;
    lsn_t end;
};

struct viewer {
    struct tool *tool;
    const struct folder *folder;
    enum form form;
    const struct options *options;
    struct key_filter filter;
    struct payload_reader payload;
    struct scan_log log;
    bool in_base;
    lsn_t base_lsn;
    int database; /* selected at the end of what was written as RESP; -1: none yet */
    int status;
    struct buffer scratch;
    struct plain plain;
    struct outlet out;
    bool has_written; /* anything that could be seen */
    struct value_needs needs;
    struct buffer gone; /* names of values' files that were left empty, as a later command replaces them */
    bool saw_gone;      /* one of them in this round */
    bool has_reached;   /* the log is shown up to there */
    lsn_t reached;
    bool is_stale;       /* this round ended at what may be none but the server's doing */
    struct damage doubt; /* which is that */

    /* The frame being shown. */
    const struct frame *frame;
    char time[TIME_TEXT_SIZE];
    struct range *wanted;
    size_t wanted_count;
    size_t wanted_capacity;
    size_t next; /* the first of wanted that is not written yet */
    lsn_t unit_begin;
    bool unit_passes;
};

/* --- choosing ----------------------------------------------------------------------------------------- */

static bool in_range(const struct viewer *viewer, lsn_t lsn)
{
    const struct options *options = viewer->options;
    return viewer->in_base ||
           ((!options->has_from || lsn >= options->from) && (!options->has_to || lsn < options->to));
}

static void want(struct viewer *viewer, lsn_t begin, lsn_t end)
{
    if (viewer->wanted_count == viewer->wanted_capacity) {
        viewer->wanted_capacity = viewer->wanted_capacity ? 2 * viewer->wanted_capacity : 64;
        viewer->wanted = mem_realloc(viewer->wanted, viewer->wanted_capacity * sizeof(*viewer->wanted));
    }
    viewer->wanted[viewer->wanted_count++] = (struct range){begin, end};
}

static bool choose(void *context, const struct stream_command *command)
{
    struct viewer *viewer = context;
    if (!command->in_unit || command->kind == COMMAND_MULTI) {
        viewer->unit_begin = command->lsn;
        viewer->unit_passes = false;
    }
    if (command->kind == COMMAND_EFFECT && key_filter_passes(&viewer->filter, command->request))
        viewer->unit_passes = true;
    if (command->ends_unit && viewer->unit_passes && in_range(viewer, viewer->unit_begin))
        want(viewer, viewer->unit_begin, command->lsn_end);
    return true;
}

/* --- writing ------------------------------------------------------------------------------------------ */

/* A value that lies in a file of its own. */
static bool is_left_out(struct slice argument)
{
    return !argument.data && argument.size > 0;
}

static struct value_reference value_of_argument(const struct viewer *viewer,
                                                const struct stream_command *command, int index)
{
    uint32_t value = command->value;
    for (int i = 0; i < index; i++)
        value += is_left_out(command->request->argv[i]);
    return frame_value(viewer->frame, value);
}

/* What sets a value as a whole names the key before it. Empty where that is not so. */
static struct slice key_of_value(const struct request *request, int index)
{
    bool has_key = index > 1 && !is_left_out(request->argv[index - 1]);
    return has_key ? request->argv[index - 1] : (struct slice){0};
}

static void append_file_name(struct viewer *viewer, const struct stream_command *command, int index)
{
    char name[FILE_NAME_SIZE];
    struct value_reference value = value_of_argument(viewer, command, index);
    value_name(name, value.lsn, value.number);
    buffer_append_format(&viewer->scratch, "<%" PRIu64 " bytes in %s>", value.size, name);
}

/* Whether a value's file is gone because a later command replaces it. A server that uses the folder removes
 * files while we look, but none that it needs; that somebody else did not, is looked at in the end. */
static bool is_replaced(struct viewer *viewer, const char *name)
{
    uint64_t size;
    if (disk_size_of(viewer->folder->disk, name, &size) != -ENOENT)
        return false;
    if (viewer->folder->in_use)
        viewer->log.again = true; /* the later command is in the log by now */
    else if (value_needs_have(&viewer->needs, viewer->folder, viewer->tool->clock, name))
        return false;
    viewer->saw_gone = true;
    buffer_append(&viewer->gone, name, strlen(name) + 1);
    return true;
}

static void miss_value(struct viewer *viewer, struct slice key, const struct value_reference *value,
                       const struct journal_error *why)
{
    struct buffer quoted = {0};
    buffer_append_quoted(&quoted, key);
    int size = (int)(quoted.size < KEY_TOLD_MAX ? quoted.size : KEY_TOLD_MAX);
    if (viewer->options->skip_damaged)
        tool_note(viewer->tool, "the value of %.*s, set at LSN %" PRIu64 ", is left empty: %s", size,
                  quoted.data, value->lsn, why->text);
    else
        viewer->status = tool_fail(viewer->tool,
                                   "the value of %.*s, set at LSN %" PRIu64
                                   ", cannot be had: %s; --skip-damaged leaves it empty",
                                   size, quoted.data, value->lsn, why->text);
    buffer_free(&quoted);
}

/* Its bytes; none when the file went with the value, or is to be passed. */
static void append_value(struct viewer *viewer, const struct stream_command *command, int index)
{
    struct journal_error error;
    struct buffer bytes = {0};
    struct value_reference value = value_of_argument(viewer, command, index);
    char name[FILE_NAME_SIZE];
    value_name(name, value.lsn, value.number);
    if (!value_read(viewer->folder, &value, &bytes, &error) && !is_replaced(viewer, name))
        miss_value(viewer, key_of_value(command->request, index), &value, &error);
    request_append_argument(&viewer->scratch, buffer_slice(&bytes));
    buffer_free(&bytes);
}

static void write_text(struct viewer *viewer, const struct stream_command *command)
{
    const struct request *request = command->request;
    bool is_bracket = command->kind == COMMAND_MULTI || command->kind == COMMAND_EXEC;
    if (command->kind == COMMAND_SELECT)
        return; /* the column says it */
    buffer_clear(&viewer->scratch);
    buffer_append_format(&viewer->scratch, "%s %12" PRIu64 " %2d %s", viewer->time,
                         viewer->in_base ? viewer->base_lsn : command->lsn, command->database,
                         viewer->in_base ? "base " : "");
    if (is_bracket)
        buffer_append_text(&viewer->scratch, command->kind == COMMAND_MULTI ? " MULTI" : " EXEC");
    else if (command->in_unit)
        buffer_append_text(&viewer->scratch, "   ");
    for (int i = 0; i < request->argc && !is_bracket; i++) {
        buffer_append_char(&viewer->scratch, ' ');
        if (is_left_out(request->argv[i]))
            append_file_name(viewer, command, i);
        else
            buffer_append_quoted(&viewer->scratch, request->argv[i]);
    }
    buffer_append_char(&viewer->scratch, '\n');
    fwrite(viewer->scratch.data, 1, viewer->scratch.size, viewer->out.file);
}

static void write_file_json(struct json *json, struct viewer *viewer, const struct stream_command *command,
                            int index)
{
    char name[FILE_NAME_SIZE];
    struct value_reference value = value_of_argument(viewer, command, index);
    value_name(name, value.lsn, value.number);
    json_object(json, NULL);
    json_text(json, "file", name);
    json_uint(json, "bytes", value.size);
    json_object_end(json);
}

static void write_json(struct viewer *viewer, const struct stream_command *command)
{
    struct json json = {.out = viewer->out.file};
    const struct request *request = command->request;
    if (command->kind != COMMAND_EFFECT)
        return; /* "unit" and "db" say it */
    json_object(&json, NULL);
    json_text(&json, "time", viewer->time);
    json_int(&json, "time_ms", viewer->frame->time_ms);
    json_uint(&json, "lsn", viewer->in_base ? viewer->base_lsn : command->lsn);
    if (viewer->in_base)
        json_bool(&json, "base", true);
    if (command->in_unit)
        json_uint(&json, "unit", viewer->wanted[viewer->next].begin);
    json_int(&json, "db", command->database);
    json_array(&json, "command");
    for (int i = 0; i < request->argc; i++)
        if (is_left_out(request->argv[i]))
            write_file_json(&json, viewer, command, i);
        else
            json_bytes(&json, NULL, request->argv[i]);
    json_array_end(&json);
    json_object_end(&json);
    json_end(&json);
}

static void write_resp(struct viewer *viewer, const struct stream_command *command)
{
    if (command->kind == COMMAND_SELECT)
        return; /* written where it is needed */
    buffer_clear(&viewer->scratch);
    if (viewer->database != command->database) {
        char digits[INT64_TEXT_MAX];
        struct slice number = slice_make(digits, int64_format(digits, command->database));
        request_append(&viewer->scratch, 2, (struct slice[]){SLICE_LITERAL("SELECT"), number});
        viewer->database = command->database;
    }
    request_append_count(&viewer->scratch, command->request->argc);
    for (int i = 0; i < command->request->argc; i++)
        if (is_left_out(command->request->argv[i]))
            append_value(viewer, command, i);
        else
            request_append_argument(&viewer->scratch, command->request->argv[i]);
    fwrite(viewer->scratch.data, 1, viewer->scratch.size, viewer->out.file);
}

static void write_as_wanted(struct viewer *viewer, const struct stream_command *command)
{
    static void (*const writers[])(struct viewer *, const struct stream_command *) = {
        [FORM_TEXT] = write_text, [FORM_RESP] = write_resp, [FORM_JSON] = write_json};
    writers[viewer->form](viewer, command);
}

/* A block of a collection as the commands that make it; as it is, where it cannot be read. */
static void write_plain(struct viewer *viewer, const struct stream_command *command)
{
    if (!plain_make(&viewer->plain, command->request)) {
        write_as_wanted(viewer, command);
        return;
    }
    struct request_reader reader = {.text = buffer_slice(&viewer->plain.text)};
    while (request_reader_next(&reader) == REQUEST_READ) {
        struct request request = {.argc = reader.argc, .argv = reader.argv};
        struct stream_command plain = *command;
        plain.request = &request;
        write_as_wanted(viewer, &plain);
    }
    request_reader_free(&reader);
}

static bool write_command(void *context, const struct stream_command *command)
{
    struct viewer *viewer = context;
    while (viewer->next < viewer->wanted_count && viewer->wanted[viewer->next].end <= command->lsn)
        viewer->next++;
    if (viewer->next == viewer->wanted_count)
        return false;
    if (command->lsn < viewer->wanted[viewer->next].begin)
        return true;
    viewer->has_written = true;
    if (plain_is_wanted(command->request))
        write_plain(viewer, command);
    else
        write_as_wanted(viewer, command);
    return true;
}

/* --- reading ------------------------------------------------------------------------------------------ */

static bool show_frame(void *context, const char *name, uint64_t offset, const struct frame *frame)
{
    struct viewer *viewer = context;
    const struct options *options = viewer->options;
    if (!viewer->in_base && options->has_to && frame->lsn >= options->to)
        return false;
    if (!viewer->in_base && viewer->has_reached && frame->lsn < viewer->reached)
        return true;
    if (!viewer->in_base) {
        viewer->has_reached = true;
        viewer->reached = frame->lsn + frame_stream_size(frame);
    }
    if (!viewer->in_base && options->has_from && frame->lsn + frame_stream_size(frame) <= options->from)
        return true;
    if (options->has_since && frame->time_ms < options->since_ms && !viewer->in_base)
        return true;
    viewer->frame = frame;
    viewer->wanted_count = 0;
    viewer->next = 0;
    time_text(viewer->time, frame->time_ms);
    const char *wrong = payload_each(&viewer->payload, frame, choose, viewer);
    payload_each(&viewer->payload, frame, write_command, viewer);
    if (wrong && options->skip_damaged)
        tool_note(viewer->tool, "%s at offset %" PRIu64 ": the rest of the frame is left out: %s", name,
                  offset, wrong);
    else if (wrong)
        viewer->status =
            tool_fail(viewer->tool, "%s at offset %" PRIu64 ": %s; --skip-damaged goes on behind it", name,
                      offset, wrong);
    return viewer->status == STATUS_FINE && !ferror(viewer->out.file);
}

/* What seems damaged may have been replaced since MANIFEST was read. If the same is seen again, it is
 * damaged. */
static bool may_be_stale(struct viewer *viewer, const struct damage *damage)
{
    const struct damage *doubt = &viewer->doubt;
    if (!viewer->folder->in_use || !folder_changed(viewer->folder) ||
        (doubt->offset == damage->offset && strcmp(doubt->name, damage->name) == 0))
        return false;
    viewer->doubt = *damage;
    viewer->is_stale = true;
    return true;
}

/* Damage that loses nothing, or that is to be passed, is told and no more. */
static bool show_damage(void *context, const struct damage *damage)
{
    struct viewer *viewer = context;
    const struct options *options = viewer->options;
    char place[DAMAGE_PLACE_SIZE];
    bool is_before = options->has_from && damage->lsn_end <= options->from && !viewer->in_base;
    bool is_behind = options->has_to && damage->lsn >= options->to && !viewer->in_base;
    if (is_behind || may_be_stale(viewer, damage))
        return false;
    if (damage->kind == DAMAGE_HEADER || is_before || options->skip_damaged) {
        tool_note(viewer->tool, "%s: %s", damage_place(place, damage), damage->what);
        return true;
    }
    viewer->status = tool_fail(viewer->tool,
                               "%s: %s. Nothing behind that place is shown; --skip-damaged goes on behind it",
                               damage_place(place, damage), damage->what);
    return false;
}

/* The last segment that begins at an LSN or before it. */
static size_t segment_of(const struct manifest *manifest, size_t from, lsn_t lsn)
{
    while (from + 1 < manifest->segment_count && manifest->segments[from + 1].lsn <= lsn)
        from++;
    return from;
}

static void show_stream(struct viewer *viewer, const struct folder *folder)
{
    const struct scan_visitor visitor = {viewer, show_frame, show_damage};
    const struct manifest *manifest = &folder->manifest;
    const struct options *options = viewer->options;
    size_t segment = 0;
    bool goes_on = true;
    if (options->base && !viewer->has_reached) {
        viewer->in_base = true;
        viewer->base_lsn = manifest_base_in_use(manifest)->lsn;
        goes_on = scan_base(folder, manifest->base_count - 1, &visitor);
        viewer->in_base = false;
        viewer->has_reached = goes_on;
        viewer->reached = viewer->base_lsn;
        segment = manifest_find_segment(manifest, viewer->base_lsn);
    }
    if (options->has_from)
        segment = segment_of(manifest, segment, options->from);
    if (viewer->has_reached)
        segment = segment_of(manifest, segment, viewer->reached);
    for (; goes_on && segment < manifest->segment_count; segment++)
        goes_on = scan_segment(folder, segment, &visitor, &viewer->log);
}

/* --- rounds ------------------------------------------------------------------------------------------- */

/* Makes ready for showing what MANIFEST names by now: from the place reached on, or from the beginning. False
 * when neither can be had. */
static bool take_up(struct viewer *viewer, const struct folder *folder)
{
    lsn_t first = folder->manifest.segments[0].lsn;
    payload_reader_forget(&viewer->payload);
    viewer->log = (struct scan_log){0};
    viewer->is_stale = viewer->saw_gone = false;
    if (viewer->has_reached && viewer->reached >= first)
        return true;
    if (viewer->has_written && !outlet_take_back(&viewer->out)) {
        viewer->status = tool_fail(
            viewer->tool,
            "the stream up to LSN %" PRIu64 " went with a rewrite while it was shown: try again", first);
        return false;
    }
    viewer->has_reached = viewer->has_written = false;
    viewer->database = -1;
    buffer_clear(&viewer->gone);
    return true;
}

/* Whether there has to be another. */
static bool show_round(struct viewer *viewer)
{
    struct folder folder;
    struct journal_error error;
    bool again = false;
    if (!folder_load(&folder, viewer->tool, &error)) {
        viewer->status = tool_fail(viewer->tool, "%s", error.text);
    } else if (take_up(viewer, &folder)) {
        viewer->folder = &folder;
        show_stream(viewer, &folder);
        /* What replaced a value may be in a file that was not there when we began. */
        again = viewer->status == STATUS_FINE && !ferror(viewer->out.file) &&
                (viewer->is_stale || (folder.in_use && viewer->saw_gone && folder_changed(&folder)));
        if (!again && folder_manifest_is_bad(&folder) && !viewer->options->skip_damaged)
            viewer->status = tool_fail(viewer->tool,
                                       "%s: shown is what the files themselves say, and whether that is all "
                                       "cannot be known; --skip-damaged takes it for all",
                                       folder.manifest_error.text);
        else if (!again && folder.state != MANIFEST_GOOD)
            tool_note(viewer->tool, "%s: shown is what the files themselves say", folder.manifest_error.text);
    }
    folder_free(&folder);
    viewer->folder = NULL;
    return again;
}

/* A file that is gone while a server is at work, and that the state needs all the same, was not removed by
 * it. */
static void check_gone(struct viewer *viewer)
{
    struct tool *tool = viewer->tool;
    struct folder folder = {.disk = tool->disk, .path = tool->options->folder, .in_use = tool->in_use};
    const struct buffer *gone = &viewer->gone;
    size_t count = 0;
    for (size_t at = 0; at < gone->size; at += strlen(gone->data + at) + 1) {
        const char *name = gone->data + at;
        count++;
        if (!tool->in_use || !value_needs_have(&viewer->needs, &folder, tool->clock, name))
            continue;
        if (viewer->options->skip_damaged)
            tool_note(tool, "a value is left empty: %s is missing", name);
        else
            viewer->status = tool_fail(tool,
                                       viewer->needs.is_known
                                           ? "%s is missing, and the state needs it; --skip-damaged leaves "
                                             "the value empty"
                                           : "%s is missing, and whether the state needs it cannot be told; "
                                             "--skip-damaged leaves the value empty",
                                       name);
    }
    if (count > 0 && viewer->status == STATUS_FINE)
        tool_note(tool, "%zu value%s left empty: a later command replaces %s, and the file%s gone since then",
                  count, count == 1 ? " is" : "s are", count == 1 ? "it" : "each",
                  count == 1 ? " is" : "s are");
}

static int show(struct tool *tool, const struct options *options, enum form form)
{
    struct viewer viewer = {.tool = tool, .form = form, .options = options, .database = -1};
    if (!key_filter_open(&viewer.filter, options->key))
        return tool_fail(tool, "%s", GLOB_TOO_COMPLEX + strlen("ERR "));
    payload_reader_open(&viewer.payload);
    outlet_open(&viewer.out, tool->out, tool->in_use);
    while (show_round(&viewer))
        ;
    check_gone(&viewer);
    if (!outlet_close(&viewer.out) && viewer.status == STATUS_FINE)
        viewer.status = tool_fail(tool, "cannot write the output");
    payload_reader_close(&viewer.payload);
    key_filter_close(&viewer.filter);
    plain_free(&viewer.plain);
    buffer_free(&viewer.scratch);
    buffer_free(&viewer.gone);
    value_needs_free(&viewer.needs);
    mem_free(viewer.wanted);
    return viewer.status;
}

int show_run(struct tool *tool)
{
    const struct options *options = tool->options;
    return show(tool, options, options->resp ? FORM_RESP : options->json ? FORM_JSON : FORM_TEXT);
}

int export_run(struct tool *tool)
{
    struct options options = *tool->options;
    options.base = true;
    return show(tool, &options, FORM_RESP);
}
