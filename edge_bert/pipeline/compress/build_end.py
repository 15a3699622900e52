"""The end of a chain: the last model as a bundle, verified, scored, and counted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.errors import InputError
from edge_bert.pipeline.bench.bench import list_expected, run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.build.build import build_bundle
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.compress.count_whole import count_whole, expect_texts
from edge_bert.pipeline.compress.early_end import count_early, score_early
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.compress.scoring import Scoring
from edge_bert.pipeline.compress.step_effect import FileChoice, describe_cost
from edge_bert.pipeline.verify import Verified, VerifyOptions, verify_bundle
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact
from edge_bert.records.plan import BuiltEnd, Compression
from edge_bert.records.recipe import FLOAT32

REASON = "the plan ends in it"


@dataclass(frozen=True)
class EndChoice:
    """What a plan's bundle is made of: its recipe, how files are built and scored, and the model
    before anything made it smaller."""

    options: CompressOptions
    files: FileChoice
    recipe: str
    scoring: Scoring
    whole: str | None

    @property
    def lengths(self) -> tuple[int, ...]:
        """The buckets that all of its files have."""
        return self.files.lengths


def build_end(choice: EndChoice, compression: Compression, progress: Progress) -> BuiltEnd:
    """The bundle of the plan's model, run again from the disk, scored, and counted if it can be.

    Its recipe stands beside float32, which it is compared with, and is the bundle's default.
    Raises what a build raises.
    """
    options = choice.options
    bundle = OpenBundle.open(_build(choice, progress))
    verified = _verify(options, choice.recipe, progress)
    (artifact,) = [part for part in bundle.manifest.artifacts if part.name == choice.recipe]
    drift = artifact.scores.drift
    session = choice.files.open(str(options.folder), choice.recipe)
    end = BuiltEnd(
        recipe=choice.recipe,
        file=artifact.file,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        lengths=tuple(sorted(part.length for part in artifact.signatures.values())),
        runtime=str(verified.proof.runtime),
        status=verified.proof.status,
        cosine=drift.cosine_mean if drift else None,
        score=_score(choice, bundle, artifact, session, progress),
        early=score_early(bundle, artifact, choice.scoring.data, session.tokenizer),
    )
    if compression.basis.not_counted:
        return end
    return _count(choice, bundle, end, progress)


def is_current(built: BuiltEnd | None, options: CompressOptions) -> bool:
    """Whether the bundle's folder still holds the file that was built."""
    if built is None:
        return False
    try:
        bundle = OpenBundle.open(options.bundle_folder)
        digests = {artifact.file: artifact.sha256 for artifact in bundle.manifest.artifacts}
        if digests.get(built.file) != built.sha256:
            return False
        bundle.open_member(built.file)
    except InputError:
        return False
    return True


def _build(choice: EndChoice, progress: Progress) -> Path:
    options = choice.options
    recipes = tuple(dict.fromkeys((FLOAT32.name, choice.recipe)))
    build = choice.files.options_for(str(options.folder), recipes)
    data = (options.score,) if options.score else ()
    session = BuildSession.open(msgspec.structs.replace(build, out=options.bundles, data=data))
    profile = msgspec.structs.replace(
        session.profile, default_recipes=(choice.recipe,), default_reason=REASON
    )
    return build_bundle(dataclasses.replace(session, profile=profile), progress).folder


def _verify(options: CompressOptions, recipe: str, progress: Progress) -> Verified:
    """What a fresh look at the bundle gave for the file; its sentences are ours."""
    verification = verify_bundle(
        VerifyOptions(profile=options.profile, out=Path(options.bundles)), progress
    )
    (verified,) = [part for part in verification.artifacts if part.name == recipe]
    return verified


def _score(
    choice: EndChoice,
    bundle: OpenBundle,
    artifact: Artifact,
    session: BuildSession,
    progress: Progress,
) -> float | None:
    progress(f"{artifact.name}: scoring the bundle's file")
    with bundle.copy_members([artifact.file]) as files:
        subject = ModelUnderTest.of(files / artifact.file, bundle.manifest.model.head)
        return choice.scoring.score(subject, session.tokenizer)


def _count(choice: EndChoice, bundle: OpenBundle, end: BuiltEnd, progress: Progress) -> BuiltEnd:
    """`end` with its file counted in every bucket, and the whole model's float32 file too."""
    bench = BenchOptions(
        profile=choice.options.profile,
        target="emulated",
        artifacts=(end.recipe,),
        lengths=end.lengths,
        out=Path(choice.options.bundles),
    )
    measured = run_bench(bench, progress)
    costs = [
        describe_cost(part.measurement, length, end.size_bytes)
        for length, part in zip(end.lengths, measured, strict=True)
    ]
    whole = count_whole(choice.files.open(choice.whole, FLOAT32.name), end.lengths, progress)
    expected = expect_texts(
        list_expected(bundle.folder, measured), bundle.manifest.text_lengths, whole
    )
    early, data = end.early, choice.options.data
    if early is not None and data:
        early = count_early(early, bench, data[0], progress)
    return msgspec.structs.replace(
        end, costs=tuple(costs), whole_costs=whole, expected=tuple(expected), early=early
    )
