#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "region.h"
#include "report.h"

struct tensor_source find_signature(const struct session *session, const char *wanted) {
    const struct litert *litert = &session->litert;
    size_t count = 0;
    struct tensor_source source = {session->environment, session->compiled, NULL, 0};
    check(litert->count_signatures(session->model, &count), "corrupt_model", "counting signatures");
    if (!wanted && count != 1) fail("unknown_signature", "the model has %zu; name one", count);
    for (; source.index < count; source.index++) {
        const char *key = NULL;
        check(litert->get_signature(session->model, source.index, &source.signature), "corrupt_model",
              "reading a signature");
        check(litert->get_key(source.signature, &key), "corrupt_model", "reading a key");
        if (!wanted || strcmp(key, wanted) == 0) return source;
    }
    fail("unknown_signature", "the model has %zu signatures, but none is called '%s'", count, wanted);
}

static void add_options(const struct litert *litert, Options options, const char *name,
                        const char *toml) {
    OpaqueOptions opaque = NULL;
    char *text = strdup(toml); /* the runtime frees it */
    check(litert->create_opaque_options(name, text, free, &opaque), "failed_compile", name);
    check(litert->add_opaque_options(options, opaque), "failed_compile", name);
}

static Options make_options(const struct litert *litert, const struct arguments *arguments) {
    Options options = NULL;
    char toml[64];
    check(litert->create_options(&options), "failed_compile", "creating options");
    check(litert->set_accelerators(options, ACCELERATOR_CPU), "failed_compile", "choosing the CPU");
    snprintf(toml, sizeof toml, "num_threads = %ld\n", arguments->threads);
    add_options(litert, options, "xnnpack", toml);
    if (arguments->profile) {
        add_options(litert, options, "runtime_options_string", "enable_profiling = true\n");
    }
    return options;
}

struct session open_model(const struct arguments *arguments) {
    struct session session = {0};
    double start = now_us();
    session.litert = load_litert(arguments->library);
    check(session.litert.create_environment(0, NULL, &session.environment), "failed_compile",
          "creating the environment");
    double loaded_library = now_us();
    check(session.litert.create_model(session.environment, arguments->model, &session.model),
          "corrupt_model", "loading the model");
    if (!arguments->exits) find_signature(&session, arguments->signature); /* before the long part */
    double loaded_model = now_us();
    Options options = make_options(&session.litert, arguments);
    check(session.litert.compile(session.environment, session.model, options, &session.compiled),
          "failed_compile", "compiling the model");
    session.library_us = loaded_library - start;
    session.load_us = loaded_model - loaded_library;
    session.compile_us = now_us() - loaded_model;
    return session;
}

struct session open_session(const struct arguments *arguments) {
    struct session session = open_model(arguments);
    double start = now_us();
    struct tensor_source source = find_signature(&session, arguments->signature);
    session.signature = source.index;
    check(session.litert.get_key(source.signature, &session.signature_key), "corrupt_model",
          "reading a key");
    session.inputs = allocate_tensors(&session.litert, &source, 1);
    session.outputs = allocate_tensors(&session.litert, &source, 0);
    session.compile_us += now_us() - start;
    return session;
}

double run_once(const struct session *session) {
    const struct tensors *in = &session->inputs, *out = &session->outputs;
    double start = now_us();
    BEGIN_REGION();
    Status status = session->litert.run(session->compiled, session->signature, in->count, in->buffers,
                                        out->count, out->buffers);
    END_REGION();
    double us = now_us() - start;
    check(status, "failed_invoke", "running the model");
    return us;
}

void write_outputs(const struct session *session, const struct input_sets *sets, const char *path) {
    char partial[4096];
    int length = snprintf(partial, sizeof partial, "%s.partial", path);
    if (length < 0 || (size_t)length >= sizeof partial) fail("unwritable_outputs", "the path is too long");
    FILE *file = fopen(partial, "wb");
    if (!file) fail("unwritable_outputs", "%s: %s", partial, strerror(errno));
    int failed = 0;
    for (size_t i = 0; i < sets->count && !failed; i++) {
        fill_inputs(&session->litert, &session->inputs, sets, i);
        run_once(session);
        failed = append_outputs(&session->litert, &session->outputs, file);
    }
    failed |= fclose(file) != 0;
    if (failed || rename(partial, path) != 0) {
        int reason = errno;
        remove(partial);
        fail("unwritable_outputs", "%s: %s", path, strerror(reason));
    }
}
