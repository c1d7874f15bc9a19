/* The arguments of commands, as COMMAND DOCS tells them: each command has a line of text, which is read when
 * somebody asks. For SET it begins
 *
 *     key#key0 value [condition(NX|XX)~2.6.12] [GET~6.2.0] [expiration(EX=seconds#integer~2.6.12|...)]
 *
 *     name              an argument that is a string
 *     TOKEN             a word that is given as it is; its name is the word in lower case
 *     TOKEN=name        an argument behind a word; =name#token: a word that is empty
 *     name(a b)         several that belong together
 *     name(a|b)         one of several; name(a|) of a single one
 *     [...]             may be left out
 *
 * and behind a name, in this order, its arguments in parentheses and
 *
 *     #type             another type than string: key, integer, double, pattern, unix-time; token for a word
 * whose name is another one. A number behind it: by which of the key specifications it is a key
 *     *                 may be given several times; + with its token each time
 *     ~version          since when there is this argument
 *     !version          since when it should not be used any more */
#ifndef DKV_FAMILY_SYNTAX_H
#define DKV_FAMILY_SYNTAX_H

#include "resp/reply.h"

/* Replies the arguments of a line as an array of maps. The line is ours: what is wrong with it ends the
 * process. */
void reply_syntax(struct reply *reply, const char *line);

#endif
