#include "tools/survey.h"

#include <inttypes.h>

#include "base/memory.h"
#include "tools/payload.h"

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

/* Where MANIFEST says that the stream ended, as far as it says so. */
static bool is_closed(const struct survey *survey)
{
    const struct folder *folder = survey->folder;
    lsn_t stated = folder->state == MANIFEST_GOOD ? manifest_durable(&folder->manifest) : folder->claimed;
    return survey->log.is_closed && survey->log.has_end && survey->log.end == stated &&
           folder->state != MANIFEST_MISSING && folder->state != MANIFEST_FOREIGN;
}

static size_t count_late_values(const struct survey *survey)
{
    const struct folder *folder = survey->folder;
    size_t count = 0;
    lsn_t lsn;
    uint32_t number;
    for (size_t i = 0; i < folder->file_count; i++)
        count += value_name_parse(folder->files[i].name, &lsn, &number) && lsn >= survey->log.end;
    return count;
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
    survey->is_closed = is_closed(survey);
    survey->late_values = count_late_values(survey);
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

static bool is_among(const struct damage *damage, const struct damage *others, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (others[i].offset == damage->offset && strcmp(others[i].name, damage->name) == 0)
            return true;
    return false;
}

/* Leaves those damages that were seen before, too. Returns whether there are any. */
static bool keep_seen_twice(struct survey *survey, const struct damage *before, size_t before_count)
{
    size_t seen = 0;
    for (size_t i = 0; i < survey->damage_count; i++)
        seen += is_among(&survey->damages[i], before, before_count);
    if (seen == 0)
        return false;
    size_t kept = 0;
    for (size_t i = 0; i < survey->damage_count; i++)
        if (is_among(&survey->damages[i], before, before_count))
            survey->damages[kept++] = survey->damages[i];
    survey->damage_count = kept;
    return true;
}

/* With a server at work, what was read is worth something if MANIFEST is the same afterwards, or if the same
 * damage is there in what MANIFEST names by then. Each further round was brought about by a rotation or a
 * rewrite, so there are as many as the server makes. */
bool survey_load(struct survey *survey, struct folder *folder, struct tool *tool, struct journal_error *error)
{
    struct damage *before = NULL;
    size_t before_count = 0;
    bool loaded;
    for (;;) {
        loaded = folder_load(folder, tool, error);
        if (!loaded) {
            folder_free(folder);
            break;
        }
        survey_take(survey, tool, folder);
        if (!folder->in_use || survey->damage_count == 0 || !folder_changed(folder) ||
            keep_seen_twice(survey, before, before_count))
            break;
        mem_free(before);
        before = survey->damages;
        before_count = survey->damage_count;
        survey->damages = NULL;
        survey_free(survey);
        folder_free(folder);
    }
    mem_free(before);
    return loaded;
}

/* --- values ------------------------------------------------------------------------------------------- */

static void add_value_damage(void *context, const struct value_damage *damage)
{
    struct survey *survey = context;
    size_t count = survey->value_damage_count + 1;
    survey->value_damages = mem_realloc(survey->value_damages, count * sizeof(*survey->value_damages));
    survey->value_damages[survey->value_damage_count++] = *damage;
}

void survey_check_values(struct survey *survey, struct clock *clock)
{
    survey->value_verdict = values_check(survey->folder, clock, &survey->values, add_value_damage, survey);
}

size_t survey_damages(const struct survey *survey)
{
    size_t count = folder_manifest_is_bad(survey->folder) ? 1 : 0;
    for (size_t i = 0; i < survey->damage_count; i++)
        count += !survey->damages[i].denied;
    for (size_t i = 0; i < survey->value_damage_count; i++)
        count += !survey->value_damages[i].denied;
    return count;
}

size_t survey_unchecked(const struct survey *survey)
{
    size_t count = folder_is_fresh(survey->folder) ? 1 : 0;
    for (size_t i = 0; i < survey->damage_count; i++)
        count += survey->damages[i].denied;
    for (size_t i = 0; i < survey->value_damage_count; i++)
        count += survey->value_damages[i].denied;
    return count + survey->value_verdict.unclear;
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
    bool is_open = damage->index + 1 == survey->folder->manifest.segment_count && damage->end >= file->size &&
                   !survey->log.has_end;
    if (is_open && lost == 0) {
        buffer_append_format(
            out, "all that followed LSN %" PRIu64 " of the stream; how much that was is not known",
            damage->lsn);
        return;
    }
    buffer_append_format(out, "LSN %" PRIu64 " to %" PRIu64 " of the stream (%" PRIu64 " byte%s)",
                         damage->lsn, damage->lsn_end, lost, plural(lost));
    if (file->is_history)
        buffer_append_text(out, ", needed only for going back to that time");
    else if (survey->log.end > damage->lsn_end)
        buffer_append_format(out, ", and with it what follows, of which %" PRIu64 " bytes can be read",
                             survey->log.end - damage->lsn_end);
    else if (is_open)
        buffer_append_text(out, " at least: how much followed behind that is not known");
}

void damage_describe(const struct survey *survey, const struct damage *damage, struct buffer *out)
{
    const struct file_report *files = damage->source == SOURCE_BASE ? survey->bases : survey->segments;
    if (damage->denied)
        buffer_append_text(out, "not known: whoever may read the file has to look");
    else if (damage->kind == DAMAGE_HEADER)
        buffer_append_format(out, "nothing%s by itself: MANIFEST knows what the header should say",
                             files[damage->index].is_history ? "" : " but the start of a server");
    else if (damage->source == SOURCE_BASE)
        describe_base(survey, damage, out);
    else
        describe_log(survey, damage, out);
}
