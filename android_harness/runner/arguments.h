/* The runner's command line. */
#ifndef EDGE_BERT_ARGUMENTS_H
#define EDGE_BERT_ARGUMENTS_H

struct arguments {
    const char *library;   /* --library: libLiteRt.so */
    const char *model;     /* --model */
    const char *signature; /* --signature; NULL when the model has only one */
    const char *inputs;    /* --inputs: raw tensors, or NULL for made-up ones */
    const char *outputs;   /* --outputs, or NULL */
    const char *exits;     /* --exits: stages and the rule by which texts leave, or NULL */
    const char *cores;     /* --cores: bind to these, or NULL */
    const char *prefer;    /* --prefer-cores: as --cores, but runs on where that is refused */
    long threads;          /* --threads, 1 by default */
    long warmup;           /* --warmup: inferences before the measured ones, 1 by default */
    long repetitions;      /* --repetitions: measured inferences, 10 by default */
    long duration_ms;      /* --duration-ms: measure for this long instead; 0 when absent */
    long every_ms;         /* --every-ms: begin an inference each so many milliseconds; 0: at once */
    long settle_ms;        /* --settle-ms: warm up until the clock stands, for so long at most */
    int background;        /* --background: as Android runs what nobody looks at */
    int profile;           /* --profile: 10 further inferences with a time for each operator */
    int cold;              /* --cold: ask the kernel to forget the model's pages before loading */
};

/* Fails with code "usage" when the command line is not understood. */
struct arguments parse_arguments(int argc, char **argv);

#endif
