"""llama.cpp by its C interface, as llama-cpp-python binds it: one context whose sequences share the cells of their prefix."""

import ctypes
from pathlib import Path

import llama_cpp

from benchmarks.workers.protocol import Engine, run

CELLS = 4096  # tokens in the cache: 64 sequences of one prefix that grow apart by 20 tokens and more
MAX_SEQUENCES = 64
TOKENS_A_CALL = 1024
TOKENS_A_PASS = 512  # the library's own default


class LlamaCpp(Engine):
    """Sequence 0 is the prefix."""

    def load(self, folder: str, threads: int) -> None:
        """Open the file and make a context."""
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(
            str(Path(folder) / "model.gguf").encode(), llama_cpp.llama_model_default_params()
        )
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch = CELLS, TOKENS_A_CALL, TOKENS_A_PASS
        settings.n_threads = settings.n_threads_batch = threads
        settings.n_seq_max, settings.kv_unified = MAX_SEQUENCES, True
        self._context = llama_cpp.llama_init_from_model(self._model, settings)
        if not self._context:
            raise RuntimeError("llama.cpp made no context")
        self._batch = llama_cpp.llama_batch_init(TOKENS_A_CALL, 0, 1)

    def prefill(self, ids: list[int]) -> None:
        """From an empty cache, logits of the last token alone."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        self._length = 0
        last = len(ids) - 1
        self._decode([(token_id, place, 0, place == last) for place, token_id in enumerate(ids)])
        self._length = len(ids)

    def fork(self, sequences: int) -> None:
        """Share the prefix."""
        self._sequences = sequences
        for sequence in range(1, sequences):
            llama_cpp.llama_memory_seq_cp(llama_cpp.llama_get_memory(self._context), 0, sequence, -1, -1)

    def step(self, ids: list[int]) -> None:
        """One token for each sequence."""
        self._decode([(token_id, self._length, sequence, True) for sequence, token_id in enumerate(ids)])
        self._length += 1

    def _decode(self, tokens: list[tuple[int, int, int, bool]]) -> None:
        """Tokens as (id, position, sequence, whether logits are wanted)."""
        batch = self._batch
        batch.n_tokens = len(tokens)
        for row, (token_id, position, sequence, wanted) in enumerate(tokens):
            batch.token[row], batch.pos[row], batch.logits[row] = token_id, position, wanted
            batch.n_seq_id[row], batch.seq_id[row][0] = 1, sequence
        if llama_cpp.llama_decode(self._context, batch) != 0:
            raise RuntimeError("llama.cpp could not decode")
        logits = llama_cpp.llama_get_logits_ith(self._context, -1)
        assert ctypes.cast(logits, ctypes.c_void_p).value


if __name__ == "__main__":
    run(LlamaCpp)
