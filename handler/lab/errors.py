"""What can go wrong with a training run; the rest of the tree is in `handler/wheel/errors.py`.

WheelError
├── LabOffError           this deployment has no lab
├── TooManyRunsError      as many runs as there may be
├── RunNotFoundError      no such run
├── RunFileNotFoundError  a model has no file of that name
├── RunNotFinishedError   a run that has no model or report yet
├── LeaseLostError        another worker has the run by now, or it has ended, or is gone
└── FilesGoneError        files that a run points to are not there any more
"""

from handler.wheel.errors import WheelError


class LabOffError(WheelError):
    """Raise when a run is to be started where nobody would do it."""

    def __init__(self) -> None:
        """Say who can change that."""
        super().__init__("the lab is switched off here: whoever deploys this can switch it on")


class TooManyRunsError(WheelError):
    """Raise when no more runs may be started, or kept."""

    def __init__(self, *, waiting: int, kept: int) -> None:
        """Name the limits, and what helps."""
        super().__init__(f"at most {waiting} runs may wait, and {kept} be kept: wait, or remove some")


class RunNotFoundError(WheelError):
    """Raise when there is no such run."""

    def __init__(self) -> None:
        """The same words for an unknown and a removed run."""
        super().__init__("no such run: it does not exist or was removed")


class RunFileNotFoundError(WheelError):
    """Raise when a finished model has no file of the name that is asked for."""

    def __init__(self) -> None:
        """Say where the names are."""
        super().__init__("the model has no such file: the list of its files names them")


class RunNotFinishedError(WheelError):
    """Raise when a model or a report is asked for that a run does not have yet, or never will."""

    def __init__(self) -> None:
        """Say where to look."""
        super().__init__("this run has no model: its status says whether it is still at work or failed")


class LeaseLostError(WheelError):
    """Raise when a worker writes of a run that is not its own any more."""

    def __init__(self) -> None:
        """Say why nothing was kept."""
        super().__init__("the run is not this worker's any more: nothing was kept")


class FilesGoneError(WheelError):
    """Raise when files are not where a run says."""

    def __init__(self) -> None:
        """Say it."""
        super().__init__("files of this run are gone")
