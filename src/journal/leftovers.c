/* What an interrupted rotation, rewrite or first start left in the folder.
 *
 * Frames are only written to a segment that a durable MANIFEST names, and files are only let go after a
 * durable MANIFEST names them no more. So a file of ours that MANIFEST does not name holds nothing that
 * counts, and is removed. Where one does hold something, MANIFEST is not the one it should be (lost, or an
 * older one put in its place), and nothing is touched.
 *
 * They go once recovery has succeeded. With an older MANIFEST, what looks like the leftover of a rewrite may
 * be the only base there is, while what MANIFEST names is gone: a start that refuses leaves the folder as it
 * was. */
#include <errno.h>
#include <stdio.h>

#include "base/diag.h"
#include "journal/journal_private.h"

static bool is_named(const struct manifest *manifest, enum name_kind kind, lsn_t lsn)
{
    if (kind == NAME_LOG)
        return manifest_find_segment(manifest, lsn) < manifest->segment_count;
    for (size_t i = 0; i < manifest->base_count; i++)
        if (manifest->bases[i].lsn == lsn && manifest->bases[i].bytes > 0)
            return true;
    return false;
}

static bool file_size(struct journal *journal, const char *name, uint64_t *size, struct journal_error *error)
{
    int rc = disk_size_of(journal->disk, name, size);
    if (rc < 0)
        io_error(error, rc, "look at", name);
    return rc == 0;
}

/* Without a manifest there cannot be more than the first segment's header. */
static bool may_remove_without_manifest(struct journal *journal, const char *name,
                                        struct journal_error *error)
{
    uint64_t size;
    if (!file_size(journal, name, &size, error))
        return false;
    if (size <= FILE_HEADER_SIZE)
        return true;
    error_set(
        error,
        "%s is missing in %s, but %s holds data: nothing is touched. Put %s back, or look what there is: "
        "dkv-log verify %s",
        MANIFEST_NAME, journal->folder, name, MANIFEST_NAME, journal->folder);
    return false;
}

/* A segment behind the last one that MANIFEST names has a header at most. (What looks like an older one of
 * another use is a spare whose new header had not reached the disk.) One that cannot be read may hold more.
 */
static bool may_remove_segment(struct journal *journal, const char *name, lsn_t lsn,
                               struct journal_error *error)
{
    bool holds;
    if (lsn <= manifest_last_segment(&journal->committer.manifest)->lsn)
        return true;
    if (!segment_file_holds_data(journal->disk, name, lsn, journal->stream_id, &holds, error))
        return false;
    if (holds)
        error_set(error,
                  "%s in %s does not name %s, which holds a later part of the stream: an older %s was put in "
                  "its place, or "
                  "the disk lost a change it had confirmed. Nothing is touched; to look: dkv-log verify %s",
                  MANIFEST_NAME, journal->folder, name, MANIFEST_NAME, journal->folder);
    return !holds;
}

static bool keep_spare(struct journal *journal, const char *name, uint64_t number)
{
    struct committer *committer = &journal->committer;
    struct journal_error ignored;
    uint64_t size;
    if (number >= committer->next_spare && number < UINT64_MAX)
        committer->next_spare = number + 1;
    if (!file_size(journal, name, &size, &ignored) || !space_wants_spare(journal, size))
        return false;
    committer->spares[committer->spare_count++] = (struct spare){number, size};
    return true;
}

static void note_value(struct journal *journal, const char *name)
{
    lsn_t lsn;
    uint32_t number;
    if (value_name_parse(name, &lsn, &number))
        values_found(journal, lsn, number);
}

static bool may_remove(struct journal *journal, const char *name, bool *keep, struct journal_error *error)
{
    uint64_t number;
    enum name_kind kind = name_parse(name, &number);
    *keep = false;
    switch (kind) {
    case NAME_SPARE: *keep = keep_spare(journal, name, number); return true;
    case NAME_LOG:
    case NAME_BASE:
        if (journal->is_fresh)
            return may_remove_without_manifest(journal, name, error);
        *keep = is_named(&journal->committer.manifest, kind, number);
        return *keep || kind == NAME_BASE || may_remove_segment(journal, name, number, error);
    case NAME_VALUE:
        if (journal->is_fresh)
            return may_remove_without_manifest(journal, name, error);
        *keep = true; /* whether it is needed, the log says */
        note_value(journal, name);
        return true;
    case NAME_TEMPORARY:
        /* It may still wait to be removed when the next of these is made. */
        if (number >= journal->committer.next_reserve && number < UINT64_MAX)
            journal->committer.next_reserve = number + 1;
        return true;
    default: return true;
    }
}

static bool look_at_all(struct journal *journal, struct buffer *names, struct journal_error *error)
{
    for (size_t at = 0; at < names->size; at += strlen(names->data + at) + 1) {
        const char *name = names->data + at;
        bool keep;
        if (!may_remove(journal, name, &keep, error))
            return false;
        if (!keep)
            buffer_append(&journal->leftovers, name, strlen(name) + 1);
    }
    return true;
}

/* Large files wait for the remover, which begins when the log has been read. The names of what is not older
 * than what MANIFEST names may be needed again, and go at once. */
static void remove_leftover(struct journal *journal, const char *name)
{
    const struct manifest *manifest = &journal->committer.manifest;
    uint64_t number;
    enum name_kind kind = name_parse(name, &number);
    bool is_older =
        !journal->is_fresh && ((kind == NAME_LOG && number < manifest_last_segment(manifest)->lsn) ||
                               (kind == NAME_BASE && number < manifest_base_in_use(manifest)->lsn));
    if (kind == NAME_SPARE || is_older)
        remover_add(journal, name, 0);
    else
        remover_detach(journal, name);
}

bool leftovers_find(struct journal *journal, struct journal_error *error)
{
    struct buffer names = {0};
    /* The MANIFEST that was read may not be durable yet: its folder was perhaps not synced when the process
     * died. What only an older one names must not go before it is. */
    int rc = journal->is_fresh ? 0 : disk_sync_folder(journal->disk);
    if (rc == 0)
        rc = disk_list(journal->disk, name_collect, &names);
    if (rc < 0)
        io_final_error(error, rc, "sync and list", journal->folder);
    bool ok = rc == 0 && look_at_all(journal, &names, error);
    buffer_free(&names);
    return ok;
}

void leftovers_remove(struct journal *journal)
{
    const struct buffer *names = &journal->leftovers;
    for (size_t at = 0; at < names->size; at += strlen(names->data + at) + 1) {
        diag(DIAG_VERBOSE, "removing %s, which something interrupted left", names->data + at);
        remove_leftover(journal, names->data + at);
    }
    buffer_free(&journal->leftovers);
}
