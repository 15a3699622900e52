"""Opens a tokenizer.json and tries it, in a process that may die of it; see `open_tokenizer.py`.

    python tokenizer_trial_worker.py FILE MEMORY_BYTES SECONDS

Needs the standard library and tokenizers. Prints `ok` last, or why not on standard error.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

# Words, a word of many letters, spaces, digits, marks, other scripts: what is split and normalized.
# A pattern that never ends shows on one of them.
TEXTS = (
    "",
    "a",
    "The quick brown fox, it's 12345 years old; isn't it?\n\tYes! \u00e9\u00df\u6f22 \U0001f600",
    "a" * 3000,
    "a" * 40 + "!",
    " " * 3000,
    "1" * 3000,
    "a b " * 750,
    "!?." * 1000,
    "\u0301" * 1000,
    "\u6f22" * 3000,
)


def main(file: str, memory: str, seconds: str) -> None:
    """Limit this process, open the file, and use it as a build does."""
    _limit(int(memory), int(seconds))
    import tokenizers

    backend = tokenizers.Tokenizer.from_str(Path(file).read_text(encoding="utf-8"))
    for name in ("dropout", "alpha", "nbest_size"):  # whichever of several the library took
        value = getattr(backend.model, name, None)
        if value and (name, value) != ("nbest_size", 1):
            sys.exit(f"{name} is {value}, so that a text has other tokens each time")
    backend.no_padding()
    backend.no_truncation()
    backend.num_special_tokens_to_add(True)
    backend.get_vocab(with_added_tokens=True)
    backend.get_added_tokens_decoder()
    for text in TEXTS:
        backend.encode(text)
        backend.encode(text, "a")
    backend.enable_truncation(512)
    backend.encode_batch([*TEXTS])
    backend.to_str()
    print("ok")  # noqa: T201 (the answer)


def _limit(memory: int, seconds: int) -> None:
    """As far as the system has such limits: Windows has none, macOS not that of memory."""
    with contextlib.suppress(ImportError):
        import resource

        for kind, most in (("RLIMIT_AS", memory), ("RLIMIT_CPU", seconds), ("RLIMIT_CORE", 0)):
            with contextlib.suppress(ValueError, OSError, AttributeError):
                resource.setrlimit(getattr(resource, kind), (most, most))


if __name__ == "__main__":
    main(*sys.argv[1:])
