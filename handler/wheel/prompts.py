"""From a prompt's text to token ids that a model can go on from."""

from handler.wheel.errors import BlankPromptError
from model_layer.errors import ContextWindowExceededError
from model_layer.language_model import LanguageModel


def prompt_token_ids(model: LanguageModel, prompt: str) -> tuple[int, ...]:
    """The prompt's tokens. Raises BlankPromptError, and ContextWindowExceededError naming the window."""
    if not prompt.strip():
        raise BlankPromptError
    token_ids = tuple(model.encode(prompt))
    if len(token_ids) > model.context_window:
        raise ContextWindowExceededError(tokens=len(token_ids), context_window=model.context_window)
    return token_ids
