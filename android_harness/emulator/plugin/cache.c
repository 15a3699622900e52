#include "cache.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 64, SHARED_LEVEL = 2, EMPTY = 0 };

struct level {
    uint64_t *lines; /* per set, the most recently used first; 0 is empty */
    uint64_t sets;
    unsigned ways;
    uint64_t misses;
};

struct private_levels {
    struct level levels[SHARED_LEVEL];
    uint64_t last_line;
};

static struct cache_shape shapes_in_use[CACHE_LEVELS];
static struct private_levels *threads[MAX_THREADS];
static struct level shared;
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
    if (*slot == NULL) {
        struct private_levels *fresh = calloc(1, sizeof *fresh);
        if (fresh == NULL || !level_init(&fresh->levels[0], &shapes_in_use[0]) ||
            !level_init(&fresh->levels[1], &shapes_in_use[1])) {
            abort();
        }
        *slot = fresh;
    }
    return *slot;
}

static void touch_shared(uint64_t line) {
    if (shared.sets == 0) {
        return;
    }
    pthread_mutex_lock(&lock);
    level_touch(&shared, line);
    pthread_mutex_unlock(&lock);
}

static void touch_line(struct private_levels *own, uint64_t line) {
    if (line == own->last_line) {
        return;
    }
    own->last_line = line;
    for (int i = 0; i < SHARED_LEVEL; i++) {
        if (own->levels[i].sets > 0 && level_touch(&own->levels[i], line)) {
            return;
        }
    }
    touch_shared(line);
}

bool caches_init(const struct cache_shape shapes[CACHE_LEVELS]) {
    memcpy(shapes_in_use, shapes, sizeof shapes_in_use);
    struct level trial;
    for (int i = 0; i < SHARED_LEVEL; i++) {
        if (!level_init(&trial, &shapes[i])) {
            return false;
        }
        free(trial.lines);
    }
    return level_init(&shared, &shapes[SHARED_LEVEL]);
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
    struct cache_misses sum = {{0, 0, shared.misses}};
    for (int thread = 0; thread < MAX_THREADS; thread++) {
        for (int i = 0; threads[thread] != NULL && i < SHARED_LEVEL; i++) {
            sum.by_level[i] += threads[thread]->levels[i].misses;
        }
    }
    return sum;
}
