/* The inferences: warm-up and measured ones, where they ran, and at which clock. */
#ifndef EDGE_BERT_LOOP_H
#define EDGE_BERT_LOOP_H

#include "arguments.h"
#include "session.h"
#include "tensors.h"

#define MOST_CPUS 64

struct times {
    double *us;
    size_t count, room;
};

/* What a core did of the measured inferences, and the lowest and highest clock seen (kHz, or -1). */
struct core_use {
    long runs, lowest_khz, highest_khz;
};

/* `start_s` and `end_s` are of the clock that runs on while the phone sleeps; `asleep_s` is how much
 * of that it slept. */
struct loop {
    struct times warmup, runs;
    struct core_use cores[MOST_CPUS];
    double start_s, end_s, asleep_s, first_us;
    int settled;
};

/* Ends the measured inferences early, and in order, when SIGTERM comes. */
void stop_on_request(void);

/* Runs all; prints nothing, so that nothing of it goes over a cable meanwhile. */
struct loop run_loop(const struct arguments *arguments, const struct work *work);

/* Prints a line for each inference. */
void print_times(const struct loop *loop);

/* Prints the members of the footer that say when and where the inferences ran. */
void print_loop(const struct loop *loop);

#endif
