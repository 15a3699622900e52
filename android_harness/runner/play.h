/* Texts of several lengths played through a chain of stages: each leaves where the rule lets it. */
#ifndef EDGE_BERT_PLAY_H
#define EDGE_BERT_PLAY_H

#include "stages.h"

struct text {
    const struct chain *chain;
    const unsigned char *bytes;
};

struct player {
    const struct litert *api;
    CompiledModel compiled;
    struct exit_plan plan;
    size_t count;
    struct text *texts;
    long *layers; /* that each text went through; 0 where it has not run */
    struct exit_history history;
    float *numbers;
};

/* Reads the rule and the texts. Fails with bad_exits, unknown_signature, unreadable_inputs or
 * wrong_input_size. */
struct player open_player(const struct arguments *arguments, const struct session *session);

/* Plays text `index`, counted round and round. Its time in microseconds: the stages, what is handed
 * over between them, and the rule. Fails with failed_invoke. */
double play_text(void *player, size_t index);

/* Prints a line for each text. */
void print_layers(const struct player *player);

#endif
