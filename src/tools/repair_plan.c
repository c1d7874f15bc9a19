#include "tools/repair_plan.h"

#include "base/memory.h"
#include "tools/filter.h"
#include "tools/payload.h"

static const struct manifest *manifest_of(const struct repair_plan *plan)
{
    return &plan->survey->folder->manifest;
}

/* How far the log leads from a base, and the segment in which that ends. */
static lsn_t reach(const struct repair_plan *plan, size_t base, size_t *last)
{
    const struct manifest *manifest = manifest_of(plan);
    return survey_reach(plan->survey, manifest_find_segment(manifest, manifest->bases[base].lsn), last);
}

/* The newest that is whole: an older one leads no further, as the log behind it is the same. */
static void choose_base(struct repair_plan *plan)
{
    for (size_t i = manifest_of(plan)->base_count; i-- > 0 && !plan->possible;) {
        plan->possible = survey_base_is_whole(plan->survey, i);
        plan->base = i;
    }
    if (plan->possible)
        plan->end = reach(plan, plan->base, &plan->last);
}

static bool has_bad_header(const struct survey *survey, enum journal_source source, size_t index)
{
    for (size_t i = 0; i < survey->damage_count; i++) {
        const struct damage *damage = &survey->damages[i];
        if (damage->source == source && damage->index == index && damage->kind == DAMAGE_HEADER)
            return true;
    }
    return false;
}

/* Where in the last segment kept the log ends, if something damaged follows there. */
static void place_cut(struct repair_plan *plan)
{
    for (size_t i = 0; i < plan->survey->damage_count; i++) {
        const struct damage *damage = &plan->survey->damages[i];
        if (damage->source != SOURCE_LOG || damage->index != plan->last || !damage_loses(damage))
            continue;
        uint64_t size = plan->survey->segments[plan->last].size;
        plan->cut_offset = damage->offset > FILE_HEADER_SIZE ? damage->offset : FILE_HEADER_SIZE;
        plan->cuts = size != plan->cut_offset;
        return;
    }
}

/* An older state is worth keeping if it is whole and the log leads from it to the one to start from. */
static bool is_good_history(const struct repair_plan *plan, size_t base)
{
    size_t last;
    return survey_base_is_whole(plan->survey, base) &&
           reach(plan, base, &last) >= manifest_of(plan)->bases[plan->base].lsn;
}

static void decide_bases(struct repair_plan *plan)
{
    const struct manifest *manifest = manifest_of(plan);
    for (size_t i = 0; i < manifest->base_count; i++) {
        bool kept = i == plan->base || (i < plan->base && is_good_history(plan, i));
        plan->bases[i] = !kept                                          ? FATE_DROP
                         : has_bad_header(plan->survey, SOURCE_BASE, i) ? FATE_CORRECT
                                                                        : FATE_KEEP;
        if (kept)
            manifest_add_base(&plan->manifest, &manifest->bases[i]);
    }
}

static void decide_segments(struct repair_plan *plan)
{
    const struct manifest *manifest = manifest_of(plan);
    for (size_t i = 0; i < manifest->segment_count; i++) {
        const struct manifest_segment *segment = &manifest->segments[i];
        bool kept = i <= plan->last && segment->lsn >= plan->manifest.bases[0].lsn;
        bool corrected = has_bad_header(plan->survey, SOURCE_LOG, i) || (i == plan->last && plan->cuts);
        plan->segments[i] = !kept ? FATE_DROP : corrected ? FATE_CORRECT : FATE_KEEP;
        if (kept)
            manifest_add_segment(&plan->manifest, segment->lsn, segment->salt);
    }
}

/* --- what is lost ------------------------------------------------------------------------------------- */

struct counter {
    struct repair_plan *plan;
    struct payload_reader payload;
    struct key_set keys;
};

static bool count_command(void *context, const struct stream_command *command)
{
    struct counter *counter = context;
    counter->plan->lost_commands += command->kind == COMMAND_EFFECT;
    counter->plan->lost_units += command->ends_unit && command->kind != COMMAND_SELECT;
    if (command->kind == COMMAND_EFFECT)
        key_set_add(&counter->keys, command->database, command->request);
    return true;
}

static bool count_frame(void *context, const char *name, uint64_t offset, const struct frame *frame)
{
    struct counter *counter = context;
    struct repair_plan *plan = counter->plan;
    (void)name;
    (void)offset;
    if (!frame_has_units(frame))
        return true;
    if (frame->lsn < plan->end) {
        plan->kept_last_ms = frame->time_ms;
        return true;
    }
    payload_each(&counter->payload, frame, count_command, counter);
    if (plan->lost_frames++ == 0)
        plan->lost_first_ms = frame->time_ms;
    plan->lost_last_ms = frame->time_ms;
    plan->lost_bytes += frame_stream_size(frame);
    return true;
}

static void count_lost(struct repair_plan *plan)
{
    const struct folder *folder = plan->survey->folder;
    struct counter counter = {.plan = plan};
    const struct scan_visitor visitor = {.context = &counter, .frame = count_frame};
    struct scan_log log = {0};
    payload_reader_open(&counter.payload);
    key_set_open(&counter.keys);
    for (size_t i = plan->last; i < folder->manifest.segment_count; i++)
        scan_segment(folder, i, &visitor, &log);
    plan->lost_keys = key_set_count(&counter.keys);
    key_set_close(&counter.keys);
    payload_reader_close(&counter.payload);
}

/* The last time that is known before the last segment kept, of which the frames tell more. */
static int64_t last_time_before(const struct repair_plan *plan)
{
    const struct manifest *manifest = manifest_of(plan);
    const struct manifest_base *base = &manifest->bases[plan->base];
    for (size_t i = plan->last; i-- > 0 && manifest->segments[i].lsn >= base->lsn;)
        if (plan->survey->segments[i].payload > 0)
            return plan->survey->segments[i].last_ms;
    return base->time_ms;
}

/* A MANIFEST that is not the one it should be may name an LSN that was never reached, if that is what is
 * damaged in it; it is told all the same. */
static void judge_loss(struct repair_plan *plan)
{
    const struct survey *survey = plan->survey;
    const struct folder *folder = survey->folder;
    lsn_t known = survey->log.end > survey->log.promised ? survey->log.end : survey->log.promised;
    plan->end_now = known;
    if (folder->state != MANIFEST_GOOD && folder->claimed > known)
        plan->end_now = folder->claimed;
    plan->is_claimed = plan->end_now > known && plan->end >= known;
    plan->is_open = !survey->log.has_end;
    plan->kept_last_ms = last_time_before(plan);
    if (plan->end < plan->end_now)
        plan->loss = LOSS_CERTAIN;
    else if (plan->is_open)
        plan->loss = LOSS_POSSIBLE;
    else
        plan->loss = survey->is_closed ? LOSS_NONE : LOSS_UNSEEN;
}

/* Whether a value belongs behind the end: a unit names it by where it begins, a rewrite by the LSN of its
 * base.
 */
static bool is_late_value(const struct repair_plan *plan, const struct found_file *file)
{
    return file->kind == NAME_VALUE &&
           (file->number > plan->end ||
            (file->number == plan->end && manifest_of(plan)->bases[plan->base].lsn != plan->end));
}

bool repair_plan_puts_aside(const struct repair_plan *plan, const struct found_file *file)
{
    if (is_late_value(plan, file))
        return true;
    return (file->kind == NAME_LOG || file->kind == NAME_BASE) &&
           !folder_names(plan->survey->folder, file->kind, file->number);
}

/* --- the plan ----------------------------------------------------------------------------------------- */

void repair_plan_make(struct repair_plan *plan, const struct survey *survey)
{
    *plan = (struct repair_plan){.survey = survey};
    const struct manifest *manifest = manifest_of(plan);
    bool is_good = survey->folder->state == MANIFEST_GOOD;
    plan->bases = mem_alloc_zero(manifest->base_count * sizeof(*plan->bases));
    plan->segments = mem_alloc_zero(manifest->segment_count * sizeof(*plan->segments));
    plan->changes = survey->damage_count > 0 || !is_good;
    choose_base(plan);
    if (!plan->possible || !plan->changes)
        return;
    memcpy(plan->manifest.stream_id, manifest->stream_id, STREAM_ID_SIZE);
    plan->manifest.sequence = manifest->sequence;
    plan->manifest.durable_lsn = plan->end < manifest->durable_lsn ? plan->end : manifest->durable_lsn;
    place_cut(plan);
    decide_bases(plan);
    decide_segments(plan);
    plan->changes_manifest = !is_good || plan->manifest.base_count != manifest->base_count ||
                             plan->manifest.segment_count != manifest->segment_count ||
                             plan->manifest.durable_lsn != manifest->durable_lsn;
    judge_loss(plan);
    if (plan->loss >= LOSS_POSSIBLE)
        count_lost(plan);
}

void repair_plan_free(struct repair_plan *plan)
{
    mem_free(plan->bases);
    mem_free(plan->segments);
    manifest_free(&plan->manifest);
}
