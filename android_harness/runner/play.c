#include "play.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "region.h"
#include "report.h"

#define MAGIC "EBTEXTS1"

static void *reserve(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) fail("out_of_memory", "%zu elements of %zu bytes are not to be had", count, size);
    return memory;
}

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) fail("unreadable_inputs", "%s: %s", path, strerror(errno));
    long length = ftell(file);
    if (length < 0) fail("unreadable_inputs", "%s has no length", path);
    rewind(file);
    unsigned char *bytes = reserve((size_t)length, 1);
    if (fread(bytes, 1, (size_t)length, file) != (size_t)length) fail("unreadable_inputs", "%s", path);
    fclose(file);
    *size = (size_t)length;
    return bytes;
}

/* The text at `at`: its length in tokens, 4 bytes little-endian, then its tensors sorted by name.
 * Returns how many bytes it takes, or 0 where it is none. */
static size_t read_text(const struct exit_plan *plan, const unsigned char *at, size_t left,
                        struct text *text) {
    if (left < 4) return 0;
    long length = (long)at[0] | (long)at[1] << 8 | (long)at[2] << 16 | (long)at[3] << 24;
    for (size_t i = 0; i < plan->chain_count; i++) {
        const struct chain *chain = plan->chains[i];
        if (chain->length != length) continue;
        size_t size = chain->stages[0].inputs.size;
        if (left - 4 < size) return 0;
        *text = (struct text){chain, at + 4};
        return 4 + size;
    }
    return 0;
}

static void read_texts(struct player *player, const char *path) {
    size_t size, at = strlen(MAGIC), room = 0;
    const unsigned char *bytes = read_file(path, &size);
    if (size <= at || memcmp(bytes, MAGIC, at) != 0) fail("wrong_input_size", "%s holds no texts", path);
    while (at < size) {
        if (player->count == room) {
            room = room ? 2 * room : 256;
            player->texts = realloc(player->texts, room * sizeof *player->texts);
            if (!player->texts) fail("out_of_memory", "%zu texts are not to be had", room);
        }
        size_t taken = read_text(&player->plan, bytes + at, size - at, &player->texts[player->count]);
        if (!taken) fail("wrong_input_size", "text %zu of %s is damaged", player->count, path);
        player->count++;
        at += taken;
    }
}

static size_t count_most_channels(const struct exit_plan *plan) {
    size_t most = 1;
    for (size_t i = 0; i < plan->chain_count; i++) {
        for (size_t k = 0; k < plan->chains[i]->count; k++) {
            size_t channels = count_numbers(plan->chains[i]->stages[k].answer_tensor);
            if (channels > most) most = channels;
        }
    }
    return most;
}

struct player open_player(const struct arguments *arguments, const struct session *session) {
    struct player player = {.api = &session->litert, .compiled = session->compiled};
    player.plan = read_plan(arguments->exits);
    prepare_stages(session, &player.plan);
    read_texts(&player, arguments->inputs);
    size_t channels = count_most_channels(&player.plan);
    player.layers = reserve(player.count, sizeof *player.layers);
    player.numbers = reserve(channels, sizeof *player.numbers);
    player.history.before = reserve(channels, sizeof *player.history.before);
    return player;
}

static void write_tensor(const struct litert *api, const struct tensor *tensor, const void *bytes) {
    void *address = NULL;
    check(api->lock(tensor->buffer, &address, FOR_WRITING), "failed_invoke", "lock");
    memcpy(address, bytes, tensor->size);
    check(api->unlock(tensor->buffer), "failed_invoke", "unlock");
}

static void fill_stage(const struct litert *api, const struct stage *before, const struct stage *stage,
                       const unsigned char *bytes) {
    for (size_t i = 0; i < stage->inputs.count; i++) {
        const struct tensor *input = &stage->inputs.items[i];
        if (stage->sources[i] != FROM_ROWS) {
            write_tensor(api, input, bytes + stage->sources[i]);
            continue;
        }
        void *rows = NULL;
        check(api->lock(before->rows_out->buffer, &rows, FOR_READING), "failed_invoke", "lock");
        write_tensor(api, input, rows);
        check(api->unlock(before->rows_out->buffer), "failed_invoke", "unlock");
    }
}

static int text_leaves(struct player *player, const struct stage *stage) {
    const struct exit_rule *rule = &player->plan.rule;
    size_t channels = count_numbers(stage->answer_tensor);
    float agreement = 0;
    read_numbers(player->api, stage->answer_tensor, stage->answer_scaling, player->numbers, channels);
    if (rule->kind == RULE_AGREEMENT) {
        read_numbers(player->api, stage->agreement_tensor, stage->agreement_scaling, &agreement, 1);
    }
    return leaves_here(rule, &player->history, player->numbers, channels, agreement);
}

/* Gives the layers that the text went through. */
static long play_chain(struct player *player, const struct text *text) {
    player->history.seen = 0;
    player->history.repeats = 0;
    for (size_t k = 0;; k++) {
        const struct stage *stage = &text->chain->stages[k];
        if (k) fill_stage(player->api, stage - 1, stage, text->bytes);
        check(player->api->run(player->compiled, stage->signature, stage->inputs.count,
                               stage->inputs.buffers, stage->outputs.count, stage->outputs.buffers),
              "failed_invoke", "running a stage");
        if (k + 1 == text->chain->count || text_leaves(player, stage)) return stage->layers;
    }
}

double play_text(void *self, size_t index) {
    struct player *player = self;
    size_t place = index % player->count;
    const struct text *text = &player->texts[place];
    fill_stage(player->api, NULL, &text->chain->stages[0], text->bytes);
    double start = now_us();
    BEGIN_REGION();
    long layers = play_chain(player, text);
    END_REGION();
    double us = now_us() - start;
    player->layers[place] = layers;
    return us;
}

void print_layers(const struct player *player) {
    for (size_t i = 0; i < player->count; i++) {
        printf("{\"type\":\"text\",\"layers\":%ld}\n", player->layers[i]);
    }
    fflush(stdout);
}
