/* The emulated phone's battery: drains with time and with the processor time of its processes.
 *
 * Reads its settings from /world/battery (one `name value` a line) and whether a charger is plugged
 * in from /world/charger, and writes what a phone's kernel would say under /sys/class/power_supply.
 * The figures are a model's: they exercise the tools that read batteries and measure nothing.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATTERY "/sys/class/power_supply/battery/"
#define CHARGER "/sys/class/power_supply/usb/"
/* What the health service has, live and as the copy that `dumpsys battery` answers from. */
#define LIVE "/world/live/"
#define COPY "/world/copy/"
#define RAILS "/world/rails_mj"
#define MOST_SAMPLES 4096

struct settings {
    double capacity_uah, level, idle_mw, core_mw, charge_ma, interval_ms;
    double step_uah, uah_per_raw, raw_per_ua, average_ms, copy_ms, sysfs;
};

/* A moment, and all charge that has flowed into the battery until then. */
struct sample {
    double seconds, uas;
};

struct state {
    double charge_uah, cpu_mj, idle_mj;
    double seconds, uas, copied_at;
    struct sample samples[MOST_SAMPLES];
    size_t count;
    int charging, copied_charging;
};

static double read_number(const char *path, double otherwise) {
    double value = otherwise;
    FILE *file = fopen(path, "re");
    if (file == NULL) return otherwise;
    if (fscanf(file, "%lf", &value) != 1 || !isfinite(value)) value = otherwise;
    fclose(file);
    return value;
}

/* Readers see the old text or the new one, never half of it. */
static void write_text(const char *path, const char *text) {
    char partial[256];
    snprintf(partial, sizeof partial, "%s.partial", path);
    FILE *file = fopen(partial, "we");
    if (file == NULL) return;
    fprintf(file, "%s\n", text);
    if (fclose(file) == 0) rename(partial, path);
}

static void write_number(const char *path, double value) {
    char text[64];
    snprintf(text, sizeof text, "%.0f", value);
    write_text(path, text);
}

static struct settings read_settings(void) {
    struct settings settings = {4000000, 80, 600, 1000, 1500, 200, 1, 1, -1, 0, 0, 1};
    struct {
        const char *name;
        double *value;
    } known[] = {{"capacity_uah", &settings.capacity_uah}, {"level_percent", &settings.level},
                 {"idle_mw", &settings.idle_mw},           {"core_mw", &settings.core_mw},
                 {"charge_ma", &settings.charge_ma},       {"interval_ms", &settings.interval_ms},
                 {"step_uah", &settings.step_uah},         {"uah_per_raw", &settings.uah_per_raw},
                 {"raw_per_ua", &settings.raw_per_ua},     {"average_ms", &settings.average_ms},
                 {"copy_ms", &settings.copy_ms},           {"sysfs", &settings.sysfs}};
    char name[64];
    double value;
    FILE *file = fopen("/world/battery", "re");
    while (file != NULL && fscanf(file, "%63s %lf", name, &value) == 2) {
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (strcmp(name, known[i].name) == 0 && isfinite(value)) *known[i].value = value;
        }
    }
    if (file != NULL) fclose(file);
    return settings;
}

/* User and system time of a process and of the children that it has waited for, in ticks. */
static unsigned long long ticks_of(const char *pid) {
    char path[64], line[1024];
    unsigned long long own_user = 0, own_system = 0, user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    char *found = fgets(line, sizeof line, file);
    fclose(file);
    char *after_name = found ? strrchr(line, ')') : NULL;
    if (after_name != NULL) {
        sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
               &own_user, &own_system, &user, &system);
    }
    return own_user + own_system + user + system;
}

static double processor_seconds(void) {
    unsigned long long ticks = 0;
    DIR *folder = opendir("/proc");
    if (folder == NULL) return 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (isdigit((unsigned char)entry->d_name[0])) ticks += ticks_of(entry->d_name);
    }
    closedir(folder);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* An open-circuit line from 3.4 V empty to 4.35 V full: steep enough to be seen, no more. */
static double voltage_mv(const struct settings *settings, const struct state *state) {
    return 3400 + 950 * state->charge_uah / settings->capacity_uah;
}

static void drain(const struct settings *settings, struct state *state, double seconds,
                  double busy_seconds) {
    double cpu_mj = busy_seconds * settings->core_mw;
    double idle_mj = seconds * settings->idle_mw;
    double volts = voltage_mv(settings, state) / 1000;
    state->cpu_mj += cpu_mj;
    state->idle_mj += idle_mj;
    state->charging = read_number("/world/charger", 0) != 0;
    double drained_uah = (cpu_mj + idle_mj) / volts / 3.6;
    double charged_uah = state->charging ? settings->charge_ma * seconds / 3.6 : 0;
    state->seconds += seconds;
    state->uas += (charged_uah - drained_uah) * 3600;
    state->samples[state->count++ % MOST_SAMPLES] = (struct sample){state->seconds, state->uas};
    state->charge_uah += charged_uah - drained_uah;
    if (state->charge_uah < 0) state->charge_uah = 0;
    if (state->charge_uah > settings->capacity_uah) state->charge_uah = settings->capacity_uah;
}

/* The mean current over the gauge's time, or over the last interval, in microampere. */
static double current_ua(const struct settings *settings, const struct state *state) {
    size_t kept = state->count < MOST_SAMPLES ? state->count : MOST_SAMPLES;
    struct sample before = {0, 0};
    for (size_t back = 2; back <= kept; back++) {
        before = state->samples[(state->count - back) % MOST_SAMPLES];
        if (1000 * (state->seconds - before.seconds) >= settings->average_ms) break;
    }
    double seconds = state->seconds - before.seconds;
    return seconds > 0 ? (state->uas - before.uas) / seconds : 0;
}

/* Into one folder: what the shell may read under /sys, or what only services read. */
static void publish_gauges(const char *folder, const struct settings *settings,
                           const struct state *state) {
    double volts = voltage_mv(settings, state) / 1000;
    double charge = floor(state->charge_uah / settings->step_uah) * settings->step_uah;
    struct {
        const char *name;
        double value;
    } gauges[] = {{"charge_counter", charge / settings->uah_per_raw},
                  {"current_now", -current_ua(settings, state) * settings->raw_per_ua},
                  {"voltage_now", 1e6 * volts},
                  {"capacity", 100 * state->charge_uah / settings->capacity_uah}};
    char path[128];
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
        snprintf(path, sizeof path, "%s%s", folder, gauges[i].name);
        write_number(path, gauges[i].value);
    }
    snprintf(path, sizeof path, "%sstatus", folder);
    write_text(path, state->charging ? "Charging" : "Discharging");
    snprintf(path, sizeof path, "%sonline", folder);
    write_number(path, state->charging);
}

static void publish(const struct settings *settings, struct state *state) {
    publish_gauges(LIVE, settings, state);
    if (settings->sysfs != 0) publish_gauges(BATTERY, settings, state);
    write_text(BATTERY "status", state->charging ? "Charging" : "Discharging");
    write_number(CHARGER "online", state->charging);
    /* A plug is an event that the service hears of at once. */
    if (1000 * (state->seconds - state->copied_at) >= settings->copy_ms ||
        state->charging != state->copied_charging) {
        publish_gauges(COPY, settings, state);
        state->copied_at = state->seconds;
        state->copied_charging = state->charging;
    }
    char rails[128];
    snprintf(rails, sizeof rails, "%.3f %.3f", state->cpu_mj, state->idle_mj);
    write_text(RAILS, rails);
}

static void write_constants(const struct settings *settings) {
    write_number(BATTERY "charge_full", settings->capacity_uah);
    write_number(BATTERY "charge_full_design", settings->capacity_uah);
    write_text(BATTERY "health", "Good");
    write_text(BATTERY "present", "1");
    write_text(BATTERY "technology", "Li-ion");
    write_text(BATTERY "temp", "271");
    write_text(BATTERY "type", "Battery");
    write_text(CHARGER "type", "USB");
}

static double now_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(void) {
    struct settings settings = read_settings();
    static struct state state;
    state.charge_uah = settings.capacity_uah * settings.level / 100;
    double then = now_seconds(), busy_then = processor_seconds();
    mkdir("/world/live", 0755);
    mkdir("/world/copy", 0755);
    write_constants(&settings);
    state.copied_at = -settings.copy_ms;
    publish(&settings, &state);
    for (;;) {
        usleep((useconds_t)(1000 * settings.interval_ms));
        double now = now_seconds(), busy = processor_seconds();
        double worked = busy > busy_then ? busy - busy_then : 0;
        if (now > then) drain(&settings, &state, now - then, worked);
        publish(&settings, &state);
        then = now;
        busy_then = busy;
    }
}
