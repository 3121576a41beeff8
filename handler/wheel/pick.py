"""A token picked from the wheel that was shown, by a draw or by hand."""

from dataclasses import dataclass
from datetime import datetime

from handler.wheel.distribution import TokenShare
from handler.wheel.errors import NotOneTokenError
from handler.wheel.session import Category, Draw, Turn
from handler.wheel.wheel import Wheel
from model_layer.language_model import LanguageModel


@dataclass(frozen=True, slots=True)
class Pick:
    """The token to append, and where the wheel has it."""

    wheel: Wheel
    share: TokenShare
    category: Category
    draw: Draw | None

    def turn(self, index: int, selected_at: datetime) -> Turn:
        """The record of it: every number is the shown wheel's."""
        return Turn(
            index=index,
            token_id=self.share.token_id,
            probability=self.share.probability,
            model_probability=self.share.model_probability,
            rank=self.share.rank,
            category=self.category,
            settings=self.wheel.settings,
            selected_at=selected_at,
            draw=self.draw,
        )


def drawn(wheel: Wheel, u: float, seed: str | None) -> Pick:
    """The token that u in [0, 1) lands on."""
    landing = wheel.at(u)
    draw = Draw(u, landing.target_angle, landing.slice_index, seed)
    return Pick(wheel, landing.share, landing.category, draw)


def chosen(wheel: Wheel, token_id: int) -> Pick:
    """The token that was pointed at. Raises TokenIdOutOfRangeError."""
    share = wheel.share_of(token_id)
    return Pick(wheel, share, wheel.category_of(share.rank), None)


def only_token(model: LanguageModel, text: str) -> int:
    """The one token that a text is. Raises NotOneTokenError."""
    token_ids = model.encode(text)
    if len(token_ids) != 1:
        raise NotOneTokenError(tokens=len(token_ids))
    return token_ids[0]
