/* The phone falls asleep while its screen is off, no charger is there, and nobody has asked anew.
 *
 * As on a phone over Wi-Fi: a command that comes in wakes it up, one that has run for a while does
 * not keep it awake. Asleep, all programs but adbd are stopped. The screen turns itself off after
 * the time of the settings. Figures are this emulator's own: phones sleep longer.
 */
#define _GNU_SOURCE
#include "kernel.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define WAKEFULNESS "/world/wakefulness"
#define SCREEN_TIMEOUT "/world/settings/system.screen_off_timeout"
#define USUAL_TIMEOUT_MS 30000
#define LOOK_US 100000
/* So long is a command awake, and the phone between two sleeps. */
#define AWAKE_S 5.0
#define ASLEEP_S 3.0
#define MOST_PROCESSES 512

struct process {
    pid_t id, parent;
    double age_s;
    int is_adbd, is_battery;
};

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int read_line(const char *path, char *line, size_t room) {
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    size_t length = fread(line, 1, room - 1, file);
    fclose(file);
    line[length] = '\0';
    return length > 0;
}

static int holds_word(const char *path, const char *word) {
    char line[64];
    return read_line(path, line, sizeof line) && strncmp(line, word, strlen(word)) == 0;
}

static int read_process(const char *number, struct process *process) {
    char path[64], line[1024];
    unsigned long long started = 0;
    snprintf(path, sizeof path, "/proc/%.20s/stat", number);
    if (!read_line(path, line, sizeof line)) return 0;
    char *after_name = strrchr(line, ')');
    if (after_name == NULL) return 0;
    process->id = atoi(number);
    if (sscanf(after_name + 1,
               " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &process->parent, &started) != 2) return 0;
    process->age_s = seconds_of(CLOCK_BOOTTIME) - (double)started / (double)sysconf(_SC_CLK_TCK);
    snprintf(path, sizeof path, "/proc/%.20s/cmdline", number);
    size_t length = 0;
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        length = fread(line, 1, sizeof line - 1, file);
        fclose(file);
    }
    line[length] = '\0';
    process->is_adbd = memmem(line, length, "platform-tools/adbd", 19) != NULL;
    process->is_battery = memmem(line, length, "edge_bert_battery", 17) != NULL;
    return 1;
}

static size_t list_processes(struct process *processes) {
    size_t count = 0;
    DIR *folder = opendir("/proc");
    if (folder == NULL) return 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (!isdigit((unsigned char)entry->d_name[0]) || count == MOST_PROCESSES) continue;
        count += (size_t)read_process(entry->d_name, &processes[count]);
    }
    closedir(folder);
    return count;
}

static int is_child_of_adbd(const struct process *child, const struct process *all, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (all[i].is_adbd && all[i].id == child->parent) return 1;
    }
    return 0;
}

static int was_asked(double within_s) {
    static struct process processes[MOST_PROCESSES];
    size_t count = list_processes(processes);
    for (size_t i = 0; i < count; i++) {
        const struct process *process = &processes[i];
        if (process->age_s < within_s && is_child_of_adbd(process, processes, count)) return 1;
    }
    return 0;
}

/* The phone's battery goes on: it is no program of the phone. */
static void signal_programs(int number) {
    static struct process processes[MOST_PROCESSES];
    size_t count = list_processes(processes);
    for (size_t i = 0; i < count; i++) {
        const struct process *process = &processes[i];
        if (process->id == 1 || process->id == getpid()) continue;
        if (!process->is_adbd && !process->is_battery) kill(process->id, number);
    }
}

static void fall_asleep(struct kernel *kernel) {
    double start = seconds_of(CLOCK_BOOTTIME), lasted = 0;
    signal_programs(SIGSTOP);
    while (lasted < ASLEEP_S && holds_word(WAKEFULNESS, "Asleep") && !was_asked(lasted)) {
        usleep(LOOK_US);
        lasted = seconds_of(CLOCK_BOOTTIME) - start;
    }
    kernel->asleep_ns += (int64_t)(1e9 * (seconds_of(CLOCK_BOOTTIME) - start));
    signal_programs(SIGCONT);
}

static void turn_screen_off(void) {
    struct stat status;
    char text[64] = "";
    long timeout_ms = USUAL_TIMEOUT_MS;
    if (read_line(SCREEN_TIMEOUT, text, sizeof text) && isdigit((unsigned char)text[0])) {
        timeout_ms = atol(text);
    }
    if (!holds_word(WAKEFULNESS, "Awake") || stat(WAKEFULNESS, &status) != 0) return;
    if (1000.0 * difftime(time(NULL), status.st_mtime) < (double)timeout_ms) return;
    FILE *file = fopen(WAKEFULNESS, "we");
    if (file == NULL) return;
    fputs("Asleep\n", file);
    fclose(file);
}

int main(void) {
    struct kernel *kernel = open_kernel();
    if (kernel == NULL) return 1;
    double woken = seconds_of(CLOCK_BOOTTIME);
    for (;;) {
        usleep(LOOK_US);
        turn_screen_off();
        if (!holds_word(WAKEFULNESS, "Asleep") || !holds_word("/world/charger", "0")) continue;
        if (seconds_of(CLOCK_BOOTTIME) - woken < AWAKE_S || was_asked(AWAKE_S)) continue;
        fall_asleep(kernel);
        woken = seconds_of(CLOCK_BOOTTIME);
    }
}
