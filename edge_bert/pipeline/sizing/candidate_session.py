"""From a candidate to the request that builds it: the smaller encoder and its own tokenizer."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import msgspec

from edge_bert.compress.prune.structure import prune_to_structure
from edge_bert.compress.vocabulary import trim
from edge_bert.compress.vocabulary.trim import Counts, Vocabulary
from edge_bert.data import calibration
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions, open_session
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing.cost_bounds import bits_of
from edge_bert.pipeline.sizing.pruning_stats import pruning_stats
from edge_bert.records.candidate import Candidate
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.recipe import FLOAT32, RECIPES, Scheme
from edge_bert.store import cache, content_store


@functools.lru_cache(maxsize=2)
def candidate_session(asked: BuildOptions, candidate: Candidate) -> BuildSession:
    """The request that builds `candidate`, with the whole model as what it is held against."""
    whole = open_session(asked)
    trimmed = _vocabulary(asked, whole, candidate.structure.vocabulary)
    recipe = RECIPES[candidate.recipe]
    return dataclasses.replace(
        whole,
        checkpoint=_checkpoint(asked, whole.checkpoint, candidate, trimmed),
        encoder=_encoder(asked, whole, candidate, trimmed),
        bits=bits_of(candidate) if recipe.scheme is Scheme.HYBRID else None,
        recipes=(recipe, FLOAT32),
        lengths=candidate.lengths,
        whole=whole,
    )


def _encoder(
    asked: BuildOptions, whole: BuildSession, candidate: Candidate, trimmed: Vocabulary | None
) -> EncoderWeights:
    weights = artifacts.session_weights(whole)
    sentences = artifacts.calibration_inputs(whole)
    smaller = prune_to_structure(
        weights, pruning_stats(asked).importance, candidate.structure, sentences
    )
    return trim.prune_embeddings(smaller, trimmed.kept) if trimmed else smaller


def _checkpoint(
    asked: BuildOptions, whole: Checkpoint, candidate: Candidate, trimmed: Vocabulary | None
) -> Checkpoint:
    """The checkpoint under a name by content of its own, with the tokenizer that fits."""
    code = content_store.source_digest(
        artifacts.PACKAGE / "compress", artifacts.PACKAGE / "encoder", Path(__file__).parent
    )
    parts = msgspec.json.encode(candidate.structure), open_session(asked).calibration.info, code
    key = content_store.key_of(whole.sha256, *parts, trimmed and trimmed.tokenizer)
    sized = dataclasses.replace(whole, sha256=key, origin=f"{whole.origin}, made smaller")
    if trimmed is None:
        return sized
    folder = cache.cache_folder("tokenizers") / key
    folder.mkdir(parents=True, exist_ok=True)
    content_store.write_atomic(folder / "tokenizer.json", trimmed.tokenizer.encode())
    vocabulary_file = None
    if whole.vocabulary is not None:
        vocabulary_file = folder / "vocab.txt"
        content_store.write_atomic(vocabulary_file, trimmed.text.encode())
    return dataclasses.replace(
        sized, tokenizer=folder / "tokenizer.json", vocabulary=vocabulary_file
    )


def trimmed_sizes(asked: BuildOptions) -> range:
    """How many tokens a trimmed vocabulary of the model can have.

    Raises ModelError for tokenizers that cannot be trimmed.
    """
    return trim.vocabulary_sizes(_tokenizer(open_session(asked)), _counts(asked))


def _vocabulary(asked: BuildOptions, whole: BuildSession, tokens: int) -> Vocabulary | None:
    """The trimmed vocabulary; None where nothing is trimmed."""
    if tokens == artifacts.session_weights(whole).config.vocabulary:
        return None
    return trim.trim_vocabulary(_tokenizer(whole), _counts(asked), tokens)


def _tokenizer(whole: BuildSession) -> str:
    return whole.checkpoint.tokenizer.read_text(encoding="utf-8")


@functools.lru_cache(maxsize=1)
def _counts(asked: BuildOptions) -> Counts | None:
    """How often the corpus has each token; None without a corpus, so that the order of ids counts.

    A calibration set of the user's own is a corpus too.
    """
    source = asked.corpus or asked.calibration
    if source is None:
        return None
    whole = open_session(asked)
    rows = artifacts.session_weights(whole).config.vocabulary
    encodings = artifacts.session_tokenizer(whole).encode_batch(
        calibration.load_sentences(Path(source))
    )
    return trim.count_tokens((each.ids for each in encodings), rows)
