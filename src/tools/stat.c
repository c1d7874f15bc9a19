/* dkv-log stat: how large things are, what of it still says something about the state, and when it was
 * written. */
#include <inttypes.h>

#include "tools/json.h"
#include "tools/recovery.h"
#include "tools/survey.h"

#define CHART_ROWS 24
#define CHART_BAR  40

/* Files of one kind together. */
struct group {
    uint64_t files;
    uint64_t disk_bytes; /* sizes of the files, space prepared ahead included */
    uint64_t frames;
    uint64_t payload;
    uint64_t commands;
    uint64_t units;
};

struct statistics {
    struct folder folder;
    struct survey survey;
    struct group base;
    struct group log;
    struct group history;
    struct group spare;
    struct group values; /* files of large values */
    struct group other;  /* neither named by MANIFEST nor spares */
    bool has_state;      /* the folder was replayed */
    struct replay_result state;
    struct journal_error why_not;
    size_t damages;
    uint64_t state_bytes; /* of base and log, without space prepared ahead */
};

/* --- adding up ---------------------------------------------------------------------------------------- */

static void add_report(struct group *group, const struct file_report *file)
{
    group->files += file->name[0] != '\0';
    group->disk_bytes += file->size;
    group->frames += file->frames;
    group->payload += file->payload;
    group->commands += file->commands;
    group->units += file->units;
}

static void add_up(struct statistics *statistics)
{
    const struct folder *folder = &statistics->folder;
    const struct survey *survey = &statistics->survey;
    for (size_t i = 0; i < folder->manifest.base_count; i++)
        add_report(survey->bases[i].is_history ? &statistics->history : &statistics->base, &survey->bases[i]);
    for (size_t i = 0; i < folder->manifest.segment_count; i++)
        add_report(survey->segments[i].is_history ? &statistics->history : &statistics->log,
                   &survey->segments[i]);
    for (size_t i = 0; i < folder->file_count; i++) {
        const struct found_file *file = &folder->files[i];
        bool is_named = folder_names(folder, file->kind, file->number) ||
                        strcmp(file->name, LOCK_NAME) == 0 || strcmp(file->name, MANIFEST_NAME) == 0;
        struct group *group = file->kind == NAME_SPARE   ? &statistics->spare
                              : file->kind == NAME_VALUE ? &statistics->values
                                                         : &statistics->other;
        if (is_named)
            continue;
        group->files++;
        group->disk_bytes += file->size;
    }
    statistics->damages = survey->damage_count + folder_manifest_is_bad(folder);
    statistics->state_bytes = statistics->base.disk_bytes + statistics->log.payload;
}

static uint64_t live_bytes(const struct statistics *statistics)
{
    uint64_t live = statistics->state.live_bytes;
    return live < statistics->state_bytes ? live : statistics->state_bytes;
}

static int64_t last_write_ms(const struct statistics *statistics)
{
    for (size_t i = statistics->folder.manifest.segment_count; i-- > 0;)
        if (statistics->survey.segments[i].payload > 0)
            return statistics->survey.segments[i].last_ms;
    return manifest_base_in_use(&statistics->folder.manifest)->time_ms;
}

/* --- for people --------------------------------------------------------------------------------------- */

static void print_group(FILE *out, const char *label, const struct group *group)
{
    char size[SIZE_TEXT_SIZE];
    fprintf(out, "%-13s %" PRIu64 " file%s, %s", label, group->files, plural(group->files),
            size_text(size, group->disk_bytes));
    if (group->frames > 0)
        fprintf(out, ": %s in %" PRIu64 " frame%s, %" PRIu64 " unit%s, %" PRIu64 " command%s",
                size_text(size, group->payload), group->frames, plural(group->frames), group->units,
                plural(group->units), group->commands, plural(group->commands));
    fputc('\n', out);
}

static void print_state(FILE *out, const struct statistics *statistics)
{
    char live[SIZE_TEXT_SIZE];
    char stale[SIZE_TEXT_SIZE];
    uint64_t bytes = live_bytes(statistics);
    uint64_t total = statistics->state_bytes > 0 ? statistics->state_bytes : 1;
    if (!statistics->has_state) {
        if (statistics->why_not.text[0])
            fprintf(out, "%-13s unknown: %s\n", "live", statistics->why_not.text);
        return;
    }
    fprintf(out, "%-13s %" PRIu64 " (%" PRIu64 " with a time to live), in databases below %d\n", "keys",
            statistics->state.keys, statistics->state.keys_volatile, statistics->state.databases);
    fprintf(out, "%-13s", "types");
    for (int type = 0; type < VALUE_TYPE_COUNT; type++)
        fprintf(out, "%s %s %" PRIu64, type > 0 ? "," : "", value_type_name((enum value_type)type),
                statistics->state.types[type]);
    fputc('\n', out);
    fprintf(out, "%-13s about %s (%.0f%%), stale %s: what a rewrite would save\n", "live",
            size_text(live, bytes), 100.0 * (double)bytes / (double)total,
            size_text(stale, statistics->state_bytes - bytes));
}

static void print_chart(FILE *out, struct chart *chart)
{
    char time[TIME_TEXT_SIZE];
    uint64_t most = 1;
    if (chart->used == 0)
        return;
    chart_narrow(chart, CHART_ROWS);
    for (size_t i = 0; i < chart->used; i++)
        most = chart->cells[i].frames > most ? chart->cells[i].frames : most;
    fprintf(out, "frames a second, in steps of %" PRIu64 " s\n", chart->width_ms / 1000);
    for (size_t i = 0; i < chart->used; i++) {
        const struct chart_cell *cell = &chart->cells[i];
        int bar = (int)((double)cell->frames / (double)most * CHART_BAR);
        int64_t begin_ms = (int64_t)((uint64_t)chart->first_ms + i * chart->width_ms);
        fprintf(out, "  %s %10.1f %.*s\n", time_text(time, begin_ms),
                (double)cell->frames * 1000.0 / (double)chart->width_ms, bar,
                "########################################");
    }
}

static void print_text(struct tool *tool, struct statistics *statistics)
{
    FILE *out = tool->out;
    const struct survey *survey = &statistics->survey;
    const struct manifest *manifest = &statistics->folder.manifest;
    const struct manifest_base *base = manifest_base_in_use(manifest);
    char time[TIME_TEXT_SIZE];
    fprintf(out, "%-13s %s", "folder", tool->options->folder);
    fputs(tool->in_use ? ", in use by a server\n" : "\n", out);
    fprintf(out, "%-13s LSN %" PRIu64 ", known durable to LSN %" PRIu64 ", last written %s\n", "end",
            survey->log.end, survey->log.promised, time_text(time, last_write_ms(statistics)));
    if (base->bytes > 0)
        fprintf(out, "%-13s at LSN %" PRIu64 ", %s\n", "last rewrite", base->lsn,
                time_text(time, base->time_ms));
    else
        fprintf(out, "%-13s none; the log begins at %s\n", "last rewrite", time_text(time, base->time_ms));
    print_group(out, "base", &statistics->base);
    print_group(out, "log", &statistics->log);
    print_group(out, "history", &statistics->history);
    if (manifest->base_count > 1)
        fprintf(out, "%-13s back to LSN %" PRIu64 ", %s\n", "", manifest->bases[0].lsn,
                time_text(time, manifest->bases[0].time_ms));
    if (statistics->values.files > 0)
        print_group(out, "values", &statistics->values);
    print_group(out, "spare", &statistics->spare);
    if (statistics->other.files > 0)
        print_group(out, "other", &statistics->other);
    print_state(out, statistics);
    print_chart(out, &statistics->survey.chart);
    if (statistics->damages > 0)
        fprintf(out, "%zu damage%s: see dkv-log verify %s\n", statistics->damages,
                plural(statistics->damages), tool->options->folder);
}

/* --- for programs ------------------------------------------------------------------------------------- */

static void write_group(struct json *json, const char *name, const struct group *group)
{
    json_object(json, name);
    json_uint(json, "files", group->files);
    json_uint(json, "disk_bytes", group->disk_bytes);
    json_uint(json, "frames", group->frames);
    json_uint(json, "payload_bytes", group->payload);
    json_uint(json, "units", group->units);
    json_uint(json, "commands", group->commands);
    json_object_end(json);
}

static void write_chart(struct json *json, const struct chart *chart)
{
    json_object(json, "frames_over_time");
    json_int(json, "first_ms", chart->first_ms);
    json_uint(json, "step_ms", chart->width_ms);
    json_array(json, "frames");
    for (size_t i = 0; i < chart->used; i++)
        json_uint(json, NULL, chart->cells[i].frames);
    json_array_end(json);
    json_array(json, "bytes");
    for (size_t i = 0; i < chart->used; i++)
        json_uint(json, NULL, chart->cells[i].bytes);
    json_array_end(json);
    json_object_end(json);
}

static void print_json(struct tool *tool, const struct statistics *statistics)
{
    struct json json = {.out = tool->out};
    const struct manifest *manifest = &statistics->folder.manifest;
    const struct manifest_base *base = manifest_base_in_use(manifest);
    json_object(&json, NULL);
    json_text(&json, "folder", tool->options->folder);
    json_bool(&json, "in_use", tool->in_use);
    json_uint(&json, "end_lsn", statistics->survey.log.end);
    json_uint(&json, "durable_lsn", statistics->survey.log.promised);
    json_int(&json, "last_write_ms", last_write_ms(statistics));
    json_uint(&json, "base_lsn", base->lsn);
    if (base->bytes > 0)
        json_int(&json, "last_rewrite_ms", base->time_ms);
    json_uint(&json, "oldest_lsn", manifest->bases[0].lsn);
    json_int(&json, "oldest_ms", manifest->bases[0].time_ms);
    write_group(&json, "base", &statistics->base);
    write_group(&json, "log", &statistics->log);
    write_group(&json, "history", &statistics->history);
    write_group(&json, "values", &statistics->values);
    write_group(&json, "spare", &statistics->spare);
    write_group(&json, "other", &statistics->other);
    json_uint(&json, "state_bytes", statistics->state_bytes);
    if (statistics->has_state) {
        json_uint(&json, "keys", statistics->state.keys);
        json_uint(&json, "keys_volatile", statistics->state.keys_volatile);
        json_object(&json, "keys_by_type");
        for (int type = 0; type < VALUE_TYPE_COUNT; type++)
            json_uint(&json, value_type_name((enum value_type)type), statistics->state.types[type]);
        json_object_end(&json);
        json_uint(&json, "live_bytes", live_bytes(statistics));
        json_uint(&json, "stale_bytes", statistics->state_bytes - live_bytes(statistics));
    }
    write_chart(&json, &statistics->survey.chart);
    json_uint(&json, "damages", statistics->damages);
    json_object_end(&json);
    json_end(&json);
}

static void find_state(struct tool *tool, struct statistics *statistics)
{
    struct folder_watch watch;
    folder_watch_begin(&watch, tool->disk, tool->in_use);
    do
        statistics->has_state = replay_folder(tool->disk, tool->options->folder, tool->clock,
                                              REPLAY_DATABASES, &statistics->state, &statistics->why_not);
    while (!statistics->has_state && folder_watch_again(&watch));
}

int stat_run(struct tool *tool)
{
    struct statistics statistics = {0};
    struct journal_error error;
    if (!survey_load(&statistics.survey, &statistics.folder, tool, &error))
        return json_fail(tool, error.text);
    add_up(&statistics);
    if (!tool->options->quick)
        find_state(tool, &statistics);
    if (tool->options->json)
        print_json(tool, &statistics);
    else
        print_text(tool, &statistics);
    bool is_fine = statistics.damages == 0 && (tool->options->quick || statistics.has_state);
    survey_free(&statistics.survey);
    folder_free(&statistics.folder);
    return is_fine ? STATUS_FINE : STATUS_PROBLEM;
}
