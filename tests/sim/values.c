#include "values.h"

#include <stdio.h>

#include "journal/journal_private.h"

static struct value_file *file_of(const struct entry *entry)
{
    struct blob *blob = entry_type(entry) == VALUE_STRING ? entry_blob(entry) : NULL;
    struct value_file *file = blob ? value_of(blob) : NULL;
    return file && file->state == VALUE_WRITTEN ? file : NULL;
}

bool values_file_name(const struct entry *entry, char name[SIM_NAME_SIZE])
{
    const struct value_file *file = file_of(entry);
    if (file)
        value_name(name, file->lsn, file->number);
    return file != NULL;
}

struct slice values_content(const struct sim_disk *disk, const struct entry *entry,
                            char scratch[STRING_SCRATCH])
{
    struct slice value = string_value(entry, scratch);
    char name[SIM_NAME_SIZE];
    if (value.data || value.size == 0 || !values_file_name(entry, name))
        return value;
    struct slice file = sim_disk_content(disk, name);
    if (!file.data || file.size < value_file_size(value.size))
        return slice_make(NULL, 0);
    return slice_make(file.data + VALUE_HEADER_SIZE, value.size);
}

/* --- which there have to be -------------------------------------------------------------------------------
 */

struct census {
    const struct sim_disk *disk;
    const char *sought; /* a name; NULL: none in particular */
    bool found;
    bool found_read; /* ... and what is in it was needed by the log */
    bool is_missing;
    char name[SIM_NAME_SIZE];
};

static void census_visit(void *context, struct entry *entry)
{
    struct census *census = context;
    char name[SIM_NAME_SIZE];
    if (!values_file_name(entry, name))
        return;
    if (census->sought && strcmp(name, census->sought) == 0) {
        census->found = true;
        census->found_read = file_of(entry)->pinned_lsn > 0;
    }
    if (census->disk && !sim_disk_content(census->disk, name).data) {
        census->is_missing = true;
        memcpy(census->name, name, sizeof(name));
    }
}

static void census_take(struct census *census, struct store *store)
{
    for (int i = 0; i < store_database_count(store); i++)
        database_each(store_database(store, i), census_visit, census);
}

static bool is_in_use(struct store *store, const char *name)
{
    struct census census = {.sought = name};
    census_take(&census, store);
    return census.found;
}

/* Calls visit for the journal's records of files that no key has any more. */
static bool any_dead(const struct journal *journal,
                     bool (*visit)(const struct journal *journal, const struct value_file *file,
                                   const char *name),
                     const char *name)
{
    struct values *values = journal->values;
    const struct list *lists[] = {&values->dropped, &values->dead, &values->kept, &values->removable};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (struct list_node *node = list_first(lists[i]); node; node = list_next(lists[i], node))
            if (visit(journal, LIST_OWNER(node, struct value_file, node), name))
                return true;
    return false;
}

static bool has_name(const struct journal *journal, const struct value_file *file, const char *name)
{
    (void)journal;
    char own[SIM_NAME_SIZE];
    value_name(own, file->lsn, file->number);
    return strcmp(own, name) == 0;
}

/* Its key was deleted or has expired a moment ago. */
static bool has_name_and_died_lately(const struct journal *journal, const struct value_file *file,
                                     const char *name)
{
    return file->dead_lsn > journal->committer.recorded && has_name(journal, file, name);
}

static bool has_name_and_was_read(const struct journal *journal, const struct value_file *file,
                                  const char *name)
{
    return file->pinned_lsn > 0 && has_name(journal, file, name);
}

bool values_folder_is_right(const struct sim_disk *disk, struct store *store, const struct journal *journal,
                            bool exactly, char name[SIM_NAME_SIZE])
{
    struct census census = {.disk = disk};
    census_take(&census, store);
    if (census.is_missing) {
        memcpy(name, census.name, SIM_NAME_SIZE);
        return false;
    }
    for (size_t i = 0; i < disk->name_count; i++) {
        const char *each = disk->names[i].name;
        if (strncmp(each, "value-", 6) != 0 || is_in_use(store, each) ||
            any_dead(journal, exactly ? has_name_and_died_lately : has_name, each))
            continue;
        snprintf(name, SIM_NAME_SIZE, "%s", each);
        return false;
    }
    return true;
}

uint64_t values_unused_bytes(const struct sim_disk *disk, const struct journal *journal)
{
    const struct committer *committer = &journal->committer;
    struct values *values = journal->values;
    uint64_t bytes = journal->remover.bytes + space_spare_bytes(committer);
    for (size_t at = 0; at < committer->retired.size; at += strlen(committer->retired.data + at) + 1)
        bytes += sim_disk_content(disk, committer->retired.data + at).size;
    for (struct list_node *node = list_first(&values->removable); node;
         node = list_next(&values->removable, node))
        bytes += LIST_OWNER(node, struct value_file, node)->size;
    for (struct list_node *node = list_first(&values->dead); node; node = list_next(&values->dead, node))
        if (LIST_OWNER(node, struct value_file, node)->dead_lsn <= committer->on_record)
            bytes += LIST_OWNER(node, struct value_file, node)->size;
    return bytes;
}

struct value_need values_need(struct store *store, const struct journal *journal, const char *name)
{
    struct census census = {.sought = name};
    census_take(&census, store);
    return (struct value_need){census.found,
                               census.found_read || any_dead(journal, has_name_and_was_read, name)};
}

struct reading {
    struct journal *journal;
    const char *harmed;
    bool is_right;
};

static void read_visit(void *context, struct entry *entry)
{
    struct reading *reading = context;
    struct blob *blob = entry_type(entry) == VALUE_STRING ? entry_blob(entry) : NULL;
    char name[SIM_NAME_SIZE];
    if (!blob || blob_is_loaded(blob) || !values_file_name(entry, name))
        return;
    const char *wrong = journal_value_load(reading->journal, blob);
    bool is_harmed = strcmp(name, reading->harmed) == 0;
    if ((wrong != NULL) != is_harmed || (wrong && !strstr(wrong, name)))
        reading->is_right = false;
}

bool values_read_but(struct store *store, struct journal *journal, const char *harmed)
{
    struct reading reading = {journal, harmed, true};
    for (int i = 0; i < store_database_count(store); i++)
        database_each(store_database(store, i), read_visit, &reading);
    return reading.is_right;
}
