/* Users, and whose each session is. */
#include "command/acl/acl_user.h"

#include "base/diag.h"
#include "base/glob.h"
#include "base/memory.h"
#include "command/message/pubsub.h"

struct acl {
    struct world *world;
    struct acl_hooks hooks;
    struct acl_settings settings;
    struct acl_user *default_user;
    struct acl_user **users; /* by name */
    size_t count;
    struct acl_log *log;
    struct buffer default_password; /* requirepass */
};

static const struct slice default_name = {"default", 7};

const struct command_table *acl_commands(const struct acl *acl)
{
    return acl->world->commands;
}

bool acl_channels_by_default(const struct acl *acl)
{
    return acl->settings.channels_by_default;
}

const struct acl_hooks *acl_hooks(const struct acl *acl)
{
    return &acl->hooks;
}

struct world *acl_world(const struct acl *acl)
{
    return acl->world;
}

struct acl_log *acl_log(const struct acl *acl)
{
    return acl->log;
}

/* --- one user ------------------------------------------------------------------------------------------ */

struct acl_user *acl_user_new(struct slice name, bool all_channels)
{
    struct acl_user *user = mem_alloc_zero(sizeof(*user));
    buffer_append_slice(&user->name, name);
    user->selectors = mem_alloc(sizeof(*user->selectors));
    user->selector_count = 1;
    acl_selector_init(&user->selectors[0], all_channels);
    return user;
}

void acl_user_free(struct acl_user *user)
{
    for (size_t i = 0; i < user->selector_count; i++)
        acl_selector_free(&user->selectors[i]);
    mem_free(user->selectors);
    mem_free(user->passwords);
    buffer_free(&user->name);
    mem_free(user);
}

static void buffer_copy(struct buffer *to, const struct buffer *from)
{
    struct slice bytes = buffer_slice(from);
    *to = (struct buffer){0};
    buffer_append_slice(to, bytes);
}

static void patterns_copy(struct acl_patterns *to, const struct acl_patterns *from)
{
    *to = (struct acl_patterns){.all = from->all, .count = from->count};
    to->items = mem_alloc(from->count * sizeof(*to->items) + 1);
    for (size_t i = 0; i < from->count; i++) {
        to->items[i].permissions = from->items[i].permissions;
        buffer_copy(&to->items[i].text, &from->items[i].text);
        to->items[i].glob = glob_new(buffer_slice(&to->items[i].text), false);
    }
}

static void selector_copy(struct acl_selector *to, const struct acl_selector *from)
{
    *to = *from;
    to->first_args = mem_alloc(from->first_arg_count * sizeof(*to->first_args) + 1);
    for (size_t i = 0; i < from->first_arg_count; i++) {
        to->first_args[i].command = from->first_args[i].command;
        buffer_copy(&to->first_args[i].text, &from->first_args[i].text);
    }
    to->rules = mem_alloc(from->rule_count * sizeof(*to->rules) + 1);
    for (size_t i = 0; i < from->rule_count; i++) {
        to->rules[i].sign = from->rules[i].sign;
        buffer_copy(&to->rules[i].name, &from->rules[i].name);
    }
    patterns_copy(&to->keys, &from->keys);
    patterns_copy(&to->channels, &from->channels);
}

struct acl_user *acl_user_copy(const struct acl_user *user)
{
    struct acl_user *copy = mem_alloc(sizeof(*copy));
    *copy = *user;
    buffer_copy(&copy->name, &user->name);
    size_t size = user->password_count * sizeof(*user->passwords);
    copy->passwords = mem_alloc(size + 1);
    if (size)
        memcpy(copy->passwords, user->passwords, size);
    copy->selectors = mem_alloc(user->selector_count * sizeof(*copy->selectors));
    for (size_t i = 0; i < user->selector_count; i++)
        selector_copy(&copy->selectors[i], &user->selectors[i]);
    return copy;
}

/* Gives user what another one is, which is freed; whoever points to user still does. */
static void user_become(struct acl_user *user, struct acl_user *other)
{
    struct acl_user old = *user;
    *user = *other;
    *other = old;
    acl_user_free(other);
}

struct slice acl_user_name(const struct acl_user *user)
{
    return buffer_slice(&user->name);
}

bool acl_user_is_unrestricted(const struct acl_user *user)
{
    return user->unrestricted;
}

/* --- all users ----------------------------------------------------------------------------------------- */

static int name_compare(struct slice a, struct slice b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* Where a user of that name is, or would be. */
static size_t user_place(const struct acl *acl, struct slice name)
{
    size_t low = 0;
    size_t high = acl->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (name_compare(acl_user_name(acl->users[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct acl_user *acl_find(const struct acl *acl, struct slice name)
{
    size_t place = user_place(acl, name);
    bool found = place < acl->count && slice_equal(acl_user_name(acl->users[place]), name);
    return found ? acl->users[place] : NULL;
}

static void user_add(struct acl *acl, struct acl_user *user)
{
    size_t place = user_place(acl, acl_user_name(user));
    acl->users = mem_realloc(acl->users, (acl->count + 1) * sizeof(*acl->users));
    memmove(acl->users + place + 1, acl->users + place, (acl->count - place) * sizeof(*acl->users));
    acl->users[place] = user;
    acl->count++;
}

struct acl_user *acl_default_user(const struct acl *acl)
{
    return acl->default_user;
}

size_t acl_count(const struct acl *acl)
{
    return acl->count;
}

struct acl_user *acl_at(const struct acl *acl, size_t index)
{
    ASSERT(index < acl->count);
    return acl->users[index];
}

bool acl_is_open(const struct acl *acl)
{
    return acl->default_user->nopass && acl->default_user->on;
}

bool acl_default_needs_none(const struct acl *acl)
{
    return acl->default_user->nopass;
}

static void openness_changed(struct acl *acl)
{
    acl->world->is_open = acl_is_open(acl);
    if (acl->hooks.changed)
        acl->hooks.changed(acl->world);
}

static void apply_all(const struct acl *acl, struct acl_user *user, const char *const *rules)
{
    for (; *rules; rules++) {
        const char *error = acl_user_apply(user, slice_of(*rules), acl);
        ASSERT(!error);
    }
}

static struct acl_user *default_user_new(const struct acl *acl)
{
    static const char *const everything[] = {"+@all", "~*", "&*", "on", "nopass", NULL};
    struct acl_user *user = acl_user_new(default_name, true);
    apply_all(acl, user, everything);
    return user;
}

static void set_password(const struct acl *acl, struct acl_user *user, struct slice password)
{
    struct buffer rule = {0};
    apply_all(acl, user, (const char *const[]){"resetpass", NULL});
    buffer_append_text(&rule, password.size ? ">" : "nopass");
    buffer_append_slice(&rule, password);
    acl_user_apply(user, buffer_slice(&rule), acl);
    buffer_free(&rule);
}

void acl_set_default_password(struct acl *acl, struct slice password)
{
    struct buffer copy = {0};
    buffer_append_slice(&copy, password);
    buffer_free(&acl->default_password);
    acl->default_password = copy;
    set_password(acl, acl->default_user, password);
    openness_changed(acl);
}

/* The default user as it is at first, but for requirepass. */
static struct acl_user *plain_default_user(const struct acl *acl)
{
    struct acl_user *user = default_user_new(acl);
    set_password(acl, user, buffer_slice(&acl->default_password));
    return user;
}

struct acl *acl_new(struct world *world)
{
    struct acl *acl = mem_alloc_zero(sizeof(*acl));
    acl->world = world;
    acl->log = acl_log_new();
    acl->default_user = default_user_new(acl);
    user_add(acl, acl->default_user);
    world->is_open = true;
    return acl;
}

void acl_free(struct acl *acl)
{
    for (size_t i = 0; i < acl->count; i++)
        acl_user_free(acl->users[i]);
    mem_free(acl->users);
    acl_log_free(acl->log);
    buffer_free(&acl->default_password);
    mem_free(acl);
}

void acl_set_hooks(struct acl *acl, const struct acl_hooks *hooks)
{
    acl->hooks = *hooks;
}

void acl_set_settings(struct acl *acl, const struct acl_settings *settings)
{
    acl->settings = *settings;
    acl_log_limit(acl->log, settings->log_max);
}

/* --- changing users ------------------------------------------------------------------------------------ */

static void session_close(struct acl *acl, struct session *session)
{
    if (acl->hooks.close_session)
        acl->hooks.close_session(session);
    else
        session->close_after_reply = true;
}

/* Ends the sessions of a user that is about to go: whatever they still do, they do as nobody. */
static void sessions_end(struct acl *acl, const struct acl_user *user)
{
    struct session *next;
    for (struct session *session = acl->world->sessions; session; session = next) {
        next = session->next;
        if (session->user != user)
            continue;
        session->user = acl->default_user;
        session->authenticated = false;
        session_close(acl, session);
    }
}

static bool subscription_is_permitted(void *context, enum subscription_kind kind, struct slice name)
{
    return acl_permits_channel(context, name, kind == SUBSCRIPTION_PATTERN);
}

/* Ends the sessions that listen to what their user may not hear any more. */
static void listeners_end(struct acl *acl, struct acl_user *user)
{
    struct session *next;
    for (struct session *session = acl->world->sessions; session; session = next) {
        next = session->next;
        if (session->user == user && session_is_subscriber(session) &&
            !session_each_subscription(session, subscription_is_permitted, user))
            session_close(acl, session);
    }
}

static bool name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] == '\0' || strchr(" \t\n\v\f\r", name.data[i]))
            return false;
    return true;
}

/* Joins words from an opening parenthesis to the closing one; those before count are left as they are.
 * Returns how many there are then, or -1 with the error. */
static int rules_join(int count, const struct slice *words, struct buffer *joined, struct buffer *error)
{
    int rules = 0;
    int open = -1;
    for (int i = 0; i < count; i++) {
        bool begins = open < 0 && words[i].size && words[i].data[0] == '(';
        if (open >= 0)
            buffer_append_char(&joined[rules], ' ');
        buffer_append_slice(&joined[rules], words[i]);
        if (begins)
            open = i;
        if (open >= 0 && words[i].size && words[i].data[words[i].size - 1] == ')')
            open = -1;
        if (open < 0)
            rules++;
    }
    if (open < 0)
        return rules;
    buffer_append_format(error, "Unmatched parenthesis in acl selector starting at '%.*s'.",
                         (int)words[open].size, words[open].data);
    return -1;
}

/* NULL, or why not; *wrong is the rule to blame. */
static const char *user_apply_all(struct acl *acl, struct acl_user *user, int count,
                                  const struct buffer *rules, int *wrong)
{
    for (*wrong = 0; *wrong < count; ++*wrong) {
        const char *error = acl_user_apply(user, buffer_slice(&rules[*wrong]), acl);
        if (error)
            return error;
    }
    return NULL;
}

/* what: "ACL SETUSER modifier" or the like. */
static bool user_change(struct acl *acl, struct acl_user *user, int count, const struct slice *words,
                        const char *what, struct buffer *error)
{
    struct buffer *rules = mem_alloc_zero((size_t)(count + 1) * sizeof(*rules));
    int joined = rules_join(count, words, rules, error);
    const char *reason = NULL;
    int wrong = 0;
    if (joined >= 0)
        reason = user_apply_all(acl, user, joined, rules, &wrong);
    if (reason)
        buffer_append_format(error, "Error in %s '%.*s': %s", what, (int)rules[wrong].size, rules[wrong].data,
                             reason);
    for (int i = 0; i < count + 1; i++)
        buffer_free(&rules[i]);
    mem_free(rules);
    return joined >= 0 && !reason;
}

bool acl_set_user(struct acl *acl, struct slice name, int count, const struct slice *rules,
                  struct buffer *error)
{
    if (!name_is_valid(name)) {
        buffer_append_text(error, "Usernames can't contain spaces or null characters");
        return false;
    }
    struct acl_user *user = acl_find(acl, name);
    struct acl_user *changed =
        user ? acl_user_copy(user) : acl_user_new(name, acl->settings.channels_by_default);
    if (!user_change(acl, changed, count, rules, "ACL SETUSER modifier", error)) {
        acl_user_free(changed);
        return false;
    }
    if (!user) {
        user_add(acl, changed);
        return true;
    }
    user_become(user, changed);
    listeners_end(acl, user);
    if (user == acl->default_user)
        openness_changed(acl);
    return true;
}

bool acl_delete_user(struct acl *acl, struct slice name)
{
    struct acl_user *user = acl_find(acl, name);
    if (!user || user == acl->default_user)
        return false;
    sessions_end(acl, user);
    size_t place = user_place(acl, name);
    acl->count--;
    memmove(acl->users + place, acl->users + place + 1, (acl->count - place) * sizeof(*acl->users));
    acl_user_free(user);
    return true;
}

/* --- another set of users ------------------------------------------------------------------------------ */

struct acl_draft {
    struct acl *acl;
    size_t count;
    struct acl_user **users;
};

struct acl_draft *acl_draft_new(struct acl *acl)
{
    struct acl_draft *draft = mem_alloc_zero(sizeof(*draft));
    draft->acl = acl;
    return draft;
}

static const struct acl_user *draft_find(const struct acl_draft *draft, struct slice name)
{
    for (size_t i = 0; i < draft->count; i++)
        if (slice_equal(acl_user_name(draft->users[i]), name))
            return draft->users[i];
    return NULL;
}

bool acl_draft_add(struct acl_draft *draft, int count, const struct slice *words, struct buffer *error)
{
    if (count < 2 || !slice_is(words[0], "user")) {
        buffer_append_text(error, "line should start with user keyword");
        return false;
    }
    if (!name_is_valid(words[1])) {
        buffer_append_format(error, "username '%.*s' contains invalid characters. ", (int)words[1].size,
                             words[1].data);
        return false;
    }
    if (draft_find(draft, words[1])) {
        buffer_append_format(error, "user '%.*s' is defined twice", (int)words[1].size, words[1].data);
        return false;
    }
    struct acl_user *user = acl_user_new(words[1], draft->acl->settings.channels_by_default);
    draft->users = mem_realloc(draft->users, (draft->count + 1) * sizeof(*draft->users));
    draft->users[draft->count++] = user;
    return user_change(draft->acl, user, count - 2, words + 2, "user declaration", error);
}

size_t acl_draft_count(const struct acl_draft *draft)
{
    return draft->count;
}

bool acl_draft_has(const struct acl_draft *draft, const struct acl_user *user)
{
    const struct acl_user *found = draft_find(draft, acl_user_name(user));
    return found && acl_user_same(found, user);
}

bool acl_draft_changes_nothing(const struct acl_draft *draft)
{
    const struct acl *acl = draft->acl;
    bool names_default = draft_find(draft, default_name) != NULL;
    bool same = draft->count + !names_default == acl->count;
    for (size_t i = 0; i < acl->count && same; i++)
        if (names_default || acl->users[i] != acl->default_user)
            same = acl_draft_has(draft, acl->users[i]);
    if (same && !names_default) {
        struct acl_user *plain = plain_default_user(acl);
        same = acl_user_same(plain, acl->default_user);
        acl_user_free(plain);
    }
    return same;
}

void acl_draft_apply(struct acl_draft *draft)
{
    struct acl *acl = draft->acl;
    struct acl_user *fresh = plain_default_user(acl);
    for (size_t i = acl->count; i-- > 0;)
        if (acl->users[i] != acl->default_user)
            acl_delete_user(acl, acl_user_name(acl->users[i]));
    for (size_t i = 0; i < draft->count; i++) {
        if (!slice_equal(acl_user_name(draft->users[i]), default_name)) {
            user_add(acl, draft->users[i]);
            continue;
        }
        acl_user_free(fresh);
        fresh = draft->users[i];
    }
    user_become(acl->default_user, fresh);
    listeners_end(acl, acl->default_user);
    openness_changed(acl);
    draft->count = 0;
    acl_draft_free(draft);
}

void acl_draft_free(struct acl_draft *draft)
{
    for (size_t i = 0; i < draft->count; i++)
        acl_user_free(draft->users[i]);
    mem_free(draft->users);
    mem_free(draft);
}

/* --- sessions ------------------------------------------------------------------------------------------ */

void acl_session_begin(struct session *session)
{
    struct acl *acl = session->world->acl;
    session->user = acl->default_user;
    session->authenticated = acl_is_open(acl);
}

/* In time that does not depend on where two hashes differ. */
static bool hash_equal(const char *a, const char *b)
{
    unsigned difference = 0;
    for (size_t i = 0; i < ACL_HASH_SIZE; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

/* user: NULL for a name that nobody has. That takes as long as a wrong password: who tries names learns
 * nothing. */
static bool password_is_right(const struct acl_user *user, struct slice password)
{
    char hash[ACL_HASH_SIZE];
    bool right = user && user->nopass;
    acl_hash_password(password, hash);
    for (size_t i = 0; user && i < user->password_count; i++)
        right |= hash_equal(user->passwords[i], hash);
    return right && user->on;
}

bool acl_authenticate(struct session *session, struct slice command, struct slice name, struct slice password)
{
    struct acl_user *user = acl_find(session->world->acl, name);
    if (!password_is_right(user, password)) {
        acl_log_add(session, ACL_NO_AUTH, session->in_multi ? ACL_MULTI : ACL_TOPLEVEL, command, name);
        return false;
    }
    session->user = user;
    session->authenticated = true;
    return true;
}
