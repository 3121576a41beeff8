"""What can go wrong in the constitution lab. No message holds a user's text.

ModelLayerError
├── JudgeUnavailableError    a judge that cannot judge: this is never taken for "nothing found"
├── NoProbeError             a principle or a model that no probe was fitted for
├── RevisionFailedError      no candidate that is better than the draft
├── NothingToLearnError      no draft was flagged: there is no pair to train on
├── ForeignCheckpointError   a checkpoint of another run
└── DifferentVocabulariesError  two models that no wheel can be compared between
"""

from model_layer.errors import ModelLayerError


class JudgeUnavailableError(ModelLayerError):
    """Raise when a judge gave no verdict."""


class NoProbeError(ModelLayerError):
    """Raise when the model is to judge by a principle, or with weights, that no probe was fitted for."""


class RevisionFailedError(ModelLayerError):
    """Raise when a draft could not be revised."""


class NothingToLearnError(ModelLayerError):
    """Raise when no draft of the base model was flagged."""


class ForeignCheckpointError(ModelLayerError):
    """Raise when a checkpoint is of another run: another base, other pairs or another plan."""


class DifferentVocabulariesError(ModelLayerError):
    """Raise when two models are to be compared that have different tokens."""
