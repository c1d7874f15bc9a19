/* How a damaged folder can be made one that a server starts from, and what that costs.
 *
 * The state is always that of a prefix of the stream: the longest that a whole base and the log behind it
 * give without a hole. Where an older base gives as much as a damaged newer one, nothing is lost. */
#ifndef DKV_TOOLS_REPAIR_PLAN_H
#define DKV_TOOLS_REPAIR_PLAN_H

#include "tools/survey.h"

enum fate {
    FATE_KEEP,
    FATE_CORRECT, /* its header is written anew, or its end is cut off, or both */
    FATE_DROP     /* no longer named by MANIFEST */
};

/* From good to bad. */
enum loss {
    LOSS_NONE,     /* the end is on record, and kept */
    LOSS_UNSEEN,   /* none to be seen; but the end is on record nowhere */
    LOSS_POSSIBLE, /* the end of the log cannot be read, and nothing tells what was there */
    LOSS_CERTAIN   /* what was in the stream from end to end_now, at least */
};

struct repair_plan {
    const struct survey *survey;
    bool possible;
    size_t base;      /* index of the one to start from */
    enum fate *bases; /* of each file of the folder's manifest */
    enum fate *segments;
    size_t last; /* index of the last segment that is kept */
    bool cuts;   /* it ends at cut_offset from now on */
    uint64_t cut_offset;
    lsn_t end;     /* where the stream ends afterwards */
    lsn_t end_now; /* where it ended before, as far as that is known */
    enum loss loss;
    bool is_claimed;          /* that it ended there is known from a MANIFEST that is damaged or old, and from
                               * nothing else */
    bool is_open;             /* it may have gone on behind that */
    int64_t kept_last_ms;     /* wall clock of the last frame that is kept */
    struct manifest manifest; /* what MANIFEST will say */
    bool changes;             /* whether there is anything to do */
    bool changes_manifest;

    /* Of what is lost, what can still be read. */
    uint64_t lost_bytes;
    uint64_t lost_units;
    uint64_t lost_commands;
    uint64_t lost_keys; /* different ones that they name */
    int64_t lost_first_ms;
    int64_t lost_last_ms;
    uint64_t lost_frames;
};

/* Whether a file that MANIFEST will not name, although it is named as those are, has to be put aside, or that
 * of a large value that belongs behind the end: a server would remove it, and in a folder that is damaged it
 * may be worth something to somebody. */
bool repair_plan_puts_aside(const struct repair_plan *plan, const struct found_file *file);

void repair_plan_make(struct repair_plan *plan, const struct survey *survey);
void repair_plan_free(struct repair_plan *plan);

#endif
