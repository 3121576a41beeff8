"""A session as a table, one row a token: first the prompt's, then the turns'."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, fields

from handler.wheel.distribution import token_text
from handler.wheel.session import Session, Turn, WheelSettings
from model_layer.language_model import LanguageModel

SETTINGS = tuple(field.name for field in fields(WheelSettings))
TURN_COLUMNS = ("index", "probability", "model_probability", "rank", "category", "sampled_from_other", "selected_at")
DRAW_COLUMNS = ("u", "target_angle", "slice_index", "seed")
COLUMNS = ("position", "kind", "token_id", "token_text", "token_bytes_hex", *TURN_COLUMNS, *DRAW_COLUMNS, *SETTINGS)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = dict[str, object]


def csv_of(session: Session, turns: list[Turn], model: LanguageModel) -> str:
    """The table. Numbers are exact (shortest decimal that reads back the same)."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(_rows(session, turns, model))
    return out.getvalue()


def _rows(session: Session, turns: list[Turn], model: LanguageModel) -> Iterator[Row]:
    for position, token_id in enumerate(session.prompt_token_ids):
        yield {"position": position, "kind": "prompt", **_token(token_id, model)}
    for position, turn in enumerate(turns, start=len(session.prompt_token_ids)):
        yield {"position": position, "kind": "turn", **_token(turn.token_id, model), **_turn(turn)}


def _token(token_id: int, model: LanguageModel) -> Row:
    content = model.token_bytes(token_id)
    return {
        "token_id": token_id,
        "token_text": cell(token_text(content)),
        "token_bytes_hex": content.hex(),
    }


def _turn(turn: Turn) -> Row:
    row: Row = {name: getattr(turn, name) for name in TURN_COLUMNS}
    row["selected_at"] = turn.selected_at.isoformat().replace("+00:00", "Z")
    drawn = {} if turn.draw is None else {**asdict(turn.draw), "seed": cell(turn.draw.seed or "")}
    return {**row, **drawn, **asdict(turn.settings)}


def cell(text: str) -> str:
    """Keep a spreadsheet from running a text as a formula; the exact bytes stand in their own column."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
