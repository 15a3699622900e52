"""What an app needs for the operators of a file that TFLite's own resolver does not know."""

from __future__ import annotations

from collections.abc import Iterable

FLEX_PREFIX = "Flex"
# In TFLite's own resolver beside the builtin ones (lite/core/kernels/register.cc).
RESOLVED = ("AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess")
NEEDS = {
    "DISPATCH_OP": "compiled for one NPU: needs LiteRT with the plugin of that NPU's vendor",
    "edgetpu-custom-op": "compiled for an Edge TPU: needs the Edge TPU delegate (libedgetpu)",
}
TEXT_PREFIXES = ("TFText", "TFSentencepiece", "Ragged")


def describe_needs(names: Iterable[str]) -> tuple[str, ...]:
    """A line for each kind of custom operator in `names`: which, and what runs it on a device."""
    by_need: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        need = _need(name)
        if need:
            by_need.setdefault(need, []).append(name or "a custom operator without a name")
    return tuple(f"{', '.join(operators)}: {need}" for need, operators in by_need.items())


def _need(name: str) -> str:
    """What the custom operator `name` needs; empty where every runtime has it."""
    if name in RESOLVED:
        return ""
    if name in NEEDS:
        return NEEDS[name]
    if name.startswith(FLEX_PREFIX):
        return (
            "TensorFlow's own kernels: needs the Flex delegate (tensorflow-lite-select-tf-ops), "
            "which adds them to the app; convert with builtin operators only to do without"
        )
    if name.startswith(TEXT_PREFIXES):
        return (
            "needs the kernels of TensorFlow Text (tensorflow_text's tflite_registrar) in the app"
        )
    return "needs a kernel that the app registers under this name with its operator resolver"
