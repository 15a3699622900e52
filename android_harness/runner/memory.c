#include "memory.h"

#include <stdio.h>
#include <string.h>

struct memory read_memory(void) {
    struct memory memory = {-1, -1, -1, -1};
    const struct {
        const char *key;
        long long *slot;
    } fields[] = {{"VmHWM:", &memory.peak},
                  {"VmRSS:", &memory.resident},
                  {"RssAnon:", &memory.anonymous},
                  {"RssFile:", &memory.file}};
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    if (!status) return memory;
    while (fgets(line, sizeof line, status)) {
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            size_t length = strlen(fields[i].key);
            long long kib;
            if (strncmp(line, fields[i].key, length) == 0 &&
                sscanf(line + length, "%lld kB", &kib) == 1) {
                *fields[i].slot = kib * 1024;
            }
        }
    }
    fclose(status);
    return memory;
}
