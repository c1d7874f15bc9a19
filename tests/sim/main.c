/* Runs seeds: one, for looking at it; a file of them; or as many as there is time for. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/random.h"
#include "crossing.h"
#include "sim.h"

/* A run takes some milliseconds of a processor; one that takes this long hangs. The longest known took 72
 * seconds: 4,133 recoveries, many of them from a log of 19 MB (seed 1058335769498). */
#define HANG_SECONDS 300
/* One run in so many is done twice, to see that it is the same. */
#define TWICE_EVERY 50

static struct sim_seed seed_running;
static struct trace *trace_running;
static char last_log[300]; /* what a panic says comes here */

/* A seed with the types of value that its run has: so it means the same when there are more types to draw
 * from.
 */
#define SEED_TEXT_SIZE (24 + TYPES_TEXT_SIZE)

static void seed_print(const struct sim_seed *seed, char text[SEED_TEXT_SIZE])
{
    char types[TYPES_TEXT_SIZE];
    types_print(seed->types, types);
    snprintf(text, SEED_TEXT_SIZE, "%" PRIu64 ":%s", seed->number, types);
}

static struct sim_seed seed_drawn(uint64_t number)
{
    return (struct sim_seed){number, types_draw(number)};
}

/* NUMBER or NUMBER:TYPE+TYPE, up to a space or the end; false when it is no such thing. */
static bool seed_parse(const char *text, struct sim_seed *seed)
{
    char types[TYPES_TEXT_SIZE + 1] = "";
    char *end;
    seed->number = strtoull(text, &end, 10);
    if (end == text)
        return false;
    *seed = seed_drawn(seed->number);
    if (*end == ':') {
        snprintf(types, sizeof(types), "%.*s", (int)strcspn(end + 1, " \n"), end + 1);
        seed->types = types_parse(types);
    }
    return seed->types != 0;
}

static void fail_header(void)
{
    char text[SEED_TEXT_SIZE];
    seed_print(&seed_running, text);
    printf("\nFAILED: seed %s\n", text);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;
    fail_header();
    printf("step %d, life %" PRIu64 ", wall clock %" PRId64 " ms: ", sim->step, sim->lives,
           sim->clock.wall_us / 1000);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\nThe last that happened:\n");
    trace_print_kept(&sim->trace);
    char seed[SEED_TEXT_SIZE];
    seed_print(&sim->seed, seed);
    printf("To see all of it: sim --seed %s --trace\n", seed);
    fflush(stdout);
    _exit(1);
}

/* A sanitizer's report is followed by the seed, too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

static void on_abort(int number)
{
    fail_header();
    if (number == SIGPROF)
        printf("it hangs\n");
    else
        printf("it ended by signal %d: %s\n", number, last_log);
    if (trace_running)
        trace_print_kept(trace_running);
    fflush(stdout);
    _exit(1);
}

void sim_trace_is(struct trace *trace)
{
    trace_running = trace;
}

static void to_trace(void *context, enum diag_level level, const char *text)
{
    (void)context;
    (void)level;
    snprintf(last_log, sizeof(last_log), "%s", text);
    if (trace_running)
        trace_line(trace_running, "log: %s", text);
}

/* --- running ----------------------------------------------------------------------------------------------
 */

/* How busy the machine is does not count. 0: no limit. */
static void limit_processor_time(int seconds)
{
    const struct itimerval limit = {.it_value.tv_sec = seconds};
    setitimer(ITIMER_PROF, &limit, NULL);
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t run(struct sim_seed seed, bool print, struct sim_counts *counts)
{
    seed_running = seed;
    limit_processor_time(HANG_SECONDS);
    uint64_t hash = sim_run(seed, print, counts);
    limit_processor_time(0);
    return hash;
}

static void run_twice(struct sim_seed seed, struct sim_counts *counts)
{
    struct sim_counts ignored = {0};
    uint64_t first = run(seed, false, counts);
    uint64_t second = run(seed, false, &ignored);
    if (first == second)
        return;
    fail_header();
    printf("the seed does not decide everything: two runs of it differ (%016" PRIx64 ", %016" PRIx64 ")\n",
           first, second);
    exit(1);
}

/* title: "figures: " for what tests/run.py is to add up. */
static void report(const char *title, const struct sim_counts *counts, double seconds)
{
    printf("%s%" PRIu64 " runs, %" PRIu64 " crash points (%" PRIu64 " a minute), %" PRIu64
           " recoveries judged (%.0f a second), %" PRIu64 " commands, %" PRIu64 " units, %" PRIu64
           " replies judged, %" PRIu64 " rewrites, %" PRIu64 " files harmed (%" PRIu64 " refused), %" PRIu64
           " disk errors, %" PRIu64 " writes refused for space, %" PRIu64 " keys evicted, %" PRIu64
           " messages judged, %" PRIu64 " keys shown as gone, %" PRIu64 " slow calls, %" PRIu64
           " bytes unused at most\n",
           title, counts->runs, counts->crash_points,
           (uint64_t)((double)counts->crash_points * 60.0 / seconds), counts->recoveries,
           (double)counts->recoveries / seconds, counts->commands, counts->units, counts->replies,
           counts->rewrites, counts->rots, counts->rots_refused, counts->disk_errors, counts->refused,
           counts->evicted, counts->messages, counts->gone, counts->slow_calls, counts->most_unused);
    fflush(stdout);
}

/* After so many runs every command that can has made values large, or small, many times. */
#define RUNS_TO_CROSS 1000

static void search(double seconds, uint64_t runs, uint64_t seed)
{
    struct sim_counts counts = {0};
    double begin = now_seconds();
    double told = begin;
    printf("from seed %" PRIu64 " on\n", seed);
    fflush(stdout);
    while (now_seconds() - begin < seconds && counts.runs < runs) {
        if (counts.runs % TWICE_EVERY == 0)
            run_twice(seed_drawn(seed), &counts);
        else
            run(seed_drawn(seed), false, &counts);
        seed++;
        if (now_seconds() - told > 60) {
            told = now_seconds();
            report("", &counts, told - begin);
        }
    }
    report("figures: ", &counts, now_seconds() - begin);
    if (!crossing_report(counts.runs >= RUNS_TO_CROSS))
        exit(1);
}

/* A file of seeds, one a line, each with what it once showed; those that begin with # are for people. */
static int run_file(const char *path)
{
    struct sim_counts counts = {0};
    double begin = now_seconds();
    char line[1000];
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return 1;
    }
    while (fgets(line, sizeof(line), file)) {
        struct sim_seed seed;
        if (*line == '#')
            continue;
        if (!seed_parse(line, &seed)) {
            printf("not a seed: %s", line);
            return 1;
        }
        run_twice(seed, &counts);
    }
    fclose(file);
    report("figures: ", &counts, now_seconds() - begin);
    return 0;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: sim --seed N[:TYPE+TYPE] [--trace] | --seconds N [--start N] | --runs N [--start N] | "
            "--seeds FILE\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"runs", required_argument, NULL, 'n'},
                                            {"start", required_argument, NULL, 'b'},
                                            {"seeds", required_argument, NULL, 'f'},
                                            {"trace", no_argument, NULL, 'v'},
                                            {0}};
    struct sim_counts counts = {0};
    blob_min = SIM_BLOB_MIN;
    struct sim_seed seed = {0};
    uint64_t start;
    random_secure(&start, sizeof(start));
    start >>= 24; /* short enough to be typed */
    double seconds = 0;
    uint64_t runs = UINT64_MAX;
    bool one = false;
    bool trace = false;
    int option;
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    signal(SIGPROF, on_abort);
    diag_set_sink(to_trace, NULL);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            one = true;
            if (!seed_parse(optarg, &seed))
                return usage();
            break;
        case 't': seconds = atof(optarg); break;
        case 'n':
            runs = strtoull(optarg, NULL, 10);
            seconds = seconds > 0 ? seconds : 1e9;
            break;
        case 'b': start = strtoull(optarg, NULL, 10); break;
        case 'v': trace = true; break;
        case 'f': return run_file(optarg);
        default: return usage();
        }
    }
    if (one) {
        double begin = now_seconds();
        uint64_t hash = run(seed, trace, &counts);
        char text[SEED_TEXT_SIZE];
        seed_print(&seed, text);
        printf("seed %s, trace %016" PRIx64 "\n", text, hash);
        report("figures: ", &counts, now_seconds() - begin);
        return 0;
    }
    if (seconds <= 0)
        return usage();
    search(seconds, runs, start);
    return 0;
}
