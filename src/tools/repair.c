/* dkv-log repair: shows what a repair would do, and does it with --yes.
 *
 * It never makes things worse when it is interrupted. Files are corrected by writing what they should be
 * under another name and renaming that over them, when a whole copy of what was there has been made beside.
 * Then what is dropped is renamed, and then MANIFEST is replaced. Before that last step the folder is as
 * damaged as it was, for a server as well as for the next repair, which comes to the same plan: what is kept
 * is a prefix that no step before touches. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "tools/repair_plan.h"

#define DAMAGED_SUFFIX   ".damaged"
#define DROPPED_SUFFIX   ".dropped"
#define TEMPORARY_SUFFIX ".repair"
#define LONG_NAME_SIZE   (FILE_NAME_SIZE + 32)
#define COPY_SIZE        ((size_t)64 << 10)
#define UNREADABLE_STEP  ((size_t)4096)

/* --- saying what would be done ------------------------------------------------------------------------ */

/* Where what is lost can still be seen: that is in the folder before the repair only. */
static void print_way_to_see(FILE *out, const struct repair_plan *plan)
{
    if (plan->lost_frames > 0)
        fprintf(out, "to see what would be lost: dkv-log show --from %" PRIu64 " --skip-damaged %s\n",
                plan->end, plan->survey->folder->path);
}

static void print_readable(FILE *out, const struct repair_plan *plan)
{
    char from[TIME_TEXT_SIZE];
    char to[TIME_TEXT_SIZE];
    if (plan->lost_frames == 0) {
        fputs("  none of it can be read\n", out);
    } else {
        fprintf(out,
                "  of these, %" PRIu64 " bytes can be read: %" PRIu64 " unit%s with %" PRIu64
                " command%s on %" PRIu64 " key%s, written from %s to %s\n",
                plan->lost_bytes, plan->lost_units, plural(plan->lost_units), plan->lost_commands,
                plural(plan->lost_commands), plan->lost_keys, plural(plan->lost_keys),
                time_text(from, plan->lost_first_ms), time_text(to, plan->lost_last_ms));
    }
    fprintf(out, "  all that was written after %s is gone then\n", time_text(from, plan->kept_last_ms));
}

static void print_loss(FILE *out, const struct repair_plan *plan)
{
    switch (plan->loss) {
    case LOSS_NONE: fputs("lost: nothing\n", out); return;
    case LOSS_UNSEEN:
        fprintf(out,
                "lost: nothing that can be seen. But %s: if the log had gone on behind LSN %" PRIu64
                ", nothing would tell\n",
                plan->survey->folder->state == MANIFEST_GOOD ? "no server closed this log"
                                                             : "MANIFEST does not tell where the log ended",
                plan->end);
        return;
    case LOSS_POSSIBLE:
        fprintf(out,
                "lost: all that followed LSN %" PRIu64
                ". How much that was cannot be known: the end of the log cannot be read\n",
                plan->end);
        break;
    case LOSS_CERTAIN:
        fprintf(out, "lost: LSN %" PRIu64 " to %" PRIu64 ", %" PRIu64 " bytes of the stream\n", plan->end,
                plan->end_now, plan->end_now - plan->end);
        if (plan->is_claimed)
            fputs("  that is what MANIFEST names, which is not whole or not up to date itself\n", out);
        if (plan->is_open || !plan->survey->is_closed)
            fprintf(out, "  at least that: whether more followed cannot be known, as %s\n",
                    plan->is_open ? "the end of the log cannot be read" : "no server closed this log");
        break;
    }
    print_readable(out, plan);
}

static void print_state(FILE *out, const struct repair_plan *plan)
{
    const struct file_report *base = &plan->survey->bases[plan->base];
    if (base->name[0])
        fprintf(out, "kept: the state of %s and the log from there to LSN %" PRIu64 "\n", base->name,
                plan->end);
    else
        fprintf(out, "kept: the log from its beginning to LSN %" PRIu64 "\n", plan->end);
    print_loss(out, plan);
    if (plan->manifest.bases[0].lsn != manifest_base_in_use(&plan->manifest)->lsn)
        fprintf(out, "history: goes back to LSN %" PRIu64 " afterwards\n", plan->manifest.bases[0].lsn);
    else if (plan->survey->folder->manifest.base_count > 1)
        fputs("history: none afterwards\n", out);
}

static void print_drop(FILE *out, const char *name, uint64_t size)
{
    fprintf(out, "  %s (%" PRIu64 " bytes) is no longer used, and renamed to %s" DROPPED_SUFFIX "\n", name,
            size, name);
}

static void print_fate(FILE *out, const struct file_report *file, enum fate fate)
{
    if (!file->name[0] || fate == FATE_KEEP)
        return;
    if (fate == FATE_DROP)
        print_drop(out, file->name, file->size);
    else
        fprintf(out, "  %s is corrected; as it is now it stays beside as %s" DAMAGED_SUFFIX "\n", file->name,
                file->name);
}

static void print_steps(FILE *out, const struct repair_plan *plan)
{
    const struct folder *folder = plan->survey->folder;
    const struct manifest *manifest = &folder->manifest;
    for (size_t i = 0; i < manifest->base_count; i++)
        print_fate(out, &plan->survey->bases[i], plan->bases[i]);
    for (size_t i = 0; i < manifest->segment_count; i++)
        print_fate(out, &plan->survey->segments[i], plan->segments[i]);
    for (size_t i = 0; i < folder->file_count; i++)
        if (repair_plan_puts_aside(plan, &folder->files[i]))
            print_drop(out, folder->files[i].name, folder->files[i].size);
    if (plan->cuts)
        fprintf(out, "  %s ends at offset %" PRIu64 " then, LSN %" PRIu64 "\n",
                plan->survey->segments[plan->last].name, plan->cut_offset, plan->end);
    if (plan->changes_manifest)
        fprintf(out, "  %s is replaced\n", MANIFEST_NAME);
}

static void print_damages(FILE *out, const struct survey *survey)
{
    if (survey->folder->state != MANIFEST_GOOD)
        fprintf(out, "damage: %s\n", survey->folder->manifest_error.text);
    for (size_t i = 0; i < survey->damage_count; i++)
        fprintf(out, "%s: %s at offset %" PRIu64 ": %s\n", survey->damages[i].denied ? "not read" : "damage",
                survey->damages[i].name, survey->damages[i].offset, survey->damages[i].what);
}

/* --- files -------------------------------------------------------------------------------------------- */

struct repairer {
    struct tool *tool;
    const struct repair_plan *plan;
    struct disk *disk;
    struct journal_error error;
};

static bool check(struct repairer *repairer, int rc, const char *what, const char *name)
{
    if (rc < 0)
        io_final_error(&repairer->error, rc, what, name);
    return rc >= 0;
}

static bool exists(struct repairer *repairer, const char *name)
{
    struct disk_file *file;
    if (disk_open(repairer->disk, name, DISK_READ, &file) < 0)
        return false;
    disk_close(file);
    return true;
}

/* name with a suffix, and a number behind that where it is taken already. */
static void free_name(struct repairer *repairer, char out[LONG_NAME_SIZE], const char *name,
                      const char *suffix)
{
    snprintf(out, LONG_NAME_SIZE, "%s%s", name, suffix);
    for (int i = 2; exists(repairer, out); i++)
        snprintf(out, LONG_NAME_SIZE, "%s%s-%d", name, suffix, i);
}

/* Reads a piece of a file; where the disk refuses, zeros take the place of what cannot be had. */
static size_t read_piece(struct disk_file *file, char *data, size_t size, uint64_t offset)
{
    ssize_t got = disk_read(file, data, size, offset);
    if (got >= 0)
        return (size_t)got;
    for (size_t at = 0; at < size; at += UNREADABLE_STEP) {
        size_t step = size - at < UNREADABLE_STEP ? size - at : UNREADABLE_STEP;
        got = disk_read(file, data + at, step, offset + at);
        if (got < (ssize_t)step)
            memset(data + at + (got < 0 ? 0 : got), 0, step - (got < 0 ? 0 : (size_t)got));
    }
    return size;
}

static int copy_bytes(struct disk_file *from, struct disk_file *to, uint64_t begin, uint64_t end)
{
    char *piece = mem_alloc(COPY_SIZE);
    int rc = 0;
    for (uint64_t at = begin; rc == 0 && at < end;) {
        size_t size = end - at < COPY_SIZE ? (size_t)(end - at) : COPY_SIZE;
        size_t got = read_piece(from, piece, size, at);
        rc = got == 0 ? -EIO : disk_write(to, piece, got, at);
        at += got;
    }
    mem_free(piece);
    return rc;
}

/* What a corrected file holds: a header, what stays of the old file behind it, and a closing frame where it
 * was cut. */
struct correction {
    bool is_copy; /* all of the old file as it is instead */
    struct file_header header;
    uint64_t end;
    bool closes;
    lsn_t lsn; /* for the closing frame */
    int64_t time_ms;
};

static int write_corrected(struct disk_file *from, struct disk_file *to, const struct correction *correction)
{
    char header[FILE_HEADER_SIZE];
    char closing[FRAME_HEADER_SIZE];
    if (correction->is_copy)
        return copy_bytes(from, to, 0, correction->end);
    file_header_encode(&correction->header, header);
    int rc = disk_write(to, header, sizeof(header), 0);
    if (rc == 0 && from)
        rc = copy_bytes(from, to, FILE_HEADER_SIZE, correction->end);
    if (rc < 0 || !correction->closes)
        return rc;
    struct frame frame = {.kind = FRAME_CLOSE,
                          .lsn = correction->lsn,
                          .durable_lsn = correction->lsn,
                          .time_ms = correction->time_ms};
    frame_seal(&frame, correction->header.salt, closing);
    return disk_write(to, closing, sizeof(closing), correction->end);
}

/* Writes and syncs a new file made of an old one (which may be missing), and puts it at a name, which it
 * takes over if there is something already. */
static bool make_file(struct repairer *repairer, const char *old, const char *name,
                      const struct correction *correction)
{
    char temporary[LONG_NAME_SIZE];
    struct disk_file *from = NULL;
    struct disk_file *to;
    snprintf(temporary, sizeof(temporary), "%s%s", old, TEMPORARY_SUFFIX);
    int rc = disk_unlink(repairer->disk, temporary);
    if (rc < 0 && rc != -ENOENT)
        return check(repairer, rc, "remove", temporary);
    rc = disk_open(repairer->disk, old, DISK_READ, &from);
    if (rc < 0 && rc != -ENOENT)
        return check(repairer, rc, "open", old);
    rc = disk_open(repairer->disk, temporary, DISK_CREATE, &to);
    bool ok = check(repairer, rc, "create", temporary);
    if (ok) {
        ok = check(repairer, write_corrected(from, to, correction), "write", temporary) &&
             check(repairer, disk_sync(to), "sync", temporary);
        disk_close(to);
        ok = ok && check(repairer, disk_rename(repairer->disk, temporary, name), "rename", temporary);
        if (!ok)
            disk_unlink(repairer->disk, temporary);
    }
    if (from)
        disk_close(from);
    return ok && check(repairer, disk_sync_folder(repairer->disk), "sync the folder of", name);
}

/* A copy of a file beside it, whole and durable before anything is done to the file. */
static bool keep_copy(struct repairer *repairer, const char *name)
{
    char copy[LONG_NAME_SIZE];
    uint64_t size = folder_file_size(repairer->disk, name);
    if (!exists(repairer, name))
        return true;
    free_name(repairer, copy, name, DAMAGED_SUFFIX);
    return make_file(repairer, name, copy, &(struct correction){.is_copy = true, .end = size});
}

/* --- doing it ----------------------------------------------------------------------------------------- */

/* Of the closing frame: what commands saw as time goes on from it (D9), also where the clock is behind. */
static int64_t later_of(int64_t now_ms, int64_t last_ms)
{
    return last_ms > now_ms ? last_ms : now_ms;
}

static bool correct_file(struct repairer *repairer, const struct file_report *file, uint64_t salt,
                         int64_t time_ms, bool cut)
{
    const struct repair_plan *plan = repairer->plan;
    struct correction correction = {.header = {.kind = file->source == SOURCE_BASE ? FILE_BASE : FILE_LOG,
                                               .salt = salt,
                                               .lsn = file->lsn,
                                               .time_ms = time_ms},
                                    .end = cut ? plan->cut_offset : file->size,
                                    .closes = cut,
                                    .lsn = plan->end,
                                    .time_ms =
                                        later_of(clock_wall_ms(repairer->tool->clock), plan->kept_last_ms)};
    memcpy(correction.header.stream_id, plan->manifest.stream_id, STREAM_ID_SIZE);
    return keep_copy(repairer, file->name) && make_file(repairer, file->name, file->name, &correction);
}

static bool correct_files(struct repairer *repairer)
{
    const struct repair_plan *plan = repairer->plan;
    const struct manifest *manifest = &plan->survey->folder->manifest;
    int64_t now_ms = clock_wall_ms(repairer->tool->clock);
    bool ok = true;
    for (size_t i = 0; ok && i < manifest->base_count; i++)
        if (plan->bases[i] == FATE_CORRECT)
            ok = correct_file(repairer, &plan->survey->bases[i], manifest->bases[i].salt,
                              manifest->bases[i].time_ms, false);
    for (size_t i = 0; ok && i < manifest->segment_count; i++)
        if (plan->segments[i] == FATE_CORRECT)
            ok = correct_file(repairer, &plan->survey->segments[i], manifest->segments[i].salt, now_ms,
                              i == plan->last && plan->cuts);
    return ok;
}

static bool drop_file(struct repairer *repairer, const char *name)
{
    char dropped[LONG_NAME_SIZE];
    if (!name[0] || !exists(repairer, name))
        return true;
    free_name(repairer, dropped, name, DROPPED_SUFFIX);
    return check(repairer, disk_rename(repairer->disk, name, dropped), "rename", name);
}

static bool drop_files(struct repairer *repairer)
{
    const struct repair_plan *plan = repairer->plan;
    const struct folder *folder = plan->survey->folder;
    const struct manifest *manifest = &folder->manifest;
    bool ok = true;
    for (size_t i = 0; ok && i < manifest->base_count; i++)
        if (plan->bases[i] == FATE_DROP)
            ok = drop_file(repairer, plan->survey->bases[i].name);
    for (size_t i = 0; ok && i < manifest->segment_count; i++)
        if (plan->segments[i] == FATE_DROP)
            ok = drop_file(repairer, plan->survey->segments[i].name);
    for (size_t i = 0; ok && i < folder->file_count; i++)
        if (repair_plan_puts_aside(plan, &folder->files[i]))
            ok = drop_file(repairer, folder->files[i].name);
    return ok && check(repairer, disk_sync_folder(repairer->disk), "sync", folder->path);
}

static bool replace_manifest(struct repairer *repairer)
{
    const struct repair_plan *plan = repairer->plan;
    struct manifest manifest;
    if (!plan->changes_manifest)
        return true;
    if (plan->survey->folder->state != MANIFEST_GOOD && !keep_copy(repairer, MANIFEST_NAME))
        return false;
    manifest_copy(&manifest, &plan->manifest);
    bool ok = manifest_store(repairer->disk, &manifest, &repairer->error) == IO_DONE;
    manifest_free(&manifest);
    return ok;
}

static int repair(struct tool *tool, const struct repair_plan *plan)
{
    struct repairer repairer = {.tool = tool, .plan = plan, .disk = tool->disk};
    if (!correct_files(&repairer) || !drop_files(&repairer) || !replace_manifest(&repairer))
        return tool_fail(
            tool,
            "%s. Nothing that is kept was lost; what was done so far does no harm, and running this "
            "again goes on from there",
            repairer.error.text);
    fprintf(tool->out, "repaired: the stream ends at LSN %" PRIu64 "\n", plan->end);
    return STATUS_FINE;
}

/* --- the command -------------------------------------------------------------------------------------- */

struct value_teller {
    FILE *out;
    size_t history; /* damaged values that only earlier states need */
    size_t denied;
};

static void print_value_damage(void *context, const struct value_damage *damage)
{
    struct value_teller *teller = context;
    fprintf(teller->out, "%s: %s\n", damage->denied ? "not read" : "damage", damage->what);
    teller->history += damage->is_history;
    teller->denied += damage->denied;
}

/* What is left to tell where the log is whole. */
static int tell_of_values(struct tool *tool, const struct survey *survey, const char *if_fine)
{
    struct value_teller teller = {.out = tool->out};
    const char *path = survey->folder->path;
    struct value_verdict verdict =
        values_check(survey->folder, tool->clock, &survey->values, print_value_damage, &teller);
    if (teller.denied > 0)
        return tool_fail(tool, "what may not be read is not judged: make it readable, and try again");
    if (verdict.lost > 0)
        return tool_fail(
            tool,
            "the log is whole, and a repair of it does not bring a value back. Put its file back "
            "from a copy, or: dkv-log export --skip-damaged %s > FILE, then dkv-log import FILE "
            "--into NEWFOLDER",
            path);
    if (verdict.unclear > 0)
        return tool_fail(tool,
                         "%zu file%s of large values %s missing, and whether the state needs them cannot be "
                         "told: what is in the log cannot be replayed. To look: dkv-log verify %s",
                         verdict.unclear, plural(verdict.unclear), verdict.unclear == 1 ? "is" : "are", path);
    if (teller.history > 0)
        return tool_fail(
            tool, "a server starts from this and loses nothing; but earlier states that need such a value "
                  "cannot be restored, unless its file is put back from a copy");
    fputs(if_fine, tool->out);
    if (*if_fine && !survey->is_closed)
        fprintf(tool->out,
                "note: no server closed this log at LSN %" PRIu64
                ": if its end was cut off behind what is known durable, nothing here tells\n",
                survey->log.end);
    return STATUS_FINE;
}

static void count_value(void *context, const struct value_damage *damage)
{
    (void)damage;
    ++*(size_t *)context;
}

/* Before a repair: which state there will be is not known yet, nor which values it needs. */
static void print_values(FILE *out, struct tool *tool, const struct survey *survey)
{
    size_t damaged = 0;
    struct value_verdict verdict =
        values_check(survey->folder, tool->clock, &survey->values, count_value, &damaged);
    if (damaged + verdict.unclear > 0)
        fprintf(out,
                "values: %zu file%s of large values %s damaged, %zu missing. A repair does not bring them "
                "back; which of them the state needs is told once it is done\n",
                damaged, plural(damaged), damaged == 1 ? "is" : "are", verdict.unclear);
}

/* The state that the log leads to is another one now, and so are the values that it needs. */
static int look_again(struct tool *tool)
{
    struct folder folder;
    struct survey survey;
    struct journal_error error;
    if (!survey_load(&survey, &folder, tool, &error))
        return tool_fail(tool, "%s", error.text);
    int status = tell_of_values(tool, &survey, "");
    survey_free(&survey);
    folder_free(&folder);
    return status;
}

static int refuse_unread(struct tool *tool, const struct survey *survey)
{
    for (size_t i = 0; i < survey->damage_count; i++)
        if (survey->damages[i].denied)
            return tool_fail(tool,
                             "%s: %s. That says nothing of what is in it, so nothing is changed: make it "
                             "readable for who runs this, and a file again if it is none",
                             survey->damages[i].name, survey->damages[i].what);
    return STATUS_FINE;
}

/* To be freed. A link alone is no copy, and the copy of "folder/" would lie in the folder. */
static char *path_to_copy(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : strdup(path);
}

static int refuse_loss(struct tool *tool, const char *path)
{
    char *real = path_to_copy(path);
    int status = tool_fail(
        tool,
        "nothing was changed: this gives up data, as said above. To keep a copy of all first: cp -a "
        "%s %s.copy; to accept the loss: dkv-log repair --yes --accept-loss %s",
        real, real, path);
    free(real);
    return status;
}

static void print_ways(FILE *out, const struct repair_plan *plan)
{
    const char *path = plan->survey->folder->path;
    char *real = path_to_copy(path);
    print_way_to_see(out, plan);
    fprintf(out,
            "nothing was changed. To keep a copy of all first: cp -a %s %s.copy\n"
            "to do it%s: dkv-log repair --yes %s%s\n",
            real, real, plan->loss >= LOSS_POSSIBLE ? ", and accept the loss" : "",
            plan->loss >= LOSS_POSSIBLE ? "--accept-loss " : "", path);
    free(real);
}

/* Something is to be done, and can be. */
static int carry_out(struct tool *tool, const struct repair_plan *plan)
{
    bool refuses = tool->options->yes && plan->loss >= LOSS_POSSIBLE && !tool->options->accept_loss;
    print_state(tool->out, plan);
    print_values(tool->out, tool, plan->survey);
    if (!tool->options->yes || refuses)
        fputs("what would be done:\n", tool->out);
    print_steps(tool->out, plan);
    if (refuses) {
        print_way_to_see(tool->out, plan);
        return refuse_loss(tool, plan->survey->folder->path);
    }
    if (!tool->options->yes) {
        print_ways(tool->out, plan);
        return STATUS_FINE;
    }
    int status = repair(tool, plan);
    return status == STATUS_FINE ? look_again(tool) : status;
}

static int decide(struct tool *tool, const struct survey *survey)
{
    struct repair_plan plan;
    repair_plan_make(&plan, survey);
    print_damages(tool->out, survey);
    int status = refuse_unread(tool, survey);
    if (status != STATUS_FINE)
        ;
    else if (!plan.changes)
        status = tell_of_values(tool, survey, "nothing to repair\n");
    else if (!plan.possible)
        status = tool_fail(
            tool,
            "no base is whole, so no earlier state can be had. What can still be read: dkv-log export "
            "--skip-damaged %s > FILE, then dkv-log import FILE --into NEWFOLDER",
            survey->folder->path);
    else
        status = carry_out(tool, &plan);
    repair_plan_free(&plan);
    return status;
}

static int refuse_in_use(struct tool *tool, int holder)
{
    char who[HOLDER_TEXT_SIZE];
    return tool_fail(tool, "%s is in use by %s: stop that server first", tool->options->folder,
                     holder_text(who, holder));
}

int repair_run(struct tool *tool)
{
    struct folder folder;
    struct survey survey;
    struct journal_error error;
    int holder = tool->holder;
    if (tool->in_use)
        return refuse_in_use(tool, holder);
    if (tool->options->yes) {
        int rc = disk_lock(tool->disk, LOCK_NAME, &holder);
        if (rc == -EWOULDBLOCK)
            return refuse_in_use(tool, holder);
        if (rc < 0)
            return tool_fail(tool, "cannot lock %s/%s: %s", tool->options->folder, LOCK_NAME, strerror(-rc));
    }
    if (!survey_load(&survey, &folder, tool, &error))
        return tool_fail(tool, "%s", error.text);
    int status = decide(tool, &survey);
    survey_free(&survey);
    folder_free(&folder);
    return status;
}
