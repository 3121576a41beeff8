"""The report of a finished run, from the files beside its weights: as JSON, and as a table."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from handler.api.contracts.lab_reports import ChangeBody, ImpactBody, ReportBody
from handler.lab.run import LabRun
from model_layer.constitution.probe import Probes
from model_layer.constitution.scores import JudgeScore, rule_scores

REPORT_FILES = ("training.json", "impact.json")
COLUMNS = ("measure", "principle", "judge", "when", "value", "low", "high", "count")


def report_of(run: LabRun, files: Mapping[str, bytes], probes: Probes) -> ReportBody:
    """Everything that is known of a run: `files` are REPORT_FILES by name, `probes` those of its base, which judged its texts."""
    training, impact = (json.loads(files[name]) for name in REPORT_FILES)
    fields: dict[str, Any] = {
        "run_id": run.id,
        "model_name": run.model_name,
        "base": run.base,
        "plan": run.plan,
        "pairs": training["plan"]["pairs"],
        "training": training["report"],
        "curve": training["curve"],
        "impact": impact,
        "judges": _judges(probes),
    }
    return ReportBody.model_validate(fields)


def table_of(impact: ImpactBody) -> str:
    """Every figure as a row, with its interval and its judge."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for measure, principle, judge, change in _changes(impact):
        for when in ("before", "after", "difference"):
            one = getattr(change, when)
            writer.writerow([measure, principle, judge, when, one.value, one.low, one.high, one.count])
    return text.getvalue()


def _changes(impact: ImpactBody) -> Iterator[tuple[str, str, str, ChangeBody]]:
    for violation in impact.violations:
        yield "violation_rate", violation.principle, violation.judge, violation.rate
    whole = {
        "alignment": (impact.alignment, "rules+model"),
        "sentences": (impact.sentences, "count"),
        "preference_accuracy": (impact.preference_accuracy, "log-probability"),
        "preference_margin_nats": (impact.preference_margin, "log-probability"),
        "neutral_perplexity": (impact.perplexity, "log-probability"),
    }
    for measure, (change, judge) in whole.items():
        if change is not None:
            yield measure, "", judge, change


def _judges(probes: Probes) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    by_rules = rule_scores("held_out")
    return {name: {"rules": _of_rules(score), "model": asdict(probes.of(name).figures)} for name, score in by_rules.items()}


def _of_rules(score: JudgeScore) -> Mapping[str, float]:
    return {"held_out_sentences": score.count, "held_out_precision": score.precision, "held_out_recall": score.recall}
