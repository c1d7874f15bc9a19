#include "journal/failure.h"

#include <errno.h>
#include <stdio.h>

bool error_set(struct journal_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    error->code = 0;
    return false;
}

enum io_result io_final_error(struct journal_error *error, int rc, const char *what, const char *name)
{
    error_set(error, "cannot %s %s: %s%s", what, name, strerror(-rc),
              rc == -EFBIG ? " (the limit on a file's size: ulimit -f, LimitFSIZE=, or the file system's)"
                           : "");
    error->code = rc;
    return IO_FAILED;
}

enum io_result io_error(struct journal_error *error, int rc, const char *what, const char *name)
{
    io_final_error(error, rc, what, name);
    /* EFBIG: more than the file system or the process may have in one file. */
    return rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG ? IO_FULL : IO_FAILED;
}
