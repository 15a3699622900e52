"""A build session for a search: what is measured once, and the sessions of candidates."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field

import msgspec

from edge_bert.compress.prune.structure import prune_to_structure
from edge_bert.compress.prune.subnetworks import cut_subnetwork
from edge_bert.compress.train.examples import digest_weights
from edge_bert.compress.vocabulary import trim
from edge_bert.compress.vocabulary.trim import Counts, Vocabulary
from edge_bert.data.sentence_files import read_sentences
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import ModelError
from edge_bert.evaluate.outputs import finish_texts
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing.cost_bounds import candidate_bits
from edge_bert.pipeline.sizing.pruning_stats import STATS_CODE, PruningStats, read_pruning_stats
from edge_bert.progress import Progress, no_progress
from edge_bert.records.candidate import Candidate, Structure
from edge_bert.records.checkpoint import Checkpoint, FloatArray
from edge_bert.records.recipe import FLOAT32, RECIPES, Scheme
from edge_bert.records.supernet import Supernet
from edge_bert.sources.supernet import FILE, read_supernet
from edge_bert.store.cache import cache_folder
from edge_bert.store.cached import Functions, cache_key
from edge_bert.store.content_store import write_atomic

PRUNING_CODE: Functions = (
    prune_to_structure,
    cut_subnetwork,
    trim.trim_vocabulary,
    trim.prune_embeddings,
    *STATS_CODE,
)
CANDIDATES = 2  # sessions of candidates that are held: each has an encoder of its own


@dataclass(frozen=True, eq=False)
class SizingSession:
    """The unpruned model's session in `build`, with what all of its candidates need."""

    build: BuildSession
    _stats: list[PruningStats] = field(default_factory=list)
    _candidates: dict[Candidate, BuildSession] = field(default_factory=dict)

    def pruning_stats(self, progress: Progress = no_progress) -> PruningStats:
        """The importance of layers, heads and neurons, measured on first use (minutes)."""
        if not self._stats:
            self._stats.append(read_pruning_stats(self.build, progress))
        return self._stats[0]

    @functools.cached_property
    def supernet(self) -> Supernet | None:
        """The trained sub-networks that candidates are cut from; None where they are pruned.

        Raises ModelError for a `supernet.json` that cannot be read or is of another model, and for
        a model with exits or cuts of tokens, which sub-networks do not have.
        """
        weights = self.build.weights
        folder, config = self.build.checkpoint.folder, weights.config
        supernet = read_supernet(folder, config.heads, config.ffn)
        if supernet is not None and weights.exits:
            raise ModelError(
                f"{self.build.checkpoint.name} has exits and a {FILE}: what is cut from it has no "
                "exits; delete one of them, or build it whole with --unpruned."
            )
        if supernet is not None and weights.config.cuts:
            raise ModelError(
                f"{self.build.checkpoint.name} has cuts of tokens and a {FILE}, whose sub-networks "
                "were trained on all tokens; delete one of them."
            )
        return supernet

    def for_candidate(self, candidate: Candidate) -> BuildSession:
        """The session that builds `candidate`, compared with the unpruned model."""
        if candidate not in self._candidates:
            session = self._open_candidate(candidate)
            while len(self._candidates) >= CANDIDATES:
                del self._candidates[next(iter(self._candidates))]
            self._candidates[candidate] = session
        return self._candidates[candidate]

    def cut_structure(self, structure: Structure) -> EncoderWeights:
        """The model with only what `structure` keeps, and all tokens: a trained sub-network where
        the model has them, else one that is pruned in closed form."""
        unpruned = self.build.weights
        if self.supernet is not None:
            return cut_subnetwork(unpruned, structure)
        importance, sentences = self.pruning_stats().importance, self.build.calibration_inputs
        return prune_to_structure(unpruned, importance, structure, sentences)

    def for_tuned(self, candidate: Candidate, weights: EncoderWeights) -> BuildSession:
        """As `for_candidate`, with weights that learned after they were cut, and all tokens."""
        return self._open_candidate(candidate, weights)

    def for_structure(self, structure: Structure) -> BuildSession:
        """The session that builds a sub-network in the recipes that the options name."""
        return dataclasses.replace(
            self.build,
            checkpoint=self._sized_checkpoint(structure, None),
            pruned=self.cut_structure(structure),
            unpruned=self.build,
        )

    def _open_candidate(
        self, candidate: Candidate, tuned: EncoderWeights | None = None
    ) -> BuildSession:
        structure, recipe = candidate.structure, RECIPES[candidate.recipe]
        vocabulary = self._trim_vocabulary(structure.vocabulary)
        weights = tuned or self.cut_structure(structure)
        return dataclasses.replace(
            self.build,
            checkpoint=self._sized_checkpoint(structure, vocabulary, tuned),
            pruned=trim.prune_embeddings(weights, vocabulary.kept_ids) if vocabulary else weights,
            bits=candidate_bits(candidate) if recipe.scheme is Scheme.HYBRID else None,
            recipes=(recipe, FLOAT32),
            explicit=True,  # float32 in place of the chosen file would not meet the budget
            lengths=candidate.lengths,
            unpruned=self.build,
        )

    @functools.cached_property
    def expected_outputs(self) -> FloatArray:
        """The finished outputs of the unpruned float model for the held-out sentences."""
        rows = self.build.encode_inputs(self.build.calibration.held_out)
        outputs = numpy_forward.run_sentences(self.build.weights, rows)
        return finish_texts(outputs, self.build.checkpoint.head)

    @property
    def trimmed_sizes(self) -> range:
        """How many tokens a trimmed vocabulary of the model can have.

        Raises ModelError for tokenizers that cannot be trimmed.
        """
        return trim.vocabulary_sizes(self._tokenizer_file, self._token_counts)

    @functools.cached_property
    def _tokenizer_file(self) -> str:
        return self.build.checkpoint.tokenizer.read_text(encoding="utf-8")

    @functools.cached_property
    def _token_counts(self) -> Counts | None:
        """How often the corpus has each token; None without a corpus, so that the order of ids
        counts. A calibration set of the user's own is a corpus too.
        """
        source = self.build.options.corpus or self.build.options.calibration
        if source is None:
            return None
        encodings = self.build.tokenizer.encode_batch(read_sentences(source))
        rows = self.build.weights.config.vocabulary
        return trim.count_tokens((encoding.ids for encoding in encodings), rows)

    def _trim_vocabulary(self, tokens: int) -> Vocabulary | None:
        """The trimmed vocabulary; None where nothing is trimmed."""
        if tokens == self.build.weights.config.vocabulary:
            return None
        return trim.trim_vocabulary(self._tokenizer_file, self._token_counts, tokens)

    def _sized_checkpoint(
        self,
        structure: Structure,
        vocabulary: Vocabulary | None,
        tuned: EncoderWeights | None = None,
    ) -> Checkpoint:
        """The checkpoint under a name by content of its own, with the tokenizer that fits."""
        unpruned = self.build.checkpoint
        inputs = [
            unpruned.sha256,
            msgspec.json.encode(structure),
            self.build.calibration.info,
            vocabulary and vocabulary.tokenizer,
            "pruned" if self.supernet is None else "sub-network",
            tuned and digest_weights(tuned),
        ]
        key = cache_key("pruned", inputs, code=PRUNING_CODE)
        sized = dataclasses.replace(unpruned, sha256=key, origin=f"{unpruned.origin}, made smaller")
        return _with_vocabulary(sized, vocabulary) if vocabulary else sized


def _with_vocabulary(checkpoint: Checkpoint, vocabulary: Vocabulary) -> Checkpoint:
    """`checkpoint` with the files of its trimmed vocabulary, written to the cache."""
    folder = cache_folder("tokenizers") / checkpoint.sha256
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "tokenizer.json", vocabulary.tokenizer.encode())
    vocab_file = None
    if checkpoint.vocabulary is not None:
        vocab_file = folder / "vocab.txt"
        write_atomic(vocab_file, vocabulary.text.encode())
    return dataclasses.replace(
        checkpoint, tokenizer=folder / "tokenizer.json", vocabulary=vocab_file
    )
