"""What can go wrong with a wheel, a session or a job. No HTTP here, and no message ever holds a student's text.

WheelError
├── InvalidRequestError          the request makes no sense for this session
│   ├── PromptMissingError       no prompt yet
│   ├── BlankPromptError         a prompt of white space only
│   ├── NotOneTokenError         a text that is not exactly one token
│   ├── NothingChosenError       neither a token nor a category given, or more than one
│   ├── NothingInOtherError      every possible token has its own slice
│   ├── NothingToUndoError       no turn left
│   ├── RefusedRequestError      some of a job's requests cannot be run
│   ├── MalformedLineError       a line of a file of requests that is not JSON
│   ├── FilesNotTakenError       this server has no folder of S3 for jobs of files
│   ├── SourceNotFoundError      no such file of requests, or another one by now
│   ├── SourceTooLargeError      a file of requests beyond its limits
│   ├── ResultsElsewhereError    the results of this job are files in S3
│   ├── SettingOutOfRangeError   a wheel setting outside its limits
│   └── NotOnLambdaError         only a Lambda function can call itself
├── SessionNotFoundError         no such session, or it has expired
├── SessionFinishedError         end of text, a full context window or the last turn was reached
├── VersionConflictError         another write came first
├── IdempotencyKeyReusedError    the same key with another request
├── SessionBusyError             other writes came first, every time
├── JobNotFoundError             no such job, or it has expired
├── JobCancelledError            a result came too late
├── GivenUpError                 a task failed as often as it may
├── OutOfTimeError               an invocation ended before a request of its batch
└── StoreUnavailableError        the store of sessions or jobs, or the queue, does not answer
"""

from collections.abc import Mapping


class WheelError(Exception):
    """Base of every error raised by the core and the stores."""


class InvalidRequestError(WheelError):
    """Raise when a well-formed request makes no sense for this session."""


class PromptMissingError(InvalidRequestError):
    """Raise when a wheel is asked for before a prompt was set."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("the session has no prompt yet: set one first")


class BlankPromptError(InvalidRequestError):
    """Raise when a prompt holds white space only."""

    def __init__(self) -> None:
        """Say what is wanted."""
        super().__init__("prompt must hold more than white space")


class NotOneTokenError(InvalidRequestError):
    """Raise when a text to append is not exactly one token."""

    def __init__(self, *, tokens: int) -> None:
        """Name the number of tokens it is."""
        super().__init__(f"token_text must be exactly one token of this model, it is {tokens}")


class NothingChosenError(InvalidRequestError):
    """Raise when not exactly one of token_id, token_text and category is given."""

    def __init__(self) -> None:
        """Name the fields."""
        super().__init__('give exactly one of token_id, token_text and category ("other")')


class NothingInOtherError(InvalidRequestError):
    """Raise when Other is asked for and empty."""

    def __init__(self) -> None:
        """Say why."""
        super().__init__("nothing is in Other: every possible token has its own slice")


class NothingToUndoError(InvalidRequestError):
    """Raise when the session is back at its prompt."""

    def __init__(self) -> None:
        """Say why."""
        super().__init__("nothing to undo: the session is at its prompt")


class RefusedRequestError(InvalidRequestError):
    """Raise when requests of a job cannot be run, so that the whole job is refused."""

    def __init__(self, reasons: Mapping[int, Exception], *, most: int) -> None:
        """Keep the reasons by the requests' indices, `most` at most; their words hold nothing that was sent."""
        super().__init__(f"some requests cannot be run, so none is: errors names them, but no more than {most}")
        self.reasons = reasons


class MalformedLineError(InvalidRequestError):
    """Raise when a line of a file of requests is not JSON."""

    def __init__(self) -> None:
        """Say what is wanted."""
        super().__init__("the line is not JSON (UTF-8, no NaN, no Infinity, no lone surrogate)")


class FilesNotTakenError(InvalidRequestError):
    """Raise when a job of a file comes to a server that has no folder of S3 for such files."""

    def __init__(self) -> None:
        """Say what it takes."""
        super().__init__("this server takes no files from S3: send the requests themselves")


class SourceNotFoundError(InvalidRequestError):
    """Raise when the file that a job's requests come from is not there, may not be read, or has changed since."""

    def __init__(self, field: str = "input or output") -> None:
        """The same words for all of these, after the field they are about."""
        super().__init__(f"{field} cannot be used: it does not exist, has changed, or lies where this server may not look")


class ResultsElsewhereError(InvalidRequestError):
    """Raise when the results of a job that lie in S3 are asked for here."""

    def __init__(self) -> None:
        """Say where they are."""
        super().__init__("the results of this job lie in S3: its field folder says where")


class SourceTooLargeError(InvalidRequestError):
    """Raise when the file that a job's requests come from is longer, or has a longer line, than is taken."""

    def __init__(self, *, limit: str) -> None:
        """Name the limit."""
        super().__init__(f"input is too large: {limit}")


class SettingOutOfRangeError(InvalidRequestError):
    """Raise when a wheel setting lies outside its limits."""

    def __init__(self, *, name: str, lowest: float, highest: float) -> None:
        """Name the field and its limits, not the value."""
        super().__init__(f"{name} must be from {lowest:g} to {highest:g}")
        self.name = name


class NotOnLambdaError(InvalidRequestError):
    """Raise when several environments are to be warmed where there is no function to call."""

    def __init__(self) -> None:
        """Say what can be done here."""
        super().__init__("concurrency above 1 needs a Lambda function: AWS_LAMBDA_FUNCTION_NAME is not set here")


class SessionNotFoundError(WheelError):
    """Raise when there is no such session, or none any more."""

    def __init__(self) -> None:
        """The same words for an unknown and an expired session."""
        super().__init__("no such session: it does not exist or has expired")


class SessionFinishedError(WheelError):
    """Raise when a token is to be appended to a finished session."""

    def __init__(self, *, finish_reason: str) -> None:
        """Name the reason and the way on."""
        super().__init__(f"the session is finished ({finish_reason}): undo a turn or set a new prompt")
        self.finish_reason = finish_reason


class VersionConflictError(WheelError):
    """Raise when a session is no longer at the version a write was made for."""

    def __init__(self, *, current_version: int) -> None:
        """Name the version to look at again."""
        super().__init__(f"the session has changed: its version is now {current_version}")
        self.current_version = current_version


class IdempotencyKeyReusedError(WheelError):
    """Raise when an idempotency key comes back with another request."""

    def __init__(self) -> None:
        """Say what a key is for."""
        super().__init__("Idempotency-Key was used before with a different request: use a new key for a new request")


class SessionBusyError(WheelError):
    """Raise when a write lost against others until its attempts ran out."""

    def __init__(self) -> None:
        """Say that a retry is right."""
        super().__init__("too many writes at once: try again shortly")


class JobNotFoundError(WheelError):
    """Raise when there is no such job, or none any more."""

    def __init__(self) -> None:
        """The same words for an unknown and an expired job."""
        super().__init__("no such job: it does not exist or has expired")


class JobCancelledError(WheelError):
    """Raise when a result comes for a job that was cancelled."""

    def __init__(self) -> None:
        """Say why nothing was kept."""
        super().__init__("the job was cancelled: it takes no more results")


class GivenUpError(WheelError):
    """Raise, or keep as a result, when a task has failed as often as it may."""

    def __init__(self) -> None:
        """Say where it is to be found."""
        super().__init__("every attempt failed: the operator finds the message among the dead letters")


class OutOfTimeError(WheelError):
    """Raise, or give as a result, when an invocation has no time left for a request."""

    def __init__(self) -> None:
        """Say what helps."""
        super().__init__("no time was left for this request: send fewer at once, or a job")


class StoreUnavailableError(WheelError):
    """Raise when a store or the queue does not answer in time."""

    def __init__(self) -> None:
        """Say that a retry is right."""
        super().__init__("the store does not answer: try again shortly")
