"""A search's jobs in a process of their own: sessions opened from options, and held by content."""

from __future__ import annotations

from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing import evaluate_candidate
from edge_bert.pipeline.sizing.session import SizingSession
from edge_bert.records.base import Record
from edge_bert.records.candidate import Candidate, CandidateCost
from edge_bert.store.content_store import key_of


class SearchContext(Record, frozen=True):
    """The context of a search that a worker process needs.

    `content` is a digest of what the names and paths in `options` lead to: a process that lives
    on, as a Dask worker does, then takes no file for what it was before.
    """

    options: BuildOptions
    content: str


_SESSIONS: dict[str, SizingSession] = {}  # the latest one, by its context's digest


def hold_session(context: SearchContext, sizing: SizingSession) -> SizingSession:
    """Keep `sizing` for the jobs of its search in this process, in place of any other."""
    _SESSIONS.clear()
    return _SESSIONS.setdefault(_digest(context), sizing)


def session_of(context: SearchContext) -> SizingSession:
    """The session of a search, opened once in every process."""
    held = _SESSIONS.get(_digest(context))
    return held or hold_session(context, SizingSession(BuildSession.open(context.options)))


def score(context: SearchContext, candidate: Candidate) -> float:
    """See `score_candidate`."""
    return evaluate_candidate.score_candidate(session_of(context), candidate)


def cost(context: SearchContext, candidate: Candidate) -> CandidateCost:
    """See `measure_cost`."""
    return evaluate_candidate.measure_cost(session_of(context), candidate)


def _digest(context: SearchContext) -> str:
    return key_of(context.options, context.content)
