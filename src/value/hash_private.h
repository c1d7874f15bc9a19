/* Private to hashes: what a struct hash is, and what its small forms share with packed hashes. A listpack
 * holds fields of `width` elements each: name and value, or name, value and time, where 0 is none and the
 * times are in order, those without one at the end. */
#ifndef DKV_VALUE_HASH_PRIVATE_H
#define DKV_VALUE_HASH_PRIVATE_H

#include "value/hash.h"

struct hash {
    const struct hash_settings *settings;
    union {
        char *listpack;
        struct packed_table *table;
    };
    void *owner_room; /* NULL: no field ever had a time */
    uint32_t size;    /* of a listpack: fields, and those with a time */
    uint32_t timed;
    enum hash_encoding encoding;
};

enum { WIDTH_PLAIN = 2, WIDTH_TIMED = 3 };

/* A larger listpack is not made and not taken: moving it would take long. Fields of one that get times, and
 * were four bytes each at the least, then take fourteen, which LISTPACK_BYTES_MAX has room for. */
#define FIELDS_BYTES_MAX ((size_t)16 << 20)

static inline unsigned hash_width(const struct hash *hash)
{
    return hash->encoding == HASH_LISTPACK ? WIDTH_PLAIN : WIDTH_TIMED;
}

static inline void field_of_element(struct hash_field *field, const struct packed_element *element)
{
    field->name = element->member;
    field->value = element->value;
    field->expire_ms = element->time_ms;
}

/* The position of a field's name, 0: there is none. */
size_t fields_find(const char *listpack, unsigned width, struct slice name);
/* Fills in the field at position; returns the position behind it. */
size_t fields_read(const char *listpack, unsigned width, size_t position, struct hash_field *field);
size_t fields_count(const char *listpack, unsigned width);
/* The position of the field of this index, which is there. */
size_t fields_seek(const char *listpack, unsigned width, size_t index);
/* The bytes of a field's elements. */
size_t fields_bytes(const char *listpack, unsigned width, size_t position);
/* The time of the field at position, of a listpack with times. */
int64_t fields_time(const char *listpack, size_t position);
/* Whether a field of this name and value may be in a listpack of so many fields and bytes. */
bool fields_fit(const struct hash_settings *settings, struct slice name, struct slice value, size_t size,
                size_t bytes);
/* Visits count of the fields from the one of index `first` on, all choices as likely; all if there are no
 * more. */
void fields_choose(const char *listpack, unsigned width, size_t first, struct random *random, size_t count,
                   hash_visit *visit, void *context);

#endif
