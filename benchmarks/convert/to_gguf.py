"""`python -m benchmarks.convert.to_gguf SOURCE TARGET LAB float16|float32`: GPT-2 in llama.cpp's format.

SOURCE is a float32 folder. As llama.cpp wants it: matrices as (out, in), one-dimensional tensors in float32 always.
LAB, a folder of packages, is not needed here.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

PARTS = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
WHOLE = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"}


def tensors(folder: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors of a float32 folder by their names without prefix."""
    content = np.fromfile(folder / "model.safetensors", np.uint8)
    length = int(content[:8].view(np.uint64)[0])
    header = json.loads(content[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    data = content[8 + length :]
    return {
        name.removeprefix("transformer."): data[slice(*entry["data_offsets"])].view(np.float32).reshape(entry["shape"])
        for name, entry in header.items()
    }


def gguf_name(name: str) -> str:
    """`h.3.attn.c_attn.weight` -> `blk.3.attn_qkv.weight`."""
    parts = name.split(".")
    if parts[0] != "h":
        return f"{WHOLE[parts[0]]}.{parts[-1]}"
    return f"blk.{parts[1]}.{PARTS['.'.join(parts[2:-1])]}.{parts[-1]}"


def add_tokenizer(writer: gguf.GGUFWriter, folder: Path) -> None:
    """The byte-level tokenizer of `tokenizer.json`."""
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(pieces)
    writer.add_token_types([gguf.TokenType.NORMAL] * (len(pieces) - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(len(pieces) - 1)
    writer.add_eos_token_id(len(pieces) - 1)


def convert(source: Path, target: Path, precision: str) -> None:
    """Write `model.gguf`."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(target / "model.gguf", "gpt2")
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if precision == "float16" else gguf.LlamaFileType.ALL_F32)
    add_tokenizer(writer, source)
    for name, tensor in tensors(source).items():
        if name.startswith("h.") and tensor.ndim == 2:
            tensor = np.ascontiguousarray(tensor.T)  # noqa: PLW2901 - Conv1D lies as (in, out)
        wide = precision == "float32" or tensor.ndim == 1 or name == "wpe.weight"
        writer.add_tensor(gguf_name(name), tensor if wide else tensor.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Command line: see the module's docstring."""
    source, target, _lab, precision = sys.argv[1:]
    convert(Path(source), Path(target), precision)


if __name__ == "__main__":
    main()
