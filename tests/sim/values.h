/* Large values that lie in files of their own, looked at from outside: their bytes where they are not in
 * memory, which files there have to be, and what is said of one that was harmed. */
#ifndef DKV_SIM_VALUES_H
#define DKV_SIM_VALUES_H

#include "base/blob.h"
#include "journal/journal.h"
#include "sim_disk.h"
#include "store/store.h"

/* The simulator's values are small, so that strings from here on are kept as blobs. */
#define SIM_BLOB_MIN 1024

/* The bytes of an entry's value: those in its file when they have not been read yet. data NULL when the file
 * is not there. */
struct slice values_content(const struct sim_disk *disk, const struct entry *entry,
                            char scratch[STRING_SCRATCH]);
/* The name of the file that holds a key's value; false when none does. */
bool values_file_name(const struct entry *entry, char name[SIM_NAME_SIZE]);
/* Whether the journal, which has come to rest, has exactly the value files that the store's keys need.
 * exactly: nothing else may be there, neither for history nor for a change that the log repeats. On failure
 * name is a file that is missing or that nobody needs. */
bool values_folder_is_right(const struct sim_disk *disk, struct store *store, const struct journal *journal,
                            bool exactly, char name[SIM_NAME_SIZE]);
/* Bytes of files that nobody needs and that no state keeps: those of dead values, of what the remover has
 * been given, of spares and of segments that may become spares. */
uint64_t values_unused_bytes(const struct sim_disk *disk, const struct journal *journal);
/* Of a file, when recovery has just ended: whether a key has it, and whether the log could not be repeated
 * without its bytes. */
struct value_need {
    bool is_in_use;
    bool was_read;
};
struct value_need values_need(struct store *store, const struct journal *journal, const char *name);
/* Reads every key's value that is not in memory; says whether all can be read but those of the file. */
bool values_read_but(struct store *store, struct journal *journal, const char *harmed);

#endif
