"""One sampled text: the tokens that a model goes on with, each drawn from its wheel."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from handler.jobs.request import CheckedRequest
from handler.wheel.distribution import TokenShare
from handler.wheel.wheel import draw_token
from model_layer.language_model import LanguageModel
from model_layer.sampling import seeded_uniform

CompletionEnd = Literal["end_of_text", "context_window", "length"]


class Completion:
    """Reads the logits after each token and draws the next one, as a session's seeded spins do."""

    def __init__(self, model: LanguageModel, request: CheckedRequest, seed: str) -> None:
        self.seed = seed
        self.tokens: list[TokenShare] = []
        self._model = model
        self._request = request

    def __call__(self, logits: NDArray[np.float32]) -> int | None:
        """The token to go on with, or None at the end. Raises ValueError for logits that are not finite."""
        u = seeded_uniform(self.seed, len(self.tokens))
        share = draw_token(logits, self._request.settings, self._model.token_bytes, u)
        self.tokens.append(share)
        return share.token_id if self.finish_reason is None else None

    @property
    def finish_reason(self) -> CompletionEnd | None:
        """Why no token comes after those that there are, if so."""
        if self.tokens and self.tokens[-1].token_id == self._model.end_of_text_id:
            return "end_of_text"
        if len(self._request.token_ids) + len(self.tokens) >= self._model.context_window:
            return "context_window"
        return "length" if len(self.tokens) >= self._request.max_new_tokens else None

    @property
    def text(self) -> str:
        """The decoding of all tokens but the end of text."""
        token_ids = [share.token_id for share in self.tokens]
        return self._model.decode(token_ids[:-1] if self.finish_reason == "end_of_text" else token_ids)
