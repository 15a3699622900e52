#include "litert.h"

#include <dlfcn.h>
#include <string.h>

#include "report.h"

static const struct {
    const char *name;
    size_t slot;
} SYMBOLS[] = {
    {"LiteRtCreateEnvironment", offsetof(struct litert, create_environment)},
    {"LiteRtCreateModelFromFile", offsetof(struct litert, create_model)},
    {"LiteRtGetNumModelSignatures", offsetof(struct litert, count_signatures)},
    {"LiteRtGetModelSignature", offsetof(struct litert, get_signature)},
    {"LiteRtGetSignatureKey", offsetof(struct litert, get_key)},
    {"LiteRtGetNumSignatureInputs", offsetof(struct litert, count_inputs)},
    {"LiteRtGetNumSignatureOutputs", offsetof(struct litert, count_outputs)},
    {"LiteRtGetSignatureInputName", offsetof(struct litert, get_input_name)},
    {"LiteRtGetSignatureOutputName", offsetof(struct litert, get_output_name)},
    {"LiteRtGetSignatureInputTensorByIndex", offsetof(struct litert, get_input)},
    {"LiteRtGetSignatureOutputTensorByIndex", offsetof(struct litert, get_output)},
    {"LiteRtGetRankedTensorType", offsetof(struct litert, get_type)},
    {"LiteRtCreateOptions", offsetof(struct litert, create_options)},
    {"LiteRtSetOptionsHardwareAccelerators", offsetof(struct litert, set_accelerators)},
    {"LiteRtCreateOpaqueOptions", offsetof(struct litert, create_opaque_options)},
    {"LiteRtAddOpaqueOptions", offsetof(struct litert, add_opaque_options)},
    {"LiteRtCreateCompiledModel", offsetof(struct litert, compile)},
    {"LiteRtGetCompiledModelInputBufferRequirements",
     offsetof(struct litert, get_input_requirements)},
    {"LiteRtGetCompiledModelOutputBufferRequirements",
     offsetof(struct litert, get_output_requirements)},
    {"LiteRtCreateManagedTensorBufferFromRequirements", offsetof(struct litert, create_buffer)},
    {"LiteRtGetTensorBufferPackedSize", offsetof(struct litert, get_packed_size)},
    {"LiteRtLockTensorBuffer", offsetof(struct litert, lock)},
    {"LiteRtUnlockTensorBuffer", offsetof(struct litert, unlock)},
    {"LiteRtRunCompiledModel", offsetof(struct litert, run)},
    {"LiteRtCompiledModelGetProfiler", offsetof(struct litert, get_profiler)},
    {"LiteRtStartProfiler", offsetof(struct litert, start_profiler)},
    {"LiteRtStopProfiler", offsetof(struct litert, stop_profiler)},
    {"LiteRtResetProfiler", offsetof(struct litert, reset_profiler)},
    {"LiteRtGetNumProfilerEvents", offsetof(struct litert, count_events)},
    {"LiteRtGetProfilerEvents", offsetof(struct litert, get_events)},
};

struct litert load_litert(const char *path) {
    struct litert litert;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail("missing_library", "%s", dlerror());
    for (size_t i = 0; i < sizeof SYMBOLS / sizeof SYMBOLS[0]; i++) {
        void *symbol = dlsym(library, SYMBOLS[i].name);
        if (!symbol) fail("missing_symbol", "%s has no %s; use ai-edge-litert 2.3", path, SYMBOLS[i].name);
        memcpy((char *)&litert + SYMBOLS[i].slot, &symbol, sizeof symbol);
    }
    return litert;
}

void check(Status status, const char *code, const char *what) {
    if (status != 0) fail(code, "%s: LiteRT status %d; its log is on standard error", what, status);
}
