#include "arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "report.h"

#define MOST_RUNS 10000000L
#define MOST_THREADS 64L
#define LONGEST_MS 86400000L

static long number(const char *name, const char *text, long least, long most) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < least || value > most) {
        fail("usage", "--%s must be a whole number from %ld to %ld, not '%s'", name, least, most, text);
    }
    return value;
}

static const struct option OPTIONS[] = {
    {"library", required_argument, NULL, 'l'},     {"model", required_argument, NULL, 'm'},
    {"signature", required_argument, NULL, 's'},   {"inputs", required_argument, NULL, 'i'},
    {"outputs", required_argument, NULL, 'o'},     {"cores", required_argument, NULL, 'c'},
    {"threads", required_argument, NULL, 't'},     {"warmup", required_argument, NULL, 'w'},
    {"repetitions", required_argument, NULL, 'r'}, {"duration-ms", required_argument, NULL, 'd'},
    {"prefer-cores", required_argument, NULL, 'a'}, {"every-ms", required_argument, NULL, 'e'},
    {"settle-ms", required_argument, NULL, 'u'},   {"background", no_argument, NULL, 'b'},
    {"profile", no_argument, NULL, 'p'},           {"cold", no_argument, NULL, 'f'},
    {"exits", required_argument, NULL, 'x'},
    {NULL, 0, NULL, 0}};

static void take(struct arguments *arguments, int option) {
    switch (option) {
        case 'l': arguments->library = optarg; break;
        case 'm': arguments->model = optarg; break;
        case 's': arguments->signature = optarg; break;
        case 'i': arguments->inputs = optarg; break;
        case 'o': arguments->outputs = optarg; break;
        case 'c': arguments->cores = optarg; break;
        case 't': arguments->threads = number("threads", optarg, 1, MOST_THREADS); break;
        case 'w': arguments->warmup = number("warmup", optarg, 0, MOST_RUNS); break;
        case 'r': arguments->repetitions = number("repetitions", optarg, 1, MOST_RUNS); break;
        case 'd': arguments->duration_ms = number("duration-ms", optarg, 1, LONGEST_MS); break;
        case 'a': arguments->prefer = optarg; break;
        case 'e': arguments->every_ms = number("every-ms", optarg, 1, LONGEST_MS); break;
        case 'u': arguments->settle_ms = number("settle-ms", optarg, 1, LONGEST_MS); break;
        case 'b': arguments->background = 1; break;
        case 'p': arguments->profile = 1; break;
        case 'f': arguments->cold = 1; break;
        case 'x': arguments->exits = optarg; break;
        default: fail("usage", "an option is unknown or lacks its value; see arguments.h");
    }
}

struct arguments parse_arguments(int argc, char **argv) {
    struct arguments arguments = {.threads = 1, .warmup = 1};
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) take(&arguments, option);
    if (optind < argc) fail("usage", "'%s' is not an option", argv[optind]);
    if (!arguments.library || !arguments.model) fail("usage", "--library and --model are needed");
    if (arguments.repetitions && arguments.duration_ms) {
        fail("usage", "--repetitions and --duration-ms exclude each other");
    }
    if (arguments.cores && arguments.prefer) {
        fail("usage", "--cores and --prefer-cores exclude each other");
    }
    if (arguments.exits && (!arguments.inputs || arguments.signature || arguments.outputs ||
                            arguments.profile)) {
        fail("usage", "--exits needs --inputs, and excludes --signature, --outputs and --profile");
    }
    if (!arguments.repetitions && !arguments.duration_ms && !arguments.exits) {
        arguments.repetitions = 10;
    }
    return arguments;
}
