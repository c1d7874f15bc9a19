/* A whole folder read once: what each file holds, every damage, and where the stream ends. */
#ifndef DKV_TOOLS_SURVEY_H
#define DKV_TOOLS_SURVEY_H

#include "tools/chart.h"
#include "tools/scan.h"
#include "tools/text.h"
#include "tools/value_list.h"

struct file_report {
    char name[FILE_NAME_SIZE]; /* empty: the beginning of the stream, which has no file */
    enum journal_source source;
    bool is_history;
    uint64_t size;
    uint64_t frames;
    uint64_t payload; /* bytes of the stream, or of the state in a base */
    uint64_t units;
    uint64_t commands;
    lsn_t lsn;
    lsn_t lsn_end;
    int64_t first_ms; /* wall clock of the first frame with a payload and of the last; 0 without any */
    int64_t last_ms;
    size_t damages;
};

struct survey {
    const struct folder *folder;
    struct file_report *bases;    /* one for each of the manifest's */
    struct file_report *segments; /* the same */
    struct damage *damages;
    size_t damage_count;
    struct value_list values; /* that frames refer to */
    struct value_damage *value_damages;
    size_t value_damage_count;
    struct value_verdict value_verdict;
    struct scan_log log;
    /* The end is on record: the log is closed where MANIFEST says that it ended, as a server that is stopped
     * in order leaves it. Otherwise its end could be cut off between two frames, and nothing would tell. */
    bool is_closed;
    size_t late_values; /* files of values that belong behind the end */
    struct chart chart; /* of the log's data frames */
};

/* Reads all that the folder's manifest names, with a progress bar on a terminal. */
void survey_take(struct survey *survey, struct tool *tool, const struct folder *folder);
void survey_free(struct survey *survey);

/* Loads the folder and surveys it, again for as long as a server replaces files in between: what seemed
 * damaged and is so no more, or no longer belongs to the folder, is not told. False when there is nothing to
 * survey; then neither needs to be freed. */
bool survey_load(struct survey *survey, struct folder *folder, struct tool *tool,
                 struct journal_error *error);

/* How far the stream can be read without a hole from a segment on; *segment is the one in which that ends. */
lsn_t survey_reach(const struct survey *survey, size_t from, size_t *segment);
/* Whether a base can be read wholly. */
bool survey_base_is_whole(const struct survey *survey, size_t index);
/* Whether a damage loses anything: that of a header does not. */
bool damage_loses(const struct damage *damage);
/* Looks at the files of large values; what is wrong is in value_damages and value_verdict then. */
void survey_check_values(struct survey *survey, struct clock *clock);
/* Damages that were seen, those of MANIFEST and of values included. */
size_t survey_damages(const struct survey *survey);
/* What could not be looked at: files that may not be read, values of which nobody can say whether they count.
 * Those are among the damages of the log, too. */
size_t survey_unchecked(const struct survey *survey);
/* What cannot be read because of it, and what that means: one sentence. */
void damage_describe(const struct survey *survey, const struct damage *damage, struct buffer *out);

#endif
