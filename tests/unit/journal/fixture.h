/* What the journal's tests share: a journal on a memory disk under a clock that stands still unless told, and
 * a model of the stream to hold it against.
 *
 * Units are short texts with their number and database in them. A base holds every unit before its LSN, so
 * what is recovered, base and log, must always be a prefix of all that was ever appended.
 *
 * A unit may set a large value: all of its text between ':' and '>' is one. There are a few keys, and each
 * such unit replaces what the key had. */
#ifndef DKV_TESTS_FIXTURE_H
#define DKV_TESTS_FIXTURE_H

#include "journal/journal.h"
#include "memory_disk.h"

struct fake_clock {
    struct clock clock;
    int64_t now_us;
    int64_t step_us;       /* passes whenever somebody asks for the monotonic time */
    int64_t wall_ahead_us; /* jumps of the wall clock so far */
};

#define FIXTURE_KEYS 3

struct fixture_value {
    struct blob *blob; /* NULL: the key has none */
    uint64_t number;   /* of the unit that set it */
    uint64_t at;       /* where in the stream its bytes are */
};

struct fixture {
    struct memory_disk *memory; /* NULL: disk is another one */
    struct disk *disk;
    struct fake_clock clock;
    struct journal_options options;
    struct journal *journal;
    struct journal_error error;
    struct buffer stream;    /* all that was executed */
    struct buffer recovered; /* what the last recovery applied */
    struct recover_progress progress;
    lsn_t acknowledged; /* the highest LSN that was */
    lsn_t durable;      /* the highest LSN that was called durable */
    uint64_t units;
    uint64_t seed;  /* of the next journal's random numbers */
    bool base_seen; /* the last recovery applied a base */
    _Atomic uint64_t wakes;
    struct fixture_value values[FIXTURE_KEYS];
    bool lazy;          /* do not read values when they are recovered */
    bool alone;         /* the loop has nobody else to serve */
    const char *refuse; /* what the next apply says */
};

/* A journal on an empty memory disk, SYNC_ALWAYS, without a thread, small segments. Nothing is opened yet. */
void fixture_init(struct fixture *fixture);
void fixture_free(struct fixture *fixture);

/* Opens and recovers; false when either is refused, with the reason in error, and no journal is left. */
bool fixture_recover(struct fixture *fixture);
/* Opens, recovers and starts, all of which must succeed. */
void fixture_start(struct fixture *fixture);
/* Holds what was recovered against the model: a prefix of the stream, with all that was acknowledged in it.
 * From then on that prefix is the stream. */
void fixture_check(struct fixture *fixture);
/* Ends without writing anything more, loses what the kind of crash says, and opens nothing. */
void fixture_crash(struct fixture *fixture, enum memory_crash crash, uint64_t seed);
void fixture_close(struct fixture *fixture);

/* Appends units of a little more than size bytes, in databases that change, and hands them over. */
void fixture_append(struct fixture *fixture, int count, size_t size);
/* Appends a unit that sets a value of size bytes, not handed over yet. */
void fixture_append_value(struct fixture *fixture, size_t size);
/* Deletes a key's value, by a unit of its own, not handed over yet. */
void fixture_delete_value(struct fixture *fixture, int key);
/* How many keys have values. */
int fixture_count_values(const struct fixture *fixture);
/* Does all work that is due, and notes what is acknowledged. */
void fixture_work(struct fixture *fixture);
/* Lets time pass, doing what comes due on the way. */
void fixture_pass(struct fixture *fixture, int64_t us);
/* Writes a base at lsn as the child would; 0 or a negative errno. */
int fixture_write_base(struct fixture *fixture, lsn_t lsn);
/* A whole rewrite. */
void fixture_rewrite(struct fixture *fixture);
/* How many files' names begin so. */
int fixture_count_files(struct fixture *fixture, const char *prefix);

#endif
