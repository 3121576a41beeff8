"""In which precision a model's weights are stored, and how far that moves its wheels, as the bake measured it."""

from typing import Any, Self

from pydantic import BaseModel, Field

from model_layer.manifest import Dtype, Manifest

AGAINST_FLOAT32 = "against the same weights in float32, over the contexts of the bake; null where it did not measure it"


class PrecisionBody(BaseModel):
    """The precision behind a wheel's probabilities."""

    dtype: Dtype = Field(description="how the weights are stored; all arithmetic is float32")
    max_probability_change: float | None = Field(
        description=f"greatest change of a probability, at temperature 1 and without a filter, {AGAINST_FLOAT32}"
    )
    mean_kl: float | None = Field(description=f"mean KL divergence in nats, {AGAINST_FLOAT32}")

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """The precision of a model, as far as the subclass tells of it."""
        numbers: dict[str, Any] = {
            name: manifest.numerics.get(name) for name in cls.model_fields if name not in ("dtype", "summary")
        }
        return cls.model_construct(dtype=manifest.dtype, **numbers)


class ModelPrecisionBody(PrecisionBody):
    """The same with all that was measured, and in words."""

    max_log_probability_change: float | None = Field(description="in nats; often of a token that is hardly ever drawn")
    max_kl: float | None = Field(description="KL divergence of the worst context, in nats")
    top_1_agreement: float | None = Field(description="share of the contexts in which the likeliest token is the same")
    contexts: int | None = Field(description="number of contexts that were compared")
    summary: str = Field(description="the same in words")

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """The precision of a model."""
        body = super().of(manifest)
        body.summary = body._in_words()
        return body

    def _in_words(self) -> str:
        if self.max_probability_change is None or self.top_1_agreement is None:
            return f"The weights are stored in {self.dtype}."
        if not self.max_probability_change:
            return f"The weights are stored in {self.dtype}, which changes no probability."
        return (
            f"The weights are stored in {self.dtype}. Compared with float32 in {self.contexts} contexts, no token's probability "
            f"changed by more than {100 * self.max_probability_change:.2g} percentage points, and the likeliest token was the "
            f"same in {100 * self.top_1_agreement:.3g} % of them."
        )
