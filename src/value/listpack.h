/* Listpacks: short strings and integers one after another in one block, in the format that Redis keeps small
 * collections in and puts into DUMP and RDB files. Byte for byte what Redis writes; after S. Sanfilippo,
 * "Listpack specification" (2017).
 *
 *     4 bytes  size of all, with this header and the end      2 bytes  elements; 65535: so many or more
 *     elements
 *     1 byte   0xFF
 *
 * Numbers are little-endian. An element is its data and then the data's size, backwards. The data:
 *
 *     0nnnnnnn                        an integer, 0 to 127
 *     10ssssss ...                    a string of up to 63 bytes
 *     110nnnnn nnnnnnnn               an integer of 13 bits, two's complement, its high bits first
 *     1110ssss ssssssss ...           a string of up to 4095 bytes, the size's high bits first
 *     11110000, 4 bytes of size, ...  a longer string
 *     11110001 to 11110100            an integer of 16, 24, 32 or 64 bits behind it
 *
 * The size behind it has seven bits a byte, the most significant first; every byte but the first has its top
 * bit set, so that it can be read from its end.
 *
 * Text that is the canonical form of a 64-bit integer is kept as that integer. What others wrote may keep it
 * otherwise; finding and reading do not mind.
 *
 * A position is an element's offset from the block's beginning; 0 is none. Functions trust the bytes, but for
 * listpack_valid. Nothing here allocates: who changes a block sees to its room first. */
#ifndef DKV_VALUE_LISTPACK_H
#define DKV_VALUE_LISTPACK_H

#include "base/bytes.h"
#include "base/number.h"

#define LISTPACK_EMPTY_BYTES 7
/* A larger one is not to be made, as in Redis: what would be, becomes another structure. */
#define LISTPACK_BYTES_MAX (UINT64_C(1) << 30)
/* Room for an integer's digits. */
#define LISTPACK_SCRATCH 24

/* Makes an empty one. */
void listpack_init(char *listpack);
/* Whether bytes that others wrote are a listpack: every element and its size within bounds, the count right,
 * the end where it should be. */
bool listpack_valid(struct slice bytes);

size_t listpack_bytes(const char *listpack);
/* Elements. Takes a walk where there are 65535 or more. */
size_t listpack_count(const char *listpack);
struct slice listpack_slice(const char *listpack);

/* --- Reading --- */

/* Positions of elements, 0: there is none. */
size_t listpack_first(const char *listpack);
size_t listpack_last(const char *listpack);
size_t listpack_next(const char *listpack, size_t position);
size_t listpack_previous(const char *listpack, size_t position);
/* The element of this index, from the end if it is below 0 (-1: the last); walks from the nearer end. */
size_t listpack_seek(const char *listpack, int64_t index);
/* Where the next element would be appended. */
size_t listpack_end(const char *listpack);

/* For who reads from the first element to the last, where listpack_read and sizes lead. */
#define LISTPACK_BEGIN 6
static inline bool listpack_at_end(const char *listpack, size_t position)
{
    return (unsigned char)listpack[position] == 0xFF;
}

/* An element: true and its number, or false and its text, which lies in the block. */
bool listpack_get(const char *listpack, size_t position, struct slice *text, int64_t *number);
/* Its text: in the block, or in scratch for a number. */
struct slice listpack_text(const char *listpack, size_t position, char scratch[LISTPACK_SCRATCH]);
/* The same, and the position behind the element: listpack_end behind the last. For who reads many: short
 * strings take no call. */
size_t listpack_read_other(const char *listpack, size_t position, char scratch[LISTPACK_SCRATCH],
                           struct slice *text);
static inline size_t listpack_read(const char *listpack, size_t position, char scratch[LISTPACK_SCRATCH],
                                   struct slice *text)
{
    unsigned first = (unsigned char)listpack[position];
    if (first >> 6 != 2)
        return listpack_read_other(listpack, position, scratch, text);
    *text = slice_make(listpack + position + 1, first & 0x3F);
    return position + 2 + text->size;
}
/* Its number, if it is one: kept as such, or as text that others did not keep so. */
bool listpack_number(const char *listpack, size_t position, int64_t *number);
bool listpack_equals(const char *listpack, size_t position, struct slice text);
/* The first element from position on that has this text, looking at every (skip + 1)th one; 0: none. The
 * number of elements from position on must be a multiple of skip + 1. */
size_t listpack_find(const char *listpack, size_t position, struct slice text, unsigned skip);

/* --- Changing --- */

/* An element before it is put into a block. The text is not copied. */
struct listpack_item {
    size_t bytes; /* what it will take */
    struct slice text;
    int64_t number;
    bool is_number;
};

struct listpack_item listpack_item(struct slice text);
struct listpack_item listpack_item_number(int64_t number);
/* Bytes that an element takes which is there. */
size_t listpack_element_bytes(const char *listpack, size_t position);

/* Puts items in place of the elements in [position, position + old_bytes), of which there are old_count.
 * There must be room for listpack_bytes - old_bytes + the items' bytes, at most LISTPACK_BYTES_MAX in all,
 * and the items' text must not lie in the block. Items of as many bytes as the old elements move nothing. */
void listpack_splice(char *listpack, size_t position, size_t old_bytes, size_t old_count,
                     const struct listpack_item *items, size_t count);

static inline void listpack_append(char *listpack, const struct listpack_item *item)
{
    listpack_splice(listpack, listpack_end(listpack), 0, 0, item, 1);
}

/* Before the element at position, or at listpack_end. */
static inline void listpack_insert(char *listpack, size_t position, const struct listpack_item *item)
{
    listpack_splice(listpack, position, 0, 0, item, 1);
}

static inline void listpack_replace(char *listpack, size_t position, const struct listpack_item *item)
{
    listpack_splice(listpack, position, listpack_element_bytes(listpack, position), 1, item, 1);
}

/* So many elements from position on. */
void listpack_delete(char *listpack, size_t position, size_t count);

#endif
