/* Leaving and coming back cost two stores as long as nobody takes over: the one word that both threads write,
 * turn, is odd while the loop's thread is away. The stand-in looks at it now and then; the same odd number
 * twice means that one call takes long, and it takes the loop over by an exchange that fails if the other one
 * has come back in the same instant. */
#include "server/stand_in.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/thread.h"

/* A call that is under way at two looks in a row takes long. */
#define LOOK_NS 1000000
/* After so many looks without anybody leaving, it sleeps until somebody does. */
#define QUIET_LOOKS 50

#define AWAY  UINT64_C(1)
#define TAKEN (UINT64_C(1) << 63) /* the stand-in has the loop */

struct stand_in {
    struct loop *loop;
    pthread_t thread;
    _Atomic uint64_t turn;
    _Atomic uint64_t turns;
    atomic_bool sleeps;
    atomic_bool is_wanted_back; /* the loop's thread waits for the loop */

    /* For whoever waits. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ends;
};

/* --- the loop's thread -------------------------------------------------------------------------------- */

static void wake(struct stand_in *stand_in)
{
    pthread_mutex_lock(&stand_in->lock);
    atomic_store(&stand_in->sleeps, false);
    pthread_cond_broadcast(&stand_in->changed);
    pthread_mutex_unlock(&stand_in->lock);
}

bool stand_in_leave(struct stand_in *stand_in)
{
    uint64_t turn = atomic_load_explicit(&stand_in->turn, memory_order_relaxed);
    if (turn & TAKEN)
        return false;
    ASSERT(!(turn & AWAY));
    /* Either this sees that the other sleeps, or that one, which says so first, sees this. */
    atomic_store(&stand_in->turn, turn + 1);
    if (atomic_load(&stand_in->sleeps))
        wake(stand_in);
    return true;
}

void stand_in_back(struct stand_in *stand_in)
{
    uint64_t turn = atomic_load_explicit(&stand_in->turn, memory_order_relaxed) & ~TAKEN;
    ASSERT(turn & AWAY);
    if (atomic_compare_exchange_strong(&stand_in->turn, &turn, turn + 1))
        return;
    atomic_store(&stand_in->is_wanted_back, true);
    loop_wake(stand_in->loop);
    pthread_mutex_lock(&stand_in->lock);
    while (atomic_load(&stand_in->turn) & TAKEN)
        pthread_cond_wait(&stand_in->changed, &stand_in->lock);
    pthread_mutex_unlock(&stand_in->lock);
    /* What its last round ran is handed on by the next one, which must not sleep before. */
    loop_wake(stand_in->loop);
}

/* --- the stand-in ------------------------------------------------------------------------------------- */

/* A stop that somebody asks for waits for the loop's thread, which alone can do it: until then all are served
 * as before. */
static void take_over(struct stand_in *stand_in, uint64_t turn)
{
    atomic_fetch_add(&stand_in->turns, 1);
    while (!atomic_load(&stand_in->is_wanted_back))
        loop_round(stand_in->loop, -1);
    pthread_mutex_lock(&stand_in->lock);
    atomic_store(&stand_in->is_wanted_back, false);
    atomic_store(&stand_in->turn, turn + 1);
    pthread_cond_broadcast(&stand_in->changed);
    pthread_mutex_unlock(&stand_in->lock);
}

static void sleep_until_left(struct stand_in *stand_in, uint64_t turn)
{
    pthread_mutex_lock(&stand_in->lock);
    atomic_store(&stand_in->sleeps, true);
    if (atomic_load(&stand_in->turn) != turn)
        atomic_store(&stand_in->sleeps, false);
    while (atomic_load(&stand_in->sleeps) && !stand_in->ends)
        pthread_cond_wait(&stand_in->changed, &stand_in->lock);
    pthread_mutex_unlock(&stand_in->lock);
}

static bool ends(struct stand_in *stand_in)
{
    pthread_mutex_lock(&stand_in->lock);
    bool it_ends = stand_in->ends;
    pthread_mutex_unlock(&stand_in->lock);
    return it_ends;
}

static void *stand_in_run(void *argument)
{
    struct stand_in *stand_in = argument;
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    uint64_t seen = 0;
    int quiet_looks = 0;
    memory_thread_register();
    while (!ends(stand_in)) {
        uint64_t turn = atomic_load(&stand_in->turn);
        quiet_looks = turn == seen ? quiet_looks + 1 : 0;
        if (turn & AWAY && turn == seen &&
            atomic_compare_exchange_strong(&stand_in->turn, &turn, turn | TAKEN))
            take_over(stand_in, turn);
        else if (!(turn & AWAY) && quiet_looks >= QUIET_LOOKS)
            sleep_until_left(stand_in, turn);
        seen = turn;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* --- life --------------------------------------------------------------------------------------------- */

struct stand_in *stand_in_new(struct loop *loop)
{
    struct stand_in *stand_in = mem_alloc_zero(sizeof(*stand_in));
    stand_in->loop = loop;
    pthread_mutex_init(&stand_in->lock, NULL);
    pthread_cond_init(&stand_in->changed, NULL);
    if (thread_start(&stand_in->thread, stand_in_run, stand_in, "dkv-stand-in"))
        return stand_in;
    pthread_cond_destroy(&stand_in->changed);
    pthread_mutex_destroy(&stand_in->lock);
    mem_free(stand_in);
    return NULL;
}

void stand_in_free(struct stand_in *stand_in)
{
    if (stand_in == NULL)
        return;
    pthread_mutex_lock(&stand_in->lock);
    stand_in->ends = true;
    pthread_cond_broadcast(&stand_in->changed);
    pthread_mutex_unlock(&stand_in->lock);
    pthread_join(stand_in->thread, NULL);
    pthread_cond_destroy(&stand_in->changed);
    pthread_mutex_destroy(&stand_in->lock);
    mem_free(stand_in);
}

uint64_t stand_in_turns(const struct stand_in *stand_in)
{
    return atomic_load_explicit(&stand_in->turns, memory_order_relaxed);
}
