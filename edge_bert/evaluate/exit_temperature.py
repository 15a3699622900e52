"""The temperature of an exit: how certain its classes are of what the whole model says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_bert.records.checkpoint import FloatArray

LEAST, MOST = 0.05, 20.0


def fit_temperature(logits: FloatArray, classes: npt.NDArray[np.integer]) -> float:
    """The temperature at which logits [n, classes] give the least mean negative log-likelihood of
    `classes` [n] (Guo et al. 2017, arXiv:1706.04599), from 0.05 to 20."""
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    scores = np.asarray(logits, np.float64)
    own = scores[np.arange(len(scores)), classes]

    def unlikelihood(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        return float(np.mean(logsumexp(scaled, axis=1) - own / np.exp(log_temperature)))

    bounds = (np.log(LEAST), np.log(MOST))
    return float(np.exp(minimize_scalar(unlikelihood, bounds=bounds, method="bounded").x))
