#include "stages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define FIRST_LINE "edge-bert exits 1"
#define LONGEST_LINE 1024

enum { FLOAT32 = 1, UINT8 = 3, INT16 = 7, INT8 = 9 }; /* as LiteRT numbers them */

static struct chain *find_chain(struct exit_plan *plan, long length) {
    for (size_t i = 0; i < plan->chain_count; i++) {
        if (plan->chains[i]->length == length) return plan->chains[i];
    }
    if (plan->chain_count == MOST_LENGTHS) return NULL;
    struct chain *chain = calloc(1, sizeof *chain);
    if (!chain) fail("out_of_memory", "%zu bytes are not to be had", sizeof *chain);
    chain->length = length;
    plan->chains[plan->chain_count++] = chain;
    return chain;
}

/* stage LENGTH LAYERS SIGNATURE ANSWER SCALE ZERO AGREEMENT-SCALE AGREEMENT-ZERO */
static int read_stage(struct exit_plan *plan, const char *line) {
    struct stage stage = {0};
    long length = 0;
    int end = 0;
    int words = sscanf(line, "stage %ld %ld %127s %127s %f %ld %f %ld%n", &length, &stage.layers,
                       stage.name, stage.answer, &stage.answer_scaling.scale,
                       &stage.answer_scaling.zero_point, &stage.agreement_scaling.scale,
                       &stage.agreement_scaling.zero_point, &end);
    if (words != 8 || line[end] || length < 1 || stage.layers < 1) return 0;
    struct chain *chain = find_chain(plan, length);
    if (!chain || chain->count > MOST_EXITS) return 0;
    if (chain->count && stage.layers <= chain->stages[chain->count - 1].layers) return 0;
    chain->stages[chain->count++] = stage;
    return 1;
}

static void check_plan(const struct exit_plan *plan, const char *path) {
    if (!plan->chain_count) fail("bad_exits", "%s names no stages", path);
    size_t count = plan->chains[0]->count;
    for (size_t i = 0; i < plan->chain_count; i++) {
        const struct chain *chain = plan->chains[i];
        if (chain->count != count) fail("bad_exits", "the lengths of %s have different exits", path);
    }
    const struct exit_rule *rule = &plan->rule;
    if (!rule_is_whole(rule, count - 1)) fail("bad_exits", "the rule of %s is for other exits", path);
    for (size_t i = 0; i < rule->count; i++) {
        if (plan->chains[0]->stages[i].layers != rule->points[i].after) {
            fail("bad_exits", "the rule of %s is for other layers than its stages", path);
        }
    }
}

struct exit_plan read_plan(const char *path) {
    struct exit_plan plan = {0};
    char line[LONGEST_LINE];
    FILE *file = fopen(path, "r");
    if (!file) fail("bad_exits", "%s: %s", path, strerror(errno));
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        size_t length = strcspn(line, "\n");
        int whole = line[length] == '\n';
        line[length] = 0;
        int known = number == 1 ? strcmp(line, FIRST_LINE) == 0
                    : strncmp(line, "stage ", 6) == 0 ? read_stage(&plan, line)
                                                      : read_rule_line(&plan.rule, line);
        if (!whole || !known) fail("bad_exits", "line %d of %s is not understood", number, path);
    }
    fclose(file);
    check_plan(&plan, path);
    return plan;
}

static struct tensor *find_tensor(const struct tensors *tensors, const char *name) {
    for (size_t i = 0; i < tensors->count; i++) {
        if (strcmp(tensors->items[i].name, name) == 0) return &tensors->items[i];
    }
    return NULL;
}

size_t count_numbers(const struct tensor *tensor) {
    size_t count = 1;
    for (uint32_t i = 0; i < (tensor->type.rank & 127); i++) {
        count *= (size_t)tensor->type.dimensions[i];
    }
    return count;
}

/* Where each input of a stage lies among a text's, which are those of the first stage sorted by name. */
static void find_sources(const struct stage *first, struct stage *stage) {
    stage->sources = calloc(stage->inputs.count + 1, sizeof *stage->sources);
    if (!stage->sources) fail("out_of_memory", "sources of inputs are not to be had");
    for (size_t i = 0; i < stage->inputs.count; i++) {
        const struct tensor *input = &stage->inputs.items[i];
        size_t offset = 0, k = 0;
        stage->sources[i] = FROM_ROWS;
        if (input == stage->rows_in) continue;
        for (; k < first->inputs.count; k++) {
            const struct tensor *given = &first->inputs.items[first->inputs.order[k]];
            if (strcmp(given->name, input->name) == 0 && given->size == input->size) break;
            offset += given->size;
        }
        if (k == first->inputs.count) {
            fail("bad_exits", "%s takes '%s', which a text does not have", stage->name, input->name);
        }
        stage->sources[i] = offset;
    }
}

static void check_rows(const struct stage *before, const struct stage *stage) {
    const struct tensor *given = before ? before->rows_out : NULL, *taken = stage->rows_in;
    if (!before && !taken) return;
    if (!given || !taken || given->size != taken->size || given->type.element != taken->type.element) {
        fail("bad_exits", "%s takes other rows than it gets", stage->name);
    }
}

/* Bytes of a number of this element type; 0 for one that no answer has. */
static size_t width_of(int element) {
    switch (element) {
        case FLOAT32: return 4;
        case INT16: return 2;
        case UINT8:
        case INT8: return 1;
        default: return 0;
    }
}

static int has_numbers(const struct tensor *tensor) {
    size_t count = count_numbers(tensor);
    return count && width_of(tensor->type.element) && tensor->size == count * width_of(tensor->type.element);
}

static void prepare_stage(const struct session *session, const struct exit_rule *rule,
                          struct stage *stage) {
    struct tensor_source source = find_signature(session, stage->name);
    stage->signature = source.index;
    stage->inputs = allocate_tensors(&session->litert, &source, 1);
    stage->outputs = allocate_tensors(&session->litert, &source, 0);
    stage->rows_in = find_tensor(&stage->inputs, "rows");
    stage->rows_out = find_tensor(&stage->outputs, "rows");
    stage->answer_tensor = find_tensor(&stage->outputs, stage->answer);
    stage->agreement_tensor = find_tensor(&stage->outputs, "agreement");
    if (!stage->answer_tensor || stage->answer_tensor == stage->rows_out) {
        fail("bad_exits", "%s has no output '%s'", stage->name, stage->answer);
    }
    size_t channels = count_numbers(stage->answer_tensor);
    if (!has_numbers(stage->answer_tensor) || channels > MOST_CHANNELS) {
        fail("bad_exits", "%s gives no numbers as its answer", stage->name);
    }
    const struct tensor *agreement = stage->agreement_tensor;
    int asked = rule->kind == RULE_AGREEMENT && stage->rows_out;
    if (asked && (!agreement || count_numbers(agreement) != 1 || !has_numbers(agreement))) {
        fail("bad_exits", "%s predicts no agreement", stage->name);
    }
}

void prepare_stages(const struct session *session, struct exit_plan *plan) {
    for (size_t i = 0; i < plan->chain_count; i++) {
        struct chain *chain = plan->chains[i];
        for (size_t k = 0; k < chain->count; k++) {
            prepare_stage(session, &plan->rule, &chain->stages[k]);
            find_sources(&chain->stages[0], &chain->stages[k]);
            check_rows(k ? &chain->stages[k - 1] : NULL, &chain->stages[k]);
        }
    }
}

static float read_number(const unsigned char *bytes, int element, struct scaling scaling) {
    int8_t small;
    int16_t middle;
    float real;
    switch (element) {
        case FLOAT32:
            memcpy(&real, bytes, sizeof real);
            return real;
        case UINT8: return (float)(*bytes - scaling.zero_point) * scaling.scale;
        case INT16:
            memcpy(&middle, bytes, sizeof middle);
            return (float)(middle - scaling.zero_point) * scaling.scale;
        default:
            memcpy(&small, bytes, sizeof small);
            return (float)(small - scaling.zero_point) * scaling.scale;
    }
}

void read_numbers(const struct litert *api, const struct tensor *tensor, struct scaling scaling,
                  float *numbers, size_t channels) {
    void *address = NULL;
    check(api->lock(tensor->buffer, &address, FOR_READING), "failed_invoke", "lock");
    size_t width = tensor->size / channels;
    for (size_t i = 0; i < channels; i++) {
        numbers[i] = read_number((unsigned char *)address + i * width, tensor->type.element, scaling);
    }
    check(api->unlock(tensor->buffer), "failed_invoke", "unlock");
}
