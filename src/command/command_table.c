/* The command table: every command by name, in the order in which the families were added.
 *
 * Entries are allocated one by one and never move, since sessions and requests under way keep pointers to
 * them. They are found through an open-addressed table of pointers, at most half full. The few that clients
 * call by another name, or cannot call, are looked for one by one. */
#include <ctype.h>

#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"
#include "command/command.h"

#define NAME_MAX_SIZE  sizeof(((struct command_entry *)0)->full_name)
#define SLOTS_AT_FIRST 512

struct command_table {
    struct command_entry **entries; /* in order of registration; behind them those that are hidden */
    size_t count;                   /* without these */
    size_t hidden_count;
    size_t capacity;
    struct command_entry **renamed; /* among them the hidden ones */
    size_t renamed_count;
    struct command_entry **slots;
    size_t slot_count; /* a power of two */
    unsigned next_id;
};

struct command_table *command_table_new(void)
{
    struct command_table *table = mem_alloc_zero(sizeof(*table));
    table->slot_count = SLOTS_AT_FIRST;
    table->slots = mem_alloc_zero(table->slot_count * sizeof(*table->slots));
    return table;
}

void command_table_free(struct command_table *table)
{
    if (!table)
        return;
    command_table_reset_stats(table);
    for (size_t i = 0; i < table->count + table->hidden_count; i++) {
        mem_free(table->entries[i]->children);
        mem_free(table->entries[i]->called);
        mem_free(table->entries[i]);
    }
    mem_free(table->entries);
    mem_free(table->renamed);
    mem_free(table->slots);
    mem_free(table);
}

/* Where an entry of this (lower-case) name is, or where it would go. */
static size_t slot_of(const struct command_table *table, struct slice name)
{
    size_t slot = hash_slice(name, 0) & (table->slot_count - 1);
    while (table->slots[slot] && !slice_equal(slice_of(table->slots[slot]->full_name), name))
        slot = (slot + 1) & (table->slot_count - 1);
    return slot;
}

static void slots_grow(struct command_table *table)
{
    mem_free(table->slots);
    table->slot_count *= 2;
    table->slots = mem_alloc_zero(table->slot_count * sizeof(*table->slots));
    for (size_t i = 0; i < table->count + table->hidden_count; i++)
        table->slots[slot_of(table, slice_of(table->entries[i]->full_name))] = table->entries[i];
}

/* What command_each_key takes for granted. */
static void row_check(const struct command *command)
{
    for (int i = 0; i < KEY_SPECS_MAX && command->keys[i].flags != 0; i++) {
        const struct key_spec *spec = &command->keys[i];
        bool is_known = spec->begin != KEY_BEGIN_UNKNOWN && spec->find != KEY_FIND_UNKNOWN;
        ASSERT(is_known ? spec->index != 0 && spec->step > 0 : command->find_keys != NULL);
        ASSERT(spec->begin != KEY_BEGIN_INDEX || spec->index > 0);
        ASSERT((spec->begin == KEY_BEGIN_KEYWORD) == (spec->keyword != NULL));
        ASSERT(!(spec->flags & KEY_INCOMPLETE) || command->find_keys != NULL);
        ASSERT(!(spec->flags & KEY_NOT_KEY) || (i == 0 && command->keys[1].flags == 0));
    }
}

static void entry_init(struct command_table *table, struct command_entry *entry,
                       const struct command *command, const struct command_entry *parent)
{
    size_t parent_size = parent ? strlen(parent->full_name) + 1 : 0;
    size_t size = strlen(command->name);
    ASSERT(parent_size + size < NAME_MAX_SIZE);
    row_check(command);
    entry->row = command;
    entry->first_key = command_first_key(command);
    entry->id = table->next_id++;
    entry->parent = parent;
    if (parent) {
        memcpy(entry->full_name, parent->full_name, parent_size - 1);
        entry->full_name[parent_size - 1] = '|';
    }
    memcpy(entry->full_name + parent_size, command->name, size + 1);
}

static struct command_entry *table_add(struct command_table *table, const struct command *command)
{
    struct command_entry *entry = mem_alloc_zero(sizeof(*entry));
    entry_init(table, entry, command, NULL);
    if (command->subcommand_count > 0)
        entry->children = mem_alloc_zero(command->subcommand_count * sizeof(*entry->children));
    for (size_t i = 0; i < command->subcommand_count; i++)
        entry_init(table, &entry->children[i], &command->subcommands[i], entry);

    if ((table->count + table->hidden_count + 1) * 2 > table->slot_count)
        slots_grow(table);
    size_t slot = slot_of(table, slice_of(entry->full_name));
    ASSERT(!table->slots[slot]);
    table->slots[slot] = entry;
    if (table->count + table->hidden_count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 64;
        table->entries = mem_realloc(table->entries, table->capacity * sizeof(*table->entries));
    }
    /* In front of the hidden ones, whose order is nobody's concern. */
    table->entries[table->count + table->hidden_count] = table->entries[table->count];
    table->entries[table->count++] = entry;
    return entry;
}

struct command_entry *command_table_find(const struct command_table *table, struct slice name)
{
    char lower[NAME_MAX_SIZE];
    if (name.size >= sizeof(lower))
        return NULL;
    for (size_t i = 0; i < name.size; i++)
        lower[i] = (char)tolower((unsigned char)name.data[i]);
    return table->slots[slot_of(table, slice_make(lower, name.size))];
}

struct command_entry *command_table_find_called(const struct command_table *table, struct slice name)
{
    for (size_t i = 0; i < table->renamed_count; i++)
        if (name.size > 0 && slice_is(name, table->renamed[i]->called))
            return table->renamed[i];
    struct command_entry *entry = command_table_find(table, name);
    return entry && !entry->called ? entry : NULL;
}

/* Moves it behind those that are told of. */
static void table_hide(struct command_table *table, struct command_entry *entry)
{
    size_t place = 0;
    while (table->entries[place] != entry)
        place++;
    size_t behind = table->count + table->hidden_count - place - 1;
    memmove(&table->entries[place], &table->entries[place + 1], behind * sizeof(struct command_entry *));
    table->entries[place + behind] = entry;
    table->count--;
    table->hidden_count++;
}

/* Under a name that clients call it by, if it has one. */
static void table_call(struct command_table *table, struct command_entry *entry, struct slice name)
{
    if (!entry->called) {
        table->renamed =
            mem_realloc(table->renamed, (table->renamed_count + 1) * sizeof(struct command_entry *));
        table->renamed[table->renamed_count++] = entry;
    }
    mem_free(entry->called);
    entry->called = slice_to_cstring(name);
    if (name.size == 0)
        table_hide(table, entry);
}

void command_table_add(struct command_table *table, const struct command *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct command_entry *entry = table_add(table, &rows[i]);
        if (rows[i].traits & TRAIT_STREAM_ONLY)
            table_call(table, entry, slice_make(NULL, 0));
    }
}

const char *command_table_rename(struct command_table *table, struct slice from, struct slice to)
{
    struct command_entry *entry = command_table_find_called(table, from);
    if (!entry)
        return "no such command";
    if (to.size > 0 && command_table_find_called(table, to))
        return "there is a command of the new name already";
    table_call(table, entry, to);
    return NULL;
}

struct command_entry *command_entry_child(const struct command_entry *entry, struct slice name)
{
    for (size_t i = 0; i < entry->row->subcommand_count; i++)
        if (slice_is(name, entry->children[i].row->name))
            return &entry->children[i];
    return NULL;
}

typedef struct command_entry *entry_finder(const struct command_table *table, struct slice name);

static struct command_entry *table_lookup(const struct command_table *table, struct slice full_name,
                                          entry_finder *find)
{
    const char *bar = full_name.size ? memchr(full_name.data, '|', full_name.size) : NULL;
    if (!bar)
        return find(table, full_name);
    size_t parent_size = (size_t)(bar - full_name.data);
    const struct command_entry *parent = find(table, slice_make(full_name.data, parent_size));
    return parent ? command_entry_child(parent, slice_make(bar + 1, full_name.size - parent_size - 1)) : NULL;
}

struct command_entry *command_table_lookup(const struct command_table *table, struct slice full_name)
{
    return table_lookup(table, full_name, command_table_find);
}

struct command_entry *command_table_lookup_called(const struct command_table *table, struct slice full_name)
{
    return table_lookup(table, full_name, command_table_find_called);
}

size_t command_table_count(const struct command_table *table)
{
    return table->count;
}

size_t command_table_count_all(const struct command_table *table)
{
    return table->count + table->hidden_count;
}

struct command_entry *command_table_at(const struct command_table *table, size_t index)
{
    ASSERT(index < command_table_count_all(table));
    return table->entries[index];
}

static void stats_reset(struct command_stats *stats)
{
    mem_free(stats->histogram);
    *stats = (struct command_stats){0};
}

void command_table_reset_stats(struct command_table *table)
{
    for (size_t i = 0; i < command_table_count_all(table); i++) {
        struct command_entry *entry = table->entries[i];
        stats_reset(&entry->stats);
        for (size_t j = 0; j < entry->row->subcommand_count; j++)
            stats_reset(&entry->children[j].stats);
    }
}
