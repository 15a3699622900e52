#include "exit_rule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int read_kind(struct exit_rule *rule, const char *line) {
    static const char *const kinds[] = {"none", "confidence", "patience", "agreement"};
    char kind[16], activation[16];
    int end = 0;
    if (sscanf(line, "rule %15s %15s %ld%n", kind, activation, &rule->patience, &end) != 3 ||
        line[end] || rule->patience < 0) {
        return 0;
    }
    rule->sigmoid = strcmp(activation, "sigmoid") == 0;
    for (int i = 0; i < 4; i++) {
        if (strcmp(kind, kinds[i]) != 0) continue;
        rule->kind = (enum rule_kind)i;
        return (rule->kind == RULE_PATIENCE) == (rule->patience > 0);
    }
    return 0;
}

static int read_point(struct exit_rule *rule, const char *line) {
    struct exit_point point;
    double threshold;
    int end = 0;
    if (rule->count == MOST_EXITS ||
        sscanf(line, "exit %ld %lf %lf%n", &point.after, &point.temperature, &threshold, &end) != 3 ||
        line[end]) {
        return 0;
    }
    point.threshold = (float)threshold;
    rule->points[rule->count++] = point;
    return point.after > 0 && isfinite(point.temperature) && point.temperature > 0 &&
           threshold >= 0 && threshold <= 1;
}

int read_rule_line(struct exit_rule *rule, const char *line) {
    return strncmp(line, "rule ", 5) == 0 ? read_kind(rule, line) : read_point(rule, line);
}

int rule_is_whole(const struct exit_rule *rule, size_t exits) {
    for (size_t i = 1; i < rule->count; i++) {
        if (rule->points[i].after <= rule->points[i - 1].after) return 0;
    }
    return rule->count == (rule->kind == RULE_NONE ? 0 : exits);
}

/* The probability of the answer; of labels that stand side by side, that of the least certain one. */
static double measure_confidence(const struct exit_rule *rule, const float *outputs,
                                 size_t channels, double temperature) {
    double least = 1, largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < channels; i++) {
        double logit = (double)outputs[i] / temperature;
        if (isnan(logit)) return NAN;
        double sure = 1 / (1 + exp(-fabs(logit)));
        if (sure < least) least = sure;
        if (logit > largest) largest = logit;
    }
    if (rule->sigmoid) return least;
    for (size_t i = 0; i < channels; i++) sum += exp((double)outputs[i] / temperature - largest);
    return 1 / sum;
}

/* As numpy's argmax: the first of the largest, and before them what is no number. */
static size_t find_class(const float *outputs, size_t channels) {
    size_t best = 0;
    for (size_t i = 0; i < channels && !isnan(outputs[best]); i++) {
        if (isnan(outputs[i]) || outputs[i] > outputs[best]) best = i;
    }
    return best;
}

/* How many exits in a row, with this one, have named the class of the one before. */
static long count_repeats(const struct exit_rule *rule, struct exit_history *history,
                          const float *outputs, size_t channels) {
    int same = history->seen > 0;
    size_t count = rule->sigmoid ? channels : 1;
    for (size_t i = 0; i < count; i++) {
        size_t now = rule->sigmoid ? outputs[i] > 0 : find_class(outputs, channels);
        if (history->before[i] != now) same = 0;
        history->before[i] = now;
    }
    history->repeats = same ? history->repeats + 1 : 0;
    return history->repeats;
}

int leaves_here(const struct exit_rule *rule, struct exit_history *history, const float *outputs,
                size_t channels, float agreement) {
    if (rule->kind == RULE_NONE) return 0;
    if (rule->kind == RULE_PATIENCE) {
        int leaves = count_repeats(rule, history, outputs, channels) >= rule->patience;
        history->seen++;
        return leaves;
    }
    const struct exit_point *point = &rule->points[history->seen++];
    if (rule->kind == RULE_AGREEMENT) return agreement >= point->threshold;
    return (float)measure_confidence(rule, outputs, channels, point->temperature) >= point->threshold;
}
