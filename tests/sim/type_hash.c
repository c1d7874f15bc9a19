#include "base/diag.h"
#include "base/hash.h"
#include "store/value_hash.h"
#include "type.h"

#define FIELDS_PRINTED 20

static uint64_t field_digest(const struct hash_field *field)
{
    uint64_t digest = hash_bytes(field->name.data, field->name.size, (uint64_t)field->expire_ms);
    return hash_bytes(field->value.data, field->value.size, digest);
}

/* What the structure says of the times in it, beside those that there are. */
static void check_times(const struct entry *entry, size_t timed, int64_t first_ms, int64_t last_ms)
{
    ASSERT(timed == entry_hash_timed_size(entry));
    if (timed == 0)
        return;
    bool all = timed == entry_hash_size(entry);
    ASSERT(entry_parts_expire(entry) && entry_hash_earliest_ms(entry) <= first_ms);
    ASSERT(entry_parts_have_expired(entry, last_ms) == all && !entry_parts_have_expired(entry, last_ms - 1));
}

/* Whatever the order of the fields, which is the structure's. */
static uint64_t digest(const struct sim_disk *disk, const struct entry *entry, uint64_t seed)
{
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    struct hash_field field;
    uint64_t sum = 0;
    size_t count = 0;
    size_t timed = 0;
    int64_t first_ms = INT64_MAX;
    int64_t last_ms = 0;
    (void)disk;
    for (; entry_hash_iterate(&iterator, &field); count++) {
        sum += field_digest(&field);
        if (field.expire_ms == FIELD_NEVER)
            continue;
        timed++;
        first_ms = field.expire_ms < first_ms ? field.expire_ms : first_ms;
        last_ms = field.expire_ms > last_ms ? field.expire_ms : last_ms;
    }
    ASSERT(count == entry_hash_size(entry) && count > 0);
    check_times(entry, timed, first_ms, last_ms);
    const uint64_t all[] = {sum, count};
    return hash_bytes(all, sizeof(all), seed);
}

static void parts(const struct entry *entry, struct type_part parts[MODEL_PARTS_MAX])
{
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    struct hash_field field;
    while (entry_hash_iterate(&iterator, &field)) {
        int part = model_part_number(field.name);
        if (part < 0)
            continue;
        parts[part].digest = field_digest(&field) | 1;
        parts[part].expire_ms = field.expire_ms;
    }
}

static void print(const struct sim_disk *disk, const struct entry *entry, struct buffer *out)
{
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    struct hash_field field;
    (void)disk;
    buffer_append_format(out, "of %zu", entry_hash_size(entry));
    for (int i = 0; i < FIELDS_PRINTED && entry_hash_iterate(&iterator, &field); i++) {
        buffer_append_text(out, i == 0 ? ": " : ", ");
        type_print_bytes(field.name, out);
        buffer_append_char(out, ' ');
        type_print_bytes(field.value, out);
        if (field.expire_ms != FIELD_NEVER)
            buffer_append_format(out, " until %lld ms", (long long)field.expire_ms);
    }
}

const struct type hash_type = {
    .name = "hash", .digest = digest, .parts = parts, .has_passed = entry_parts_have_expired, .print = print};
