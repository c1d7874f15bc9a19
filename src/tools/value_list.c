#include "tools/value_list.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "tools/recovery.h"
#include "tools/scan.h"

/* --- which files -------------------------------------------------------------------------------------- */

void value_list_add(struct value_list *list, const struct frame *frame)
{
    for (uint32_t i = 0; i < frame_value_count(frame); i++) {
        if (list->count == list->capacity) {
            list->capacity = list->capacity ? 2 * list->capacity : 64;
            list->values = mem_realloc(list->values, list->capacity * sizeof(*list->values));
        }
        list->values[list->count++] = frame_value(frame, i);
    }
}

static int compare(const void *a, const void *b)
{
    const struct value_reference *x = a;
    const struct value_reference *y = b;
    if (x->lsn != y->lsn)
        return x->lsn < y->lsn ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

void value_list_sort(struct value_list *list)
{
    size_t kept = 0;
    if (list->count > 0)
        qsort(list->values, list->count, sizeof(*list->values), compare);
    for (size_t i = 0; i < list->count; i++)
        if (i == 0 || compare(&list->values[i], &list->values[kept - 1]) != 0)
            list->values[kept++] = list->values[i];
    list->count = kept;
}

void value_list_free(struct value_list *list)
{
    mem_free(list->values);
    *list = (struct value_list){0};
}

/* --- whether they are whole --------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Many are looked for among many. */
static void sort_names(struct value_needs *needs)
{
    const struct buffer *names = &needs->names;
    for (size_t at = 0; at < names->size; at += strlen(names->data + at) + 1)
        needs->count++;
    needs->sorted = mem_alloc(needs->count * sizeof(*needs->sorted));
    size_t next = 0;
    for (size_t at = 0; at < names->size; at += strlen(names->data + at) + 1)
        needs->sorted[next++] = names->data + at;
    if (needs->count > 1)
        qsort(needs->sorted, needs->count, sizeof(*needs->sorted), compare_names);
}

/* A server that replaces files meanwhile has it begun anew, as often as it does so. */
static void find_needs(struct value_needs *needs, const struct folder *folder, struct clock *clock)
{
    struct journal_error ignored;
    struct folder_watch watch;
    folder_watch_begin(&watch, folder->disk, folder->in_use);
    do {
        buffer_clear(&needs->names);
        needs->is_known = replay_values(folder->disk, folder->path, clock, &needs->names, &ignored);
    } while (!needs->is_known && folder_watch_again(&watch));
    needs->is_asked = true;
    sort_names(needs);
}

bool value_needs_have(struct value_needs *needs, const struct folder *folder, struct clock *clock,
                      const char *name)
{
    if (!needs->is_asked)
        find_needs(needs, folder, clock);
    return !needs->is_known || (needs->count > 0 && bsearch(&name, needs->sorted, needs->count,
                                                            sizeof(*needs->sorted), compare_names));
}

void value_needs_free(struct value_needs *needs)
{
    mem_free(needs->sorted);
    buffer_free(&needs->names);
}

/* The files that are missing or damaged, whoever may need them. */
static size_t find_bad(const struct folder *folder, const struct value_list *list, struct value_damage *bad)
{
    size_t count = 0;
    struct buffer bytes = {0};
    for (size_t i = 0; i < list->count; i++) {
        struct journal_error error;
        buffer_clear(&bytes);
        if (value_read(folder, &list->values[i], &bytes, &error))
            continue;
        bad[count].lsn = list->values[i].lsn;
        value_name(bad[count].name, list->values[i].lsn, list->values[i].number);
        snprintf(bad[count].what, sizeof(bad[count].what), "%.255s", error.text);
        uint64_t size;
        bad[count].denied = scan_is_denied(disk_size_of(folder->disk, bad[count].name, &size));
        count++;
    }
    buffer_free(&bytes);
    return count;
}

static bool is_there(const struct folder *folder, const char *name)
{
    uint64_t size;
    return disk_size_of(folder->disk, name, &size) != -ENOENT;
}

struct value_verdict values_check(const struct folder *folder, struct clock *clock,
                                  const struct value_list *list, value_damage_visit *visit, void *context)
{
    struct value_verdict verdict = {0};
    if (list->count == 0)
        return verdict;
    struct value_damage *bad = mem_alloc_zero(list->count * sizeof(*bad));
    size_t count = find_bad(folder, list, bad);
    struct value_needs needs = {0};
    for (size_t i = 0; i < count; i++) {
        bool counts = value_needs_have(&needs, folder, clock, bad[i].name);
        bool there = is_there(folder, bad[i].name);
        /* One that is gone may have gone because nothing needs it any more. */
        if (!there && (!counts || !needs.is_known)) {
            verdict.unclear += counts;
            verdict.gone += !counts && folder->manifest.base_count > 1;
            continue;
        }
        bad[i].is_history = !counts && folder->manifest.base_count > 1;
        if (counts || bad[i].is_history)
            visit(context, &bad[i]);
        verdict.lost += counts;
    }
    value_needs_free(&needs);
    mem_free(bad);
    return verdict;
}

/* --- their bytes -------------------------------------------------------------------------------------- */

bool value_read(const struct folder *folder, const struct value_reference *value, struct buffer *out,
                struct journal_error *error)
{
    char name[FILE_NAME_SIZE];
    uint64_t size;
    value_name(name, value->lsn, value->number);
    int rc = disk_size_of(folder->disk, name, &size);
    if (rc < 0)
        return rc == -ENOENT ? error_set(error, "%s is missing", name)
                             : error_set(error, "cannot open %s: %s", name, strerror(-rc));
    /* Before memory is taken for it: a reference may be any in a folder that somebody made up. */
    if (size < value_file_size(value->size))
        return error_set(error, "%s is damaged: it was cut short", name);
    char *data = buffer_reserve(out, value->size);
    if (!value_file_read(folder->disk, folder->manifest.stream_id, value, data, error))
        return false;
    out->size += value->size;
    return true;
}

struct frame frame_fill(const struct folder *folder, const struct frame *frame, uint64_t stream_size,
                        struct buffer *out, size_t *missing)
{
    struct slice text = frame_text(frame);
    struct value_list left = {0};
    uint64_t at = 0;       /* in the text */
    uint64_t position = 0; /* in the stream */
    buffer_clear(out);
    *missing = 0;
    for (uint32_t i = 0; i <= frame_value_count(frame) && position < stream_size; i++) {
        bool is_value = i < frame_value_count(frame);
        struct value_reference value = is_value ? frame_value(frame, i) : (struct value_reference){0};
        uint64_t run = (is_value ? value.offset : text.size) - at;
        run = run < stream_size - position ? run : stream_size - position;
        buffer_append(out, text.data + at, run);
        at += run;
        position += run;
        struct journal_error ignored;
        if (!is_value || position == stream_size || at < value.offset)
            continue;
        position += value.size;
        if (value_read(folder, &value, out, &ignored))
            continue;
        value.offset = out->size;
        if (left.count == left.capacity) {
            left.capacity = left.capacity ? 2 * left.capacity : 8;
            left.values = mem_realloc(left.values, left.capacity * sizeof(*left.values));
        }
        left.values[left.count++] = value;
    }
    struct frame filled = *frame;
    filled.kind = left.count > 0 ? FRAME_VALUES : FRAME_DATA;
    if (left.count > 0)
        frame_values_append(out, 0, left.values, (uint32_t)left.count);
    *missing = left.count;
    filled.payload = buffer_slice(out);
    value_list_free(&left);
    return filled;
}
