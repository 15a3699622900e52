"""What a build is asked for, checked before any long work begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert import profiles
from edge_bert.data import buckets, calibration
from edge_bert.data.calibration import CalibrationSet
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import read_encoder_config
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError, ModelError
from edge_bert.records.candidate import SearchResult
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.measurement import Measurement
from edge_bert.records.profile import DeviceProfile
from edge_bert.records.recipe import DEFAULT_RECIPES, RECIPES, Recipe
from edge_bert.records.weight_bits import WeightBits
from edge_bert.sources.load import load_checkpoint
from edge_bert.store import cache

DEFAULT_LENGTHS = (16, 32, 64, 128)
DEFAULT_OUT = Path("build")
DEFAULT_SEED = 0


@dataclass(frozen=True, eq=False)
class BuildSession:
    """Everything a build needs. `explicit` says that the user named the recipes.

    A sizing sets the rest: `encoder` is a smaller encoder that takes the place of the
    checkpoint's, `bits` are those of its weights, `whole` is the request for the whole model,
    whose float outputs its artifacts are held against, and `search` is how it was found. `counted`
    is what was counted on the emulated phone for the budget, of files that the bundle shall have.
    """

    profile: DeviceProfile
    checkpoint: Checkpoint
    recipes: tuple[Recipe, ...]
    explicit: bool
    lengths: tuple[int, ...]
    calibration: CalibrationSet
    data: tuple[EvaluationSet, ...]
    out: Path
    float_output: bool = False
    encoder: EncoderWeights | None = None
    bits: WeightBits | None = None
    whole: BuildSession | None = None
    search: SearchResult | None = None
    counted: tuple[Measurement, ...] = ()


def prepare_session(
    profile: str,
    *,
    model: str | None = None,
    tokenizer: Path | None = None,
    via: str | None = None,
    recipes: Sequence[str] = (),
    lengths: Sequence[int] = (),
    calibration_file: Path | None = None,
    calibration_count: int = calibration.DEFAULT_COUNT,
    seed: int = DEFAULT_SEED,
    data: Sequence[str] = (),
    out: Path | None = None,
    float_output: bool = False,
) -> BuildSession:
    """Check and load every input. The cheap checks come first.

    Raises InputError (and its kinds) with one line that says what to change.
    """
    device = profiles.load_profile(profile)
    chosen = recipes_named(recipes)
    sentences = _calibration(calibration_file, calibration_count, seed)
    sets = tuple(parse_reference(reference) for reference in data)
    checkpoint = load_checkpoint(model, cache.cache_folder("models"), tokenizer, via)
    wanted = _lengths(checkpoint, lengths)
    _check_tokenizer(checkpoint, max(wanted), _rows(checkpoint))
    return BuildSession(
        profile=device,
        checkpoint=checkpoint,
        recipes=chosen or DEFAULT_RECIPES,
        explicit=bool(chosen),
        lengths=wanted,
        calibration=sentences,
        data=sets,
        out=(out or DEFAULT_OUT) / profiles.bundle_name(profile),
        float_output=float_output,
    )


def _lengths(checkpoint: Checkpoint, lengths: Sequence[int]) -> tuple[int, ...]:
    """The buckets: those asked for, else the default ones that the model allows."""
    longest = checkpoint.max_length
    if checkpoint.weights:
        shape = read_encoder_config(checkpoint)
        longest = min(longest, shape.positions - shape.position_offset)
    # An encoder that was recognised has all lengths, whatever its file was exported for.
    fixed = checkpoint.onnx.fixed_length if checkpoint.onnx and not checkpoint.weights else None
    if fixed and tuple(lengths or (fixed,)) != (fixed,):
        raise InputError(
            f"The model has fixed shapes for {fixed} tokens: give --lengths {fixed}, or export it "
            "with a dynamic length."
        )
    default = tuple(length for length in DEFAULT_LENGTHS if length <= longest) or (longest,)
    default = (fixed,) if fixed else default
    return buckets.check_lengths(tuple(lengths) or default, max(longest, fixed or 0))


def _rows(checkpoint: Checkpoint) -> int | None:
    """The rows of the token table; None where they are not known."""
    if checkpoint.onnx and not checkpoint.weights:
        return checkpoint.onnx.vocabulary
    return read_encoder_config(checkpoint).vocabulary


def _check_tokenizer(checkpoint: Checkpoint, longest: int, rows: int | None) -> None:
    """The tokenizer opens, has room in the longest bucket, and gives no id without a row."""
    tokenizer = Tokenizer.open(checkpoint.tokenizer, longest)
    if rows is not None and tokenizer.largest_id >= rows:
        raise ModelError(
            f"{checkpoint.tokenizer}: gives token ids up to {tokenizer.largest_id}, the model has "
            f"{rows} embeddings; take the tokenizer that belongs to the model."
        )


def recipes_named(names: Sequence[str]) -> tuple[Recipe, ...]:
    """The recipes of these names; InputError for one that there is not."""
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        raise InputError(f"No recipe is called {unknown[0]!r}; there are {', '.join(RECIPES)}.")
    return tuple(RECIPES[name] for name in dict.fromkeys(names))


def _calibration(path: Path | None, count: int, seed: int) -> CalibrationSet:
    if path is None:
        return calibration.select_sentences(calibration.default_sentences(), count, seed)
    return calibration.select_sentences(
        calibration.load_sentences(path), count, seed, source=path.name
    )
