/* edge-bert's runner: one model, one signature, timed on the CPU. See README.md for its contract. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arguments.h"
#include "clock.h"
#include "cpu.h"
#include "memory.h"
#include "profile.h"
#include "report.h"
#include "session.h"
#include "sha256.h"

#define FORMAT_VERSION 1

/* A pipe or a folder in the model's place would hang or confuse the runtime. */
static void check_model(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) fail("unreadable_model", "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode)) fail("unreadable_model", "%s is not a file", path);
}

static void forget_pages(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    fdatasync(file);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
}

static void print_header(const struct arguments *arguments, const struct session *session,
                         const char *library_hash, const char *model_hash) {
    printf("{\"type\":\"header\",\"format_version\":%d,\"library_sha256\":\"%s\",", FORMAT_VERSION,
           library_hash);
    printf("\"model_sha256\":\"%s\",\"threads\":%ld,\"warmup\":%ld,\"signature\":", model_hash,
           arguments->threads, arguments->warmup);
    print_string(session->signature_key);
    fputs(",\"inputs\":", stdout);
    print_tensors(&session->inputs);
    fputs(",\"outputs\":", stdout);
    print_tensors(&session->outputs);
    fputs(",\"cpu\":", stdout);
    print_cpu();
    putchar('}');
    end_line();
}

static double run_set(const struct session *session, const struct input_sets *sets, long index) {
    if (sets->count > 1 || index == 0) {
        fill_inputs(&session->litert, &session->inputs, sets, (size_t)index % sets->count);
    }
    return run_once(session);
}

/* Returns the time of the very first inference, in microseconds. */
static double run_all(const struct arguments *arguments, const struct session *session,
                      const struct input_sets *sets) {
    double first = 0;
    for (long i = 0; i < arguments->warmup; i++) {
        double us = run_set(session, sets, i);
        if (i == 0) first = us;
        printf("{\"type\":\"warmup\",\"us\":%.3f}", us);
        end_line();
    }
    double end = now_us() + (double)arguments->duration_ms * 1e3;
    for (long i = 0; arguments->repetitions ? i < arguments->repetitions : !i || now_us() < end; i++) {
        double us = run_set(session, sets, i);
        if (i == 0 && arguments->warmup == 0) first = us;
        printf("{\"type\":\"run\",\"us\":%.3f}", us);
        end_line();
    }
    return first;
}

static void print_footer(const struct arguments *arguments, const struct session *session,
                         struct memory memory, double first_us) {
    double init_us = session->library_us + session->load_us + session->compile_us;
    printf("{\"type\":\"footer\",\"init_us\":%.3f,\"library_us\":%.3f,\"load_us\":%.3f,", init_us,
           session->library_us, session->load_us);
    printf("\"compile_us\":%.3f,\"first_us\":%.3f,\"cold\":%s,", session->compile_us, first_us,
           arguments->cold ? "true" : "false");
    printf("\"peak_rss_bytes\":%lld,\"rss_bytes\":%lld,\"anonymous_rss_bytes\":%lld,", memory.peak,
           memory.resident, memory.anonymous);
    printf("\"file_rss_bytes\":%lld,\"profile\":", memory.file);
    if (arguments->profile) {
        print_profile();
    } else {
        fputs("null", stdout);
    }
    putchar('}');
    end_line();
}

int main(int argc, char **argv) {
    char library_hash[SHA256_HEX_SIZE], model_hash[SHA256_HEX_SIZE];
    struct arguments arguments = parse_arguments(argc, argv);
    report_crashes();
    if (arguments.cores && bind_to_cores(arguments.cores) != 0) {
        fail("bad_cores", "the cores '%s' are not to be had here", arguments.cores);
    }
    check_model(arguments.model);
    if (sha256_file(arguments.library, library_hash) != 0) {
        fail("missing_library", "%s: %s", arguments.library, strerror(errno));
    }
    if (sha256_file(arguments.model, model_hash) != 0) {
        fail("unreadable_model", "%s: %s", arguments.model, strerror(errno));
    }
    if (arguments.cold) forget_pages(arguments.model);
    struct session session = open_session(&arguments);
    struct input_sets sets = read_inputs(&session.inputs, arguments.inputs);
    print_header(&arguments, &session, library_hash, model_hash);
    double first_us = run_all(&arguments, &session, &sets);
    struct memory memory = read_memory(); /* before the profiler and the outputs take theirs */
    if (arguments.profile) collect_profile(&session);
    if (arguments.outputs) write_outputs(&session, &sets, arguments.outputs);
    print_footer(&arguments, &session, memory, first_us);
    finish_report();
}
