"""The requests of a job as a class would send it: wheels and completions, prompts, lengths and settings mixed, always the same.

Every prompt begins with a number of its own, so that a job gains next to nothing but from running many requests at once.
"""

from collections.abc import Sequence

from benchmarks.agreement import TEXT
from handler.api.contracts.settings import SettingsRequest
from handler.jobs.request import CheckedRequest, JobRequest, checked
from handler.settings import Settings
from model_layer.language_model import LanguageModel

REQUESTS = 80
EVERY_WHEEL = 4  # one request of four asks for a wheel, the others for completions
EVERY_PAIR = 7  # one completion of seven is two
PROMPT_TOKENS = range(4, 25)  # and those of the number that a prompt begins with
NEW_TOKENS = range(4, 29)
SETTINGS = (
    SettingsRequest(),
    SettingsRequest(temperature=0.7),
    SettingsRequest(top_k=40),
    SettingsRequest(temperature=1.3, top_p=0.9),
    SettingsRequest(min_p=0.05),
)


def job_mix(model: LanguageModel) -> list[CheckedRequest]:
    """REQUESTS requests for `model`. The prompts are pieces of a public text, as long in tokens for every tokenizer."""
    token_ids = model.encode(TEXT.read_text(encoding="utf-8")[:50_000])
    stride, limits = len(token_ids) // REQUESTS, Settings()
    requests = (_request(model, token_ids[number * stride :], number) for number in range(REQUESTS))
    return [checked(request, model, seed=str(number), limits=limits) for number, request in enumerate(requests)]


def _request(model: LanguageModel, token_ids: Sequence[int], number: int) -> JobRequest:
    prompt = f"{number} {model.decode(token_ids[: _spread(PROMPT_TOKENS, number)])}"
    settings = SETTINGS[number % len(SETTINGS)]
    if number % EVERY_WHEEL == 0:
        return JobRequest(prompt=prompt, settings=settings)
    n = 2 if number % EVERY_PAIR == 0 else 1
    return JobRequest(prompt=prompt, settings=settings, max_new_tokens=_spread(NEW_TOKENS, number), n=n)


def _spread(lengths: range, number: int) -> int:
    """Each length about as often, and neighbours far apart: 11 divides neither number of lengths."""
    return lengths[number * 11 % len(lengths)]
