"""The errors a user can meet. Each message is one line and says what to do next."""

from __future__ import annotations

from typing import ClassVar


class EdgeBertError(Exception):
    """A foreseen error, which the command line prints without a traceback.

    `--json` adds its `details`, by name.
    """

    exit_code: ClassVar[int] = 1

    @property
    def details(self) -> dict[str, object]:
        """More about the error, by name; most errors have nothing to add."""
        return {}


class InputError(EdgeBertError):
    """Something the user gave is not usable: a profile, a model, a file, an option."""

    exit_code: ClassVar[int] = 2


class ProfileError(InputError):
    """A device profile is unknown or malformed."""


class ModelError(InputError):
    """A model folder, wheel or weights file is missing, damaged or not supported."""


class WeightError(ModelError):
    """A tensor that is needed is not one of finite floats."""


class DataError(InputError):
    """A calibration or evaluation file, or a file of a bundle, is missing or damaged."""


class MissingToolError(EdgeBertError):
    """This machine lacks a tool or a package; the message names how to get it."""

    exit_code: ClassVar[int] = 3


class VerificationError(EdgeBertError):
    """An artifact was made but did not run, or did not give what it must, on its runtime."""

    exit_code: ClassVar[int] = 4


class RefusedError(VerificationError):
    """A runtime cannot take a recipe, or gives wrong numbers for it; a build goes on without."""


class TrainingError(EdgeBertError):
    """A training run went wrong; its last good snapshot is kept."""

    exit_code: ClassVar[int] = 4


class DeviceError(EdgeBertError):
    """A device, an emulated device or this host did not do what it was asked."""

    exit_code: ClassVar[int] = 5


class WorkerError(DeviceError):
    """A job ended every process that it was given to."""


class BudgetError(EdgeBertError):
    """No candidate meets the budget."""

    exit_code: ClassVar[int] = 7


class StopRequest(KeyboardInterrupt):
    """A signal asked to stop, and the message says what is kept; `number` is the signal's."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class BusyError(EdgeBertError):
    """Another process of ours holds what this one needs."""

    exit_code: ClassVar[int] = 6
