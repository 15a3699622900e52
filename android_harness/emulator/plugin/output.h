/* The JSON that the plugin leaves behind. */
#ifndef EDGE_BERT_OUTPUT_H
#define EDGE_BERT_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "counts.h"

struct marked {
    uint64_t repetitions;
    const struct counts *counts;
};

void output_write(FILE *file, bool caches_on, const struct cache_shapes shapes[HIERARCHIES],
                  const struct counts *whole_run, const struct marked *marked);

#endif
