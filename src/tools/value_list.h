/* Values that lie in files of their own: putting them back into the stream, and telling which files of a
 * folder are needed and whole. A file that frames refer to may be gone although nothing is damaged: it goes
 * when the value was replaced. */
#ifndef DKV_TOOLS_VALUE_LIST_H
#define DKV_TOOLS_VALUE_LIST_H

#include "journal/value_file.h"
#include "tools/folder.h"

/* The references of many frames, each file once. All zero is an empty list. */
struct value_list {
    struct value_reference *values; /* in order of their names, after value_list_sort */
    size_t count;
    size_t capacity;
};

void value_list_add(struct value_list *list, const struct frame *frame);
void value_list_sort(struct value_list *list);
void value_list_free(struct value_list *list);

/* Which files the state needs, found out by recovering it when that is first asked. All zero is not asked
 * yet. */
struct value_needs {
    bool is_asked;
    bool is_known;       /* recovery was possible */
    struct buffer names; /* each ended by a NUL */
    const char **sorted;
    size_t count;
};
/* Whether the state needs a file, or that cannot be told. */
bool value_needs_have(struct value_needs *needs, const struct folder *folder, struct clock *clock,
                      const char *name);
void value_needs_free(struct value_needs *needs);

/* A value that is needed and cannot be had. */
struct value_damage {
    bool is_history; /* the state does not need it; earlier ones that are kept do */
    bool denied;     /* it may not be read: nothing is known of what is in it */
    lsn_t lsn;       /* at which it was set */
    char name[FILE_NAME_SIZE];
    char what[256];
};
struct value_verdict {
    size_t lost;    /* needed and not to be had */
    size_t unclear; /* missing, and whether the state needs them cannot be told */
    size_t gone;    /* missing, and of no use but for earlier states that are kept */
};
/* Looks at the files of a sorted list. Calls visit for each that is missing or damaged and that the state
 * needs; if that cannot be told, as the log is damaged, for each that is damaged. Besides, where earlier
 * states are kept, calls visit for each that is damaged and that only those can need. A server may be using
 * the folder: it removes no file before the log tells that the value was replaced, so one that was bad before
 * the state was recovered, and that the state needs, is bad. */
typedef void value_damage_visit(void *context, const struct value_damage *damage);
struct value_verdict values_check(const struct folder *folder, struct clock *clock,
                                  const struct value_list *list, value_damage_visit *visit, void *context);

/* The bytes of a value, appended to out. False, with the reason, when its file is gone or damaged; then
 * nothing is appended. */
bool value_read(const struct folder *folder, const struct value_reference *value, struct buffer *out,
                struct journal_error *error);
/* The part of a frame up to so many bytes of the stream, as a frame that holds its values itself; those that
 * cannot be read stay references, *missing of them. out is what its payload lies in. */
struct frame frame_fill(const struct folder *folder, const struct frame *frame, uint64_t stream_size,
                        struct buffer *out, size_t *missing);

#endif
