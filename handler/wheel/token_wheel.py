"""The transitions of a session: each takes a Session and gives the next one, and keeps nothing.

Invariant: a token is drawn, chosen and recorded from the wheel that (model, token ids, settings) name, which is the wheel shown.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from handler.wheel.errors import (
    NothingChosenError,
    NothingToUndoError,
    PromptMissingError,
    SessionFinishedError,
    SettingOutOfRangeError,
)
from handler.wheel.lifetime import Lifetime
from handler.wheel.outcomes import Appended, Change, FinishReason, Forked, Look, PromptSet, Started, Undone
from handler.wheel.pick import Pick, chosen, drawn, only_token
from handler.wheel.prompts import prompt_token_ids
from handler.wheel.session import Session, WheelSettings
from handler.wheel.settings_change import SettingsChange
from handler.wheel.wheel import Wheel, make_wheel
from model_layer.errors import ModelNotFoundError, ModelNotLoadableError
from model_layer.language_model import LanguageModel
from model_layer.sampling import seeded_uniform, system_uniform


class Models(Protocol):
    """The models there are, by name."""

    @property
    def default(self) -> str:
        """The name of the model of a session that names none."""

    def get(self, name: str) -> LanguageModel:
        """The loaded model. Raises ModelNotFoundError, ModelNotLoadableError."""


class TokenWheel:
    """Start, look, spin, choose, undo and fork, on a session's values."""

    def __init__(
        self,
        models: Models,
        *,
        clock: Callable[[], datetime],
        idle_ttl_s: int = 3_600,
        max_age_s: int = 7 * 86_400,
        max_turns: int = 512,
        uniform: Callable[[], float] = system_uniform,
    ) -> None:
        """`clock` gives aware times; `uniform` is where the numbers of unseeded draws come from."""
        self._models = models
        self._lifetime = Lifetime(clock, idle_ttl_s=idle_ttl_s, max_age_s=max_age_s)
        self._max_turns = max_turns
        self._uniform = uniform

    def start(self, *, model_name: str | None, prompt: str | None, settings: SettingsChange) -> Change[Started]:
        """A new session of a model, at its prompt when one is given.

        Raises ModelNotFoundError, ModelNotLoadableError, BlankPromptError, ContextWindowExceededError, SettingOutOfRangeError.
        """
        name = self._models.default if model_name is None else model_name
        model = self._models.get(name)
        starting_settings = settings.applied_to(WheelSettings(), vocab_size=model.vocab_size)
        session = replace(
            self._lifetime.begin(name),
            prompt_token_ids=() if prompt is None else prompt_token_ids(model, prompt),
            settings=starting_settings,
            starting_settings=starting_settings,
        )
        return Change(session, Started(session, self.text(session), self._wheel_to_spin(session), self.finish_reason(session)))

    def look(self, session: Session, settings_change: SettingsChange) -> Change[Look]:
        """The wheel after the session's tokens; its settings are then the settings last shown. The version stays.

        What is not given is as the session began. Raises PromptMissingError, SettingOutOfRangeError.
        """
        settings = settings_change.applied_to(session.starting_settings, vocab_size=self.model_of(session).vocab_size)
        looks = session.looks + (settings != session.settings)
        after = self.seen(replace(session, settings=settings, looks=looks))
        return Change(after, Look(after, self.text(after), self._wheel(after), self.finish_reason(after)))

    def set_prompt(self, session: Session, prompt: str) -> Change[PromptSet]:
        """The session at another prompt, without turns. Raises BlankPromptError, ContextWindowExceededError."""
        token_ids = prompt_token_ids(self.model_of(session), prompt)
        after = self._changed(replace(session, prompt_token_ids=token_ids, generated_token_ids=()))
        return Change(after, PromptSet(after, self.text(after), len(token_ids), self.finish_reason(after)))

    def spin(self, session: Session, settings_change: SettingsChange, seed: str | None = None) -> Change[Appended]:
        """Append the token that one uniform number lands on: a seed's number for this turn, else the operating system's.

        Settings that are not given are those last shown. Raises PromptMissingError, SessionFinishedError, SettingOutOfRangeError.
        """
        wheel = self.shown_wheel(session, settings_change)
        return self._appended(session, drawn(wheel, self._u(session, seed), seed))

    def choose(
        self,
        session: Session,
        *,
        token_id: int | None = None,
        token_text: str | None = None,
        category: str | None = None,
        settings_change: SettingsChange,
        seed: str | None = None,
    ) -> Change[Appended]:
        """Append a given token, without a draw, or with category "other" one that is drawn within Other's arc.

        Raises what `spin` raises, and NothingChosenError, NotOneTokenError, TokenIdOutOfRangeError, NothingInOtherError.
        """
        if (token_id, token_text, category).count(None) != 2 or category not in {None, "other"}:
            raise NothingChosenError
        wheel = self.shown_wheel(session, settings_change)
        if category is not None:
            return self._appended(session, drawn(wheel, wheel.in_other(self._u(session, seed)), seed))
        if token_text is not None:
            token_id = only_token(self.model_of(session), token_text)
        assert token_id is not None, "one of the three was given"
        return self._appended(session, chosen(wheel, token_id))

    def undo(self, session: Session) -> Change[Undone]:
        """The session without its last token. Raises NothingToUndoError at the prompt."""
        if not session.generated_token_ids:
            raise NothingToUndoError
        after = self._changed(replace(session, generated_token_ids=session.generated_token_ids[:-1]))
        return Change(after, Undone(after, session, self.text(session), self.text(after)))

    def fork(self, session: Session, *, at_turn: int | None = None) -> Change[Forked]:
        """A new session with the first `at_turn` turns of this one (all of them by default). The caller copies the turns.

        Raises SettingOutOfRangeError when there is no such turn.
        """
        turns = len(session.generated_token_ids)
        kept = turns if at_turn is None else at_turn
        if not 0 <= kept <= turns:
            raise SettingOutOfRangeError(name="at_turn", lowest=0, highest=turns)
        after = replace(
            self._lifetime.begin(session.model_name),
            prompt_token_ids=session.prompt_token_ids,
            generated_token_ids=session.generated_token_ids[:kept],
            settings=session.settings,
            starting_settings=session.starting_settings,
        )
        return Change(after, Forked(after, session, kept, self.text(after), self.finish_reason(after)))

    def shown_wheel(self, session: Session, change: SettingsChange) -> Wheel:
        """The wheel that a spin would turn: with the settings last shown, changed. Raises what `spin` raises."""
        reason = self.finish_reason(session)
        if reason is not None:
            raise SessionFinishedError(finish_reason=reason)
        settings = change.applied_to(session.settings, vocab_size=self.model_of(session).vocab_size)
        return self._wheel(replace(session, settings=settings))

    def seen(self, session: Session) -> Session:
        """The session, read now: as it is when it was accessed just before, else `touched`."""
        return self._lifetime.seen(session)

    def touched(self, session: Session) -> Session:
        """The session, accessed now: its idle time starts again, within its greatest age."""
        return self._lifetime.touched(session)

    def model_of(self, session: Session) -> LanguageModel:
        """The model of a session. Raises ModelNotLoadableError, also when it is not here any more."""
        try:
            return self._models.get(session.model_name)
        except ModelNotFoundError as error:  # not the caller's mistake: it was here when the session began
            raise ModelNotLoadableError(f"the model of this session is not here any more: {session.model_name}") from error

    def text(self, session: Session) -> str:
        """The decoding of all of the session's tokens."""
        return self.model_of(session).decode(session.token_ids) if session.token_ids else ""

    def finish_reason(self, session: Session) -> FinishReason | None:
        """Why no token can be appended, if so."""
        model = self.model_of(session)
        if session.generated_token_ids[-1:] == (model.end_of_text_id,):
            return "end_of_text"
        if len(session.token_ids) >= model.context_window:
            return "context_window"
        return "turn_limit" if len(session.generated_token_ids) >= self._max_turns else None

    def _wheel(self, session: Session) -> Wheel:
        if not session.prompt_token_ids:
            raise PromptMissingError
        model = self.model_of(session)
        return make_wheel(model.next_logits(session.token_ids), session.settings, model.token_bytes)

    def _wheel_to_spin(self, session: Session) -> Wheel | None:
        return self._wheel(session) if session.prompt_token_ids and self.finish_reason(session) is None else None

    def _u(self, session: Session, seed: str | None) -> float:
        return self._uniform() if seed is None else seeded_uniform(seed, len(session.generated_token_ids))

    def _changed(self, session: Session) -> Session:
        return self.touched(replace(session, version=session.version + 1))

    def _appended(self, session: Session, pick: Pick) -> Change[Appended]:
        token_ids = (*session.generated_token_ids, pick.share.token_id)
        after = self._changed(replace(session, generated_token_ids=token_ids, settings=pick.wheel.settings))
        turn = pick.turn(len(session.generated_token_ids), after.last_accessed)
        outcome = Appended(
            session=after,
            turn=turn,
            share=pick.share,
            other=pick.wheel.other,
            previous_text=self.text(session),
            text=self.text(after),
            wheel=self._wheel_to_spin(after),
            finish_reason=self.finish_reason(after),
        )
        return Change(after, outcome, turn)
