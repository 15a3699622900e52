"""The length buckets of a build: the user's, the default ones, or those that fit the texts best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from edge_bert.data import buckets, calibration
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.model_inputs import encode_inputs, list_inputs
from edge_bert.data.sentence_files import name_source
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.encoder.checkpoint import read_encoder_config
from edge_bert.encoder.config import EncoderConfig
from edge_bert.errors import InputError
from edge_bert.estimate.file_size import predict_size
from edge_bert.estimate.length_buckets import choose_buckets, expect_work
from edge_bert.estimate.macs import count_macs
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.records.checkpoint import Checkpoint, Task
from edge_bert.records.recipe import FLOAT32, Recipe
from edge_bert.records.text_lengths import LengthChoice, TextLengths

DEFAULT_LENGTHS = (16, 32, 64, 128)
MOST_BUCKETS = 16


def choose_lengths(
    checkpoint: Checkpoint, options: BuildOptions, data: Sequence[EvaluationSet]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The buckets of a build, and a warning where the user's are cut: a model's authors may allow
    fewer tokens than it has positions.

    Raises InputError for lengths that cannot be.
    """
    positions = longest = checkpoint.max_length
    if checkpoint.weights:
        config = read_encoder_config(checkpoint)
        positions = config.positions - config.position_offset
        longest = min(longest, positions)
    # An encoder that was recognized has all lengths, whatever its file was exported for.
    fixed = checkpoint.onnx.fixed_length if checkpoint.onnx and not checkpoint.weights else None
    default = tuple(length for length in DEFAULT_LENGTHS if length <= longest) or (longest,)
    if options.auto_lengths is not None:
        return _fit_lengths(checkpoint, options, data, (default[-1], longest)), ()
    lengths = options.lengths
    if fixed and tuple(lengths or (fixed,)) != (fixed,):
        raise InputError(
            f"The model has fixed shapes for {fixed} tokens: give --lengths {fixed}, or export it "
            "with a dynamic length."
        )
    default = (fixed,) if fixed else default
    chosen = buckets.check_lengths(tuple(lengths) or default, max(positions, fixed or 0))
    return _cut_lengths(chosen, max(longest, fixed or 0))


def count_lengths(
    tokenizer: Tokenizer, task: Task, options: BuildOptions, data: Sequence[EvaluationSet]
) -> tuple[TextLengths, ...]:
    """The lengths of the inputs that the user's data sets and calibration sentences make.

    Two texts of a row are one input, but two of an embedding model; a query or passage that comes
    up in many rows counts once. What is longer than the tokenizer allows is cut.
    """
    lengths = [_count_set(tokenizer, task, part) for part in data]
    if options.calibration is not None:
        sentences = calibration.load_sentences(options.calibration)
        source = name_source(options.calibration)
        lengths.append(_count_encodings(source, tokenizer.encode_batch(sentences)))
    return tuple(lengths)


def describe_choice(
    config: EncoderConfig | None,
    recipes: Iterable[Recipe],
    lengths: Sequence[int],
    texts: Sequence[TextLengths],
    exits: int = 0,
) -> LengthChoice:
    """What buckets save over `texts` against the default ones, and what one more costs in bytes,
    of a model with so many exits."""
    together, longest = _add_lengths(texts), max(lengths)
    against = (*(length for length in DEFAULT_LENGTHS if length < longest), longest)
    work = _work_of(config)
    ratio = expect_work(together, lengths, work) / expect_work(together, against, work)
    sizes = {} if config is None else _bucket_sizes(config, recipes, longest, exits)
    return LengthChoice(
        texts=together.total,
        against=against,
        unit="tokens" if config is None else "multiply-adds",
        saved=1 - ratio,
        longest_bucket_bytes=sizes,
    )


def _bucket_sizes(
    config: EncoderConfig, recipes: Iterable[Recipe], length: int, exits: int
) -> dict[str, int]:
    """What a bucket of `length` adds to the file of each recipe; heads are there once."""

    def size(recipe: Recipe, lengths: Sequence[int]) -> int:
        return predict_size(config, recipe, lengths, exits=((),) * exits)

    return {
        recipe.name: size(recipe, (length, length)) - size(recipe, (length,)) for recipe in recipes
    }


def _fit_lengths(
    checkpoint: Checkpoint,
    options: BuildOptions,
    data: Sequence[EvaluationSet],
    limits: tuple[int, int],
) -> tuple[int, ...]:
    """The buckets of least multiply-adds over the user's texts.

    The last one is that of the default lengths, so that texts to come are cut no sooner than
    without the choice, or the longest text's where the authors allow more: `limits`.
    """
    count = options.auto_lengths or 0
    if not 1 <= count <= MOST_BUCKETS:
        raise InputError(f"--lengths auto:{count}: give 1 to {MOST_BUCKETS} buckets.")
    if checkpoint.onnx and checkpoint.onnx.fixed_length and not checkpoint.weights:
        raise InputError(
            f"--lengths auto: the model has fixed shapes for {checkpoint.onnx.fixed_length} tokens."
        )
    usual, longest = limits
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, longest, checkpoint.prompts)
    texts = count_lengths(tokenizer, checkpoint.head.task, options, data)
    if not texts:
        raise InputError("--lengths auto: give the texts that it fits, --calibration or --data.")
    counts = _add_lengths(texts).by_tokens
    last = max(usual, *counts)
    return tuple(choose_buckets(counts, _work_of(find_config(checkpoint)), count, last))


def _add_lengths(texts: Iterable[TextLengths]) -> TextLengths:
    counts: Counter[int] = Counter()
    for lengths in texts:
        counts.update(lengths.by_tokens)
    return TextLengths.of("all", counts)


def find_config(checkpoint: Checkpoint) -> EncoderConfig | None:
    """The config of an encoder with BERT's layers, whose work can be computed; None of others."""
    if checkpoint.onnx and not checkpoint.weights:
        return None
    config = read_encoder_config(checkpoint)
    return config if isinstance(config, EncoderConfig) else None


def _work_of(config: EncoderConfig | None) -> Callable[[int], float]:
    """The multiply-adds of one inference at a length, which are those of every recipe.

    Where the layers are not known, the tokens: the work of all but attention.
    """
    if config is None:
        return float
    return lambda length: count_macs(config, FLOAT32, length).float32


def _count_set(tokenizer: Tokenizer, task: Task, data: EvaluationSet) -> TextLengths:
    """Each input as often as the data has it, but queries and passages of a search once."""
    inputs = list_inputs(data, task)
    if task is Task.EMBEDDING and data.kind == "ranking":
        inputs = tuple(dict.fromkeys(inputs))
    return _count_encodings(data.name, encode_inputs(tokenizer, inputs))


def _count_encodings(source: str, encodings: Iterable[Encoding]) -> TextLengths:
    return TextLengths.of(source, Counter(map(len, encodings)))


def _cut_lengths(lengths: tuple[int, ...], longest: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """`lengths` without those above what the authors allow, which is the last of them then."""
    above = [length for length in lengths if length > longest]
    if not above:
        return lengths, ()
    kept = tuple(dict.fromkeys(min(length, longest) for length in lengths))
    names = ", ".join(map(str, above))
    return kept, (f"its authors cut texts at {longest} tokens: built for that instead of {names}",)
