"""The answers about wheels of sessions: looked at, spun, chosen from."""

from dataclasses import asdict, dataclass

from handler.api.answers import precision_of, rendered
from handler.api.contracts.sessions import head_fields
from handler.api.contracts.settings import SettingsBody
from handler.api.contracts.spins import AppendedBody, AppendedToken, NextTokenProbs, OtherCategoryInfo, SpunBody
from handler.api.contracts.tokens import TokenBody, token_fields
from handler.api.contracts.turns import DrawBody
from handler.api.contracts.wheels import wheel_fields, wheel_or_none
from handler.api.history import turn_bodies, turns_with_appended
from handler.wheel.outcomes import Appended, Look
from handler.wiring import Application


@dataclass(frozen=True, slots=True)
class SpinAnswers:
    """Renders what wheels showed and what they gave."""

    application: Application

    def looked(self, look: Look) -> str:
        """The wheel after a session's tokens."""
        return rendered(
            NextTokenProbs,
            **head_fields(look.session, look.finish_reason),
            **asdict(look.wheel.settings),
            **wheel_fields(look.wheel, precision_of(self.application, look.session.model_name)),
            current_text=look.text,
            above_threshold_tokens=[TokenBody.of(piece.token) for piece in look.wheel.slices if piece.token is not None],
        )

    def spun(self, spun: Appended) -> str:
        """A drawn token, where the pointer stops, and the next wheel."""
        draw = spun.turn.draw
        assert draw is not None, "a spin draws"
        return rendered(SpunBody, **self._appended(spun), target_angle=draw.target_angle, slice_index=draw.slice_index)

    def appended(self, appended: Appended) -> str:
        """A chosen token, the history and the next wheel. What Other held is told when the token was drawn from it."""
        session = appended.session
        history = turn_bodies(self.application, session, turns_with_appended(self.application, appended))
        held = {"other_category_info": _other_info(appended)} if appended.turn.sampled_from_other else {}
        return rendered(AppendedBody, **self._appended(appended), token_history=history, **held)

    def _appended(self, appended: Appended) -> dict[str, object]:
        turn = appended.turn
        return {
            **head_fields(appended.session, appended.finish_reason),
            "appended_token": AppendedToken.model_validate(
                {**token_fields(appended.share), "category": turn.category, "sampled_from_other": turn.sampled_from_other}
            ),
            "draw": None if turn.draw is None else DrawBody.of(turn.draw),
            "settings": SettingsBody.of(turn.settings),
            "previous_text": appended.previous_text,
            "current_text": appended.text,
            "generation_count": len(appended.session.generated_token_ids),
            "wheel": wheel_or_none(appended.wheel, precision_of(self.application, appended.session.model_name)),
        }


def _other_info(appended: Appended) -> OtherCategoryInfo:
    return OtherCategoryInfo(
        total_probability=appended.other.total_probability,
        token_count=appended.other.token_count,
        selected_token_rank=appended.share.rank,
    )
