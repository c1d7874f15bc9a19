/* The committer: what it syncs and when, what it admits, and what it does when the disk fails or is full. */
#include "fixture.c"

#include <errno.h>

static uint64_t syncs(struct fixture *f)
{
    struct journal_stats stats;
    journal_stats_read(f->journal, &stats);
    return stats.syncs;
}

static uint64_t frames(struct fixture *f)
{
    struct journal_stats stats;
    journal_stats_read(f->journal, &stats);
    return stats.frames;
}

static void start_with(struct fixture *f, enum sync_policy policy)
{
    fixture_init(f);
    f->options.policy = policy;
    f->options.segment_size = 1 << 20;
    fixture_start(f);
    fixture_work(f);
}

/* Under always, acknowledged means durable, and the loop is woken for it. */
static void always_acknowledges_what_is_durable(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    for (int i = 0; i < 5; i++) {
        uint64_t wakes = f.wakes;
        fixture_append(&f, 2, 30);
        assert_true(journal_acknowledged(f.journal) < f.stream.size);
        fixture_work(&f);
        assert_int_equal(journal_acknowledged(f.journal), f.stream.size);
        assert_int_equal(syncs(&f), i + 1);
        assert_int_equal(f.wakes, wakes + 1);
    }
    fixture_free(&f);
}

/* D3: under everysec, what is written is acknowledged at once, and durable less than a second later. */
static void everysec_syncs_within_the_second(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_EVERYSEC);
    for (int i = 0; i < 50; i++) {
        int64_t begin_us = f.clock.now_us;
        fixture_append(&f, 1, 30);
        fixture_work(&f);
        assert_int_equal(journal_acknowledged(f.journal), f.stream.size);
        lsn_t written = journal_written(f.journal);
        fixture_pass(&f, 37000);
        /* Ask again and again until it is durable. */
        while (journal_durable(f.journal) < written) {
            fixture_append(&f, 1, 30);
            fixture_pass(&f, 10000);
            assert_true(f.clock.now_us - begin_us < 900000);
        }
    }
    assert_true(syncs(&f) > 20);
    fixture_free(&f);
}

static int64_t slow_monotonic(struct clock *clock)
{
    return ((struct fake_clock *)clock)->now_us += 1000000; /* from one look at the clock to the next */
}

/* The loop is told: that it may acknowledge is the moment that counts. */
static void see_that_it_is_durable(void *context)
{
    struct fixture *f = context;
    f->wakes++;
    assert_int_equal(journal_durable(f->journal), journal_acknowledged(f->journal));
}

/* A write that itself takes a second is synced before it is acknowledged: else more than a second of
 * acknowledged writes could be lost. */
static void everysec_never_acknowledges_late_writes_unsynced(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.policy = SYNC_EVERYSEC;
    f.options.segment_size = 1 << 20;
    f.options.wake = see_that_it_is_durable;
    fixture_start(&f);
    fixture_work(&f);
    f.clock.clock.monotonic_us = slow_monotonic;
    for (int i = 0; i < 20; i++) {
        fixture_append(&f, 1, 30);
        assert_int_equal(journal_durable(f.journal), journal_acknowledged(f.journal));
        journal_work(f.journal);
        assert_int_equal(journal_durable(f.journal), journal_written(f.journal));
    }
    assert_true(journal_written(f.journal) > 100);
    fixture_free(&f);
}

/* D11: when that sync fails, what was written just before is not acknowledged either. */
static void a_late_write_whose_sync_fails_is_not_acknowledged(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_EVERYSEC);
    fixture_work(&f);
    f.clock.clock.monotonic_us = slow_monotonic;
    memory_disk_fail(f.memory, CALL_SYNC, 0, 1, -EIO);
    lsn_t before = journal_acknowledged(f.journal);
    fixture_append(&f, 1, 30);
    journal_work(f.journal);
    assert_non_null(journal_failed(f.journal));
    assert_true(f.stream.size > before);
    assert_int_equal(journal_acknowledged(f.journal), before);
    fixture_free(&f);
}

/* Under no, nothing is synced but what is asked for. */
static void no_syncs_only_on_request(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_NO);
    fixture_append(&f, 3, 30);
    fixture_pass(&f, 10000000);
    assert_int_equal(journal_acknowledged(f.journal), f.stream.size);
    assert_int_equal(syncs(&f), 0);
    uint64_t wakes = f.wakes;
    journal_request_sync(f.journal);
    fixture_work(&f);
    assert_int_equal(syncs(&f), 1);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    assert_int_equal(f.wakes, wakes + 1);
    /* Asked for before it is handed over: it is synced once it is. */
    struct buffer *unit = journal_unit_begin(f.journal, 0);
    buffer_append_text(unit, "<x@0>");
    buffer_append_text(&f.stream, "<x@0>");
    journal_unit_end(f.journal);
    journal_request_sync(f.journal);
    fixture_work(&f);
    assert_true(journal_durable(f.journal) < f.stream.size);
    journal_submit(f.journal, false);
    fixture_work(&f);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    fixture_free(&f);
}

static void append_alone(struct fixture *f, size_t size)
{
    f->alone = true;
    fixture_append(f, 1, size);
    f->alone = false;
}

/* A loop with nobody else to serve finds acknowledged what it submitted, without the committer's turn and
 * without being woken; the last promise is put on record as always. */
static void a_lone_submit_is_acknowledged_at_once(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    fixture_append(&f, 1, 30);
    fixture_work(&f);
    uint64_t wakes = f.wakes;
    for (int i = 0; i < 3; i++) {
        append_alone(&f, 30);
        assert_int_equal(journal_durable(f.journal), f.stream.size);
        assert_int_equal(frames(&f), 2 + i);
        assert_int_equal(syncs(&f), 2 + i);
    }
    assert_int_equal(f.wakes, wakes);
    assert_false(journal_work(f.journal));
    fixture_pass(&f, 200000);
    assert_int_equal(frames(&f), 5);
    assert_int_equal(syncs(&f), 5);
    fixture_free(&f);
}

/* Before the first sync has shown how fast the disk is, on a slow one, and with much to write the committer
 * has to do it. */
static void a_lone_submit_is_left_to_the_committer(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    append_alone(&f, 30);
    assert_int_equal(journal_written(f.journal), 0);
    fixture_work(&f);
    append_alone(&f, 100 << 10);
    assert_true(journal_written(f.journal) < f.stream.size);
    fixture_work(&f);
    append_alone(&f, 30);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    f.clock.step_us = 5000;
    for (int i = 0; i < 30; i++) {
        append_alone(&f, 30);
        if (journal_durable(f.journal) < f.stream.size)
            break;
    }
    f.clock.step_us = 0;
    assert_true(journal_durable(f.journal) < f.stream.size);
    fixture_work(&f);
    /* It has become fast again, and that is noticed. */
    for (int i = 0; i < 30; i++) {
        append_alone(&f, 30);
        if (journal_durable(f.journal) == f.stream.size)
            break;
        fixture_work(&f);
    }
    append_alone(&f, 30);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    fixture_free(&f);
}

/* Under policies that do not wait for the disk the loop writes what is little itself, whoever else there is,
 * and never syncs: also not what is due. On a slow disk and with much to write the committer has to do it. */
static void the_loop_writes_what_waits_for_no_sync(void **state)
{
    (void)state;
    for (int policy = SYNC_EVERYSEC; policy <= SYNC_NO; policy++) {
        struct fixture f;
        start_with(&f, (enum sync_policy)policy);
        uint64_t wakes = f.wakes;
        for (int i = 0; i < 3; i++) {
            fixture_append(&f, 1, 30);
            assert_int_equal(journal_acknowledged(f.journal), f.stream.size);
        }
        assert_int_equal(f.wakes, wakes);
        assert_int_equal(syncs(&f), 0);
        f.clock.now_us += 600000;
        fixture_append(&f, 1, 30);
        assert_int_equal(syncs(&f), 0);
        fixture_work(&f);
        assert_int_equal(syncs(&f), policy == SYNC_EVERYSEC);
        assert_int_equal(journal_written(f.journal), f.stream.size);
        fixture_append(&f, 1, 100 << 10);
        assert_true(journal_written(f.journal) < f.stream.size);
        fixture_work(&f);
        f.clock.step_us = 5000;
        bool left = false;
        for (int i = 0; i < 30 && !left; i++) {
            fixture_append(&f, 1, 30);
            left = journal_written(f.journal) < f.stream.size;
        }
        assert_true(left);
        f.clock.step_us = 0;
        fixture_work(&f);
        fixture_free(&f);
    }
}

/* A stricter policy acts on what is on its way. */
static void a_policy_change_acts_at_once(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_NO);
    fixture_append(&f, 3, 30);
    fixture_work(&f);
    assert_int_equal(journal_durable(f.journal), 0);
    journal_set_policy(f.journal, SYNC_ALWAYS);
    assert_int_equal(journal_acknowledged(f.journal), 0);
    fixture_work(&f);
    assert_int_equal(journal_acknowledged(f.journal), f.stream.size);
    fixture_free(&f);
}

/* With a closing frame behind it, a damaged last frame is known to have been promised. */
static void check_last_frame_is_promised(struct fixture *f)
{
    struct buffer *log = memory_disk_file(f->memory, "log-00000000000000000000.dkv");
    char *last = memmem(log->data, log->size, f->stream.data + f->stream.size - 20, 20);
    assert_non_null(last);
    last[0] ^= 1;
    assert_false(fixture_recover(f));
    last[0] ^= 1;
}

/* When it gets quiet, the last promise is put on record, once; under no only by closing. */
static void the_last_promise_is_put_on_record(void **state)
{
    (void)state;
    static const uint64_t closing_frames[] = {[SYNC_ALWAYS] = 1, [SYNC_EVERYSEC] = 1, [SYNC_NO] = 0};
    for (int policy = SYNC_ALWAYS; policy <= SYNC_NO; policy++) {
        struct fixture f;
        start_with(&f, (enum sync_policy)policy);
        for (int i = 0; i < 3; i++) {
            uint64_t before = frames(&f);
            fixture_append(&f, 1, 30);
            fixture_pass(&f, 90000);
            fixture_append(&f, 1, 30);
            fixture_pass(&f, 90000);
            assert_int_equal(frames(&f), before + 2);
            fixture_pass(&f, 10000000);
            assert_int_equal(frames(&f), before + 2 + closing_frames[policy]);
            assert_true(journal_work_due_us(f.journal) == INT64_MAX);
        }
        if (policy == SYNC_NO)
            fixture_close(&f);
        else
            fixture_crash(&f, CRASH_LOSING_ALL, 0);
        check_last_frame_is_promised(&f);
        fixture_free(&f);
    }
}

/* So it is where a change has filled its segment to the last byte: MANIFEST says it, as no frame fits. */
static void the_last_promise_of_a_full_segment_is_put_on_record(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    fixture_append(&f, 1, 2 * f.options.segment_size);
    fixture_pass(&f, 10000000);
    assert_int_equal(frames(&f), 1);
    assert_true(journal_work_due_us(f.journal) == INT64_MAX);
    fixture_crash(&f, CRASH_LOSING_ALL, 0);
    check_last_frame_is_promised(&f);
    fixture_free(&f);
}

/* What a crash left unrecorded is put on record by the next life, which shows it to clients. */
static void a_recovered_promise_is_put_on_record(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    fixture_append(&f, 1, 30);
    fixture_work(&f);
    fixture_crash(&f, CRASH_LOSING_ALL, 0);
    fixture_start(&f);
    fixture_pass(&f, 1000000);
    assert_int_equal(frames(&f), 1);
    fixture_crash(&f, CRASH_LOSING_ALL, 0);
    check_last_frame_is_promised(&f);
    fixture_free(&f);
}

/* Large batches that wait for each other are covered by one sync; one that the loop took back is not waited
 * for. */
static void what_waits_together_is_synced_together(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.segment_size = 64 << 20;
    fixture_start(&f);
    for (int i = 0; i < 3; i++)
        fixture_append(&f, 1, 5 << 20);
    fixture_work(&f);
    assert_int_equal(frames(&f), 3);
    assert_int_equal(syncs(&f), 1);

    fixture_append(&f, 1, 5 << 20);
    fixture_append(&f, 1, 10);
    lsn_t large = f.stream.size - 11;
    while (journal_written(f.journal) < large - 100)
        assert_true(journal_work(f.journal));
    struct buffer *unit = journal_unit_begin(f.journal, 0);
    fixture_work(&f);
    assert_int_equal(syncs(&f), 2);
    buffer_append_text(unit, "<x@0>");
    journal_unit_end(f.journal);
    journal_submit(f.journal, false);
    fixture_work(&f);
    assert_int_equal(journal_durable(f.journal), journal_executed(f.journal));
    fixture_free(&f);
}

/* A unit more than unsynced_max behind has to wait, and whoever waits is woken. */
static void too_much_on_its_way_has_to_wait(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.segment_size = 1 << 20;
    f.options.unsynced_max = 1000;
    fixture_start(&f);
    fixture_work(&f);
    assert_int_equal(journal_admit(f.journal, 5000), ADMIT_YES); /* one alone may be larger */
    fixture_append(&f, 1, 5000);
    assert_int_equal(journal_admit(f.journal, 1), ADMIT_WAIT);
    uint64_t wakes = f.wakes;
    fixture_work(&f);
    assert_true(f.wakes > wakes);
    assert_int_equal(journal_admit(f.journal, 1), ADMIT_YES);
    fixture_free(&f);
}

/* D12: whatever was admitted finds room, even if every other byte of the disk is taken the moment after, and
 * even if the estimate was 4 KiB short. */
static void what_was_admitted_finds_room(void **state)
{
    (void)state;
    struct fixture f;
    struct random random;
    random_seed(&random, 5);
    fixture_init(&f);
    f.options.segment_size = 256 << 10;
    fixture_start(&f);
    int waits = 0;
    for (int i = 0; i < 3000; i++) {
        uint64_t size = random_below(&random, i % 100 == 0 ? 400000 : 5000) + 1;
        while (journal_admit(f.journal, size) != ADMIT_YES) {
            fixture_work(&f);
            assert_true(++waits < 10000);
        }
        memory_disk_set_capacity(f.memory, 0);
        fixture_append(&f, 1, size + random_below(&random, 4000));
        if (random_below(&random, 3) > 0) {
            fixture_work(&f);
            assert_null(journal_full(f.journal));
            assert_int_equal(journal_durable(f.journal), f.stream.size);
        }
        memory_disk_set_capacity(f.memory, UINT64_MAX);
    }
    assert_true(waits > 10);
    fixture_close(&f);
    assert_true(fixture_recover(&f));
    fixture_check(&f);
    fixture_free(&f);
}

/* The loop has a large change to make as soon as it is told of something, and the disk gives no more then. */
struct late_change {
    struct fixture f;
    bool is_due;
    int told;
};

static void change_when_told(void *context)
{
    struct late_change *change = context;
    if (!change->is_due)
        return;
    change->told++;
    if (journal_admit(change->f.journal, 300000) != ADMIT_YES)
        return;
    change->is_due = false;
    memory_disk_set_capacity(change->f.memory, 0);
    fixture_append(&change->f, 1, 300000);
}

/* What is admitted while a rewrite's cut waits to be made finds room, too: it goes to another segment, so
 * room in this one does not count. */
static void what_was_admitted_behind_a_cut_finds_room(void **state)
{
    (void)state;
    struct late_change change = {.is_due = false};
    struct fixture *f = &change.f;
    fixture_init(f);
    f->options.segment_size = 1 << 20;
    f->options.wake = change_when_told;
    f->options.wake_context = &change;
    fixture_start(f);
    /* There is room for it in the first segment, which it will not go to. */
    while (journal_admit(f->journal, 300000) != ADMIT_YES)
        fixture_work(f);
    fixture_append(f, 1, 100);
    journal_rewrite_begin(f->journal);
    change.is_due = true;
    fixture_pass(f, 5000000);
    assert_true(change.told > 0);
    assert_null(journal_full(f->journal));
    assert_int_equal(journal_durable(f->journal), f->stream.size);
    journal_rewrite_end(f->journal, false);
    memory_disk_set_capacity(f->memory, UINT64_MAX);
    fixture_free(f);
}

/* D12: a full disk is said so, what was taken before stays, and writes are taken again by themselves. */
static void a_full_disk_refuses_and_recovers(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    memory_disk_set_capacity(f.memory, memory_disk_used(f.memory));
    enum admit_result result;
    int taken = 0;
    while ((result = journal_admit(f.journal, 3000)) != ADMIT_FULL) {
        if (result == ADMIT_YES) {
            fixture_append(&f, 1, 3000);
            taken++;
        }
        fixture_work(&f);
    }
    assert_true(taken > 5);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    assert_non_null(journal_full(f.journal));
    assert_null(journal_failed(f.journal));
    fixture_pass(&f, 5000000);
    assert_int_equal(journal_admit(f.journal, 3000), ADMIT_FULL);
    memory_disk_set_capacity(f.memory, UINT64_MAX);
    fixture_pass(&f, 110000);
    assert_null(journal_full(f.journal));
    assert_int_equal(journal_admit(f.journal, 3000), ADMIT_YES);
    fixture_append(&f, 1, 3000);
    fixture_close(&f);
    assert_true(fixture_recover(&f));
    fixture_check(&f);
    fixture_free(&f);
}

/* What is too large for the disk is refused; what is small is still taken, and once nobody asks for the large
 * one any more the disk does not count as full. */
static void a_size_that_cannot_be_had_does_not_hold_up_others(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    memory_disk_set_capacity(f.memory, 4 << 20);
    assert_int_equal(journal_admit(f.journal, 1 << 30), ADMIT_WAIT);
    fixture_work(&f);
    assert_int_equal(journal_admit(f.journal, 1 << 30), ADMIT_FULL);
    assert_int_equal(journal_admit(f.journal, 1000), ADMIT_YES);
    fixture_append(&f, 1, 1000);
    fixture_work(&f);
    assert_int_equal(journal_admit(f.journal, 1 << 30), ADMIT_FULL);
    assert_int_equal(journal_admit(f.journal, 300000), ADMIT_WAIT);
    fixture_work(&f);
    assert_int_equal(journal_admit(f.journal, 300000), ADMIT_YES);
    assert_int_equal(journal_admit(f.journal, 1 << 30), ADMIT_WAIT);
    fixture_work(&f);
    assert_int_equal(journal_admit(f.journal, 1 << 30), ADMIT_FULL);
    assert_non_null(journal_full(f.journal));
    fixture_pass(&f, 3000000);
    assert_null(journal_full(f.journal));
    fixture_free(&f);
}

/* What was executed without having been admitted is kept while the disk is full, not acknowledged, and
 * written in the end.
 */
static void what_found_no_room_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    fixture_append(&f, 1, 100);
    fixture_work(&f);
    lsn_t durable = journal_durable(f.journal);
    memory_disk_set_capacity(f.memory, memory_disk_used(f.memory));
    for (int i = 0; i < 3; i++) {
        fixture_append(&f, 1, 200000);
        fixture_pass(&f, 500000);
    }
    assert_int_equal(journal_durable(f.journal), durable);
    assert_non_null(journal_full(f.journal));
    assert_int_equal(journal_admit(f.journal, 1), ADMIT_FULL);
    memory_disk_set_capacity(f.memory, UINT64_MAX);
    fixture_pass(&f, 100000);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    assert_null(journal_full(f.journal));
    fixture_append(&f, 1, 100);
    fixture_close(&f);
    assert_true(fixture_recover(&f));
    fixture_check(&f);
    fixture_free(&f);
}

/* Closing with a disk that stays full says that something is lost. */
static void closing_on_a_full_disk_says_so(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_EVERYSEC);
    fixture_append(&f, 1, 100);
    fixture_work(&f);
    lsn_t written = f.stream.size;
    memory_disk_set_capacity(f.memory, memory_disk_used(f.memory));
    fixture_append(&f, 1, 200000);
    assert_false(journal_close(f.journal));
    f.journal = NULL;
    fixture_crash(&f, CRASH_LOSING_ALL, 0);
    f.acknowledged = written; /* was synced all the same */
    assert_true(fixture_recover(&f));
    fixture_check(&f);
    assert_int_equal(f.stream.size, written);
    fixture_free(&f);
}

/* A life in which much happens; returns whether it came through. */
static bool live(struct fixture *f, bool *base_failed)
{
    *base_failed = false;
    if (!fixture_recover(f))
        return false;
    if (!journal_start(f->journal, &f->error))
        return false;
    fixture_check(f);
    for (int i = 0; i < 6; i++) {
        fixture_append(f, 2, (size_t)(100 * i));
        fixture_pass(f, 200000);
        if ((i == 2 || i == 4) && !journal_rewriting(f->journal)) {
            lsn_t lsn = journal_rewrite_begin(f->journal);
            fixture_append(f, 1, 50);
            fixture_pass(f, 200000);
            int rc = fixture_write_base(f, lsn);
            *base_failed = *base_failed || rc < 0;
            journal_rewrite_end(f->journal, rc == 0);
        }
        fixture_pass(f, 300000);
    }
    bool ok = !journal_failed(f->journal);
    if (ok)
        assert_int_equal(journal_acknowledged(f->journal), f->stream.size);
    ok = journal_close(f->journal);
    f->journal = NULL;
    return ok;
}

static const struct {
    unsigned kinds;
    int error;
    bool is_final; /* the journal has to fail, unless only the child was hit */
} faults[] = {
    {CALL_SYNC, -EIO, true},       {CALL_SYNC, -ENOSPC, true},    {CALL_SYNC_FOLDER, -EIO, true},
    {CALL_WRITE, -EIO, true},      {CALL_RENAME, -EIO, false},    {CALL_ALLOCATE, -EIO, true},
    {CALL_CREATE, -EIO, true},     {CALL_UNLINK, -EIO, false},    {CALL_TRUNCATE, -EIO, true},
    {CALL_WRITE, -ENOSPC, false},  {CALL_CREATE, -EDQUOT, false}, {CALL_ALLOCATE, -ENOSPC, false},
    {CALL_RENAME, -ENOSPC, false},
};

/* D11, D12: every call of every kind fails once, in turn. Either the journal goes on and loses nothing, or it
 * says that it failed; in both cases all that was acknowledged is there afterwards. A failed sync is always
 * final. */
static void any_call_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        for (int policy = SYNC_ALWAYS; policy <= SYNC_NO; policy++) {
            bool failed = true;
            for (uint64_t skip = 0; failed; skip++) {
                struct fixture f;
                fixture_init(&f);
                f.options.policy = (enum sync_policy)policy;
                memory_disk_fail(f.memory, faults[i].kinds, skip, 1, faults[i].error);
                bool base_failed;
                bool ok = live(&f, &base_failed);
                failed = memory_disk_has_failed(f.memory);
                memory_disk_fail(f.memory, 0, 0, 0, 0);
                bool is_full = faults[i].error != -EIO && faults[i].kinds != CALL_SYNC;
                if (is_full && !ok && f.stream.size > 0)
                    fail_msg("fault %zu, call %" PRIu64 ": a full disk was final", i, skip);
                if (failed && faults[i].is_final && ok && !base_failed)
                    fail_msg("fault %zu, call %" PRIu64 ": it was not final", i, skip);
                fixture_crash(&f, CRASH_LOSING_ALL, 0);
                f.seed++;
                fixture_start(&f);
                fixture_free(&f);
            }
        }
}

/* D11: after a failed sync nothing is written, synced or acknowledged any more. */
static void a_failed_sync_is_final(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    fixture_append(&f, 1, 100);
    fixture_work(&f);
    lsn_t durable = journal_durable(f.journal);
    memory_disk_fail(f.memory, CALL_SYNC, 0, 1, -EIO);
    uint64_t wakes = f.wakes;
    fixture_append(&f, 1, 100);
    fixture_work(&f);
    assert_true(f.wakes > wakes);
    const char *why = journal_failed(f.journal);
    assert_non_null(why);
    assert_non_null(strstr(why, "cannot sync log-00000000000000000000.dkv: Input/output error"));
    uint64_t calls = memory_disk_calls(f.memory);
    fixture_append(&f, 5, 100);
    journal_request_sync(f.journal);
    fixture_pass(&f, 5000000);
    assert_int_equal(journal_durable(f.journal), durable);
    assert_int_equal(journal_acknowledged(f.journal), durable);
    assert_false(journal_close(f.journal));
    f.journal = NULL;
    assert_int_equal(memory_disk_calls(f.memory), calls);
    fixture_free(&f);
}

struct told {
    struct journal *journal;
    bool before; /* the reason was told, and the journal had not failed yet */
};

static void note_reason(void *context, enum diag_level level, const char *text)
{
    struct told *told = context;
    (void)level;
    if (strstr(text, "the log has failed: cannot sync"))
        told->before = !journal_failed(told->journal);
}

/* Whoever sees that the journal has failed ends the process, so the reason is in the log by then. */
static void the_reason_is_told_before_the_failure(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    struct told told = {.journal = f.journal};
    diag_set_sink(note_reason, &told);
    fixture_append(&f, 1, 100);
    memory_disk_fail(f.memory, CALL_SYNC, 0, 1, -EIO);
    fixture_work(&f);
    assert_non_null(journal_failed(f.journal));
    assert_true(told.before);
    fixture_free(&f);
}

/* After a failed sync the kernel shows bytes that the disk never got, and holds them for written. A server
 * that is started again takes them up, so it has to write them anew before it calls them durable. */
static void what_a_failed_sync_left_is_written_anew(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    fixture_append(&f, 1, 100);
    fixture_work(&f);
    fixture_append(&f, 1, 100);
    memory_disk_fail(f.memory, CALL_SYNC, 0, 1, -EIO);
    fixture_work(&f);
    assert_non_null(journal_failed(f.journal));
    fixture_crash(&f, CRASH_OF_PROCESS, 0);
    fixture_start(&f);
    assert_true(f.stream.size > 200); /* seen, and called durable */
    fixture_crash(&f, CRASH_LOSING_ALL, 0);
    fixture_start(&f);
    assert_true(f.stream.size > 200);
    fixture_free(&f);
}

/* So it is with a closing frame, which has no LSNs of its own: what is appended behind it would be lost with
 * it.
 */
static void a_closing_frame_that_a_failed_sync_left_is_written_anew(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, SYNC_ALWAYS);
    fixture_append(&f, 1, 100);
    fixture_work(&f);
    memory_disk_fail(f.memory, CALL_SYNC, 0, 1, -EIO);
    fixture_pass(&f, 1000000);
    assert_non_null(journal_failed(f.journal));
    fixture_crash(&f, CRASH_OF_PROCESS, 0);
    fixture_start(&f);
    fixture_append(&f, 5, 400);
    fixture_work(&f);
    assert_int_equal(f.acknowledged, f.stream.size);
    fixture_crash(&f, CRASH_LOSING_ALL, 0);
    fixture_start(&f);
    fixture_check(&f);
    fixture_free(&f);
}

/* A small server stays small; space is reserved in growing steps only as it is used. */
static void reserved_space_grows_with_use(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.segment_size = 64 << 20;
    fixture_start(&f);
    fixture_work(&f);
    assert_true(memory_disk_used(f.memory) < 100000);
    fixture_append(&f, 100, 100);
    fixture_work(&f);
    assert_true(memory_disk_used(f.memory) < 200000);
    uint64_t largest = 0;
    while (f.stream.size < 30 << 20) {
        struct journal_stats stats;
        assert_int_equal(journal_admit(f.journal, 8000), ADMIT_YES);
        fixture_append(&f, 1, 8000);
        fixture_work(&f);
        journal_stats_read(f.journal, &stats);
        assert_true(stats.segment_reserved < 65536 * 3 + 2 * f.stream.size);
        if (stats.segment_reserved > largest)
            largest = stats.segment_reserved;
    }
    assert_true(largest > 1 << 20 && largest < 5 << 20);
    fixture_free(&f);
}

/* Who always writes until there is no room gets more of it from time to time, so that a commit can become
 * large. */
static void reserved_space_grows_when_it_is_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.segment_size = 64 << 20;
    f.options.unsynced_max = 64 << 20;
    fixture_start(&f);
    fixture_work(&f);
    size_t largest = 0;
    while (f.stream.size < 30 << 20) {
        size_t before = f.stream.size;
        while (f.stream.size < 30 << 20 && journal_admit(f.journal, 16000) == ADMIT_YES)
            fixture_append(&f, 1, 16000);
        fixture_work(&f);
        if (f.stream.size - before > largest)
            largest = f.stream.size - before;
    }
    assert_true(largest > 1 << 20 && largest < 10 << 20);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(always_acknowledges_what_is_durable),
        cmocka_unit_test(everysec_syncs_within_the_second),
        cmocka_unit_test(everysec_never_acknowledges_late_writes_unsynced),
        cmocka_unit_test(a_late_write_whose_sync_fails_is_not_acknowledged),
        cmocka_unit_test(no_syncs_only_on_request),
        cmocka_unit_test(a_lone_submit_is_acknowledged_at_once),
        cmocka_unit_test(a_lone_submit_is_left_to_the_committer),
        cmocka_unit_test(the_loop_writes_what_waits_for_no_sync),
        cmocka_unit_test(a_policy_change_acts_at_once),
        cmocka_unit_test(the_last_promise_is_put_on_record),
        cmocka_unit_test(the_last_promise_of_a_full_segment_is_put_on_record),
        cmocka_unit_test(a_recovered_promise_is_put_on_record),
        cmocka_unit_test(what_waits_together_is_synced_together),
        cmocka_unit_test(too_much_on_its_way_has_to_wait),
        cmocka_unit_test(what_was_admitted_finds_room),
        cmocka_unit_test(what_was_admitted_behind_a_cut_finds_room),
        cmocka_unit_test(a_full_disk_refuses_and_recovers),
        cmocka_unit_test(a_size_that_cannot_be_had_does_not_hold_up_others),
        cmocka_unit_test(what_found_no_room_is_kept),
        cmocka_unit_test(closing_on_a_full_disk_says_so),
        cmocka_unit_test(any_call_may_fail),
        cmocka_unit_test(a_failed_sync_is_final),
        cmocka_unit_test(the_reason_is_told_before_the_failure),
        cmocka_unit_test(what_a_failed_sync_left_is_written_anew),
        cmocka_unit_test(a_closing_frame_that_a_failed_sync_left_is_written_anew),
        cmocka_unit_test(reserved_space_grows_with_use),
        cmocka_unit_test(reserved_space_grows_when_it_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
