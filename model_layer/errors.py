"""What can go wrong in the model layer. No message ever holds a user's text.

ModelLayerError
├── ModelNotFoundError            no model of that name here
├── ModelNotLoadableError         a folder that cannot be served: missing, damaged or incomplete
│   └── UnsupportedArchitectureError
├── EmptySequenceError            a distribution asked for after no token at all
├── ContextWindowExceededError    more tokens than the model has positions
├── TokenIdOutOfRangeError        an id outside the vocabulary
└── BakeError                     a model that could not be baked
"""


class ModelLayerError(Exception):
    """Base of every error raised by `model_layer`."""


class ModelNotFoundError(ModelLayerError):
    """Raise when no model of the wanted name is in the catalogue."""


class ModelNotLoadableError(ModelLayerError):
    """Raise when a model's folder is missing, damaged or incomplete."""


class UnsupportedArchitectureError(ModelNotLoadableError):
    """Raise when a folder holds a network this engine does not compute."""


class EmptySequenceError(ModelLayerError):
    """Raise when a next-token distribution is asked for without any token before it."""


class ContextWindowExceededError(ModelLayerError):
    """Raise when a sequence has more tokens than the model's context window."""

    def __init__(self, *, tokens: int, context_window: int) -> None:
        """Name both numbers: the reader can then shorten the text."""
        super().__init__(f"{tokens} tokens do not fit the model's context window of {context_window} tokens")
        self.tokens = tokens
        self.context_window = context_window


class TokenIdOutOfRangeError(ModelLayerError):
    """Raise when a token id lies outside the vocabulary."""

    def __init__(self, *, vocab_size: int) -> None:
        """Name the limit, not the value."""
        super().__init__(f"token_id must be from 0 to {vocab_size - 1}")
        self.vocab_size = vocab_size


class BakeError(ModelLayerError):
    """Raise when a model cannot be baked; the message is one clear line for the person at the terminal."""
