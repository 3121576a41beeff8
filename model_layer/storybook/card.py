"""Write the model card of a baked storybook model: `python -m model_layer.storybook.card --help`.

Every figure on the card is measured here, on the baked weights, from the passages that training never saw.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from transformers import GPT2LMHeadModel

from model_layer.language_model import LanguageModel
from model_layer.sampling import draw_rank, probabilities, rank_order, seeded_uniform
from model_layer.storybook.corpus import Passage, read_passages, training_texts
from model_layer.storybook.evaluate import bigram_nats, bits_per_character, passage_ids
from model_layer.storybook.train import encode_stream

PROMPTS = (
    "Once upon a time there was a",
    "The king said to his daughter,",
    '"Oh, dear!" said Alice,',
    "It was a dark night in the forest, and",
    "The little dog ran",
)
SAMPLE_TOKENS = 120
SAMPLE_TEMPERATURE = 0.8


@dataclass(frozen=True, slots=True)
class Figures:
    """Held-out measures, of the model and of the Witten-Bell bigram over the same tokens."""

    passages: int
    characters: int
    tokens: int
    bits_per_character: float
    bigram_bits_per_character: float

    def perplexity(self, bits_per_character: float) -> float:
        """Per token: exp of the mean negative log-likelihood of one token."""
        return math.exp(bits_per_character * math.log(2) * self.characters / self.tokens)


def measure(folder: Path, passages: list[Passage]) -> Figures:
    """Figures of the baked model in `folder` on the held-out passages."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = GPT2LMHeadModel.from_pretrained(folder, dtype="float32")
    held_out = [passage for passage in passages if passage.held_out]
    ids = [passage_ids(tokenizer, passage) for passage in held_out]
    characters = sum(passage.characters for passage in held_out)
    train = encode_stream(tokenizer, training_texts(passages))
    bigram = bigram_nats(train, ids, vocab_size=model.config.vocab_size)
    return Figures(
        passages=len(held_out),
        characters=characters,
        tokens=sum(len(sequence) - 1 for sequence in ids),
        bits_per_character=bits_per_character(model, tokenizer, held_out, window=model.config.n_positions),
        bigram_bits_per_character=bigram / math.log(2) / characters,
    )


def sample(model: LanguageModel, prompt: str, *, seed: int) -> str:
    """The prompt and what the model writes after it, each token drawn by inverse CDF from one seeded uniform."""
    ids = model.encode(prompt)
    for index in range(SAMPLE_TOKENS):
        p = probabilities(model.next_logits(ids), temperature=SAMPLE_TEMPERATURE)
        order = rank_order(p)
        cumulative = p[order].cumsum()
        token_id = int(order[draw_rank(cumulative / cumulative[-1], seeded_uniform(str(seed), index))])
        if token_id == model.end_of_text_id:
            break
        ids.append(token_id)
    return model.decode(ids)


def render(figures: Figures, recipe: dict[str, object], manifest: dict[str, int], samples: list[str]) -> str:
    """The card in Markdown, from the template beside this file."""
    template = (Path(__file__).parent / "card_template.md").read_text(encoding="utf-8")
    values = {**recipe, **manifest, "passages": figures.passages, "characters": f"{figures.characters:,}"}
    return template.format(
        **values,
        bits=f"{figures.bits_per_character:.3f}",
        bigram_bits=f"{figures.bigram_bits_per_character:.3f}",
        perplexity=f"{figures.perplexity(figures.bits_per_character):.1f}",
        bigram_perplexity=f"{figures.perplexity(figures.bigram_bits_per_character):.1f}",
        temperature=SAMPLE_TEMPERATURE,
        sample_tokens=SAMPLE_TOKENS,
        samples="\n\n".join("> " + text.replace("\n", "\n> ") for text in samples),
    )


def main() -> None:
    """Command line: measure, sample and write `README.md` into the baked folder."""
    parser = argparse.ArgumentParser(description="Write the storybook model's card.")
    parser.add_argument("--corpus", type=Path, required=True, help="the folder it was trained on")
    parser.add_argument("--work", type=Path, required=True, help="the folder of the training run")
    parser.add_argument("--model", type=Path, required=True, help="the baked folder")
    parser.add_argument("--note", default="", help="what else to say of the training")
    arguments = parser.parse_args()

    figures = measure(arguments.model, read_passages(arguments.corpus))
    model = LanguageModel.open(arguments.model, name="storybook")
    samples = [sample(model, prompt, seed=seed) for seed, prompt in enumerate(PROMPTS, start=1)]
    recipe = json.loads((arguments.work / "recipe.json").read_text(encoding="utf-8"))
    last = json.loads((arguments.work / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    manifest = json.loads((arguments.model / "manifest.json").read_text(encoding="utf-8"))
    training = {**recipe, "steps": last["of"], "note": arguments.note}
    card = render(figures, training, {"parameters": manifest["parameters"]}, samples)
    (arguments.model / "README.md").write_text(card, encoding="utf-8")
    print(f"{figures.bits_per_character:.4f} bits per character (bigram {figures.bigram_bits_per_character:.4f})")


if __name__ == "__main__":
    main()
