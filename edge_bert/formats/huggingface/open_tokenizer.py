"""A tokenizer.json opened, after a look at its structure and a trial in another process.

The library's faults are not all exceptions: a file can end the process, take all memory, or keep it
busy so that not even Ctrl-C reaches it. So each content is tried once in a child with limits of
time and memory, and that it passed is kept in the cache.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import tokenizers

from edge_bert.errors import InputError, ModelError
from edge_bert.formats.huggingface import tokenizer_trial_worker
from edge_bert.formats.huggingface.tokenizer_checks import check_tokenizer
from edge_bert.processes import run_process
from edge_bert.store.cached import cached
from edge_bert.store.digest import sha256_hex
from edge_bert.store.scratch import scratch_folder
from edge_bert.text import one_line

TRIAL_SECONDS = 60  # the largest vocabularies take five on a slow machine
TRIAL_BYTES = 4 * 1024**3
# The library divides its work over threads, each with memory of its own.
ONE_THREAD = {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}


def open_tokenizer(text: str, name: str) -> tokenizers.Tokenizer:
    """The tokenizer of a tokenizer.json with this content; `name` says in errors which it is.

    Raises ModelError for one of another structure, that draws tokens at random, or that the
    library does not get through with in time and memory.
    """
    require_sound(text.encode("utf-8", "surrogatepass"), name)
    return tokenizers.Tokenizer.from_str(text)


def require_sound(data: bytes, name: str) -> None:
    """Raises ModelError as `open_tokenizer` does."""
    check_tokenizer(data, name)
    inputs = [sha256_hex(data), tokenizers.__version__]
    try:
        cached(
            "tokenizer_trials",
            inputs,
            lambda: _try(data, name),
            code=(require_sound, tokenizer_trial_worker.main),
        )
    except ModelError:
        raise
    except InputError:  # there is no cache here, as where a bundle is only used
        _try(data, name)


def _try(data: bytes, name: str) -> bytes:
    """`ok`, from a process that opened the file and took texts apart with it."""
    with scratch_folder() as scratch:
        path = scratch / "tokenizer.json"
        path.write_bytes(data)
        script = Path(tokenizer_trial_worker.__file__).resolve()
        ended = run_process(
            [sys.executable, "-P", str(script), str(path), str(TRIAL_BYTES), str(TRIAL_SECONDS)],
            timeout_s=TRIAL_SECONDS,
            failure=ModelError,
            what=f"{name}: the trial of this tokenizer",
            cwd=scratch,
            env={**os.environ, **ONE_THREAD},
        )
    if ended.returncode or ended.stdout.strip() != "ok":
        reason = _describe_end(ended.returncode, ended.stderr)
        raise ModelError(
            f"{name}: is not a usable tokenizer ({reason}); get the model's tokenizer.json again"
        )
    return b"ok"


def _describe_end(status: int, stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    last = one_line(lines[-1]) if lines else "no message"
    if status < 0:
        return f"the tokenizers library died of it, by signal {-status}: {last}"
    return last.removeprefix("Exception: ")
