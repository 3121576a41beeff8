"""The answers about sessions: from the core's outcomes to JSON text, rendered once and sent as it is stored."""

from dataclasses import asdict, dataclass

from pydantic import BaseModel
from starlette.responses import Response

from handler.api.contracts.precision import PrecisionBody
from handler.api.contracts.sessions import (
    ForkedBody,
    PromptSetBody,
    SessionCreated,
    SessionDeleted,
    SessionExport,
    SessionView,
    UndoneBody,
    head_fields,
)
from handler.api.contracts.turns import TurnsPage
from handler.api.contracts.wheels import wheel_or_none
from handler.api.history import turn_bodies, turns_and_removed
from handler.wheel.outcomes import Forked, PromptSet, Started, Undone
from handler.wheel.session import Session, Turn
from handler.wiring import Application


def rendered(contract: type[BaseModel], **fields: object) -> str:
    """An answer as JSON text, checked against its contract. An optional field that is not given is left out."""
    return contract.model_validate(fields).model_dump_json(exclude_unset=True)


def json_response(text: str, status: int = 200) -> Response:
    """The response of an answer that is JSON text already."""
    return Response(text, status, media_type="application/json")


def precision_of(application: Application, model_name: str) -> PrecisionBody:
    """What a wheel says of its model's precision."""
    return PrecisionBody.of(application.catalog.manifest(model_name))


@dataclass(frozen=True, slots=True)
class SessionAnswers:
    """Renders what became of sessions."""

    application: Application

    def started(self, started: Started) -> str:
        """A new session."""
        wheel = wheel_or_none(started.wheel, precision_of(self.application, started.session.model_name))
        return rendered(SessionCreated, **self._beginning(started.session, started.text), wheel=wheel)

    def forked(self, forked: Forked) -> str:
        """A new session that starts as another did."""
        fields = self._beginning(forked.session, forked.text)
        return rendered(ForkedBody, **fields, forked_from=forked.source.id, at_turn=forked.at_turn)

    def view(self, session: Session, turns: list[Turn]) -> str:
        """A session with the last of its history."""
        return rendered(SessionView, **self._whole(session), token_history=self._turns(session, turns))

    def export(self, session: Session, turns: list[Turn]) -> str:
        """A session with all of its history."""
        fields = {"prompt_token_ids": list(session.prompt_token_ids), "turns": self._turns(session, turns)}
        return rendered(SessionExport, **self._whole(session), **fields)

    def prompt_set(self, changed: PromptSet) -> str:
        """A session at a new prompt."""
        fields = {"current_text": changed.text, "token_count": changed.token_count, "message": "the prompt is set"}
        return rendered(PromptSetBody, **self._head(changed.session), **fields)

    def undone(self, undone: Undone) -> str:
        """A session without its last token."""
        left, removed = turns_and_removed(self.application, undone)
        return rendered(
            UndoneBody,
            **self._head(undone.session),
            previous_text=undone.previous_text,
            removed_token=self._turns(undone.session, [removed])[0],
            current_text=undone.text,
            token_history=self._turns(undone.session, left),
            generation_count=len(undone.session.generated_token_ids),
            message="the last token is undone",
        )

    def deleted(self, session: Session) -> str:
        """A session that is gone."""
        return rendered(SessionDeleted, session_id=session.id, message="the session is deleted")

    def page(self, session: Session, turns: list[Turn]) -> str:
        """A page of a session's history."""
        count = len(session.generated_token_ids)
        last = turns[-1].index if turns else count
        return rendered(
            TurnsPage,
            session_id=session.id,
            turns=self._turns(session, turns),
            generation_count=count,
            next_after=last if last + 1 < count else None,
        )

    def _head(self, session: Session) -> dict[str, object]:
        return head_fields(session, self.application.wheel.finish_reason(session))

    def _beginning(self, session: Session, text: str) -> dict[str, object]:
        more = {"model_name": session.model_name, "created_at": session.created_at, "current_text": text}
        return {**self._head(session), **more, "initial_prompt": self._prompt(session)}

    def _whole(self, session: Session) -> dict[str, object]:
        return {
            **self._beginning(session, self.application.wheel.text(session)),
            "generation_count": len(session.generated_token_ids),
            "settings": asdict(session.settings),
            "last_accessed": session.last_accessed,
        }

    def _prompt(self, session: Session) -> str:
        return self.application.wheel.model_of(session).decode(session.prompt_token_ids)

    def _turns(self, session: Session, turns: list[Turn]) -> list[BaseModel]:
        return [*turn_bodies(self.application, session, turns)]
