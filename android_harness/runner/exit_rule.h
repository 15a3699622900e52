/* At which exit a text leaves: the rule of edge_bert/evaluate/choose_exit.py, read from a file. */
#ifndef EDGE_BERT_EXIT_RULE_H
#define EDGE_BERT_EXIT_RULE_H

#include <stddef.h>

#define MOST_EXITS 64
#define MOST_CHANNELS 65536

enum rule_kind { RULE_NONE, RULE_CONFIDENCE, RULE_PATIENCE, RULE_AGREEMENT };

struct exit_point {
    long after;
    double temperature;
    float threshold;
};

struct exit_rule {
    enum rule_kind kind;
    int sigmoid; /* labels stand side by side, else one class of several */
    long patience;
    size_t count;
    struct exit_point points[MOST_EXITS];
};

/* What the exits of one text have said so far. `before` has room for as many channels as an answer
 * has: the number of its class, or which labels it has. */
struct exit_history {
    size_t seen;
    long repeats;
    size_t *before;
};

/* Takes the words of a line `rule ...` or `exit ...`; 0 if they are none. */
int read_rule_line(struct exit_rule *rule, const char *line);

/* Whether the lines that were read make a rule for so many exits, 0 or 1. */
int rule_is_whole(const struct exit_rule *rule, size_t exits);

/* Whether a text leaves at its next exit, which gives `channels` raw outputs and, where the rule is
 * of agreement, the predicted one. */
int leaves_here(const struct exit_rule *rule, struct exit_history *history, const float *outputs,
                size_t channels, float agreement);

#endif
