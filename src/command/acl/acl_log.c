/* The log of refusals: the newest first, those that are alike within a minute counted as one. */
#include "base/diag.h"
#include "base/memory.h"
#include "command/acl/acl_user.h"

/* Entries that are looked at for one that is alike, and for how long one may be. */
#define ALIKE_LOOKS  10
#define ALIKE_MS_MAX 60000
/* Bytes that are kept of each text: whoever is refused chooses them, also before he has authenticated. */
#define TEXT_MAX 1024

struct logged {
    struct acl_log_entry entry;
    struct buffer what;
    struct buffer user;
    struct buffer client;
};

struct acl_log {
    uint64_t next_id;
    size_t max;
    size_t count;
    size_t capacity;
    struct logged **entries; /* the newest last */
};

struct acl_log *acl_log_new(void)
{
    struct acl_log *log = mem_alloc_zero(sizeof(*log));
    log->max = 128;
    return log;
}

static void logged_free(struct logged *logged)
{
    buffer_free(&logged->what);
    buffer_free(&logged->user);
    buffer_free(&logged->client);
    mem_free(logged);
}

void acl_log_limit(struct acl_log *log, size_t max)
{
    log->max = max;
    size_t gone = log->count > max ? log->count - max : 0;
    if (gone == 0)
        return;
    for (size_t i = 0; i < gone; i++)
        logged_free(log->entries[i]);
    log->count -= gone;
    memmove(log->entries, log->entries + gone, log->count * sizeof(*log->entries));
}

void acl_log_free(struct acl_log *log)
{
    acl_log_limit(log, 0);
    mem_free(log->entries);
    mem_free(log);
}

static struct slice cut(struct slice text)
{
    return slice_make(text.data, text.size < TEXT_MAX ? text.size : TEXT_MAX);
}

static bool is_alike(const struct logged *logged, const struct acl_log_entry *entry)
{
    return logged->entry.verdict == entry->verdict && logged->entry.context == entry->context &&
           entry->updated_ms - logged->entry.updated_ms <= ALIKE_MS_MAX &&
           slice_equal(buffer_slice(&logged->what), entry->what) &&
           slice_equal(buffer_slice(&logged->user), entry->user);
}

/* Takes one that is alike out of the list; NULL when there is none. */
static struct logged *take_alike(struct acl_log *log, const struct acl_log_entry *entry)
{
    for (size_t looks = 0; looks < ALIKE_LOOKS && looks < log->count; looks++) {
        size_t at = log->count - 1 - looks;
        struct logged *logged = log->entries[at];
        if (!is_alike(logged, entry))
            continue;
        log->count--;
        memmove(log->entries + at, log->entries + at + 1, (log->count - at) * sizeof(*log->entries));
        return logged;
    }
    return NULL;
}

static void append(struct acl_log *log, struct logged *logged)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity ? 2 * log->capacity : 16;
        log->entries = mem_realloc(log->entries, log->capacity * sizeof(*log->entries));
    }
    log->entries[log->count++] = logged;
}

static void count_refusal(struct world *world, enum acl_verdict verdict)
{
    switch (verdict) {
    case ACL_NO_COMMAND: world->stats.acl_denied_commands++; break;
    case ACL_NO_KEY: world->stats.acl_denied_keys++; break;
    case ACL_NO_CHANNEL: world->stats.acl_denied_channels++; break;
    case ACL_NO_AUTH: world->stats.auth_failures++; break;
    case ACL_PERMITTED: break;
    }
}

static void describe(struct logged *logged, const struct session *session)
{
    const struct acl_hooks *hooks = acl_hooks(session->world->acl);
    struct buffer text = {0};
    if (hooks->describe_session)
        hooks->describe_session(&text, session);
    buffer_clear(&logged->client);
    buffer_append_slice(&logged->client, cut(buffer_slice(&text)));
    buffer_free(&text);
}

void acl_log_add(struct session *session, enum acl_verdict verdict, enum acl_context context,
                 struct slice what, struct slice user)
{
    struct world *world = session->world;
    struct acl_log *log = acl_log(world->acl);
    const struct acl_log_entry entry = {.verdict = verdict,
                                        .context = context,
                                        .what = cut(what),
                                        .user = cut(user),
                                        .updated_us = world->monotonic_us,
                                        .created_ms = world->now_ms,
                                        .updated_ms = world->now_ms};
    count_refusal(world, verdict);
    struct logged *logged = take_alike(log, &entry);
    if (!logged) {
        logged = mem_alloc_zero(sizeof(*logged));
        logged->entry = entry;
        logged->entry.id = log->next_id++;
        buffer_append_slice(&logged->what, entry.what);
        buffer_append_slice(&logged->user, entry.user);
    }
    logged->entry.count++;
    logged->entry.updated_ms = world->now_ms;
    logged->entry.updated_us = world->monotonic_us;
    describe(logged, session);
    append(log, logged);
    acl_log_limit(log, log->max);
}

size_t acl_log_size(const struct acl *acl)
{
    return acl_log(acl)->count;
}

const struct acl_log_entry *acl_log_at(const struct acl *acl, size_t index)
{
    struct acl_log *log = acl_log(acl);
    ASSERT(index < log->count);
    struct logged *logged = log->entries[log->count - 1 - index];
    logged->entry.what = buffer_slice(&logged->what);
    logged->entry.user = buffer_slice(&logged->user);
    logged->entry.client = buffer_slice(&logged->client);
    return &logged->entry;
}

void acl_log_reset(struct acl *acl)
{
    struct acl_log *log = acl_log(acl);
    size_t max = log->max;
    acl_log_limit(log, 0);
    log->max = max;
}
