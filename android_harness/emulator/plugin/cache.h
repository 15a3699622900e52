/* Set-associative caches with least-recently-used replacement, by virtual address.
 *
 * L1D and L2 belong to a thread, L3 to all. A miss fills every level. Writes allocate. Prefetchers
 * and write-backs are not modelled.
 */
#ifndef EDGE_BERT_CACHE_H
#define EDGE_BERT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

enum { CACHE_LEVELS = 3, LINE_LOG2 = 6 };

struct cache_shape {
    uint64_t bytes; /* 0: this level does not exist */
    unsigned ways;
    bool from_profile;
};

struct cache_misses {
    uint64_t by_level[CACHE_LEVELS];
};

/* False when a shape has no whole set; nothing is modelled then. */
bool caches_init(const struct cache_shape shapes[CACHE_LEVELS]);
void caches_touch(unsigned thread, uint64_t address, unsigned bytes_log2);
struct cache_misses caches_misses(void);

#endif
