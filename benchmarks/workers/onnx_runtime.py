"""ONNX Runtime over the export of the hand-written torch model: past keys and values go in, those with the new ones come out."""

from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.workers.protocol import Engine, run


class OnnxRuntime(Engine):
    """One tensor (2, sequences, heads, tokens, head width) a layer."""

    def load(self, folder: str, threads: int) -> None:
        """Make a session."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        model = str(Path(folder) / "model.onnx")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._names = [given.name for given in self._session.get_inputs()][1:]
        self._empty = [
            np.zeros((2, 1, given.shape[2], 0, given.shape[4]), np.float32) for given in self._session.get_inputs()[1:]
        ]

    def prefill(self, ids: list[int]) -> None:
        """From empty pasts."""
        self._pasts = self._empty
        self._pass(np.array([ids], np.int64))

    def fork(self, sequences: int) -> None:
        """Repeat the pasts along the batch."""
        self._pasts = [past.repeat(sequences, axis=1) for past in self._pasts]

    def step(self, ids: list[int]) -> None:
        """One token for each row of the batch."""
        self._pass(np.array(ids, np.int64)[:, None])

    def _pass(self, ids: "np.ndarray[tuple[int, int], np.dtype[np.int64]]") -> None:
        given = {"ids": ids, **dict(zip(self._names, self._pasts, strict=True))}
        _logits, *self._pasts = self._session.run(None, given)


if __name__ == "__main__":
    run(OnnxRuntime)
