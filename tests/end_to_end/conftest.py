import pytest
from runs import SMALL, finished

from imgdiff.store.run_dir import RunDir


@pytest.fixture(scope="session")
def replace_run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """One small run of `recipes/replace.yaml`, made once for all tests."""
    return finished("recipes/replace.yaml", tmp_path_factory.mktemp("replace") / "run", *SMALL)
