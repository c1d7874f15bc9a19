/* LCS: the longest common subsequence of two strings, by the textbook's dynamic programming.
 *
 * lengths[i][j] is the length of the longest common subsequence of the first i bytes of a and the first j
 * bytes of b. Walking back from the end, along the larger neighbour, yields one such subsequence, last byte
 * first. Where both neighbours are equal, b is shortened: which of several subsequences is told is part of
 * the reply. */
#include "family/lcs.h"

#include "base/diag.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/call.h"
#include "command/lookup.h"

struct lcs {
    struct slice a;
    struct slice b;
    uint32_t *lengths; /* (a.size + 1) rows of (b.size + 1) */
};

struct lcs_options {
    bool only_length;
    bool ranges;
    bool match_lengths;
    int64_t match_length_min;
};

/* A run of bytes that match one another: [a_begin, a_end) in a, and as many in b. */
struct match {
    size_t a_begin;
    size_t a_end;
    size_t b_begin;
    size_t b_end;
};

static uint32_t *length_at(const struct lcs *lcs, size_t i, size_t j)
{
    return &lcs->lengths[i * (lcs->b.size + 1) + j];
}

static void lcs_fill(struct lcs *lcs)
{
    for (size_t i = 0; i <= lcs->a.size; i++) {
        for (size_t j = 0; j <= lcs->b.size; j++) {
            uint32_t *length = length_at(lcs, i, j);
            if (i == 0 || j == 0) {
                *length = 0;
            } else if (lcs->a.data[i - 1] == lcs->b.data[j - 1]) {
                *length = *length_at(lcs, i - 1, j - 1) + 1;
            } else {
                uint32_t above = *length_at(lcs, i - 1, j);
                uint32_t left = *length_at(lcs, i, j - 1);
                *length = above > left ? above : left;
            }
        }
    }
}

/* Finds the last match that ends at or before (*i, *j) and moves there; false when there is none. */
static bool lcs_previous_match(const struct lcs *lcs, size_t *i, size_t *j, struct match *match)
{
    while (*i > 0 && *j > 0 && lcs->a.data[*i - 1] != lcs->b.data[*j - 1]) {
        if (*length_at(lcs, *i - 1, *j) > *length_at(lcs, *i, *j - 1))
            --*i;
        else
            --*j;
    }
    *match = (struct match){*i, *i, *j, *j};
    while (*i > 0 && *j > 0 && lcs->a.data[*i - 1] == lcs->b.data[*j - 1]) {
        --*i;
        --*j;
    }
    match->a_begin = *i;
    match->b_begin = *j;
    return match->a_begin < match->a_end;
}

static void reply_range(struct reply *reply, size_t begin, size_t end)
{
    reply_array(reply, 2);
    reply_int(reply, (int64_t)begin);
    reply_int(reply, (int64_t)end - 1);
}

static void reply_matches(struct call *call, const struct lcs *lcs, const struct lcs_options *options)
{
    struct reply *reply = call->reply;
    size_t i = lcs->a.size;
    size_t j = lcs->b.size;
    struct match match;
    reply_map(reply, 2);
    reply_bulk_text(reply, "matches");
    struct output_gap gap = reply_later(reply);
    int64_t count = 0;
    while (lcs_previous_match(lcs, &i, &j, &match)) {
        int64_t length = (int64_t)(match.a_end - match.a_begin);
        if (length < options->match_length_min)
            continue;
        reply_array(reply, options->match_lengths ? 3 : 2);
        reply_range(reply, match.a_begin, match.a_end);
        reply_range(reply, match.b_begin, match.b_end);
        if (options->match_lengths)
            reply_int(reply, length);
        count++;
    }
    reply_array_at(reply, gap, count);
    reply_bulk_text(reply, "len");
    reply_int(reply, *length_at(lcs, lcs->a.size, lcs->b.size));
}

static void reply_subsequence(struct call *call, const struct lcs *lcs)
{
    size_t i = lcs->a.size;
    size_t j = lcs->b.size;
    size_t size = *length_at(lcs, i, j);
    char *text = mem_alloc(size + 1);
    size_t left = size;
    struct match match;
    while (lcs_previous_match(lcs, &i, &j, &match)) {
        size_t length = match.a_end - match.a_begin;
        left -= length;
        memcpy(text + left, lcs->a.data + match.a_begin, length);
    }
    ASSERT(left == 0);
    reply_bulk(call->reply, slice_make(text, size));
    mem_free(text);
}

static bool options_read(struct call *call, struct lcs_options *options)
{
    for (int i = 3; i < call->argc; i++) {
        struct slice word = call->argv[i];
        if (slice_is(word, "idx")) {
            options->ranges = true;
        } else if (slice_is(word, "len")) {
            options->only_length = true;
        } else if (slice_is(word, "withmatchlen")) {
            options->match_lengths = true;
        } else if (slice_is(word, "minmatchlen") && i + 1 < call->argc) {
            if (!call_int(call, ++i, &options->match_length_min))
                return false;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    if (options->ranges && options->only_length) {
        reply_error(call->reply, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

/* Allocates the table, which may not be larger than a string may be. */
static bool lcs_reserve(struct call *call, struct lcs *lcs)
{
    size_t cells;
    size_t bytes;
    if (lcs->a.size >= UINT32_MAX - 1 || lcs->b.size >= UINT32_MAX - 1) {
        reply_error(call->reply, "ERR String too long for LCS");
        return false;
    }
    if (__builtin_mul_overflow(lcs->a.size + 1, lcs->b.size + 1, &cells) ||
        __builtin_mul_overflow(cells, sizeof(*lcs->lengths), &bytes) ||
        bytes > call->world->settings.bulk_max) {
        reply_error(call->reply,
                    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        return false;
    }
    lcs->lengths = mem_try_alloc(bytes);
    if (!lcs->lengths) {
        reply_error(call->reply, "ERR Insufficient memory, failed allocating transient memory for LCS");
        return false;
    }
    return true;
}

void lcs_command(struct call *call)
{
    char scratch[2][STRING_SCRATCH];
    struct slice values[2] = {{NULL, 0}, {NULL, 0}};
    struct entry *entries[2];
    for (int i = 0; i < 2; i++)
        entries[i] = lookup_read(call, call->argv[i + 1], call_hash(call, i + 1));
    for (int i = 0; i < 2; i++) {
        if (entries[i] && entry_type(entries[i]) != VALUE_STRING) {
            reply_error(call->reply, "ERR The specified keys must contain string values");
            return;
        }
        if (entries[i])
            values[i] = string_value(entries[i], scratch[i]);
    }
    struct lcs lcs = {.a = values[0], .b = values[1]};
    struct lcs_options options = {0};
    if (!options_read(call, &options) || !lcs_reserve(call, &lcs))
        return;
    lcs_fill(&lcs);
    if (options.ranges)
        reply_matches(call, &lcs, &options);
    else if (options.only_length)
        reply_int(call->reply, *length_at(&lcs, lcs.a.size, lcs.b.size));
    else
        reply_subsequence(call, &lcs);
    mem_free(lcs.lengths);
}
