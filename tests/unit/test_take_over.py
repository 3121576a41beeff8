"""A baked model is taken into an image whole, readable, and only as its manifest describes it."""

from pathlib import Path

import pytest

from model_layer.bake.take_over import main, take_over
from model_layer.errors import BakeError
from model_layer.language_model import LanguageModel
from tests.baked_models import make_baked_model


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baked tiny model."""
    return make_baked_model(tmp_path_factory.mktemp("models") / "tiny")


def test_a_whole_model_is_copied_and_readable_for_all(baked: Path, tmp_path: Path) -> None:
    """Also from a folder that only its owner may read."""
    for path in baked.iterdir():
        path.chmod(0o600)
    take_over(baked, tmp_path / "deep" / "tiny")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "deep" / "tiny").iterdir()} == {0o644}
    LanguageModel.open(tmp_path / "deep" / "tiny").next_logits([1])


def test_a_damaged_model_is_refused(baked: Path, tmp_path: Path) -> None:
    """One byte is enough, and nothing shows at the target."""
    take_over(baked, tmp_path / "copy")
    config = tmp_path / "copy" / "config.json"
    config.write_bytes(config.read_bytes() + b" ")
    with pytest.raises(BakeError):
        take_over(tmp_path / "copy", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    """A folder that was never baked."""
    with pytest.raises(SystemExit) as raised:
        main(str(tmp_path), str(tmp_path / "target"))
    assert len(str(raised.value).splitlines()) == 1
