/* How long writes wait for the disk, told without looking at a clock for any of them.
 *
 * All writes of a round of the loop count from the round's beginning, whose time is known, to the moment at
 * which the position behind the last of them was acknowledged, which the journal tells. So a round leaves one
 * mark in a ring, and a mark that has been passed is counted for all its writes. */
#include "engine/private.h"

static struct write_mark *mark_at(struct write_waits *waits, unsigned index)
{
    return &waits->marks[(waits->first + index) % WRITE_MARKS_MAX];
}

void write_waits_note(struct engine *engine)
{
    struct write_waits *waits = &engine->write_waits;
    const struct world *world = engine->world;
    uint64_t writes = world->stats.writes - waits->seen;
    if (writes == 0)
        return;
    waits->seen = world->stats.writes;
    /* Where the ring is full, they join those of the last round in it, and are told to have waited a little
     * longer than they have. */
    bool is_full = waits->count == WRITE_MARKS_MAX;
    struct write_mark *mark = mark_at(waits, is_full ? waits->count - 1 : waits->count++);
    if (!is_full)
        *mark = (struct write_mark){.began_us = world->monotonic_us};
    mark->lsn = journal_executed(world->journal);
    mark->writes += writes;
}

void write_waits_settle(struct engine *engine)
{
    struct write_waits *waits = &engine->write_waits;
    if (waits->count == 0)
        return;
    lsn_t acknowledged = journal_acknowledged(engine->journal);
    if (mark_at(waits, 0)->lsn > acknowledged)
        return;
    int64_t now_us = journal_acknowledged_us(engine->journal);
    if (!waits->histogram)
        waits->histogram = mem_alloc_zero(sizeof(*waits->histogram));
    for (; waits->count > 0 && mark_at(waits, 0)->lsn <= acknowledged; waits->count--) {
        const struct write_mark *mark = mark_at(waits, 0);
        uint64_t us = now_us > mark->began_us ? (uint64_t)(now_us - mark->began_us) : 0;
        waits->us_total += us * mark->writes;
        waits->histogram->count += mark->writes;
        waits->histogram->buckets[histogram_bucket(us)] += mark->writes;
        waits->first = (waits->first + 1) % WRITE_MARKS_MAX;
    }
}
