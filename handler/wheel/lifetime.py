"""How long a session lives."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from handler.wheel.session import Session


class Lifetime:
    """A session ends `idle_ttl_s` after its last access, and `max_age_s` after its start at the latest."""

    def __init__(self, clock: Callable[[], datetime], *, idle_ttl_s: int, max_age_s: int) -> None:
        """`clock` gives aware times."""
        self.now = clock
        self._idle_ttl = timedelta(seconds=idle_ttl_s)
        self._max_age = timedelta(seconds=max_age_s)

    def begin(self, model_name: str) -> Session:
        """A new session without tokens. Its id has 122 random bits of the operating system."""
        now = self.now()
        return self.touched(Session(str(uuid.uuid4()), model_name, now, now, expires_at_epoch_s=0))

    def seen(self, session: Session) -> Session:
        """The session, read now. An access within the last sixtieth of the idle time counts as now: most reads write nothing."""
        return self.touched(session) if self.now() - session.last_accessed > self._idle_ttl / 60 else session

    def touched(self, session: Session) -> Session:
        """The session, accessed now."""
        now = self.now()
        expires_at = min(now + self._idle_ttl, session.created_at + self._max_age)
        return replace(session, last_accessed=now, expires_at_epoch_s=int(expires_at.timestamp()))
