#include "base/thread.h"

#include <signal.h>

/* What a thread itself raises by a crash, and the kernel ends the process at once for where it is blocked. */
static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};

bool thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument, const char *name)
{
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        sigdelset(&blocked, crashes[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    bool has_begun = pthread_create(thread, NULL, run, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (has_begun)
        pthread_setname_np(*thread, name);
    return has_begun;
}
