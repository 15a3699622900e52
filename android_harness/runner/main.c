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
#include "loop.h"
#include "memory.h"
#include "play.h"
#include "profile.h"
#include "report.h"
#include "session.h"
#include "sha256.h"

#define FORMAT_VERSION 1

/* Whether the cores and the background group were to be had: 1, 0, or -1 where nobody asked. */
static struct {
    int bound, background;
} placement = {-1, -1};

static struct {
    char library[SHA256_HEX_SIZE], model[SHA256_HEX_SIZE];
} digests;

static const char *words_of(int answer) {
    return answer < 0 ? "null" : answer ? "true" : "false";
}

static void take_place(const struct arguments *arguments) {
    if (arguments->background) placement.background = run_in_background();
    const char *cores = arguments->cores ? arguments->cores : arguments->prefer;
    if (!cores) return;
    placement.bound = bind_to_cores(cores) == 0;
    if (arguments->cores && !placement.bound) {
        fail("bad_cores", "the cores '%s' are not to be had here", cores);
    }
}

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

static void print_header(const struct arguments *arguments, const struct session *session) {
    printf("{\"type\":\"header\",\"format_version\":%d,\"library_sha256\":\"%s\",", FORMAT_VERSION,
           digests.library);
    printf("\"model_sha256\":\"%s\",\"threads\":%ld,\"warmup\":%ld,\"signature\":", digests.model,
           arguments->threads, arguments->warmup);
    print_string(arguments->exits ? "exits" : session->signature_key);
    fputs(",\"inputs\":", stdout);
    print_tensors(&session->inputs);
    fputs(",\"outputs\":", stdout);
    print_tensors(&session->outputs);
    fputs(",\"cpu\":", stdout);
    print_cpu();
    putchar('}');
    end_line();
}

static void print_footer(const struct arguments *arguments, const struct session *session,
                         const struct loop *loop, struct memory memory) {
    double init_us = session->library_us + session->load_us + session->compile_us;
    printf("{\"type\":\"footer\",\"init_us\":%.3f,\"library_us\":%.3f,\"load_us\":%.3f,", init_us,
           session->library_us, session->load_us);
    printf("\"compile_us\":%.3f,\"first_us\":%.3f,\"cold\":%s,", session->compile_us, loop->first_us,
           arguments->cold ? "true" : "false");
    print_loop(loop);
    printf("\"bound\":%s,\"background\":%s,", words_of(placement.bound),
           words_of(placement.background));
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

/* One signature with its sets of inputs. */
struct repeated {
    struct session *session;
    struct input_sets sets;
};

static double run_set(void *self, size_t index) {
    const struct repeated *repeated = self;
    const struct session *session = repeated->session;
    if (repeated->sets.count > 1 || index == 0) {
        fill_inputs(&session->litert, &session->inputs, &repeated->sets, index % repeated->sets.count);
    }
    return run_once(session);
}

static void run_signature(const struct arguments *arguments, struct session *session) {
    struct repeated repeated = {session, read_inputs(&session->inputs, arguments->inputs)};
    struct work work = {run_set, &repeated};
    print_header(arguments, session);
    struct loop loop = run_loop(arguments, &work);
    struct memory memory = read_memory(); /* before the profiler and the outputs take theirs */
    if (arguments->profile) collect_profile(session);
    if (arguments->outputs) write_outputs(session, &repeated.sets, arguments->outputs);
    print_times(&loop);
    print_footer(arguments, session, &loop, memory);
}

static void run_texts(struct arguments *arguments, const struct session *session) {
    struct player player = open_player(arguments, session);
    struct work work = {play_text, &player};
    if (!arguments->repetitions && !arguments->duration_ms) {
        arguments->repetitions = (long)player.count;
    }
    print_header(arguments, session);
    struct loop loop = run_loop(arguments, &work);
    struct memory memory = read_memory();
    print_times(&loop);
    print_layers(&player);
    print_footer(arguments, session, &loop, memory);
}

int main(int argc, char **argv) {
    struct arguments arguments = parse_arguments(argc, argv);
    report_crashes();
    stop_on_request();
    take_place(&arguments);
    check_model(arguments.model);
    if (sha256_file(arguments.library, digests.library) != 0) {
        fail("missing_library", "%s: %s", arguments.library, strerror(errno));
    }
    if (sha256_file(arguments.model, digests.model) != 0) {
        fail("unreadable_model", "%s: %s", arguments.model, strerror(errno));
    }
    if (arguments.cold) forget_pages(arguments.model);
    struct session session = arguments.exits ? open_model(&arguments) : open_session(&arguments);
    if (arguments.exits) {
        run_texts(&arguments, &session);
    } else {
        run_signature(&arguments, &session);
    }
    finish_report();
}
