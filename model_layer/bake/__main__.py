"""Bake a GPT-2 into a folder that serves: `python -m model_layer.bake SOURCE --to FOLDER`."""

import argparse
import errno
import logging
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from model_layer.bake.baking import Order, bake
from model_layer.bake.sources import CATALOGUE
from model_layer.errors import BakeError, ModelLayerError
from model_layer.manifest import DTYPES

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 1 and one line on standard error when nothing was baked, 130 when interrupted."""
    order = _order(arguments)
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")
    logging.getLogger("model_layer.bake").setLevel(logging.INFO)
    try:
        _check_name(order)
        bake(order)
    except ModelLayerError as error:
        return _fail(str(error))
    except OSError as error:
        full = error.errno in DISK_FULL
        return _fail("the disk is full" if full else f"{error.strerror or error}: {error.filename or order.target}")
    except KeyboardInterrupt:
        return _fail("interrupted") + 129
    return 0


def _order(arguments: Sequence[str] | None) -> Order:
    parser = argparse.ArgumentParser(prog="python -m model_layer.bake", description="Bake a GPT-2 into a folder that serves.")
    parser.add_argument("source", metavar="SOURCE", help=f"{', '.join(CATALOGUE)}, or a folder in the Hugging Face format")
    parser.add_argument("--to", dest="target", type=Path, required=True, metavar="FOLDER", help="where the baked model goes")
    parser.add_argument("--dtype", choices=DTYPES, default="float16", help="precision of the stored weights (float16)")
    parser.add_argument("--skip-reference", action="store_true", help="no check against transformers: torch is not needed")
    parser.add_argument("--no-probes", dest="probes", action="store_false", help="the model will not judge in the lab")
    parser.add_argument("--name", help="name of the model (that of FOLDER)")
    parser.add_argument("--description", help="what the manifest says of the model")
    parser.add_argument("--origin", help="where the weights of a local folder come from")
    parser.add_argument("--license", help="license of the weights of a local folder")
    return Order(**vars(parser.parse_args(arguments)))


def _check_name(order: Order) -> None:
    name = order.name or order.target.resolve().name
    if not NAME.fullmatch(name):
        raise BakeError(f"{name!r} cannot be the name of a model: letters, digits, '.', '_' and '-'; see --name")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str) -> int:
    sys.stderr.write(f"bake: {' '.join(message.split())}\n")
    return 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
