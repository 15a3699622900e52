"""What the tasks' options have in common: their help, and reading lists from them."""

from __future__ import annotations

from pathlib import Path

PROFILE_HELP = "device profile: a name, see `invoke profiles`, or the path of a .toml file"
BUNDLE_PROFILE_HELP = f"{PROFILE_HELP}; its bundle is used"
JSON_HELP = "machine-readable output on standard output"
OUT_HELP = "folder that bundles are written to (default: build)"
BUNDLE_OUT_HELP = "folder that bundles are in (default: build)"
MODEL_HELP = "model folder, ONNX file or name on the Hugging Face hub (default: all-MiniLM-L6-v2)"
BUILT_MODEL_HELP = "the model that the bundle was built from (default: all-MiniLM-L6-v2)"
TOKENIZER_HELP = "folder of an ONNX file's tokenizer (default: the file's own folder)"
LENGTHS_HELP = "length buckets in tokens (default: 16,32,64,128)"
CALIBRATION_HELP = "calibration set of your own: .txt, .tsv, .csv or .jsonl"
CALIBRATION_COUNT_HELP = "how many calibration sentences to use (default: 256)"
DATA_HELP = "labelled data: stsb:FILE, sst2:FILE, FILE.csv:text=A,label=B; may be repeated"
CORPUS_HELP = "texts whose words a trimmed vocabulary keeps (default: the --calibration file)"
SERIAL_HELP = "the device's serial, see `invoke devices`; needed when there are several"


def split_csv(text: str | None) -> list[str]:
    """The items of a comma-separated option."""
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def parse_ints(option: str, text: str | None, example: str = "1,2,4") -> list[int]:
    """The whole numbers of a comma-separated option. Raises InputError for anything else."""
    from edge_bert.errors import InputError

    try:
        return [int(item) for item in split_csv(text)]
    except ValueError:
        raise InputError(f"--{option} {text}: give whole numbers, such as {example}.") from None


def parse_int(option: str, text: str | None) -> int | None:
    """A whole number; None without a text. Raises InputError for anything else."""
    numbers = parse_ints(option, text, "10")
    if len(numbers) > 1:
        from edge_bert.errors import InputError

        raise InputError(f"--{option} {text}: give one whole number.")
    return numbers[0] if numbers else None


def parse_float(option: str, text: str | None) -> float | None:
    """A number; None without a text. Raises InputError for anything else."""
    from edge_bert.errors import InputError

    try:
        return None if text is None else float(text)
    except ValueError:
        raise InputError(f"--{option} {text}: give a number.") from None


def require_option(option: str, text: str | None) -> str:
    """The value of an option that has no default. Raises InputError without one."""
    from edge_bert.errors import InputError
    from edge_bert.installation import task_command

    if not text:
        raise InputError(
            f"--{option} is missing; `{task_command('TASK --help')}` explains a task's options."
        )
    return text


def bundle_folder(out: str, profile: str | None) -> Path:
    """The folder of the bundle for --profile, a name or the path of a file, in --out."""
    from edge_bert.profiles import bundle_name

    return Path(out) / bundle_name(require_option("profile", profile))
