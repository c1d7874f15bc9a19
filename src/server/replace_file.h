/* Putting a new text in the place of a small file, so that a crash at any moment leaves the old one or the
 * new one. For the configuration and the ACL file.
 *
 * The text is written to a file beside it (NAME.rewrite), synced, given the old file's owner, group and mode,
 * and renamed; then the folder is synced. Where the path is a symbolic link, the file that it leads to is
 * replaced, and the link stays. A lock on the new file keeps two servers that share one file out of each
 * other's way; what a crash leaves is locked by nobody, and taken over. */
#ifndef DKV_SERVER_REPLACE_FILE_H
#define DKV_SERVER_REPLACE_FILE_H

#include "base/bytes.h"

/* 0, or a negative errno: then the old file is as it was, unless it was only the folder that could not be
 * synced. -EBUSY: another process is replacing it now. A file that was not there is made for its owner alone.
 * A relative path starts from the working folder. */
int file_replace(const char *path, struct slice text);
/* Removes what a replacement that was cut short may have left behind. */
void file_replace_clean(const char *path);

#endif
