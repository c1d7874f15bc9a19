/* dkv-log verify: reads every frame of every file and tells each damage with what is at stake. */
#include <inttypes.h>

#include "base/memory.h"
#include "tools/json.h"
#include "tools/survey.h"

static const char *role(const struct file_report *file)
{
    if (file->source == SOURCE_BASE)
        return file->is_history ? "old base" : "base";
    return file->is_history ? "old log" : "log";
}

/* Files that the manifest does not name, but for those that are always there. */
static bool is_other(const struct folder *folder, const struct found_file *file)
{
    return strcmp(file->name, LOCK_NAME) != 0 && strcmp(file->name, MANIFEST_NAME) != 0 &&
           file->kind != NAME_VALUE && !folder_names(folder, file->kind, file->number);
}

static const char *value_at_stake(const struct value_damage *damage)
{
    return damage->is_history ? "in earlier states, as restore --to makes them, the value" : "the value";
}

/* --- for people --------------------------------------------------------------------------------------- */

static void print_file(FILE *out, const struct file_report *file)
{
    char size[SIZE_TEXT_SIZE];
    if (!file->name[0]) {
        fprintf(out, "  %-8s  (the beginning of the stream, which has no file)\n", role(file));
        return;
    }
    fprintf(out, "  %-8s  %s  %8s  %" PRIu64 " frame%s, %" PRIu64 " command%s", role(file), file->name,
            size_text(size, file->size), file->frames, plural(file->frames), file->commands,
            plural(file->commands));
    if (file->source == SOURCE_LOG)
        fprintf(out, ", LSN %" PRIu64 " to %" PRIu64, file->lsn, file->lsn_end);
    fprintf(out, "%s\n", file->damages > 0 ? ", DAMAGED" : "");
}

static void print_values(FILE *out, const struct folder *folder)
{
    char size[SIZE_TEXT_SIZE];
    uint64_t count = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < folder->file_count; i++)
        if (folder->files[i].kind == NAME_VALUE) {
            count++;
            bytes += folder->files[i].size;
        }
    if (count > 0)
        fprintf(out, "  %-8s  %" PRIu64 " file%s of one large value each  %8s\n", "values", count,
                plural(count), size_text(size, bytes));
}

static void print_others(FILE *out, const struct folder *folder)
{
    char size[SIZE_TEXT_SIZE];
    for (size_t i = 0; i < folder->file_count; i++)
        if (is_other(folder, &folder->files[i]))
            fprintf(out, "  %-8s  %s  %8s\n", folder->files[i].kind == NAME_SPARE ? "spare" : "other",
                    folder->files[i].name, size_text(size, folder->files[i].size));
}

static void print_place(FILE *out, const struct damage *damage)
{
    fprintf(out, "%s: %s", damage->denied ? "not read" : "damage", damage->name);
    if (damage->kind != DAMAGE_MISSING)
        fprintf(out, " at offset %" PRIu64 " (up to %" PRIu64 ")", damage->offset, damage->end);
    if (damage->source == SOURCE_LOG)
        fprintf(out, ", LSN %" PRIu64, damage->lsn);
    fprintf(out, ": %s\n", damage->what);
}

static void print_damages(FILE *out, const struct survey *survey)
{
    for (size_t i = 0; i < survey->damage_count; i++) {
        struct buffer stake = {0};
        damage_describe(survey, &survey->damages[i], &stake);
        print_place(out, &survey->damages[i]);
        fprintf(out, "  at stake: %.*s\n", (int)stake.size, stake.data);
        buffer_free(&stake);
    }
}

static void print_tail(FILE *out, const struct survey *survey)
{
    const struct scan_log *log = &survey->log;
    const struct manifest *manifest = &survey->folder->manifest;
    if (log->torn_frames == 0)
        return;
    fprintf(out,
            "torn tail: %" PRIu64 " bytes in %" PRIu64 " frame%s behind LSN %" PRIu64 " (%s, offset %" PRIu64
            "), written but never made durable%s\n",
            log->torn_bytes, log->torn_frames, plural(log->torn_frames), log->end,
            survey->segments[manifest->segment_count - 1].name, log->tail_offset,
            survey->folder->in_use ? "; a server is writing here" : ": a server drops them by itself");
}

/* What can be seen of the end says no more than this. */
static void print_unseen(FILE *out, const struct survey *survey)
{
    const struct folder *folder = survey->folder;
    if (survey->late_values > 0)
        fprintf(out,
                "note: %zu file%s of large values belong%s behind LSN %" PRIu64
                ", where the log ends: left by writes that were under way, or the log has lost its end\n",
                survey->late_values, plural(survey->late_values), survey->late_values == 1 ? "s" : "",
                survey->log.end);
    if (survey->value_verdict.gone > 0)
        fprintf(out, "note: %zu file%s of large values that only earlier states can need %s gone\n",
                survey->value_verdict.gone, plural(survey->value_verdict.gone),
                survey->value_verdict.gone == 1 ? "is" : "are");
    if (!survey->is_closed && !folder->in_use)
        fprintf(out,
                "note: no server closed this log at LSN %" PRIu64
                " (the last one was killed, or the end is gone): if its end was cut off behind what is known "
                "durable, nothing here tells\n",
                survey->log.end);
}

static void print_unchecked(FILE *out, const struct survey *survey)
{
    size_t unclear = survey->value_verdict.unclear;
    if (folder_is_fresh(survey->folder))
        fprintf(out,
                "not known: %s and no data, as an interrupted first start leaves it: a server begins anew "
                "here. If one has run here before, its files are gone\n",
                survey->folder->manifest_error.text);
    if (unclear > 0)
        fprintf(out,
                "not known: %zu file%s of large values %s missing; whether the state needs %s cannot be told "
                "while the log cannot be read\n",
                unclear, plural(unclear), unclear == 1 ? "is" : "are", unclear == 1 ? "it" : "them");
}

static void print_verdict(FILE *out, const struct survey *survey)
{
    const struct folder *folder = survey->folder;
    size_t damages = survey_damages(survey);
    size_t unchecked = survey_unchecked(survey);
    uint64_t frames = 0;
    uint64_t commands = 0;
    for (size_t i = 0; i < folder->manifest.base_count; i++) {
        frames += survey->bases[i].frames;
        commands += survey->bases[i].commands;
    }
    for (size_t i = 0; i < folder->manifest.segment_count; i++) {
        frames += survey->segments[i].frames;
        commands += survey->segments[i].commands;
    }
    fprintf(out,
            "%" PRIu64 " frame%s and %" PRIu64 " command%s read; the stream ends at LSN %" PRIu64
            ", known durable to %" PRIu64 "\n",
            frames, plural(frames), commands, plural(commands), survey->log.end, survey->log.promised);
    if (unchecked > 0)
        fprintf(out, "%zu thing%s could not be checked: nothing is said of %s\n", unchecked,
                plural(unchecked), unchecked == 1 ? "it" : "them");
    if (damages == 0 && unchecked == 0)
        fputs(survey->is_closed && !folder->in_use ? "all is well\n" : "no damage is to be seen\n", out);
    else if (damages > 0 && folder->in_use)
        fprintf(out, "%zu damage%s. Stop the server, then: dkv-log repair %s\n", damages, plural(damages),
                folder->path);
    else if (damages > 0)
        fprintf(out, "%zu damage%s. To see what can be done: dkv-log repair %s\n", damages, plural(damages),
                folder->path);
}

static void print_text(struct tool *tool, const struct survey *survey)
{
    const struct folder *folder = survey->folder;
    FILE *out = tool->out;
    char who[HOLDER_TEXT_SIZE];
    fprintf(out, "%s: stream ", folder->path);
    for (int i = 0; i < STREAM_ID_SIZE; i++)
        fprintf(out, "%02x", folder->manifest.stream_id[i]);
    if (tool->in_use)
        fprintf(out, ", in use by %s: what it writes meanwhile may not be seen",
                holder_text(who, tool->holder));
    fputc('\n', out);
    for (size_t i = 0; i < folder->manifest.base_count; i++)
        print_file(out, &survey->bases[i]);
    for (size_t i = 0; i < folder->manifest.segment_count; i++)
        print_file(out, &survey->segments[i]);
    print_values(out, folder);
    print_others(out, folder);
    if (folder_manifest_is_bad(folder))
        fprintf(out,
                "damage: %s\n  at stake: which files hold the state. Above is what the files themselves say; "
                "whether there were others cannot be known\n",
                folder->manifest_error.text);
    if (folder_manifest_is_bad(folder) && folder->claimed > survey->log.end)
        fprintf(out, "  it names LSN %" PRIu64 ", which is behind all that can be read\n", folder->claimed);
    print_damages(out, survey);
    for (size_t i = 0; i < survey->value_damage_count; i++)
        fprintf(out, "%s: %s\n  at stake: %s, set at LSN %" PRIu64 "\n",
                survey->value_damages[i].denied ? "not read" : "damage", survey->value_damages[i].what,
                value_at_stake(&survey->value_damages[i]), survey->value_damages[i].lsn);
    print_tail(out, survey);
    print_unchecked(out, survey);
    print_unseen(out, survey);
    print_verdict(out, survey);
}

/* --- for programs ------------------------------------------------------------------------------------- */

static void write_file(struct json *json, const struct file_report *file)
{
    json_object(json, NULL);
    json_text(json, "name", file->name);
    json_text(json, "kind", file->source == SOURCE_BASE ? "base" : "log");
    json_bool(json, "history", file->is_history);
    json_uint(json, "bytes", file->size);
    json_uint(json, "frames", file->frames);
    json_uint(json, "units", file->units);
    json_uint(json, "commands", file->commands);
    json_uint(json, "lsn", file->lsn);
    json_uint(json, "lsn_end", file->lsn_end);
    json_int(json, "first_ms", file->first_ms);
    json_int(json, "last_ms", file->last_ms);
    json_uint(json, "damages", file->damages);
    json_object_end(json);
}

static void write_damage(struct json *json, const struct survey *survey, const struct damage *damage)
{
    static const char *const kinds[] = {[DAMAGE_MISSING] = "missing",
                                        [DAMAGE_HEADER] = "header",
                                        [DAMAGE_FRAMES] = "frames",
                                        [DAMAGE_PAYLOAD] = "payload"};
    struct buffer stake = {0};
    damage_describe(survey, damage, &stake);
    json_object(json, NULL);
    json_text(json, "file", damage->name);
    json_text(json, "kind", kinds[damage->kind]);
    json_uint(json, "offset", damage->offset);
    json_uint(json, "offset_end", damage->end);
    if (damage->source == SOURCE_LOG) {
        json_uint(json, "lsn", damage->lsn);
        json_uint(json, "lsn_end", damage->lsn_end);
    }
    json_bool(json, "read", !damage->denied);
    json_text(json, "what", damage->what);
    json_bytes(json, "at_stake", buffer_slice(&stake));
    json_object_end(json);
    buffer_free(&stake);
}

static void write_damages(struct json *json, const struct survey *survey)
{
    json_array(json, "damage");
    if (folder_manifest_is_bad(survey->folder)) {
        json_object(json, NULL);
        json_text(json, "file", MANIFEST_NAME);
        json_text(json, "kind", "manifest");
        json_uint(json, "offset", 0);
        json_text(json, "what", survey->folder->manifest_error.text);
        json_text(json, "at_stake", "which files hold the state");
        json_object_end(json);
    }
    for (size_t i = 0; i < survey->damage_count; i++)
        write_damage(json, survey, &survey->damages[i]);
    for (size_t i = 0; i < survey->value_damage_count; i++) {
        json_object(json, NULL);
        json_text(json, "file", survey->value_damages[i].name);
        json_text(json, "kind", "value");
        json_uint(json, "offset", 0);
        json_uint(json, "lsn", survey->value_damages[i].lsn);
        json_text(json, "what", survey->value_damages[i].what);
        json_text(json, "at_stake", value_at_stake(&survey->value_damages[i]));
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_others(struct json *json, const struct folder *folder)
{
    json_array(json, "other_files");
    for (size_t i = 0; i < folder->file_count; i++) {
        if (!is_other(folder, &folder->files[i]))
            continue;
        json_object(json, NULL);
        json_text(json, "name", folder->files[i].name);
        json_uint(json, "bytes", folder->files[i].size);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_tail(struct json *json, const struct survey *survey)
{
    const struct scan_log *log = &survey->log;
    if (log->torn_frames == 0)
        return;
    json_object(json, "torn_tail");
    json_text(json, "file", survey->segments[survey->folder->manifest.segment_count - 1].name);
    json_uint(json, "offset", log->tail_offset);
    json_uint(json, "lsn", log->end);
    json_uint(json, "bytes", log->torn_bytes);
    json_uint(json, "frames", log->torn_frames);
    json_object_end(json);
}

static void print_json(struct tool *tool, const struct survey *survey)
{
    struct json json = {.out = tool->out};
    const struct folder *folder = survey->folder;
    json_object(&json, NULL);
    json_text(&json, "folder", folder->path);
    json_bool(&json, "ok", survey_damages(survey) + survey_unchecked(survey) == 0);
    json_uint(&json, "unchecked", survey_unchecked(survey));
    json_bool(&json, "closed", survey->is_closed);
    json_uint(&json, "late_values", survey->late_values);
    json_bool(&json, "in_use", tool->in_use);
    if (tool->in_use)
        json_int(&json, "holder", tool->holder);
    json_uint(&json, "end_lsn", survey->log.end);
    json_uint(&json, "durable_lsn", survey->log.promised);
    json_array(&json, "files");
    for (size_t i = 0; i < folder->manifest.base_count; i++)
        if (survey->bases[i].name[0])
            write_file(&json, &survey->bases[i]);
    for (size_t i = 0; i < folder->manifest.segment_count; i++)
        write_file(&json, &survey->segments[i]);
    json_array_end(&json);
    write_others(&json, folder);
    write_damages(&json, survey);
    write_tail(&json, survey);
    json_object_end(&json);
    json_end(&json);
}

static int status_of(const struct survey *survey)
{
    if (survey_damages(survey) > 0)
        return STATUS_PROBLEM;
    return survey_unchecked(survey) > 0 ? STATUS_UNSURE : STATUS_FINE;
}

int verify_run(struct tool *tool)
{
    struct folder folder;
    struct survey survey;
    struct journal_error error;
    if (!survey_load(&survey, &folder, tool, &error))
        return json_fail(tool, error.text);
    survey_check_values(&survey, tool->clock);
    if (tool->options->json)
        print_json(tool, &survey);
    else
        print_text(tool, &survey);
    int status = status_of(&survey);
    survey_free(&survey);
    folder_free(&folder);
    return status;
}
