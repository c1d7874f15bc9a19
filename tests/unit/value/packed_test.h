/* What the tests of the packed table share: short members by number. */
#ifndef DKV_TESTS_PACKED_TEST_H
#define DKV_TESTS_PACKED_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../seed.h"
#include "base/memory.h"
#include "value/packed_table.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A short member for tables of many. */
static inline struct slice short_member(char text[16], uint64_t number)
{
    char digits[20];
    snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)number);
    memcpy(text, digits, 16);
    return slice_make(text, 16);
}

static inline uint64_t short_number(struct slice member)
{
    char digits[17] = {0};
    assert_int_equal(member.size, 16);
    memcpy(digits, member.data, 16);
    return strtoull(digits, NULL, 16);
}

static inline bool add(struct packed_table *table, uint64_t number)
{
    char text[16];
    return packed_table_set(table, short_member(text, number), SLICE_LITERAL("value"), PACKED_NO_TIME) ==
           PACKED_ADDED;
}

static inline bool drop(struct packed_table *table, uint64_t number)
{
    char text[16];
    return packed_table_delete(table, short_member(text, number));
}

static inline bool is_there(struct packed_table *table, uint64_t number)
{
    char text[16];
    return packed_table_find(table, short_member(text, number), NULL);
}

static inline size_t buckets(const struct packed_table *table)
{
    return packed_table_free_cost(table);
}

static const bool never_frozen = false;

#endif
