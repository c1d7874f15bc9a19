/* Users as the lines of an ACL file: "user alice on #... ~cache:* resetchannels -@all +get", one a line, in
 * redis-server's syntax, so that its files can be taken over and given back. A line is cut at its spaces, and
 * quotes are letters like others (but for selectors: command/acl_describe.c tells). Empty lines, and those
 * that begin with #, say nothing. */
#ifndef DKV_SERVER_ACL_FILE_H
#define DKV_SERVER_ACL_FILE_H

#include "command/acl/acl.h"

/* Adds the text's users to the draft. False: *error says where, name:line first, and why. */
bool acl_file_read(struct acl_draft *draft, const char *name, struct slice text, struct buffer *error);
/* Appends all users. False when one of them would not read back as it is, which *error names: a first
 * argument with spaces in it can be set by ACL SETUSER, but not be written in this syntax. */
bool acl_file_write(struct acl *acl, struct buffer *text, struct buffer *error);

#endif
