/* A pattern is a row of elements, each of which takes exactly one byte of the text, in pieces between stars.
 * The first piece has to stand at the text's beginning and the last at its end. Each one between is looked
 * for from where the one before ended: what a later place leaves to those that follow, the first place leaves
 * as well, so nothing is ever tried again. What remains is to find a piece in a text:
 *
 *   - of plain characters only: memmem, which takes time in proportion to both lengths;
 *   - of question marks only: anywhere;
 *   - any other: byte by byte, and when that takes much longer than it should, with a bit for each element
 * that says whether the text up to here ends in all elements up to this one ("Shift-And": Baeza-Yates and
 * Gonnet, "A new approach to text searching", CACM 1992). */
#include "base/glob.h"

#include "base/diag.h"
#include "base/memory.h"

#define BYTES 256
/* An element: a byte below BYTES, ANY, or SETS and the number of a set. */
#define ANY  ((uint32_t)BYTES)
#define SETS ((uint32_t)BYTES + 1)
/* Byte by byte, a search may take so many steps for each byte of text and piece. */
#define PATIENCE 8

const char GLOB_TOO_COMPLEX[] =
    "ERR the pattern is too complex: between two stars it has more than 4096 characters, "
    "wildcards among them, or it has more than 4096 sets or a million characters";

struct set {
    uint64_t bits[BYTES / 64];
};

struct piece {
    size_t begin; /* in elements */
    size_t size;
    bool is_plain; /* bytes only, compared as they are: text holds them */
    bool is_any;   /* ANY only */
};

struct glob {
    bool ignore_case;
    struct buffer elements; /* of uint32_t */
    struct buffer sets;     /* of struct set */
    struct buffer pieces;   /* of struct piece; with stars between them */
    struct buffer text;     /* a byte for each element; its value where that is a plain one */
};

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* --- reading a pattern -------------------------------------------------------------------------------- */

static bool set_has(const struct set *set, uint8_t c)
{
    return set->bits[c / 64] >> c % 64 & 1;
}

static void set_add(struct set *set, uint8_t c)
{
    set->bits[c / 64] |= UINT64_C(1) << c % 64;
}

/* Ranges that were begun (+1) and ended (-1), by byte as a signed number from -128 on. So a range takes one
 * step to note, however many there are. */
struct ranges {
    int32_t steps[BYTES + 1];
};

static void range_note(struct ranges *ranges, char first, char last, bool ignore_case)
{
    signed char a = (signed char)(first < last ? first : last);
    signed char b = (signed char)(first < last ? last : first);
    if (ignore_case) {
        a = (signed char)lower((uint8_t)a);
        b = (signed char)lower((uint8_t)b);
    }
    if (a > b)
        return;
    ranges->steps[a + 128]++;
    ranges->steps[b + 129]--;
}

/* plain: bytes that stand for themselves; quoted ones do not fold. */
static struct set set_of(const struct set *plain, const struct set *quoted, const struct ranges *ranges,
                         bool negated, bool ignore_case)
{
    struct set within = {{0}};
    int32_t depth = 0;
    for (int value = -128; value < 128; value++) {
        depth += ranges->steps[value + 128];
        if (depth > 0)
            set_add(&within, (uint8_t)value);
    }
    struct set result = {{0}};
    for (int c = 0; c < BYTES; c++) {
        uint8_t folded = ignore_case ? lower((uint8_t)c) : (uint8_t)c;
        bool found = set_has(plain, folded) || set_has(quoted, (uint8_t)c) || set_has(&within, folded);
        if (found != negated)
            set_add(&result, (uint8_t)c);
    }
    return result;
}

/* Reads the set that begins behind '[' at `at`. Returns the place behind its ']', or the end of the pattern
 * when there is none: an open set holds what it has. Bytes compare as signed, which only shows in ranges. */
static size_t set_read(struct set *set, struct slice pattern, size_t at, bool ignore_case)
{
    struct set plain = {{0}};
    struct set quoted = {{0}};
    struct ranges ranges = {{0}};
    bool negated = at < pattern.size && pattern.data[at] == '^';
    at += negated;
    while (at < pattern.size && pattern.data[at] != ']') {
        const char *p = pattern.data + at;
        size_t left = pattern.size - at;
        if (left >= 2 && p[0] == '\\') {
            set_add(&quoted, (uint8_t)p[1]);
            at += 2;
        } else if (left >= 3 && p[1] == '-') {
            range_note(&ranges, p[0], p[2], ignore_case);
            at += 3;
        } else {
            set_add(&plain, ignore_case ? lower((uint8_t)p[0]) : (uint8_t)p[0]);
            at++;
        }
    }
    *set = set_of(&plain, &quoted, &ranges, negated, ignore_case);
    return at + (at < pattern.size);
}

/* Reads the element at `at`, which is not a star; returns the place behind it. */
static size_t element_read(struct glob *glob, struct slice pattern, size_t at)
{
    char p = pattern.data[at++];
    uint32_t element;
    if (p == '?') {
        element = ANY;
    } else if (p == '[') {
        struct set set;
        at = set_read(&set, pattern, at, glob->ignore_case);
        element = SETS + (uint32_t)(glob->sets.size / sizeof(set));
        buffer_append(&glob->sets, &set, sizeof(set));
    } else {
        if (p == '\\' && at < pattern.size)
            p = pattern.data[at++];
        element = glob->ignore_case ? lower((uint8_t)p) : (uint8_t)p;
    }
    buffer_append(&glob->elements, &element, sizeof(element));
    buffer_append_char(&glob->text, (char)element);
    return at;
}

static size_t element_count(const struct glob *glob)
{
    return glob->elements.size / sizeof(uint32_t);
}

static const uint32_t *element_at(const struct glob *glob, size_t index)
{
    return (const uint32_t *)(const void *)glob->elements.data + index;
}

static void piece_end(struct glob *glob, size_t begin)
{
    struct piece piece = {
        .begin = begin, .size = element_count(glob) - begin, .is_plain = true, .is_any = true};
    for (size_t i = 0; i < piece.size; i++) {
        uint32_t element = *element_at(glob, begin + i);
        piece.is_plain &= element < BYTES && !glob->ignore_case;
        piece.is_any &= element == ANY;
    }
    buffer_append(&glob->pieces, &piece, sizeof(piece));
}

static size_t piece_count(const struct glob *glob)
{
    return glob->pieces.size / sizeof(struct piece);
}

static const struct piece *piece_at(const struct glob *glob, size_t index)
{
    return (const struct piece *)(const void *)glob->pieces.data + index;
}

static bool is_too_complex(const struct glob *glob)
{
    for (size_t i = 1; i + 1 < piece_count(glob); i++) {
        const struct piece *piece = piece_at(glob, i);
        if (!piece->is_plain && !piece->is_any && piece->size > GLOB_PIECE_MAX)
            return true;
    }
    return false;
}

struct glob *glob_new(struct slice pattern, bool ignore_case)
{
    if (pattern.size > GLOB_SIZE_MAX)
        return NULL;
    struct glob *glob = mem_alloc_zero(sizeof(*glob));
    glob->ignore_case = ignore_case;
    size_t begin = 0;
    for (size_t at = 0; at < pattern.size && glob->sets.size <= GLOB_SETS_MAX * sizeof(struct set);) {
        if (pattern.data[at] != '*') {
            at = element_read(glob, pattern, at);
            continue;
        }
        piece_end(glob, begin);
        begin = element_count(glob);
        while (at < pattern.size && pattern.data[at] == '*')
            at++;
    }
    piece_end(glob, begin);
    if (glob->sets.size <= GLOB_SETS_MAX * sizeof(struct set) && !is_too_complex(glob))
        return glob;
    glob_free(glob);
    return NULL;
}

void glob_free(struct glob *glob)
{
    if (!glob)
        return;
    buffer_free(&glob->elements);
    buffer_free(&glob->sets);
    buffer_free(&glob->pieces);
    buffer_free(&glob->text);
    mem_free(glob);
}

/* --- matching ----------------------------------------------------------------------------------------- */

static bool element_takes(const struct glob *glob, uint32_t element, uint8_t c)
{
    if (element < BYTES)
        return element == (glob->ignore_case ? lower(c) : c);
    if (element == ANY)
        return true;
    return set_has((const struct set *)(const void *)glob->sets.data + (element - SETS), c);
}

/* How many elements of the piece take the text at `at`, up to the first that does not. The text is long
 * enough. */
static size_t piece_reach(const struct glob *glob, const struct piece *piece, struct slice text, size_t at)
{
    const uint32_t *elements = element_at(glob, piece->begin);
    size_t i = 0;
    while (i < piece->size && element_takes(glob, elements[i], (uint8_t)text.data[at + i]))
        i++;
    return i;
}

static bool piece_stands_at(const struct glob *glob, const struct piece *piece, struct slice text, size_t at)
{
    if (piece->size == 0)
        return true;
    if (piece->is_plain)
        return memcmp(glob->text.data + piece->begin, text.data + at, piece->size) == 0;
    return piece_reach(glob, piece, text, at) == piece->size;
}

/* The place behind the first occurrence from `at` on; SIZE_MAX: there is none. */
static size_t piece_find_by_bits(const struct glob *glob, const struct piece *piece, struct slice text,
                                 size_t at)
{
    size_t words = (piece->size + 63) / 64;
    uint64_t *masks = mem_alloc_zero((BYTES + 1) * words * sizeof(uint64_t));
    uint64_t *state = masks + BYTES * words;
    for (size_t i = 0; i < piece->size; i++)
        for (unsigned c = 0; c < BYTES; c++)
            if (element_takes(glob, *element_at(glob, piece->begin + i), (uint8_t)c))
                masks[c * words + i / 64] |= UINT64_C(1) << i % 64;
    uint64_t last = UINT64_C(1) << (piece->size - 1) % 64;
    bool found = false;
    while (at < text.size && !found) {
        const uint64_t *mask = masks + (uint8_t)text.data[at++] * words;
        uint64_t carry = 1;
        for (size_t w = 0; w < words; w++) {
            uint64_t next = state[w] >> 63;
            state[w] = (state[w] << 1 | carry) & mask[w];
            carry = next;
        }
        found = state[words - 1] & last;
    }
    mem_free(masks);
    return found ? at : SIZE_MAX;
}

/* *steps_left: all pieces' together, as each of many could take as many for a text that they share. */
static size_t piece_find_mixed(const struct glob *glob, const struct piece *piece, struct slice text,
                               size_t at, size_t *steps_left)
{
    *steps_left += PATIENCE * piece->size;
    for (; at + piece->size <= text.size; at++) {
        size_t reach = piece_reach(glob, piece, text, at);
        if (reach == piece->size)
            return at + reach;
        if (reach + 1 > *steps_left)
            return piece_find_by_bits(glob, piece, text, at);
        *steps_left -= reach + 1;
    }
    return SIZE_MAX;
}

static size_t piece_find(const struct glob *glob, const struct piece *piece, struct slice text, size_t at,
                         size_t *steps_left)
{
    if (piece->size > text.size - at)
        return SIZE_MAX;
    if (piece->is_any)
        return at + piece->size;
    if (!piece->is_plain)
        return piece_find_mixed(glob, piece, text, at, steps_left);
    const char *found = memmem(text.data + at, text.size - at, glob->text.data + piece->begin, piece->size);
    return found ? (size_t)(found - text.data) + piece->size : SIZE_MAX;
}

bool glob_matches(const struct glob *glob, struct slice text)
{
    size_t count = piece_count(glob);
    const struct piece *first = piece_at(glob, 0);
    const struct piece *last = piece_at(glob, count - 1);
    if (count == 1)
        return text.size == first->size && piece_stands_at(glob, first, text, 0);
    if (text.size < first->size || text.size - first->size < last->size)
        return false;
    size_t end = text.size - last->size;
    if (!piece_stands_at(glob, first, text, 0) || !piece_stands_at(glob, last, text, end))
        return false;
    struct slice inner = slice_make(text.data, end);
    size_t at = first->size;
    size_t steps_left = PATIENCE * text.size;
    for (size_t i = 1; i + 1 < count && at != SIZE_MAX; i++)
        at = piece_find(glob, piece_at(glob, i), inner, at, &steps_left);
    return at != SIZE_MAX;
}
