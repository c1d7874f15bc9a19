/* MANIFEST: which files make up the stream. Text, so that a person can read it; strict, so that no damage
 * goes unseen:
 *
 *   dkv manifest 1
 *   stream 00112233445566778899aabbccddeeff
 *   sequence 7
 *   history 0 0 0000000000000000 1700000000000         older states kept: as base, oldest first
 *   base 4096 18211 9f86d081884c7d65 1700000100000     LSN, file size, salt, time of the cut in ms; then its
 *                                                      age in ms, unless that is 0
 *   segment 0 a3c5...                                  start LSN, salt; oldest first
 *   segment 4096 77fe...                               the last one is the one being appended to
 *   durable 5120                                       the stream was durable to here; only if that is beyond
 *                                                      the last segment's start
 *   checksum 60303ae22b998861                          XXH3-64 of everything above, seed 0
 *
 * A base of size 0 (and salt 0) stands for the beginning of the stream at LSN 0, which has no file. The first
 * segment starts at the oldest base's LSN and every base's LSN is the start of a segment: the segments below
 * the base in use are history, those from it on are what recovery reads.
 *
 * It is replaced as a whole: MANIFEST.tmp is written and synced, renamed, and the folder is synced. A segment
 * is named only after its file with its header is durable, and gets its first frame only after the manifest
 * that names it is; the segment before it was synced before that. So whatever lies below the last segment's
 * start is known durable.
 *
 * How far it was durable beyond that when MANIFEST was written, it says too: that stays true for ever. Frames
 * also say it, but they are gone when the end of the last segment is cut off or overwritten; then it is from
 * MANIFEST that recovery knows that what it reads is not all that there was. Every clean stop writes it down,
 * and every rewrite.
 *
 * The age of a base is how long servers have run since it was taken into use, by the steady clock. Clocks
 * that tell the date may be set; so a state is never too old for history by the difference of two dates. */
#ifndef DKV_JOURNAL_MANIFEST_H
#define DKV_JOURNAL_MANIFEST_H

#include "journal/failure.h"

struct manifest_base {
    lsn_t lsn;
    uint64_t bytes;
    uint64_t salt;
    int64_t time_ms;
    int64_t age_ms; /* as of the manifest's aged_us */
};

struct manifest_segment {
    lsn_t lsn;
    uint64_t salt;
};

struct manifest {
    uint8_t stream_id[STREAM_ID_SIZE];
    uint64_t sequence;
    struct manifest_base *bases; /* at least one: the last is the one in use, those before it are history */
    size_t base_count;
    struct manifest_segment *segments; /* at least one */
    size_t segment_count;
    lsn_t durable_lsn; /* counts if it is beyond the last segment's start */
    int64_t aged_us;   /* monotonic: when ages were brought up to date. Not in the text */
};

void manifest_format(const struct manifest *manifest, struct buffer *out);
/* On failure returns false, with the line and what is wrong with it in error. manifest is to be freed in both
 * cases. */
bool manifest_parse(struct manifest *manifest, struct slice text, struct journal_error *error);
void manifest_copy(struct manifest *to, const struct manifest *from);
void manifest_free(struct manifest *manifest);

const struct manifest_base *manifest_base_in_use(const struct manifest *manifest);
const struct manifest_segment *manifest_last_segment(const struct manifest *manifest);
/* How far the stream is known to have been durable. */
lsn_t manifest_durable(const struct manifest *manifest);
/* The index of the segment that starts at lsn; segment_count when there is none. */
size_t manifest_find_segment(const struct manifest *manifest, lsn_t lsn);
void manifest_add_segment(struct manifest *manifest, lsn_t lsn, uint64_t salt);
void manifest_add_base(struct manifest *manifest, const struct manifest_base *base);
/* Brings all ages up to date. now_us: monotonic; of the same life as aged_us. */
void manifest_age(struct manifest *manifest, int64_t now_us);
/* Removes the first count bases and the segments that only they need. */
void manifest_drop_history(struct manifest *manifest, size_t count);

/* Reads MANIFEST. 0, or a negative errno (-ENOENT: there is none; -EINVAL: it is damaged), with error filled
 * in. */
int manifest_load(struct disk *disk, struct manifest *manifest, struct journal_error *error);
/* Replaces MANIFEST durably, with the next sequence number. */
enum io_result manifest_store(struct disk *disk, struct manifest *manifest, struct journal_error *error);

#endif
