"""The storybook model: a small GPT-2-shaped model of our own, trained on public-domain children's books."""
