#include "profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define RUNS 10
#define MOST_EVENTS 16384

struct row {
    char name[96];
    uint64_t index;
    int delegate;
    uint64_t us;
    uint64_t calls;
};

static struct {
    size_t count;
    struct row rows[MOST_EVENTS];
} table;

static void add(const struct event *event) {
    if (event->type != EVENT_OPERATOR && event->type != EVENT_DELEGATE_OPERATOR &&
        event->type != EVENT_DELEGATE_PROFILED) {
        return;
    }
    const char *tag = event->tag ? event->tag : "";
    int delegate = event->type != EVENT_OPERATOR;
    struct row *row = table.rows;
    struct row *end = table.rows + table.count;
    while (row < end && (row->index != event->index || row->delegate != delegate ||
                         strncmp(row->name, tag, sizeof row->name - 1) != 0)) {
        row++;
    }
    if (row == end) {
        if (table.count == MOST_EVENTS) return;
        *row = (struct row){.index = event->index, .delegate = delegate};
        snprintf(row->name, sizeof row->name, "%s", tag);
        table.count++;
    }
    row->us += event->elapsed_us;
    row->calls++;
}

static void profile_one(const struct session *session, Profiler profiler) {
    static struct event events[MOST_EVENTS];
    const struct litert *litert = &session->litert;
    int count = 0;
    check(litert->reset_profiler(profiler), "failed_profile", "resetting the profiler");
    check(litert->start_profiler(profiler), "failed_profile", "starting the profiler");
    run_once(session);
    check(litert->stop_profiler(profiler), "failed_profile", "stopping the profiler");
    check(litert->count_events(profiler, &count), "failed_profile", "counting events");
    if (count > MOST_EVENTS) fail("failed_profile", "%d events are too many", count);
    check(litert->get_events(profiler, count, events), "failed_profile", "reading events");
    for (int i = 0; i < count; i++) add(&events[i]);
}

void collect_profile(const struct session *session) {
    Profiler profiler = NULL;
    check(session->litert.get_profiler(session->compiled, &profiler), "failed_profile",
          "finding the profiler");
    for (int i = 0; i < RUNS; i++) profile_one(session, profiler);
}

void print_profile(void) {
    printf("{\"runs\":%d,\"operators\":[", RUNS);
    for (size_t i = 0; i < table.count; i++) {
        const struct row *row = &table.rows[i];
        printf("%s{\"name\":", i ? "," : "");
        print_string(row->name);
        printf(",\"index\":%llu,\"delegate\":%s,\"us\":%llu,\"calls\":%llu}",
               (unsigned long long)row->index, row->delegate ? "true" : "false",
               (unsigned long long)row->us, (unsigned long long)row->calls);
    }
    fputs("]}", stdout);
}
