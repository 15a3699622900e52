#include "output.h"

#include <inttypes.h>

static void write_sizes(FILE *file, const char *prefix, const uint64_t values[TRANSFER_SIZES]) {
    for (int i = 0; i < TRANSFER_SIZES; i++) {
        fprintf(file, "\"%s_bytes_%d\": %" PRIu64 ", ", prefix, 1 << i, values[i]);
    }
}

static const char *const level_names[CACHE_LEVELS] = {"l1d", "l2", "l3", "system"};
static const char *const hierarchy_names[HIERARCHIES] = {"usual", "smallest", "largest"};

static void write_misses(FILE *file, const uint64_t by_level[CACHE_LEVELS]) {
    for (int i = 0; i < CACHE_LEVELS; i++) {
        fprintf(file, "%s\"%s_misses\": %" PRIu64, i ? ", " : "", level_names[i], by_level[i]);
    }
}

static void write_counts(FILE *file, const struct cache_shapes shapes[HIERARCHIES],
                         const struct counts *counts) {
    static const char *const names[MEMORY] = {"scalar_alu", "branch", "vector_int",  "sdot",
                                              "smmla",      "fmla",   "vector_other"};
    fprintf(file, "{\"total\": %" PRIu64 ", ", counts->total);
    for (int i = 0; i < MEMORY; i++) {
        fprintf(file, "\"%s\": %" PRIu64 ", ", names[i], counts->by_class[i]);
    }
    write_sizes(file, "load", counts->loads);
    write_sizes(file, "store", counts->stores);
    write_misses(file, counts->misses.by_level[USUAL]);
    for (int which = SMALLEST; which < HIERARCHIES; which++) {
        if (shapes[which].given) {
            fprintf(file, ",\n    \"%s\": {", hierarchy_names[which]);
            write_misses(file, counts->misses.by_level[which]);
            fprintf(file, "}");
        }
    }
    fprintf(file, "}");
}

static void write_caches(FILE *file, const struct cache_shape shapes[CACHE_LEVELS]) {
    for (int i = 0; i < CACHE_LEVELS; i++) {
        fprintf(file, "%s\"%s\": {\"bytes\": %" PRIu64 ", \"ways\": %u, \"line_bytes\": %d, ",
                i ? ", " : "", level_names[i], shapes[i].bytes, shapes[i].ways, 1 << LINE_LOG2);
        fprintf(file, "\"origin\": \"%s\"}", shapes[i].given ? "given" : "default");
    }
}

void output_write(FILE *file, bool caches_on, const struct cache_shapes shapes[HIERARCHIES],
                  const struct counts *whole_run, const struct marked *marked) {
    fprintf(file, "{\"format_version\": 2,\n \"caches_modelled\": %s,\n \"caches\": {",
            caches_on ? "true" : "false");
    write_caches(file, shapes[USUAL].levels);
    fprintf(file, "},\n ");
    fprintf(file, "\"marked_repetitions\": [");
    for (uint64_t i = 0; i < marked->repetitions; i++) {
        fprintf(file, "%s\n  ", i ? "," : "");
        write_counts(file, shapes, &marked->counts[i]);
    }
    fprintf(file, "],\n \"whole_run\": ");
    write_counts(file, shapes, whole_run);
    fprintf(file, "}\n");
}
