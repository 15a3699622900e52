"""A build session: inputs checked when it is opened, and values loaded from them once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.data import calibration
from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.calibration import CalibrationSet
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.sentence_files import name_source
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights, input_names, read_encoder_config
from edge_bert.encoder.dimensions import cut_dimensions
from edge_bert.encoder.token_vectors import give_token_vectors
from edge_bert.encoder.unused_tensors import judge_unused
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError, ModelError, RefusedError
from edge_bert.pipeline.build.calibration_inputs import encode_calibration
from edge_bert.pipeline.build.check_reading import check_reading
from edge_bert.pipeline.build.choices.chosen_bits import check_chosen_bits, choose_bits
from edge_bert.pipeline.build.choices.chosen_lengths import (
    choose_lengths,
    count_lengths,
    describe_choice,
    find_config,
)
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.scoring.score_labels import check_data
from edge_bert.quantize.apply_recipe import CalibrationInputs
from edge_bert.quantize.input_hessians import LayerHessians, collect_hessians
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from edge_bert.quantize.integer.calibrate.learned_encoder import LearnedEncoder
from edge_bert.quantize.integer.calibrate.learned_file import find_learned
from edge_bert.quantize.norm_rows import LayerNormRows, collect_norm_rows
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.exits import ExitRule
from edge_bert.records.profile import DeviceProfile
from edge_bert.records.recipe import DEFAULT_RECIPES, RECIPES, Recipe
from edge_bert.records.text_lengths import LengthChoice, TextLengths
from edge_bert.records.trained_bits import TrainedBits
from edge_bert.records.weight_bits import WeightBits
from edge_bert.sources.load import load_checkpoint
from edge_bert.sources.trained_bits import FILE, read_trained_bits
from edge_bert.store import cache


@dataclass(frozen=True, eq=False)
class BuildSession:
    """The inputs of a build, and what is made of them once for all stages.

    The bundle goes to `folder`. `profile` has the budget that counts: the profile's with the user's
    limits over it. `explicit` says that the user named the recipes. A candidate of a search has a
    smaller encoder in `pruned`, in place of the checkpoint's, with the `bits` of its weights, and
    the session of the `unpruned` model, whose float outputs its artifacts are compared with.
    """

    options: BuildOptions
    folder: Path
    profile: DeviceProfile
    recipes: tuple[Recipe, ...]
    explicit: bool
    lengths: tuple[int, ...]
    checkpoint: Checkpoint
    calibration: CalibrationSet
    evaluation_sets: tuple[EvaluationSet, ...]
    pruned: EncoderWeights | None = None
    bits: WeightBits | None = None
    unpruned: BuildSession | None = None

    @classmethod
    def open(cls, options: BuildOptions) -> BuildSession:
        """Check every input and load the small ones. The cheap checks come first.

        Raises InputError (and its kinds) with one line that says what to change.
        """
        profile = profiles.load_profile(options.profile)
        recipes = find_recipes(options.recipes)
        check_chosen_bits(options, recipes or DEFAULT_RECIPES)
        sentences = _read_calibration(options)
        evaluation_sets = tuple(map(parse_reference, options.data))
        tokenizer = Path(options.tokenizer) if options.tokenizer else None
        checkpoint = _name_unused(
            load_checkpoint(options.model, cache.cache_folder("models"), tokenizer, options.via)
        )
        if options.dimensions is not None:
            checkpoint = cut_dimensions(checkpoint, options.dimensions)
        if options.token_vectors:
            checkpoint = give_token_vectors(checkpoint)
        lengths, cut = choose_lengths(checkpoint, options, evaluation_sets)
        checkpoint = dataclasses.replace(checkpoint, warnings=(*checkpoint.warnings, *cut))
        session = cls(
            options=options,
            folder=options.folder,
            profile=msgspec.structs.replace(profile, budget=options.merge_budget(profile.budget)),
            recipes=recipes or _default_recipes(checkpoint),
            explicit=bool(recipes),
            lengths=lengths,
            checkpoint=checkpoint,
            calibration=sentences,
            evaluation_sets=evaluation_sets,
        )
        for evaluation_set in evaluation_sets:
            check_data(evaluation_set, checkpoint.head)
        _check_tokenizer(session)
        check_reading(checkpoint, session.tokenizer, sentences.held_out)
        return session

    @property
    def is_opaque(self) -> bool:
        """Whether the encoder is onnx2tf's to convert, so that its layers are not known."""
        return self.checkpoint.onnx is not None and not self.checkpoint.weights

    @functools.cached_property
    def weights(self) -> EncoderWeights:
        """The encoder's weights under our names: those of the checkpoint, or the pruned ones."""
        return self.pruned or encoder_weights(self.checkpoint)

    @property
    def exit_rule(self) -> ExitRule | None:
        """The rule of the checkpoint's exits; a candidate of a search has none."""
        exits = self.checkpoint.exits
        return exits.saved.rule if exits is not None and self.weights.exits else None

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer with its default prompt, truncating at the longest bucket."""
        checkpoint = self.checkpoint
        return Tokenizer.open_file(checkpoint.tokenizer, max(self.lengths), checkpoint.prompts)

    @functools.cached_property
    def text_lengths(self) -> tuple[TextLengths, ...]:
        """How long the user's texts are, cut at the longest bucket."""
        return count_lengths(
            self.tokenizer, self.checkpoint.head.task, self.options, self.evaluation_sets
        )

    @property
    def length_choice(self) -> LengthChoice | None:
        """What the buckets that were chosen for the texts save; None where the user gave them."""
        if self.options.auto_lengths is None:
            return None
        config = self.pruned.config if self.pruned else find_config(self.checkpoint)
        rule = self.exit_rule
        exits = 0 if rule is None else len(rule.points)
        return describe_choice(config, self.recipes, self.lengths, self.text_lengths, exits)

    @functools.cached_property
    def calibration_inputs(self) -> CalibrationInputs:
        """The calibration sentences as inputs [1, n], each at its own length without padding."""
        names, head = input_names(self.checkpoint), self.checkpoint.head
        return encode_calibration(self.tokenizer, names, self.calibration.sentences, head)

    @functools.cached_property
    def calibrated(self) -> CalibratedEncoder:
        """The calibration pass that the recipes with calibrated integers share."""
        return calibrate_encoder(self.weights, self.calibration_inputs)

    @functools.cached_property
    def _learned(self) -> LearnedEncoder | None:
        """What training found for one recipe of integers, where the model's folder has it."""
        return None if self.pruned is not None else find_learned(self.checkpoint)

    def learned_for(self, recipe: Recipe) -> LearnedEncoder | None:
        """The integers and ranges that training found for `recipe`, if it was trained for it."""
        learned = self._learned if recipe.needs_calibration else None
        return learned if learned is not None and learned.recipe == recipe.name else None

    @functools.cached_property
    def _trained(self) -> TrainedBits | None:
        """The hybrid file that the weights were trained for; a pruned encoder is none of it.

        Raises ModelError where that file is of another encoder.
        """
        trained = read_trained_bits(self.checkpoint.folder) if self.pruned is None else None
        if trained is None:
            return None
        told, layers = len(trained.bits.matrix_bits), read_encoder_config(self.checkpoint).layers
        if told != layers:
            raise ModelError(
                f"{self.checkpoint.name}: {FILE} is of {told} layers and the model has {layers}; "
                "delete it to round the weights as any others."
            )
        return trained

    def is_trained_for(self, recipe: Recipe) -> bool:
        """Whether the weights are the integers of the recipe's hybrid file already."""
        return self._trained is not None and self._trained.recipe == recipe.name

    def bits_for(self, recipe: Recipe) -> WeightBits | None:
        """The bits of a candidate, those that the weights were trained for, or the user's.

        None for the recipe's own. Raises RefusedError where the user chose bits of layers that are
        not known, or others than the weights were trained for.
        """
        if self.bits is not None:
            return self.bits
        chosen = self._chosen_bits(recipe)
        if self._trained is None or not self.is_trained_for(recipe):
            return chosen
        if chosen not in (None, self._trained.bits):
            raise RefusedError(
                f"{self.checkpoint.name} was trained for {recipe.name} with bits of its own; leave "
                "--table-bits and --wide out, or give them to `invoke qat`."
            )
        return self._trained.bits

    def _chosen_bits(self, recipe: Recipe) -> WeightBits | None:
        if self.options.table_bits is None and not self.options.wide:
            return None
        if self.is_opaque:
            raise RefusedError(
                "--table-bits and --wide need an encoder that edge-bert recognises; leave them out."
            )
        return choose_bits(self.options, recipe, read_encoder_config(self.checkpoint).layers)

    @functools.cached_property
    def hessians(self) -> list[LayerHessians]:
        """Input Hessians for GPTQ (Frantar et al. 2022), over the calibration set."""
        return collect_hessians(self.weights, self.calibration_inputs)

    @functools.cached_property
    def norm_rows(self) -> list[LayerNormRows]:
        """Rows of every LayerNorm, by which matrices read them before or after gamma and beta."""
        return collect_norm_rows(self.weights, self.calibration_inputs)

    def encode_inputs(self, sentences: Sequence[str]) -> CalibrationInputs:
        """Sentences as inputs [1, n], each at its own length without padding."""
        return encode_unpadded(self.tokenizer, input_names(self.checkpoint), sentences)


def find_recipes(names: Sequence[str]) -> tuple[Recipe, ...]:
    """The recipes of these names; InputError for an unknown one."""
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        raise InputError(f"No recipe is called {unknown[0]!r}; there are {', '.join(RECIPES)}.")
    return tuple(RECIPES[name] for name in dict.fromkeys(names))


def _default_recipes(checkpoint: Checkpoint) -> tuple[Recipe, ...]:
    """Ours, and the one that the weights were trained for."""
    trained = read_trained_bits(checkpoint.folder), find_learned(checkpoint)
    names = [one.recipe for one in trained if one is not None]
    own = (RECIPES[name] for name in names if name in RECIPES)
    return tuple(dict.fromkeys((*DEFAULT_RECIPES, *own)))


def _read_calibration(options: BuildOptions) -> CalibrationSet:
    """The user's sentences, or ours."""
    if options.calibration is None:
        return calibration.select_sentences(
            calibration.default_sentences(), options.calibration_count, options.seed
        )
    sentences = calibration.load_sentences(options.calibration)
    return calibration.select_sentences(
        sentences,
        options.calibration_count,
        options.seed,
        source=name_source(options.calibration),
    )


def _name_unused(checkpoint: Checkpoint) -> Checkpoint:
    """`checkpoint` with a warning that names tensors which nothing reads."""
    if checkpoint.onnx is not None:  # it holds what its graph computes
        return checkpoint
    warnings = (*checkpoint.warnings, *judge_unused(checkpoint))
    return dataclasses.replace(checkpoint, warnings=warnings)


def _count_rows(checkpoint: Checkpoint) -> int | None:
    """The rows of the token table; None where they are not known."""
    if checkpoint.onnx and not checkpoint.weights:
        return checkpoint.onnx.vocabulary
    return read_encoder_config(checkpoint).vocabulary


def _check_tokenizer(session: BuildSession) -> None:
    """The tokenizer opens, has room in the longest bucket, and gives no id without a row."""
    rows, largest_id = _count_rows(session.checkpoint), session.tokenizer.largest_id
    if rows is not None and largest_id >= rows:
        raise ModelError(
            f"{session.checkpoint.tokenizer}: gives token ids up to {largest_id}, the model has "
            f"{rows} embeddings; take the tokenizer that belongs to the model."
        )
