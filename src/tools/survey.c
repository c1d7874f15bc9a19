#include "tools/survey.h"

#include <inttypes.h>

#include "base/memory.h"
#include "tools/payload.h"

/* How often a folder that changes under our hands is read anew. */
#define RELOAD_TRIES 5

struct surveyor {
    struct survey *survey;
    struct file_report *file;
    struct progress progress;
    struct payload_reader payload;
    enum journal_source source;
    size_t index;
};

/* --- one frame ---------------------------------------------------------------------------------------- */

static void add_damage(struct survey *survey, const struct damage *damage)
{
    struct file_report *files = damage->source == SOURCE_BASE ? survey->bases : survey->segments;
    size_t count = survey->damage_count + 1;
    survey->damages = mem_realloc(survey->damages, count * sizeof(*survey->damages));
    survey->damages[survey->damage_count] = *damage;
    survey->damage_count = count;
    files[damage->index].damages++;
}

static bool count_command(void *context, const struct stream_command *command)
{
    struct file_report *file = context;
    file->commands += command->kind == COMMAND_EFFECT;
    file->units += command->ends_unit && command->kind != COMMAND_SELECT;
    return true;
}

/* Whether the payload is what recovery will take. Returns what is wrong with it, or NULL. */
static const char *check_payload(struct surveyor *surveyor, const struct frame *frame)
{
    if (surveyor->source == SOURCE_LOG)
        return payload_each_of_log(&surveyor->payload, frame, count_command, surveyor->file);
    return payload_each(&surveyor->payload, frame, count_command, surveyor->file);
}

static bool survey_frame(void *context, const char *name, uint64_t offset, const struct frame *frame)
{
    struct surveyor *surveyor = context;
    struct file_report *file = surveyor->file;
    uint64_t size = FRAME_HEADER_SIZE + frame->payload.size;
    const char *wrong = check_payload(surveyor, frame);
    if (wrong) {
        struct damage damage = {.kind = DAMAGE_PAYLOAD,
                                .source = surveyor->source,
                                .index = surveyor->index,
                                .offset = offset,
                                .end = offset + size,
                                .lsn = frame->lsn,
                                .lsn_end = frame->lsn + frame_stream_size(frame)};
        snprintf(damage.name, sizeof(damage.name), "%s", name);
        snprintf(damage.what, sizeof(damage.what), "the frame is valid, but %s", wrong);
        add_damage(surveyor->survey, &damage);
    }
    value_list_add(&surveyor->survey->values, frame);
    if (frame_has_units(frame)) {
        file->first_ms = file->payload == 0 ? frame->time_ms : file->first_ms;
        file->last_ms = frame->time_ms;
    }
    file->frames++;
    file->payload += frame->payload.size;
    if (surveyor->source == SOURCE_LOG)
        file->lsn_end = frame->lsn + frame_stream_size(frame);
    if (surveyor->source == SOURCE_LOG && frame_has_units(frame))
        chart_add(&surveyor->survey->chart, frame->time_ms, frame->payload.size);
    progress_add(&surveyor->progress, size, name);
    return true;
}

static bool survey_damage(void *context, const struct damage *damage)
{
    struct surveyor *surveyor = context;
    add_damage(surveyor->survey, damage);
    if (damage_loses(damage))
        payload_reader_forget(&surveyor->payload);
    return true;
}

/* --- all files ---------------------------------------------------------------------------------------- */

static void describe_files(struct survey *survey)
{
    const struct manifest *manifest = &survey->folder->manifest;
    lsn_t in_use = manifest_base_in_use(manifest)->lsn;
    survey->bases = mem_alloc_zero(manifest->base_count * sizeof(*survey->bases));
    survey->segments = mem_alloc_zero(manifest->segment_count * sizeof(*survey->segments));
    for (size_t i = 0; i < manifest->base_count; i++) {
        struct file_report *file = &survey->bases[i];
        file->source = SOURCE_BASE;
        file->lsn = file->lsn_end = manifest->bases[i].lsn;
        file->is_history = i + 1 < manifest->base_count;
        if (manifest->bases[i].bytes > 0)
            base_name(file->name, file->lsn);
        file->size = manifest->bases[i].bytes > 0 ? folder_file_size(survey->folder->disk, file->name) : 0;
    }
    for (size_t i = 0; i < manifest->segment_count; i++) {
        struct file_report *file = &survey->segments[i];
        file->source = SOURCE_LOG;
        file->lsn = file->lsn_end = manifest->segments[i].lsn;
        file->is_history = file->lsn < in_use;
        log_name(file->name, file->lsn);
        file->size = folder_file_size(survey->folder->disk, file->name);
    }
}

static void survey_files(struct surveyor *surveyor)
{
    struct survey *survey = surveyor->survey;
    const struct folder *folder = survey->folder;
    const struct scan_visitor visitor = {surveyor, survey_frame, survey_damage};
    for (size_t i = 0; i < folder->manifest.base_count; i++) {
        surveyor->source = SOURCE_BASE;
        surveyor->index = i;
        surveyor->file = &survey->bases[i];
        scan_base(folder, i, &visitor);
    }
    for (size_t i = 0; i < folder->manifest.segment_count; i++) {
        surveyor->source = SOURCE_LOG;
        surveyor->index = i;
        surveyor->file = &survey->segments[i];
        scan_segment(folder, i, &visitor, &survey->log);
    }
}

void survey_take(struct survey *survey, struct tool *tool, const struct folder *folder)
{
    struct surveyor surveyor = {.survey = survey};
    *survey = (struct survey){.folder = folder};
    describe_files(survey);
    payload_reader_open(&surveyor.payload);
    progress_begin(&surveyor.progress, tool, folder_bytes(folder));
    survey_files(&surveyor);
    value_list_sort(&survey->values);
    progress_end(&surveyor.progress);
    payload_reader_close(&surveyor.payload);
}

void survey_free(struct survey *survey)
{
    mem_free(survey->bases);
    mem_free(survey->segments);
    mem_free(survey->damages);
    value_list_free(&survey->values);
    mem_free(survey->value_damages);
}

bool survey_load(struct survey *survey, struct folder *folder, struct tool *tool, struct journal_error *error)
{
    for (int i = 0;; i++) {
        if (!folder_load(folder, tool, error)) {
            folder_free(folder);
            return false;
        }
        survey_take(survey, tool, folder);
        if (survey->damage_count == 0 || !folder->in_use || !folder_changed(folder) || i == RELOAD_TRIES)
            return true;
        survey_free(survey);
        folder_free(folder);
    }
}

/* --- judging ------------------------------------------------------------------------------------------ */

bool damage_loses(const struct damage *damage)
{
    return damage->kind != DAMAGE_HEADER;
}

lsn_t survey_reach(const struct survey *survey, size_t from, size_t *segment)
{
    /* Damages of the log are in its order. */
    for (size_t i = 0; i < survey->damage_count; i++) {
        const struct damage *damage = &survey->damages[i];
        if (damage->source != SOURCE_LOG || damage->index < from || !damage_loses(damage))
            continue;
        *segment = damage->index;
        return damage->lsn;
    }
    *segment = survey->folder->manifest.segment_count - 1;
    return survey->log.end;
}

bool survey_base_is_whole(const struct survey *survey, size_t index)
{
    for (size_t i = 0; i < survey->damage_count; i++)
        if (survey->damages[i].source == SOURCE_BASE && survey->damages[i].index == index &&
            damage_loses(&survey->damages[i]))
            return false;
    return true;
}

/* Whether the state can be had from an older base although the one in use is damaged. */
static bool older_base_leads_on(const struct survey *survey)
{
    const struct manifest *manifest = &survey->folder->manifest;
    lsn_t in_use = manifest_base_in_use(manifest)->lsn;
    for (size_t i = 0; i + 1 < manifest->base_count; i++) {
        size_t end;
        size_t segment = manifest_find_segment(manifest, manifest->bases[i].lsn);
        if (survey_base_is_whole(survey, i) && survey_reach(survey, segment, &end) >= in_use)
            return true;
    }
    return false;
}

static void describe_base(const struct survey *survey, const struct damage *damage, struct buffer *out)
{
    const struct file_report *file = &survey->bases[damage->index];
    if (file->is_history)
        buffer_append_format(out, "going back to the time between LSN %" PRIu64 " and the next state kept",
                             file->lsn);
    else if (older_base_leads_on(survey))
        buffer_append_format(
            out, "the state at LSN %" PRIu64 ", which an older base and the log kept since then still give",
            file->lsn);
    else
        buffer_append_format(out, "the whole state, of which it holds what came before LSN %" PRIu64,
                             file->lsn);
}

static void describe_log(const struct survey *survey, const struct damage *damage, struct buffer *out)
{
    uint64_t lost = damage->lsn_end - damage->lsn;
    const struct file_report *file = &survey->segments[damage->index];
    buffer_append_format(out, "LSN %" PRIu64 " to %" PRIu64 " of the stream (%" PRIu64 " byte%s)",
                         damage->lsn, damage->lsn_end, lost, plural(lost));
    if (file->is_history)
        buffer_append_text(out, ", needed only for going back to that time");
    else if (survey->log.end > damage->lsn_end)
        buffer_append_format(out, ", and with it what follows, of which %" PRIu64 " bytes can be read",
                             survey->log.end - damage->lsn_end);
}

void damage_describe(const struct survey *survey, const struct damage *damage, struct buffer *out)
{
    const struct file_report *files = damage->source == SOURCE_BASE ? survey->bases : survey->segments;
    if (damage->kind == DAMAGE_HEADER)
        buffer_append_format(out, "nothing%s: MANIFEST knows what the header should say",
                             files[damage->index].is_history ? "" : " but the start of a server");
    else if (damage->source == SOURCE_BASE)
        describe_base(survey, damage, out);
    else
        describe_log(survey, damage, out);
}
