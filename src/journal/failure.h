/* How the journal's own functions say what went wrong. */
#ifndef DKV_JOURNAL_FAILURE_H
#define DKV_JOURNAL_FAILURE_H

#include "journal/journal.h"

/* What a step that needs the disk came to. */
enum io_result {
    IO_DONE,
    IO_FULL,  /* space is lacking; nothing is lost: it can be tried again when there is room */
    IO_FAILED /* final */
};

/* Writes a message, cut where the room for it ends. Returns false, for functions that do so when they fail.
 */
bool error_set(struct journal_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "cannot <what> <name>: <why>", and IO_FULL when the negative errno says so; IO_FAILED otherwise. */
enum io_result io_error(struct journal_error *error, int rc, const char *what, const char *name);
/* The same for what is final whatever the errno: every failed sync. */
enum io_result io_final_error(struct journal_error *error, int rc, const char *what, const char *name);

#endif
