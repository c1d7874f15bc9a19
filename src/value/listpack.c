#include "value/listpack.h"

#include <assert.h>

#include "base/diag.h"

#define HEADER_BYTES  LISTPACK_BEGIN
#define END           0xFF
#define COUNT_UNKNOWN UINT16_MAX

/* The first bytes of data, and the bits that tell them. */
enum kind {
    STRING_6 = 0x80,
    NUMBER_13 = 0xC0,
    STRING_12 = 0xE0,
    STRING_32 = 0xF0,
    NUMBER_16 = 0xF1,
    NUMBER_24 = 0xF2,
    NUMBER_32 = 0xF3,
    NUMBER_64 = 0xF4,
};
#define STRING_6_MAX  63
#define STRING_12_MAX 4095

static const uint8_t *at(const char *listpack, size_t position)
{
    return (const uint8_t *)listpack + position;
}

static inline uint64_t little_endian(const uint8_t *p, unsigned bytes)
{
    uint64_t value = 0;
    memcpy(&value, p, bytes);
    return value;
}

/* --- The header --- */

size_t listpack_bytes(const char *listpack)
{
    return little_endian(at(listpack, 0), 4);
}

struct slice listpack_slice(const char *listpack)
{
    return slice_make(listpack, listpack_bytes(listpack));
}

size_t listpack_end(const char *listpack)
{
    return listpack_bytes(listpack) - 1;
}

static size_t header_count(const char *listpack)
{
    return little_endian(at(listpack, 4), 2);
}

static void header_write(char *listpack, size_t bytes, size_t count)
{
    uint32_t bytes_field = (uint32_t)bytes;
    uint16_t count_field = (uint16_t)(count < COUNT_UNKNOWN ? count : COUNT_UNKNOWN);
    memcpy(listpack, &bytes_field, sizeof(bytes_field));
    memcpy(listpack + 4, &count_field, sizeof(count_field));
}

void listpack_init(char *listpack)
{
    static_assert(LISTPACK_EMPTY_BYTES == HEADER_BYTES + 1, "header and end");
    header_write(listpack, LISTPACK_EMPTY_BYTES, 0);
    listpack[HEADER_BYTES] = (char)END;
}

/* --- Sizes of elements --- */

/* Bytes of the size behind so many bytes of data. From 16383 on one more than needed, as Redis does at every
 * limit but the first. */
static size_t back_bytes(size_t data_bytes)
{
    if (data_bytes <= 127)
        return 1;
    if (data_bytes < (1U << 14) - 1)
        return 2;
    if (data_bytes < (1U << 21) - 1)
        return 3;
    return data_bytes < (1U << 28) - 1 ? 4 : 5;
}

static size_t with_back(size_t data_bytes)
{
    return data_bytes + back_bytes(data_bytes);
}

static uint8_t *back_write(uint8_t *p, size_t data_bytes)
{
    size_t bytes = back_bytes(data_bytes);
    for (size_t i = bytes; i-- > 0; data_bytes >>= 7)
        p[i] = (uint8_t)((data_bytes & 127) | (i > 0 ? 128 : 0));
    return p + bytes;
}

/* The size of data that ends before p, where its size stands. */
static size_t back_read(const uint8_t *p)
{
    size_t value = 0;
    for (unsigned shift = 0; shift <= 28; shift += 7) {
        p--;
        value |= (size_t)(*p & 127) << shift;
        if (!(*p & 128))
            break;
    }
    return value;
}

/* What comes before a string's bytes, by its first byte; or all of a number. 0: there is no such first byte.
 */
static size_t head_bytes(uint8_t first)
{
    if (first < NUMBER_13)
        return 1;
    if (first < STRING_32)
        return 2;
    switch (first) {
    case STRING_32: return 5;
    case NUMBER_16: return 3;
    case NUMBER_24: return 4;
    case NUMBER_32: return 5;
    case NUMBER_64: return 9;
    default: return 0;
    }
}

/* Bytes of the string that an element's head announces, 0 for a number's. */
static size_t string_bytes(const uint8_t *p)
{
    if ((*p & 0xC0) == STRING_6)
        return *p & 0x3F;
    if ((*p & 0xF0) == STRING_12)
        return (size_t)(*p & 0x0F) << 8 | p[1];
    return *p == STRING_32 ? little_endian(p + 1, 4) : 0;
}

static bool is_string(uint8_t first)
{
    return (first & 0xC0) == STRING_6 || (first & 0xF0) == STRING_12 || first == STRING_32;
}

/* Most elements are small numbers and short strings. */
static inline size_t element_bytes(const uint8_t *p)
{
    if (*p < STRING_6)
        return 2;
    if (*p < NUMBER_13)
        return 2 + (size_t)(*p & 0x3F);
    return with_back(head_bytes(*p) + string_bytes(p));
}

size_t listpack_element_bytes(const char *listpack, size_t position)
{
    return element_bytes(at(listpack, position));
}

/* --- What others wrote --- */

/* Bytes of the element at p, 0 if it is not right or does not end before `left` bytes are over. */
static size_t element_valid(const uint8_t *p, size_t left)
{
    size_t head = head_bytes(*p);
    if (head == 0 || head >= left)
        return 0;
    size_t data = head + string_bytes(p);
    size_t back = back_bytes(data);
    if (data > left || back > left - data)
        return 0;
    uint8_t expected[5];
    back_write(expected, data);
    return memcmp(p + data, expected, back) == 0 ? data + back : 0;
}

bool listpack_valid(struct slice bytes)
{
    if (bytes.size < LISTPACK_EMPTY_BYTES || listpack_bytes(bytes.data) != bytes.size ||
        *at(bytes.data, bytes.size - 1) != END)
        return false;
    size_t count = 0;
    size_t end = bytes.size - 1;
    size_t position = HEADER_BYTES;
    for (; position < end; count++) {
        size_t size = element_valid(at(bytes.data, position), end - position);
        if (size == 0)
            return false;
        position += size;
    }
    size_t told = header_count(bytes.data);
    return position == end && (told == count || told == COUNT_UNKNOWN);
}

/* --- Reading --- */

static size_t unless_end(const char *listpack, size_t position)
{
    return *at(listpack, position) == END ? 0 : position;
}

size_t listpack_first(const char *listpack)
{
    return unless_end(listpack, HEADER_BYTES);
}

size_t listpack_next(const char *listpack, size_t position)
{
    return unless_end(listpack, position + element_bytes(at(listpack, position)));
}

size_t listpack_previous(const char *listpack, size_t position)
{
    if (position == HEADER_BYTES)
        return 0;
    return position - with_back(back_read(at(listpack, position)));
}

size_t listpack_last(const char *listpack)
{
    return listpack_previous(listpack, listpack_end(listpack));
}

size_t listpack_count(const char *listpack)
{
    size_t count = header_count(listpack);
    if (count < COUNT_UNKNOWN)
        return count;
    count = 0;
    for (size_t position = listpack_first(listpack); position != 0;
         position = listpack_next(listpack, position))
        count++;
    return count;
}

size_t listpack_seek(const char *listpack, int64_t index)
{
    size_t known = header_count(listpack);
    if (known < COUNT_UNKNOWN) {
        int64_t count = (int64_t)known;
        if (index >= count || index < -count)
            return 0;
        if (index >= 0 && index > count / 2)
            index -= count;
        else if (index < 0 && -index > count / 2)
            index += count;
    }
    size_t position = index >= 0 ? listpack_first(listpack) : listpack_last(listpack);
    for (; index > 0 && position != 0; index--)
        position = listpack_next(listpack, position);
    for (; index < -1 && position != 0; index++)
        position = listpack_previous(listpack, position);
    return position;
}

/* A number of so many bits, two's complement. */
static int64_t extend_sign(uint64_t value, unsigned bits)
{
    return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static int64_t element_number(const uint8_t *p)
{
    if (*p < STRING_6)
        return *p;
    if ((*p & 0xE0) == NUMBER_13)
        return extend_sign((uint64_t)(*p & 0x1F) << 8 | p[1], 13);
    switch (*p) {
    case NUMBER_16: return extend_sign(little_endian(p + 1, 2), 16);
    case NUMBER_24: return extend_sign(little_endian(p + 1, 3), 24);
    case NUMBER_32: return extend_sign(little_endian(p + 1, 4), 32);
    case NUMBER_64: return extend_sign(little_endian(p + 1, 8), 64);
    default: panic("a listpack's element begins with the byte %u", *p);
    }
}

bool listpack_get(const char *listpack, size_t position, struct slice *text, int64_t *number)
{
    const uint8_t *p = at(listpack, position);
    if (is_string(*p)) {
        *text = slice_make(p + head_bytes(*p), string_bytes(p));
        return false;
    }
    *number = element_number(p);
    return true;
}

size_t listpack_read_other(const char *listpack, size_t position, char scratch[LISTPACK_SCRATCH],
                           struct slice *text)
{
    static_assert(LISTPACK_SCRATCH >= INT64_TEXT_MAX, "an integer's digits fit");
    int64_t number;
    if (listpack_get(listpack, position, text, &number))
        *text = slice_make(scratch, int64_format(scratch, number));
    return position + element_bytes(at(listpack, position));
}

struct slice listpack_text(const char *listpack, size_t position, char scratch[LISTPACK_SCRATCH])
{
    struct slice text;
    listpack_read(listpack, position, scratch, &text);
    return text;
}

bool listpack_number(const char *listpack, size_t position, int64_t *number)
{
    struct slice text;
    return listpack_get(listpack, position, &text, number) || int64_parse(text, number);
}

/* Most texts are no numbers by their first byte. */
static inline bool text_number(struct slice text, int64_t *number)
{
    if (text.size == 0 || text.size > INT64_TEXT_MAX ||
        ((uint8_t)(*text.data - '0') > 9 && *text.data != '-'))
        return false;
    return int64_parse(text, number);
}

struct wanted {
    struct slice text;
    int64_t number;
    bool is_number;
};

static struct wanted wanted_make(struct slice text)
{
    struct wanted wanted = {.text = text};
    wanted.is_number = text_number(text, &wanted.number);
    return wanted;
}

static bool element_is(const uint8_t *p, const struct wanted *wanted)
{
    if (is_string(*p))
        return slice_equal(slice_make(p + head_bytes(*p), string_bytes(p)), wanted->text);
    return wanted->is_number && element_number(p) == wanted->number;
}

bool listpack_equals(const char *listpack, size_t position, struct slice text)
{
    struct wanted wanted = wanted_make(text);
    return element_is(at(listpack, position), &wanted);
}

static inline const uint8_t *skip_elements(const uint8_t *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        p += element_bytes(p);
    return p;
}

static const uint8_t *find_any(const uint8_t *p, const struct wanted *wanted, unsigned skip)
{
    for (; *p != END; p = skip_elements(p, 1 + skip))
        if (element_is(p, wanted))
            return p;
    return NULL;
}

/* The same for a string of 1 to 63 bytes. Most elements differ from it in the byte that says how long they
 * are, and most of the others in their last bytes: names in one collection tend to begin alike. There are
 * always eight bytes before a string's end to look at, because the header lies before the first element. */
static inline const uint8_t *find_short(const uint8_t *p, const struct wanted *wanted, unsigned skip)
{
    uint64_t last = 0, there;
    static_assert(HEADER_BYTES + 2 >= sizeof(last), "also for the first element, of one byte");
    const char *text = wanted->text.data;
    size_t size = wanted->text.size;
    size_t rest = size > sizeof(last) ? size - sizeof(last) : 0;
    unsigned shift = size < sizeof(last) ? 64 - 8 * (unsigned)size : 0;
    memcpy(&last, text + rest, size - rest);
    uint8_t first = (uint8_t)(STRING_6 | size);
    while (*p != END) {
        if (*p == first) {
            memcpy(&there, p + 1 + size - sizeof(there), sizeof(there));
            if (there >> shift == last && (rest == 0 || memcmp(p + 1, text, rest) == 0))
                return p;
            p += 2 + size;
        } else if ((*p & 0xC0) == STRING_6) {
            p += 2 + (*p & 0x3F);
        } else {
            if (element_is(p, wanted))
                return p;
            p += element_bytes(p);
        }
        p = skip_elements(p, skip);
    }
    return NULL;
}

size_t listpack_find(const char *listpack, size_t position, struct slice text, unsigned skip)
{
    if (position == 0)
        return 0;
    struct wanted wanted = wanted_make(text);
    const uint8_t *p = at(listpack, position);
    if (text.size == 0 || text.size > STRING_6_MAX)
        p = find_any(p, &wanted, skip);
    else
        p = skip == 1 ? find_short(p, &wanted, 1) : find_short(p, &wanted, skip);
    return p != NULL ? (size_t)(p - at(listpack, 0)) : 0;
}

/* --- Writing --- */

static size_t number_data_bytes(int64_t number)
{
    if (number >= 0 && number <= 127)
        return 1;
    if (number >= -4096 && number <= 4095)
        return 2;
    if (number >= INT16_MIN && number <= INT16_MAX)
        return 3;
    if (number >= -(1 << 23) && number < 1 << 23)
        return 4;
    return number >= INT32_MIN && number <= INT32_MAX ? 5 : 9;
}

struct listpack_item listpack_item_number(int64_t number)
{
    return (struct listpack_item){
        .bytes = 1 + number_data_bytes(number), .number = number, .is_number = true};
}

struct listpack_item listpack_item(struct slice text)
{
    int64_t number;
    if (text_number(text, &number))
        return listpack_item_number(number);
    size_t head = text.size <= STRING_6_MAX ? 1 : text.size <= STRING_12_MAX ? 2 : 5;
    return (struct listpack_item){.bytes = with_back(head + text.size), .text = text};
}

static uint8_t *number_write(uint8_t *p, int64_t number)
{
    static const uint8_t firsts[] = {[3] = NUMBER_16, [4] = NUMBER_24, [5] = NUMBER_32, [9] = NUMBER_64};
    size_t bytes = number_data_bytes(number);
    if (bytes == 1) {
        *p = (uint8_t)number;
    } else if (bytes == 2) {
        p[0] = (uint8_t)(NUMBER_13 | (number >> 8 & 0x1F));
        p[1] = (uint8_t)number;
    } else {
        *p = firsts[bytes];
        memcpy(p + 1, &number, bytes - 1);
    }
    return back_write(p + bytes, bytes);
}

static uint8_t *text_write(uint8_t *p, struct slice text)
{
    size_t head = 1;
    if (text.size <= STRING_6_MAX) {
        p[0] = (uint8_t)(STRING_6 | text.size);
    } else if (text.size <= STRING_12_MAX) {
        head = 2;
        p[0] = (uint8_t)(STRING_12 | text.size >> 8);
        p[1] = (uint8_t)text.size;
    } else {
        head = 5;
        uint32_t size = (uint32_t)text.size;
        p[0] = STRING_32;
        memcpy(p + 1, &size, sizeof(size));
    }
    if (text.size > 0)
        memcpy(p + head, text.data, text.size);
    return back_write(p + head + text.size, head + text.size);
}

static uint8_t *item_write(uint8_t *p, const struct listpack_item *item)
{
    uint8_t *end = item->is_number ? number_write(p, item->number) : text_write(p, item->text);
    ASSERT((size_t)(end - p) == item->bytes);
    return end;
}

void listpack_splice(char *listpack, size_t position, size_t old_bytes, size_t old_count,
                     const struct listpack_item *items, size_t count)
{
    size_t bytes = listpack_bytes(listpack);
    size_t new_bytes = 0;
    for (size_t i = 0; i < count; i++)
        new_bytes += items[i].bytes;
    ASSERT(position >= HEADER_BYTES && position + old_bytes < bytes);
    ASSERT(bytes - old_bytes + new_bytes <= LISTPACK_BYTES_MAX);

    if (new_bytes != old_bytes)
        memmove(listpack + position + new_bytes, listpack + position + old_bytes,
                bytes - position - old_bytes);
    uint8_t *p = (uint8_t *)listpack + position;
    for (size_t i = 0; i < count; i++)
        p = item_write(p, &items[i]);
    size_t known = header_count(listpack);
    header_write(listpack, bytes - old_bytes + new_bytes,
                 known == COUNT_UNKNOWN ? COUNT_UNKNOWN : known - old_count + count);
}

void listpack_delete(char *listpack, size_t position, size_t count)
{
    size_t end = position;
    for (size_t i = 0; i < count; i++)
        end += element_bytes(at(listpack, end));
    listpack_splice(listpack, position, end - position, count, NULL, 0);
}
