#include "loop.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "cpu.h"
#include "report.h"

/* The clock stands when so many readings in turn are equal, or without them so many times. */
#define STEADY_COUNT 8
#define STEADY_RATIO 1.05
#define LEAST_SETTLE_US 200e3
/* Clocks are files: looked at now and then, between inferences. */
#define LOOK_EVERY_US 20e3

static volatile sig_atomic_t stopping;

static void stop(int number) {
    (void)number;
    stopping = 1;
}

void stop_on_request(void) {
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
}

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void keep(struct times *times, double us) {
    if (times->count == times->room) {
        times->room = times->room ? 2 * times->room : 256;
        times->us = realloc(times->us, times->room * sizeof *times->us);
        if (!times->us) fail("out_of_memory", "%zu times are not to be had", times->room);
    }
    times->us[times->count++] = us;
}

static int times_stand(const struct times *times) {
    if (times->count < STEADY_COUNT) return 0;
    double least = times->us[times->count - 1], most = least;
    for (size_t back = 2; back <= STEADY_COUNT; back++) {
        double us = times->us[times->count - back];
        if (us < least) least = us;
        if (us > most) most = us;
    }
    return most <= STEADY_RATIO * least;
}

/* Warms up until the core's clock stands. Returns whether it did. */
static int settle(const struct arguments *arguments, const struct work *work, struct times *times) {
    double start = now_us();
    long before = -1;
    int equal = 0;
    while (now_us() - start < 1e3 * (double)arguments->settle_ms) {
        keep(times, work->run(work->self, times->count));
        long khz = read_clock(sched_getcpu());
        equal = khz == before ? equal + 1 : 0;
        before = khz;
        int stands = khz > 0 ? equal >= STEADY_COUNT : times_stand(times);
        if (stands && now_us() - start >= LEAST_SETTLE_US) return 1;
    }
    return 0;
}

static void look_where(struct core_use *cores, double *looked_at) {
    int cpu = sched_getcpu();
    if (cpu < 0 || cpu >= MOST_CPUS) return;
    struct core_use *core = &cores[cpu];
    core->runs++;
    if (core->runs > 1 && now_us() - *looked_at < LOOK_EVERY_US) return;
    *looked_at = now_us();
    long khz = read_clock(cpu);
    if (core->runs == 1 || khz < core->lowest_khz) core->lowest_khz = khz;
    if (core->runs == 1 || khz > core->highest_khz) core->highest_khz = khz;
}

static void wait_until(double us) {
    while (!stopping && now_us() < us) {
        double left = us - now_us();
        struct timespec pause = {(time_t)(left / 1e6), (long)(1e3 * (left - 1e6 * (double)(long)(left / 1e6)))};
        if (left > 0) nanosleep(&pause, NULL);
    }
}

static void measure(const struct arguments *arguments, const struct work *work, struct loop *loop) {
    double start = now_us(), end = start + 1e3 * (double)arguments->duration_ms, looked_at = 0;
    for (size_t i = 0; i == 0 || !stopping; i++) {
        if (arguments->repetitions ? i >= (size_t)arguments->repetitions : i && now_us() >= end) break;
        if (arguments->every_ms) wait_until(start + 1e3 * (double)arguments->every_ms * (double)i);
        keep(&loop->runs, work->run(work->self, i));
        look_where(loop->cores, &looked_at);
    }
}

struct loop run_loop(const struct arguments *arguments, const struct work *work) {
    struct loop loop = {.settled = 1};
    for (long i = 0; i < arguments->warmup; i++) {
        keep(&loop.warmup, work->run(work->self, (size_t)i));
    }
    if (arguments->settle_ms) loop.settled = settle(arguments, work, &loop.warmup);
    double awake = seconds_of(CLOCK_MONOTONIC);
    loop.start_s = seconds_of(CLOCK_BOOTTIME);
    measure(arguments, work, &loop);
    awake = seconds_of(CLOCK_MONOTONIC) - awake;
    loop.end_s = seconds_of(CLOCK_BOOTTIME);
    loop.asleep_s = loop.end_s - loop.start_s - awake;
    if (loop.asleep_s < 0) loop.asleep_s = 0;
    loop.first_us = loop.warmup.count ? loop.warmup.us[0] : loop.runs.us[0];
    return loop;
}

static void print_all(const char *type, const struct times *times) {
    for (size_t i = 0; i < times->count; i++) {
        printf("{\"type\":\"%s\",\"us\":%.3f}\n", type, times->us[i]);
    }
}

void print_times(const struct loop *loop) {
    print_all("warmup", &loop->warmup);
    print_all("run", &loop->runs);
    fflush(stdout);
}

void print_loop(const struct loop *loop) {
    const char *comma = "";
    printf("\"start_s\":%.3f,\"end_s\":%.3f,\"asleep_s\":%.3f,\"settled\":%s,\"core_use\":[",
           loop->start_s, loop->end_s, loop->asleep_s, loop->settled ? "true" : "false");
    for (int cpu = 0; cpu < MOST_CPUS; cpu++) {
        const struct core_use *core = &loop->cores[cpu];
        if (!core->runs) continue;
        printf("%s{\"cpu\":%d,\"runs\":%ld,\"lowest_khz\":%ld,\"highest_khz\":%ld}", comma, cpu,
               core->runs, core->lowest_khz, core->highest_khz);
        comma = ",";
    }
    printf("],");
}
