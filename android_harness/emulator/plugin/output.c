#include "output.h"

#include <inttypes.h>

static void write_sizes(FILE *file, const char *prefix, const uint64_t values[TRANSFER_SIZES]) {
    for (int i = 0; i < TRANSFER_SIZES; i++) {
        fprintf(file, "\"%s_bytes_%d\": %" PRIu64 ", ", prefix, 1 << i, values[i]);
    }
}

static void write_counts(FILE *file, const struct counts *counts) {
    static const char *const names[MEMORY] = {"scalar_alu", "branch", "vector_int",  "sdot",
                                              "smmla",      "fmla",   "vector_other"};
    fprintf(file, "{\"total\": %" PRIu64 ", ", counts->total);
    for (int i = 0; i < MEMORY; i++) {
        fprintf(file, "\"%s\": %" PRIu64 ", ", names[i], counts->by_class[i]);
    }
    write_sizes(file, "load", counts->loads);
    write_sizes(file, "store", counts->stores);
    fprintf(file,
            "\"l1d_misses\": %" PRIu64 ", \"l2_misses\": %" PRIu64 ", \"l3_misses\": %" PRIu64 "}",
            counts->misses.by_level[0], counts->misses.by_level[1], counts->misses.by_level[2]);
}

static void write_caches(FILE *file, bool on, const struct cache_shape shapes[CACHE_LEVELS]) {
    static const char *const names[CACHE_LEVELS] = {"l1d", "l2", "l3"};
    fprintf(file, "\"caches_modelled\": %s,\n \"caches\": {", on ? "true" : "false");
    for (int i = 0; i < CACHE_LEVELS; i++) {
        fprintf(file, "%s\"%s\": {\"bytes\": %" PRIu64 ", \"ways\": %u, \"line_bytes\": %d, ",
                i ? ", " : "", names[i], shapes[i].bytes, shapes[i].ways, 1 << LINE_LOG2);
        fprintf(file, "\"origin\": \"%s\"}", shapes[i].from_profile ? "profile" : "default");
    }
    fprintf(file, "},\n ");
}

void output_write(FILE *file, bool caches_on, const struct cache_shape shapes[CACHE_LEVELS],
                  const struct counts *whole_run, const struct marked *marked) {
    fprintf(file, "{\"format_version\": 1,\n ");
    write_caches(file, caches_on, shapes);
    fprintf(file, "\"marked_repetitions\": [");
    for (uint64_t i = 0; i < marked->repetitions; i++) {
        fprintf(file, "%s\n  ", i ? "," : "");
        write_counts(file, &marked->counts[i]);
    }
    fprintf(file, "],\n \"whole_run\": ");
    write_counts(file, whole_run);
    fprintf(file, "}\n");
}
