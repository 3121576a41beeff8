import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model_layer import catalog as catalog_module
from model_layer.catalog import ModelCatalog
from model_layer.errors import ModelNotFoundError, ModelNotLoadableError
from model_layer.language_model import LanguageModel
from model_layer.manifest import MANIFEST_FILE
from tests.baked_models import make_baked_model
from tests.tiny_models import make_tiny_model


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two roots: gpt2 and storybook in the first, gpt2 and fox in the second, and a root that does not exist."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    make_baked_model(first / "gpt2", seed=1)
    make_baked_model(first / "storybook", seed=2)
    make_baked_model(second / "gpt2", seed=3)
    make_baked_model(second / "fox", seed=4)
    return [first, second, second / "nowhere"]


@pytest.fixture(autouse=True)
def no_bundled_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave the model of the package out, whether it is there or not."""
    monkeypatch.setattr(catalog_module, "BUNDLED_FOLDER", tmp_path / "bundled")


def test_names(roots: list[Path]) -> None:
    """Every folder with a manifest is listed once, and folders without one are not."""
    assert ModelCatalog.discover(roots, wanted=None).names() == ["fox", "gpt2", "storybook"]


def test_first_root_wins(roots: list[Path]) -> None:
    """Of two models of one name, the one in the earlier root is served."""
    for order in (roots, roots[::-1]):
        served = ModelCatalog.discover(order, wanted=None).manifest("gpt2").files["model.safetensors"]
        first = next(root for root in order if root.is_dir())
        assert served == ModelCatalog.discover([first], wanted="gpt2").manifest("gpt2").files["model.safetensors"]
    assert len({ModelCatalog.discover([r], wanted="gpt2").manifest("gpt2").revision for r in roots[:2]}) == 2


def test_default(roots: list[Path], tmp_path: Path) -> None:
    """The default is the wanted model, else gpt2, else storybook."""
    assert ModelCatalog.discover(roots, wanted="fox").default == "fox"
    assert ModelCatalog.discover(roots, wanted=None).default == "gpt2"
    (tmp_path / "storybook").symlink_to(roots[0] / "storybook")
    assert ModelCatalog.discover([tmp_path], wanted=None).default == "storybook"


def test_bundled(roots: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled model is there without any root."""
    monkeypatch.setattr(catalog_module, "BUNDLED_FOLDER", roots[0] / "storybook")
    assert ModelCatalog.discover([], wanted=None).default == "storybook"


def test_wanted_folder(roots: list[Path]) -> None:
    """A baked folder outside the roots can be wanted by its path and is then served under its own name."""
    catalog = ModelCatalog.discover([roots[0]], wanted=str(roots[1] / "fox"))
    assert catalog.default == "fox"
    assert catalog.get("fox").name == "fox"


def test_wanted_but_absent() -> None:
    """A wanted model that is not here is refused with the command that brings it."""
    with pytest.raises(ModelNotFoundError, match="make bake MODEL=gpt2"):
        ModelCatalog.discover([], wanted=None)
    with pytest.raises(ModelNotFoundError, match="make bake MODEL=distilgpt2"):
        ModelCatalog.discover([], wanted="distilgpt2")


def test_wanted_but_not_baked(tmp_path: Path) -> None:
    """A wanted folder without a manifest is refused with the command that bakes it."""
    with pytest.raises(ModelNotLoadableError, match="bake it with python"):
        ModelCatalog.discover([], wanted=str(make_tiny_model(tmp_path / "raw")))


def test_unknown_name(roots: list[Path]) -> None:
    """A name that is not in the catalogue is refused without being echoed."""
    catalog = ModelCatalog.discover(roots, wanted=None)
    for ask in (catalog.get, catalog.manifest):
        with pytest.raises(ModelNotFoundError) as caught:
            ask("a student's secret")
        assert "secret" not in str(caught.value)
        assert "fox" in str(caught.value)


def test_loaded_once(roots: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads ask at once, a model is loaded once, when it is first asked for."""
    opened: list[str] = []
    original = LanguageModel.open.__func__  # type: ignore[attr-defined]

    def counting_open(cls: type[LanguageModel], /, folder: Path, **options: object) -> LanguageModel:
        opened.append(folder.name)
        model: LanguageModel = original(cls, folder, **options)
        return model

    monkeypatch.setattr(LanguageModel, "open", classmethod(counting_open))
    catalog = ModelCatalog.discover(roots, wanted=None)
    assert not catalog.is_loaded("gpt2")
    together = threading.Barrier(8)

    def ask(_: int) -> LanguageModel:
        together.wait()
        return catalog.get("gpt2")

    with ThreadPoolExecutor(8) as threads:
        models = list(threads.map(ask, range(8)))
    assert opened == ["gpt2"]
    assert all(model is models[0] for model in models)
    assert catalog.is_loaded("gpt2")
    assert not catalog.is_loaded("fox")


def test_cut_short(tmp_path: Path) -> None:
    """A file that is shorter than its manifest says is found before the model is served, and mending it is enough."""
    weights = make_baked_model(tmp_path / "gpt2") / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    catalog = ModelCatalog.discover([tmp_path], wanted=None)
    with pytest.raises(ModelNotLoadableError, match="bake it again"):
        catalog.get("gpt2")
    weights.write_bytes(whole)
    assert catalog.get("gpt2").next_logits([1]).shape == (catalog.manifest("gpt2").vocab_size,)


def test_damaged_neighbour(roots: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged manifest leaves its own folder out, with a warning, and no other."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / MANIFEST_FILE).write_text("{")
    assert ModelCatalog.discover([tmp_path, *roots], wanted=None).names() == ["fox", "gpt2", "storybook"]
    assert "broken" in caplog.text
