/* dkv-log restore: the state at an earlier moment, from the bases and segments that are kept, in a new
 * folder.
 *
 * What is written is a stream of its own (another stream id: what follows will differ), in which LSNs mean
 * what they meant in the old one. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "tools/new_folder.h"
#include "tools/payload.h"
#include "tools/recovery.h"
#include "tools/survey.h"

struct copier {
    struct tool *tool;
    const struct folder *folder;
    struct new_folder out;
    struct target target;
    struct payload_reader payload;
    struct scan_log log;
    lsn_t lsn;       /* copied so far */
    int64_t time_ms; /* of the last frame copied */
    uint64_t commands;
    size_t missing; /* values that could not be copied */
    bool reached;   /* the rest is behind the target */
    bool damaged;
    struct damage damage;

    /* Of the frame at hand: bytes that are whole units before the target, and commands since the last of
     * them. */
    size_t cut;
    uint64_t unit_commands;
};

/* --- what can be restored ----------------------------------------------------------------------------- */

/* One line for each stretch of the stream that a whole base and the log behind it give. */
static void print_ranges(const struct survey *survey, FILE *out)
{
    const struct manifest *manifest = &survey->folder->manifest;
    lsn_t covered = 0;
    bool any = false;
    fprintf(out, "can be restored:\n");
    for (size_t i = 0; i < manifest->base_count; i++) {
        const struct manifest_base *base = &manifest->bases[i];
        char from[TIME_TEXT_SIZE];
        char to[TIME_TEXT_SIZE];
        size_t last;
        size_t segment = manifest_find_segment(manifest, base->lsn);
        lsn_t end = survey_reach(survey, segment, &last);
        if (!survey_base_is_whole(survey, i) || (any && end <= covered))
            continue;
        while (last > segment && survey->segments[last].payload == 0)
            last--;
        int64_t last_ms = survey->segments[last].payload > 0 ? survey->segments[last].last_ms : base->time_ms;
        fprintf(out, "  LSN %" PRIu64 " (%s) to LSN %" PRIu64 " (%s)\n", base->lsn,
                time_text(from, base->time_ms), end, time_text(to, last_ms));
        covered = end;
        any = true;
    }
    if (!any)
        fprintf(out, "  nothing: no base is whole. dkv-log export --skip-damaged gives what can be read\n");
}

static int tell_ranges(struct tool *tool, FILE *out, int status)
{
    struct folder folder;
    struct survey survey;
    struct journal_error error;
    if (!survey_load(&survey, &folder, tool, &error))
        return tool_fail(tool, "%s", error.text);
    if (folder_manifest_is_bad(&folder))
        fprintf(out, "%s: whether there were other files than these cannot be known\n",
                folder.manifest_error.text);
    print_ranges(&survey, out);
    survey_free(&survey);
    folder_free(&folder);
    return status;
}

/* --- copying ------------------------------------------------------------------------------------------ */

static bool copy_damage(void *context, const struct damage *damage)
{
    struct copier *copier = context;
    if (!damage_loses(damage))
        return true;
    if (damage->source == SOURCE_LOG && copier->target.kind == TARGET_LSN &&
        damage->lsn >= copier->target.lsn) {
        copier->reached = true;
        return false;
    }
    copier->damaged = true;
    copier->damage = *damage;
    return false;
}

/* A valid frame whose contents recovery would refuse. */
static bool copy_wrong(struct copier *copier, enum journal_source source, const char *name, uint64_t offset,
                       const char *wrong)
{
    copier->damaged = true;
    copier->damage =
        (struct damage){.kind = DAMAGE_PAYLOAD, .source = source, .offset = offset, .lsn = copier->lsn};
    snprintf(copier->damage.name, sizeof(copier->damage.name), "%s", name);
    snprintf(copier->damage.what, sizeof(copier->damage.what), "the frame is valid, but %s", wrong);
    return false;
}

/* Values come along in the frames: what a restored folder holds is one stream again. A file that is gone
 * belongs to a value that was replaced; that it was replaced before the target is looked at in the end. */
static void copy_part(struct copier *copier, const struct frame *frame, uint64_t stream_size)
{
    size_t missing;
    struct buffer payload = {0};
    struct frame part = frame_fill(copier->folder, frame, stream_size, &payload, &missing);
    copier->missing += missing;
    new_folder_frame(&copier->out, &part);
    buffer_free(&payload);
}

static bool copy_base_frame(void *context, const char *name, uint64_t offset, const struct frame *frame)
{
    struct copier *copier = context;
    const char *wrong = payload_each(&copier->payload, frame, NULL, NULL);
    if (wrong)
        return copy_wrong(copier, SOURCE_BASE, name, offset, wrong);
    /* The end is written when the file is ended. */
    if (frame_has_units(frame))
        copy_part(copier, frame, frame_stream_size(frame));
    return !copier->out.failed;
}

static bool note_unit(void *context, const struct stream_command *command)
{
    struct copier *copier = context;
    if (copier->target.kind == TARGET_LSN && command->lsn_end > copier->target.lsn)
        return false;
    copier->unit_commands += command->kind == COMMAND_EFFECT;
    if (command->ends_unit) {
        copier->cut = (size_t)(command->lsn_end - copier->lsn);
        copier->commands += copier->unit_commands;
        copier->unit_commands = 0;
    }
    return true;
}

static bool copy_frame(void *context, const char *name, uint64_t offset, const struct frame *frame)
{
    struct copier *copier = context;
    const struct target *target = &copier->target;
    copier->reached = (target->kind == TARGET_LSN && frame->lsn >= target->lsn) ||
                      (target->kind == TARGET_TIME && frame->time_ms > target->time_ms);
    if (copier->reached)
        return false;
    if (!frame_has_units(frame))
        return true;
    copier->cut = 0;
    copier->unit_commands = 0;
    const char *wrong = payload_each_of_log(&copier->payload, frame, note_unit, copier);
    if (wrong)
        return copy_wrong(copier, SOURCE_LOG, name, offset, wrong);
    if (copier->cut > 0) {
        copy_part(copier, frame, copier->cut);
        copier->time_ms = frame->time_ms;
    }
    copier->lsn += copier->cut;
    copier->reached = copier->cut < frame_stream_size(frame);
    return !copier->reached && !copier->out.failed;
}

/* Copies from one base on. What came of it is in the copier. */
static void copy_from(struct copier *copier, size_t index)
{
    const struct manifest *manifest = &copier->folder->manifest;
    const struct manifest_base *base = &manifest->bases[index];
    const struct scan_visitor base_visitor = {copier, copy_base_frame, copy_damage};
    const struct scan_visitor visitor = {copier, copy_frame, copy_damage};
    copier->damaged = false;
    copier->reached = false;
    copier->commands = 0;
    copier->missing = 0;
    copier->lsn = base->lsn;
    copier->time_ms = base->time_ms;
    new_folder_begin(&copier->out, copier->tool->into, clock_wall_ms(copier->tool->clock));
    if (base->bytes == 0) {
        new_folder_empty_base(&copier->out, base->time_ms);
    } else {
        new_folder_base(&copier->out, base->lsn, base->time_ms);
        if (!scan_base(copier->folder, index, &base_visitor))
            return;
    }
    copier->log = (struct scan_log){0};
    payload_reader_forget(&copier->payload);
    for (size_t i = manifest_find_segment(manifest, base->lsn); i < manifest->segment_count; i++) {
        new_folder_segment(&copier->out, manifest->segments[i].lsn);
        if (!scan_segment(copier->folder, i, &visitor, &copier->log))
            return;
        /* At the target exactly: the next segment need not even be there. */
        if (copier->target.kind == TARGET_LSN && copier->lsn >= copier->target.lsn)
            return;
    }
}

static bool is_before(const struct manifest_base *base, const struct target *target)
{
    return target->kind == TARGET_LSN ? base->lsn <= target->lsn : base->time_ms <= target->time_ms;
}

static int refuse(struct copier *copier, const char *why)
{
    tool_fail(copier->tool, "%s", why);
    return tell_ranges(copier->tool, copier->tool->error, STATUS_PROBLEM);
}

static void give_up(struct copier *copier)
{
    new_folder_end(&copier->out);
    new_folder_remove(copier->tool->into);
}

static int finish(struct copier *copier)
{
    struct tool *tool = copier->tool;
    char time[TIME_TEXT_SIZE];
    lsn_t lsn = copier->lsn;
    if (copier->target.kind == TARGET_LSN && !copier->reached && lsn < copier->target.lsn) {
        give_up(copier);
        return refuse(copier, "the stream ends before that LSN");
    }
    if (!new_folder_finish(&copier->out)) {
        tool_fail(tool, "%s: %s", tool->options->into, copier->out.error.text);
        give_up(copier);
        return STATUS_PROBLEM;
    }
    struct replay_result state;
    struct journal_error why;
    if (copier->missing > 0 &&
        !replay_folder(tool->into, tool->options->into, tool->clock, REPLAY_DATABASES, &state, &why)) {
        give_up(copier);
        return tool_fail(tool, "a value of that moment is no longer there, so it cannot be restored: %s",
                         why.text);
    }
    new_folder_end(&copier->out);
    fprintf(tool->out,
            "restored to LSN %" PRIu64 ", last written at %s, into %s: a base and %" PRIu64
            " command%s behind it\nto start from it: dkv-server --dir %s\n",
            lsn, time_text(time, copier->time_ms), tool->options->into, copier->commands,
            plural(copier->commands), tool->options->into);
    return STATUS_FINE;
}

/* Tries the newest base before the target first: it needs the least of the log. */
static int restore(struct copier *copier)
{
    const struct manifest *manifest = &copier->folder->manifest;
    struct tool *tool = copier->tool;
    char place[DAMAGE_PLACE_SIZE];
    bool tried = false;
    for (size_t i = manifest->base_count; i-- > 0;) {
        if (!is_before(&manifest->bases[i], &copier->target))
            continue;
        tried = true;
        copy_from(copier, i);
        if (!copier->damaged && !copier->out.failed)
            return finish(copier);
        struct journal_error why = copier->out.error;
        give_up(copier);
        if (!copier->damaged)
            return tool_fail(tool, "%s: %s", tool->options->into, why.text);
        tool_note(tool, "%s: %s", damage_place(place, &copier->damage), copier->damage.what);
        if (copier->damage.source == SOURCE_LOG)
            return refuse(copier, "the target lies behind the damage");
    }
    return refuse(copier,
                  tried ? "no base from before the target is whole" : "nothing is kept from so early");
}

/* Loads the folder and tries once. */
static int attempt(struct tool *tool, bool *changed)
{
    struct folder folder;
    struct journal_error error;
    if (!folder_load(&folder, tool, &error)) {
        folder_free(&folder);
        return tool_fail(tool, "%s", error.text);
    }
    struct copier copier = {.tool = tool, .folder = &folder, .target = tool->options->target};
    payload_reader_open(&copier.payload);
    int status = restore(&copier);
    if (status == STATUS_FINE && folder.state != MANIFEST_GOOD)
        tool_note(tool,
                  "%s: restored is what the files themselves say; whether there were others cannot be known",
                  folder.manifest_error.text);
    *changed = folder_changed(&folder);
    payload_reader_close(&copier.payload);
    folder_free(&folder);
    return status;
}

static bool is_same_line(const char *a, const char *b)
{
    size_t size = strcspn(a, "\n");
    return size == strcspn(b, "\n") && memcmp(a, b, size) == 0;
}

/* With a server at work, what fails is tried anew while files are replaced: until the same is found once
 * more. */
static int restore_in_use(struct tool *tool)
{
    char *said = NULL;
    char *said_before = NULL;
    size_t said_size;
    int status;
    for (;;) {
        struct tool one = *tool;
        bool changed = false;
        one.error = open_memstream(&said, &said_size);
        if (!one.error)
            return tool_fail(tool, "%s", strerror(errno));
        status = attempt(&one, &changed);
        fclose(one.error);
        if (status == STATUS_FINE || !changed || (said_before && is_same_line(said, said_before)))
            break;
        free(said_before);
        said_before = said;
        said = NULL;
    }
    fwrite(said, 1, said_size, tool->error);
    free(said);
    free(said_before);
    return status;
}

int restore_run(struct tool *tool)
{
    bool changed;
    if (tool->options->target.kind == TARGET_NONE)
        return tell_ranges(tool, tool->out, STATUS_FINE);
    return tool->in_use ? restore_in_use(tool) : attempt(tool, &changed);
}
