#include "cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

#include "report.h"

/* Android's THREAD_PRIORITY_BACKGROUND. */
#define BACKGROUND_NICE 10

#if defined(__aarch64__)
/* Bits of the kernel's ABI: Documentation/arch/arm64/elf_hwcaps. Only what kernels choose by. */
static const struct {
    const char *name;
    int word;
    int bit;
} HWCAPS[] = {{"asimd", 0, 1},     {"fphp", 0, 9},     {"asimdhp", 0, 10}, {"asimddp", 0, 20},
              {"sve", 0, 22},      {"asimdfhm", 0, 23}, {"sve2", 1, 1},     {"svei8mm", 1, 9},
              {"i8mm", 1, 13},     {"bf16", 1, 14},     {"sme", 1, 23},     {"sme2", 1, 37}};

static void print_hwcap(void) {
    const unsigned long words[2] = {getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
    const char *comma = "";
    for (size_t i = 0; i < sizeof HWCAPS / sizeof HWCAPS[0]; i++) {
        if (!(words[HWCAPS[i].word] >> HWCAPS[i].bit & 1)) continue;
        fputs(comma, stdout);
        print_string(HWCAPS[i].name);
        comma = ",";
    }
}
#else
static void print_hwcap(void) {}
#endif

/* Finds "key : value" lines; returns the value without its line end, or NULL. */
static char *value_of(char *line, const char *key) {
    size_t length = strlen(key);
    if (strncmp(line, key, length) != 0 || (line[length] != '\t' && line[length] != ' ')) return NULL;
    char *colon = strchr(line, ':');
    if (!colon) return NULL;
    colon += 1 + strspn(colon + 1, " \t");
    colon[strcspn(colon, "\r\n")] = '\0';
    return colon;
}

static void print_words(char *words) {
    const char *comma = "";
    for (char *word = strtok(words, " \t"); word; word = strtok(NULL, " \t")) {
        fputs(comma, stdout);
        print_string(word);
        comma = ",";
    }
}

/* Prints the matching lines of /proc/cpuinfo: words of the first one, or all of them whole. */
static void print_cpuinfo(const char *arm_key, const char *x86_key, int first_only) {
    char line[8192];
    const char *comma = "";
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        char *value = value_of(line, arm_key);
        if (!value) value = value_of(line, x86_key);
        if (!value) continue;
        if (first_only) {
            print_words(value);
            break;
        }
        fputs(comma, stdout);
        print_string(value);
        comma = ",";
    }
    fclose(file);
}

void print_cpu(void) {
    fputs("{\"hwcap\":[", stdout);
    print_hwcap();
    fputs("],\"cpuinfo\":[", stdout);
    print_cpuinfo("Features", "flags", 1);
    fputs("],\"parts\":[", stdout);
    print_cpuinfo("CPU part", "model name", 0);
    fputs("]}", stdout);
}

static int add_range(const char **text, cpu_set_t *set) {
    char *end;
    long first = strtol(*text, &end, 10);
    if (end == *text || first < 0) return -1;
    long last = first;
    if (*end == '-') {
        const char *start = end + 1;
        last = strtol(start, &end, 10);
        if (end == start) return -1;
    }
    if (last < first || last >= CPU_SETSIZE) return -1;
    for (long core = first; core <= last; core++) CPU_SET((size_t)core, set);
    *text = end;
    return 0;
}

int bind_to_cores(const char *list) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (;;) {
        if (add_range(&list, &set) != 0) return -1;
        if (*list == '\0') break;
        if (*list++ != ',') return -1;
    }
    return sched_setaffinity(0, sizeof set, &set);
}

int run_in_background(void) {
    FILE *group = fopen("/dev/cpuset/background/tasks", "we");
    int joined = group != NULL && fprintf(group, "%d", getpid()) > 0;
    if (group != NULL && fclose(group) != 0) joined = 0;
    setpriority(PRIO_PROCESS, 0, BACKGROUND_NICE);
    return joined;
}

long read_clock(int cpu) {
    char path[96];
    long khz = -1;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", cpu);
    FILE *file = fopen(path, "re");
    if (file == NULL) return -1;
    if (fscanf(file, "%ld", &khz) != 1 || khz <= 0) khz = -1;
    fclose(file);
    return khz;
}
