/* Chains of signatures, one for each length in tokens: each stage takes the rows of the one before. */
#ifndef EDGE_BERT_STAGES_H
#define EDGE_BERT_STAGES_H

#include "exit_rule.h"
#include "session.h"

#define MOST_LENGTHS 64
#define LONGEST_NAME 128

/* How an integer output becomes numbers; a scale of 0 is that of a float one. */
struct scaling {
    float scale;
    long zero_point;
};

/* One signature. `layers` are done at its end. Its inputs come from the rows of the stage before or
 * from the text, whose bytes `sources` tells; FROM_ROWS stands for the first. */
struct stage {
    char name[LONGEST_NAME], answer[LONGEST_NAME];
    long layers;
    struct scaling answer_scaling, agreement_scaling;
    size_t signature;
    struct tensors inputs, outputs;
    size_t *sources;
    struct tensor *answer_tensor, *agreement_tensor, *rows_in, *rows_out;
};

#define FROM_ROWS ((size_t)-1)

struct chain {
    long length;
    size_t count;
    struct stage stages[MOST_EXITS + 1];
};

struct exit_plan {
    struct exit_rule rule;
    size_t chain_count;
    struct chain *chains[MOST_LENGTHS];
};

/* Reads the rule and the names of the stages. Fails with bad_exits. */
struct exit_plan read_plan(const char *path);

/* Finds the signatures in the model and makes their buffers. Fails with unknown_signature, or with
 * bad_exits where a stage does not take what the one before gives. */
void prepare_stages(const struct session *session, struct exit_plan *plan);

/* The numbers of an output, `channels` of them; fails with failed_invoke. */
void read_numbers(const struct litert *api, const struct tensor *tensor, struct scaling scaling,
                  float *numbers, size_t channels);

/* How many numbers an output has. */
size_t count_numbers(const struct tensor *tensor);

#endif
