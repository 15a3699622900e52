/* Set-associative caches with least-recently-used replacement, by virtual address.
 *
 * Up to three hierarchies see the same accesses: the usual one, and the smallest and the largest
 * that the cores are built with, where a size is not known. In each, L1D and L2 belong to a thread,
 * L3 and the system's cache to all. A miss fills every level; a level that does not exist misses.
 * Writes allocate. Prefetchers and write-backs are not modelled.
 */
#ifndef EDGE_BERT_CACHE_H
#define EDGE_BERT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

enum { CACHE_LEVELS = 4, LINE_LOG2 = 6 };
enum hierarchy { USUAL, SMALLEST, LARGEST, HIERARCHIES };

struct cache_shape {
    uint64_t bytes; /* 0: this level does not exist */
    unsigned ways;
    bool given;
};

/* Misses of a hierarchy that is not `given` mean nothing. */
struct cache_shapes {
    struct cache_shape levels[CACHE_LEVELS];
    bool given;
};

struct cache_misses {
    uint64_t by_level[HIERARCHIES][CACHE_LEVELS];
};

/* False when a shape has no whole set; nothing is modelled then. */
bool caches_init(const struct cache_shapes shapes[HIERARCHIES]);
void caches_touch(unsigned thread, uint64_t address, unsigned bytes_log2);
struct cache_misses caches_misses(void);

#endif
