"""`python -m tests.image.layers IMAGE BASE`: what each layer of an image adds to its base, in MB of 10**6 bytes."""

import json
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """What one instruction added."""

    made_by: str
    size_bytes: int


def layers(image: str, base: str) -> list[Layer]:
    """The layers of an image from the first above its base, without those that are empty."""
    own, below = _history(image), _history(base)
    return [layer for layer in own[len(below) :] if layer.size_bytes]


def _history(image: str) -> list[Layer]:
    lines = _docker("history", "--no-trunc", "--human=false", "--format={{json .}}", image).splitlines()
    found = [json.loads(line) for line in lines]
    return [Layer(" ".join(one["CreatedBy"].split()), int(one["Size"])) for one in reversed(found)]


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def main(image: str, base: str) -> None:
    """Print the layers and their sum."""
    found = layers(image, base)
    for layer in found:
        sys.stdout.write(f"{layer.size_bytes / 1e6:8.1f} MB  {layer.made_by.removeprefix('/bin/sh -c #(nop) ')[:90]}\n")
    sys.stdout.write(f"{sum(layer.size_bytes for layer in found) / 1e6:8.1f} MB  without the base's own layers\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
