/* Large values, whose bytes may lie in files of their own (journal/values.h): they may not be in memory yet,
 * and a file stays as long as the log has a unit that needs the bytes to be repeated. So it matters which
 * commands look at the bytes of which keys. */
#ifndef DKV_COMMAND_LARGE_H
#define DKV_COMMAND_LARGE_H

#include "command/call.h"
#include "command/dispatch.h"

/* The blob of an entry whose bytes go to a file of their own; NULL for any other. */
struct blob *large_blob(const struct world *world, const struct entry *entry);
/* Whether an argument of so many bytes that becomes a value will be one. */
static inline bool large_size(const struct world *world, size_t size)
{
    uint64_t threshold = world->settings.value_file_threshold;
    return threshold > 0 && size >= threshold && size >= BLOB_MIN && world->journal;
}

/* An entry was given other bytes by the command that is being run. */
void large_changed(struct world *world, const struct entry *entry);

/* Around a command's function. Before: makes sure that the bytes it looks at are there, and notes the files
 * that have them; NULL, or why some cannot be had. After: a file whose bytes are no longer the key's although
 * no effect says so stays, too. */
const char *large_prepare(struct call *call);
void large_finish(struct call *call);
/* A command is put into the stream; if it has to read what the one being run reads, these files stay. */
void large_note_effect(struct world *world, const struct command *command, int argc,
                       const struct slice *argv);

/* Whether all bytes that a request needs are in memory, or cannot be had; asks for them otherwise. */
bool large_is_ready(struct world *world, struct session *session, const struct command_entry *entry,
                    const struct request *request);

#endif
