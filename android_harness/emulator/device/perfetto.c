/* perfetto --txt -c - -o FILE: the data source android.power of the real one, and nothing else.
 *
 * Polls the health service's live gauges until a signal comes, and writes a trace: packets of a
 * timestamp and battery counters, as protocol buffers.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIVE "/world/live/"
enum { PACKET = 1, TIMESTAMP = 8, BATTERY = 38, CHARGE = 1, CURRENT = 3, VOLTAGE = 7 };

static volatile sig_atomic_t stopping;

static void stop(int number) {
    (void)number;
    stopping = 1;
}

static size_t put_varint(uint8_t *at, uint64_t value) {
    size_t count = 0;
    for (; value >= 0x80; value >>= 7) at[count++] = (uint8_t)(value | 0x80);
    at[count++] = (uint8_t)value;
    return count;
}

static size_t put_number(uint8_t *at, unsigned field, int64_t value) {
    size_t count = put_varint(at, field << 3);
    return count + put_varint(at + count, (uint64_t)value);
}

static size_t put_bytes(uint8_t *at, unsigned field, const uint8_t *bytes, size_t size) {
    size_t count = put_varint(at, field << 3 | 2);
    count += put_varint(at + count, size);
    memcpy(at + count, bytes, size);
    return count + size;
}

static size_t put_gauge(uint8_t *at, unsigned field, const char *path) {
    long long value;
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    int found = fscanf(file, "%lld", &value) == 1;
    fclose(file);
    return found ? put_number(at, field, value) : 0;
}

static void write_packet(FILE *trace) {
    uint8_t battery[64], packet[128], all[160];
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    size_t size = put_gauge(battery, CHARGE, LIVE "charge_counter");
    size += put_gauge(battery + size, CURRENT, LIVE "current_now");
    size += put_gauge(battery + size, VOLTAGE, LIVE "voltage_now");
    size_t count = put_number(packet, TIMESTAMP, now.tv_sec * 1000000000LL + now.tv_nsec);
    count += put_bytes(packet + count, BATTERY, battery, size);
    fwrite(all, 1, put_bytes(all, PACKET, packet, count), trace);
    fflush(trace);
}

int main(int argc, char **argv) {
    char line[256];
    long poll_ms = 1000;
    const char *output = NULL;
    struct sigaction action = {.sa_handler = stop};
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "-o") == 0) output = argv[i + 1];
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *found = strstr(line, "battery_poll_ms:");
        if (found != NULL) poll_ms = atol(found + strlen("battery_poll_ms:"));
    }
    FILE *trace = output ? fopen(output, "we") : NULL;
    if (trace == NULL || poll_ms < 100) return 1;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    while (!stopping) {
        write_packet(trace);
        usleep((useconds_t)(1000 * poll_ms));
    }
    return fclose(trace) == 0 ? 0 : 1;
}
