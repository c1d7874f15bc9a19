/* Glob matching. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/glob.h"
#include "base/memory.h"
#include "base/random.h"

static bool matches(struct slice pattern, struct slice text, bool ignore_case)
{
    struct glob *glob = glob_new(pattern, ignore_case);
    assert_non_null(glob);
    bool result = glob_matches(glob, text);
    glob_free(glob);
    return result;
}

static const struct {
    const char *pattern;
    const char *text;
    bool match;
    bool match_nocase;
} globs[] = {
    {"", "", true, true},
    {"*", "", true, true},
    {"?", "", false, false},
    {"abc", "abc", true, true},
    {"abc", "aBc", false, true},
    {"a*c", "abbbc", true, true},
    {"a*c", "abbbd", false, false},
    {"a**", "a", true, true},
    {"*a*b*", "xxaxxbxx", true, true},
    {"*ab", "aab", true, true},
    {"h?llo", "hello", true, true},
    {"h?llo", "hllo", false, false},
    {"[abc]x", "bx", true, true},
    {"[^abc]x", "bx", false, false},
    {"[^abc]x", "dx", true, true},
    {"[^a]", "^", true, true},
    {"[a-c]", "a", true, true},
    {"[a-c]", "c", true, true},
    {"[a-c]", "d", false, false},
    {"[a-c]", "b", true, true},
    {"[c-a]", "b", true, true}, /* a range may be written backwards */
    {"[A-C]", "b", false, true},
    {"[abc", "b", true, true}, /* a set without an end holds what it has */
    {"[", "a", false, false},
    {"[^", "a", true, true},
    {"[]", "]", false, false},
    {"[\\]]", "]", true, true},
    {"[a-", "-", true, true},
    {"[a\\", "\\", true, true},
    {"[\\A]", "a", false, false}, /* quoted characters in sets do not fold */
    {"\\*", "*", true, true},
    {"\\*", "x", false, false},
    {"\\", "\\", true, true},
    {"a\\A", "aa", false, true},
    {"[\x80-\x90]", "\x88", true, true},
    {"[a-\xff]", "b", false, false}, /* characters are signed: from -1 to 'a' */
    {"[a-\xff]", "A", true, true},
};

/* Patterns match what they match in Redis, oddities included. */
static void match_as_in_redis(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++) {
        struct slice pattern = slice_of(globs[i].pattern);
        struct slice text = slice_of(globs[i].text);
        if (matches(pattern, text, false) != globs[i].match ||
            matches(pattern, text, true) != globs[i].match_nocase)
            fail_msg("pattern \"%s\", text \"%s\"", globs[i].pattern, globs[i].text);
    }
}

/* --- against a plain reading -------------------------------------------------------------------------- */

static char fold(char c, bool ignore_case)
{
    return ignore_case && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Whether the set behind '[' has c; *size is how long it is. */
static bool model_set(const char *p, size_t left, char c, bool ignore_case, size_t *size)
{
    size_t at = 0;
    bool negated = left > 0 && p[0] == '^';
    bool found = false;
    for (at = negated; at < left && p[at] != ']';) {
        if (left - at >= 2 && p[at] == '\\') {
            found |= p[at + 1] == c;
            at += 2;
        } else if (left - at >= 3 && p[at + 1] == '-') {
            signed char a = (signed char)p[at];
            signed char b = (signed char)p[at + 2];
            signed char first = (signed char)fold((char)(a < b ? a : b), ignore_case);
            signed char last = (signed char)fold((char)(a < b ? b : a), ignore_case);
            signed char value = (signed char)fold(c, ignore_case);
            found |= value >= first && value <= last;
            at += 3;
        } else {
            found |= fold(p[at], ignore_case) == fold(c, ignore_case);
            at++;
        }
    }
    *size = at + (at < left);
    return found != negated;
}

static bool model_matches(const char *p, size_t p_left, const char *t, size_t t_left, bool ignore_case)
{
    if (p_left == 0)
        return t_left == 0;
    if (p[0] == '*')
        return model_matches(p + 1, p_left - 1, t, t_left, ignore_case) ||
               (t_left > 0 && model_matches(p, p_left, t + 1, t_left - 1, ignore_case));
    if (t_left == 0)
        return false;
    size_t size = 1;
    bool takes = true;
    if (p[0] == '[') {
        takes = model_set(p + 1, p_left - 1, t[0], ignore_case, &size);
        size++;
    } else if (p[0] != '?') {
        size = p[0] == '\\' && p_left > 1 ? 2 : 1;
        takes = fold(p[size - 1], ignore_case) == fold(t[0], ignore_case);
    }
    return takes && model_matches(p + size, p_left - size, t + 1, t_left - 1, ignore_case);
}

static size_t draw(struct random *random, const char *letters, size_t letter_count, size_t size_max,
                   char *out)
{
    size_t size = random_next(random) % (size_max + 1);
    for (size_t i = 0; i < size; i++)
        out[i] = letters[random_next(random) % letter_count];
    return size;
}

/* Random patterns and texts, of few letters so that many match. */
static void match_as_a_plain_reading_says(void **state)
{
    (void)state;
    static const char letters[] = "aaabbBc***??[]^-\\\xe4\x00";
    struct random random;
    random_seed(&random, 20261130);
    int found = 0;
    for (int i = 0; i < 200000; i++) {
        char pattern[10];
        char text[6];
        size_t pattern_size = draw(&random, letters, sizeof(letters) - 1, sizeof(pattern), pattern);
        size_t text_size = draw(&random, i % 2 ? "ab" : "aAbBc\xe4\x00]", i % 2 ? 2 : 8, sizeof(text), text);
        bool ignore_case = i % 3 == 0;
        bool expected = model_matches(pattern, pattern_size, text, text_size, ignore_case);
        if (matches(slice_make(pattern, pattern_size), slice_make(text, text_size), ignore_case) != expected)
            fail_msg("\"%.*s\" in \"%.*s\"", (int)pattern_size, pattern, (int)text_size, text);
        found += expected;
    }
    assert_in_range(found, 10000, 190000);
}

/* A piece that nearly stands everywhere makes the search go on by bits: of one word, of several, and found or
 * not. */
static void long_pieces_are_found(void **state)
{
    (void)state;
    enum { TEXT = 60000 };
    char *text = mem_alloc(TEXT);
    char *pattern = mem_alloc(GLOB_PIECE_MAX + 3);
    static const size_t sizes[] = {2, 63, 64, 65, 127, 128, 1000, GLOB_PIECE_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = sizes[i];
        memset(text, 'a', TEXT);
        memset(pattern, 'a', size + 2);
        pattern[0] = pattern[size + 1] = '*';
        pattern[1] = '?';
        pattern[size] = 'b';
        struct slice whole = slice_make(pattern, size + 2);
        assert_false(matches(whole, slice_make(text, TEXT), false));
        text[TEXT - 1] = 'b';
        assert_true(matches(whole, slice_make(text, TEXT), false));
        assert_true(matches(slice_make(pattern, size + 1), slice_make(text, TEXT), false));
        assert_false(matches(slice_make(pattern + 1, size), slice_make(text, TEXT), false));
        text[TEXT - 1] = 'B';
        assert_false(matches(whole, slice_make(text, TEXT), false));
        assert_true(matches(whole, slice_make(text, TEXT), true));
    }
    mem_free(pattern);
    mem_free(text);
}

/* --- time --------------------------------------------------------------------------------------------- */

/* begin, then fill as often as there is room, then end. */
static struct slice long_text(const char *begin, char fill, const char *end, size_t size)
{
    char *text = mem_alloc(size);
    memset(text, fill, size);
    memcpy(text, begin, strlen(begin));
    memcpy(text + size - strlen(end), end, strlen(end));
    return slice_make(text, size);
}

/* None of these takes the product of two lengths, or would end in a lifetime if it did. */
static void long_patterns_end(void **state)
{
    (void)state;
    enum { SIZE = GLOB_SIZE_MAX };
    struct slice text = long_text("", 'a', "", (size_t)8 << 20);
    static const struct {
        const char *begin;
        char fill;
        const char *end;
    } patterns[] = {
        {
            "*",
            'a',
            "b*",
        },                 /* a piece that nearly stands everywhere */
        {"*[", 'b', "]c"}, /* a set that is read for every byte of the text */
        {"*[^", 'a', "]*"},
        {"*", '?', "b"},
        {"", '?', "*b"},
    };
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        struct slice pattern = long_text(patterns[i].begin, patterns[i].fill, patterns[i].end, SIZE);
        assert_false(matches(pattern, text, false));
        mem_free((void *)(uintptr_t)pattern.data);
    }
    mem_free((void *)(uintptr_t)text.data);
}

/* Many stars, and many pieces, do not make matching exponential. */
static void many_stars_end(void **state)
{
    (void)state;
    enum { PIECES = 100000 };
    char *pattern = mem_alloc(3 * PIECES + 1);
    for (int i = 0; i < PIECES; i++)
        memcpy(pattern + 3 * i, i % 2 ? "*a?" : "**a", 3);
    pattern[3 * PIECES] = 'b';
    struct slice text = long_text("", 'a', "", (size_t)8 << 20);
    assert_false(matches(slice_make(pattern, 3 * PIECES + 1), text, false));
    assert_true(matches(slice_make(pattern, 3 * PIECES), text, false));
    mem_free((void *)(uintptr_t)text.data);
    mem_free(pattern);
}

/* What would take long all the same is refused when it is read: a long piece between stars that is not plain.
 */
static void long_mixed_pieces_are_refused(void **state)
{
    (void)state;
    struct slice longest = long_text("*?", 'a', "*", GLOB_PIECE_MAX + 2);
    struct slice longer = long_text("*?", 'a', "*", GLOB_PIECE_MAX + 3);
    assert_true(matches(longest, slice_make(longest.data + 1, GLOB_PIECE_MAX), false));
    assert_null(glob_new(longer, false));
    glob_free(NULL);
    /* Not between two stars, it is looked for in one place only. */
    assert_true(matches(slice_make(longer.data + 1, GLOB_PIECE_MAX + 1),
                        slice_make(longer.data + 1, GLOB_PIECE_MAX + 1), false));
    mem_free((void *)(uintptr_t)longest.data);
    mem_free((void *)(uintptr_t)longer.data);
}

/* The same for patterns that would take much time and memory to read. */
static void large_patterns_are_refused(void **state)
{
    (void)state;
    char sets[2 * (GLOB_SETS_MAX + 1)];
    struct slice longer = long_text("", 'a', "", GLOB_SIZE_MAX + 1);
    for (size_t i = 0; i < sizeof(sets); i++)
        sets[i] = i % 2 ? ']' : '[';
    assert_null(glob_new(slice_make(sets, sizeof(sets)), false));
    assert_false(matches(slice_make(sets, sizeof(sets) - 2), slice_make(sets, GLOB_SETS_MAX), false));
    assert_null(glob_new(longer, false));
    assert_true(matches(slice_make(longer.data + 1, GLOB_SIZE_MAX),
                        slice_make(longer.data + 1, GLOB_SIZE_MAX), false));
    mem_free((void *)(uintptr_t)longer.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(match_as_in_redis),
        cmocka_unit_test(match_as_a_plain_reading_says),
        cmocka_unit_test(long_pieces_are_found),
        cmocka_unit_test(long_patterns_end),
        cmocka_unit_test(many_stars_end),
        cmocka_unit_test(long_mixed_pieces_are_refused),
        cmocka_unit_test(large_patterns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
