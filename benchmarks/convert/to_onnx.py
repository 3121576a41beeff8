"""`python -m benchmarks.convert.to_onnx SOURCE TARGET LAB int8|float32`: the hand-written torch model as ONNX.

SOURCE is a float32 folder, LAB the folder of packages where torch is.
"""

import sys
from pathlib import Path


def export(source: Path, target: Path) -> None:
    """Write `model.onnx` with float32 weights."""
    import torch  # noqa: PLC0415 - LAB has to be on the path first

    from benchmarks.torch_gpt2 import Gpt2, causal_mask  # noqa: PLC0415

    network = Gpt2(source)

    class Exported(torch.nn.Module):
        """Ids (B, S) and pasts (2, B, H, P, D) -> logits (B, vocab_size) and pasts (2, B, H, P + S, D)."""

        def __init__(self) -> None:
            super().__init__()
            for name, weight in network.weights.items():  # registered, they become initializers, which can be quantised
                self.register_buffer(name.replace(".", "_"), weight)

        def forward(self, ids: torch.Tensor, *pasts: torch.Tensor) -> tuple[torch.Tensor, ...]:
            presents: list[torch.Tensor] = []

            def store(layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                presents.append(torch.cat([pasts[layer], torch.stack([keys, values])], dim=3))
                return presents[-1][0], presents[-1][1]

            before = pasts[0].shape[3]
            positions = torch.arange(before, before + ids.shape[1])
            return network.logits(ids, positions, causal_mask(positions, before + ids.shape[1]), store), *presents

    pasts = [torch.zeros(2, 1, network.heads, 3, network.head_width) for _ in range(network.layers)]
    ids = torch.zeros(1, 2, dtype=torch.int64)
    past_names = [f"past_{layer}" for layer in range(network.layers)]
    present_names = [f"present_{layer}" for layer in range(network.layers)]
    axes = {"ids": {0: "batch", 1: "new"}, "logits": {0: "batch"}}
    axes |= {name: {1: "batch", 3: "past"} for name in past_names} | {name: {1: "batch", 3: "all"} for name in present_names}
    torch.onnx.export(
        Exported(),
        (ids, *pasts),
        str(target / "model.onnx"),
        input_names=["ids", *past_names],
        output_names=["logits", *present_names],
        dynamic_axes=axes,
        dynamo=False,
    )


def main() -> None:
    """Command line: see the module's docstring."""
    source, target, lab, precision = sys.argv[1:]
    if precision == "float32":
        sys.path.append(lab)
        export(Path(source), Path(target))
        return
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - not needed to export

    quantize_dynamic(Path(source) / "model.onnx", Path(target) / "model.onnx", weight_type=QuantType.QInt8, per_channel=True)


if __name__ == "__main__":
    main()
