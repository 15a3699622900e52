/* Time that never goes back. */
#ifndef EDGE_BERT_CLOCK_H
#define EDGE_BERT_CLOCK_H

#include <time.h>

/* Microseconds since some fixed moment. */
static inline double now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

#endif
