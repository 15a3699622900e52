#include "cache.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 64, SHARED = 2, SHARED_LEVELS = CACHE_LEVELS - SHARED };

struct level {
    uint64_t *lines; /* per set, the most recently used first; 0 is empty */
    uint64_t sets;
    unsigned ways;
    uint64_t misses;
};

struct private_levels {
    struct level levels[HIERARCHIES][SHARED];
    uint64_t last_line;
};

static struct cache_shapes in_use[HIERARCHIES];
static struct private_levels *threads[MAX_THREADS];
static struct level shared[HIERARCHIES][SHARED_LEVELS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool level_init(struct level *level, const struct cache_shape *shape) {
    memset(level, 0, sizeof *level);
    if (shape->bytes == 0) {
        return true;
    }
    if (shape->ways == 0 || shape->ways > 64 || shape->bytes > ((uint64_t)1 << 30)) {
        return false;
    }
    level->ways = shape->ways;
    level->sets = (shape->bytes >> LINE_LOG2) / shape->ways;
    level->lines = calloc(level->sets * level->ways, sizeof *level->lines);
    return level->sets > 0 && level->lines != NULL;
}

/* True on a hit; the line is the most recently used of its set afterwards. */
static bool level_touch(struct level *level, uint64_t line) {
    if (level->sets == 0) {
        level->misses++;
        return false;
    }
    uint64_t *set = level->lines + (line % level->sets) * level->ways;
    unsigned way = 0;
    while (way + 1 < level->ways && set[way] != line) {
        way++;
    }
    bool hit = set[way] == line;
    memmove(set + 1, set, way * sizeof *set);
    set[0] = line;
    level->misses += !hit;
    return hit;
}

static struct private_levels *levels_of(unsigned thread) {
    struct private_levels **slot = &threads[thread % MAX_THREADS];
    if (*slot != NULL) {
        return *slot;
    }
    struct private_levels *fresh = calloc(1, sizeof *fresh);
    for (int i = 0; fresh != NULL && i < HIERARCHIES * SHARED; i++) {
        int which = i / SHARED, level = i % SHARED;
        if (!level_init(&fresh->levels[which][level], &in_use[which].levels[level])) {
            abort();
        }
    }
    if (fresh == NULL) {
        abort();
    }
    return *slot = fresh;
}

static void touch_shared(enum hierarchy which, uint64_t line) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SHARED_LEVELS && !level_touch(&shared[which][i], line); i++) {
    }
    pthread_mutex_unlock(&lock);
}

/* Hierarchies mostly differ beyond L1D only: one that has the usual L1D takes its answer. */
static bool same_l1d(enum hierarchy which) {
    return in_use[which].levels[0].bytes == in_use[USUAL].levels[0].bytes;
}

static void touch_line(struct private_levels *own, uint64_t line) {
    if (line == own->last_line) {
        return;
    }
    own->last_line = line;
    bool usual_hit = level_touch(&own->levels[USUAL][0], line);
    for (int which = USUAL; which < HIERARCHIES; which++) {
        struct level *levels = own->levels[which];
        bool hit = usual_hit;
        if (which != USUAL && !in_use[which].given) {
            continue;
        }
        if (which != USUAL && !same_l1d(which)) {
            hit = level_touch(&levels[0], line);
        } else if (which != USUAL) {
            levels[0].misses += !hit;
        }
        if (!hit && !level_touch(&levels[1], line)) {
            touch_shared(which, line);
        }
    }
}

bool caches_init(const struct cache_shapes shapes[HIERARCHIES]) {
    memcpy(in_use, shapes, sizeof in_use);
    for (int which = USUAL; which < HIERARCHIES; which++) {
        for (int i = 0; i < CACHE_LEVELS; i++) {
            struct level trial;
            bool fits = level_init(&trial, &shapes[which].levels[i]);
            if (i >= SHARED) {
                shared[which][i - SHARED] = trial;
            } else {
                free(trial.lines);
            }
            if (!fits) {
                return false;
            }
        }
    }
    return true;
}

void caches_touch(unsigned thread, uint64_t address, unsigned bytes_log2) {
    struct private_levels *own = levels_of(thread);
    /* Line numbers start at 1, so that 0 can mean an empty way. */
    uint64_t first = (address >> LINE_LOG2) + 1;
    uint64_t last = ((address + ((uint64_t)1 << bytes_log2) - 1) >> LINE_LOG2) + 1;
    touch_line(own, first);
    if (last != first) {
        touch_line(own, last);
    }
}

struct cache_misses caches_misses(void) {
    struct cache_misses sum = {0};
    for (int which = USUAL; which < HIERARCHIES; which++) {
        for (int i = 0; i < SHARED_LEVELS; i++) {
            sum.by_level[which][SHARED + i] = shared[which][i].misses;
        }
        for (int thread = 0; thread < MAX_THREADS; thread++) {
            for (int i = 0; threads[thread] != NULL && i < SHARED; i++) {
                sum.by_level[which][i] += threads[thread]->levels[which][i].misses;
            }
        }
    }
    return sum;
}
