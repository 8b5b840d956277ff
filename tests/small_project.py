"""A small project in a temporary folder: captions, and a recipe of operators without models."""

import json
from pathlib import Path

import yaml

from imgdiff import run
from imgdiff.store.run_dir import RunDir, begun_at

LIGHT_OPERATORS = Path(__file__).parent / "light_operators.py"
COUNT = 30
_FINISHED: dict[object, dict[str, bytes]] = {}  # what was run -> the files it left


class Project:
    """The current folder, with `captions.jsonl` and `mine.yaml`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_path = Path("outputs/try")
        rows = [{"id": f"cap-{k}", "caption": "a red ball " * (k % 4 + 1)} for k in range(COUNT)]
        self.write_captions(rows)
        self.settings = {
            "project_name": "try",
            "dataset_path": "captions.jsonl",
            "export_path": str(self.run_path),
            "shard_rows": 8,
            "operators": [str(LIGHT_OPERATORS)],
            "process": [
                "light_edit_mapper",
                {"light_image_mapper": None},
                {"light_length_filter": {"min_score": 0.15}},
                {"light_areas": {"light_area_filter": {"min_score": 0.1}}},
            ],
        }
        self.write_recipe()

    def write_captions(self, rows: list, name: str = "captions.jsonl") -> Path:
        """Lines of the input file: texts as they are, anything else as JSON."""
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        path = Path(name)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def write_recipe(self, text: str | None = None, **changes) -> Path:
        """The settings with changes, or the very text."""
        path = Path("mine.yaml")
        path.write_text(text or yaml.safe_dump(self.settings | changes, sort_keys=False))
        return path

    def finish(self, *overrides: str) -> None:
        """Run the recipe for the first time. What one test has run, the next ones get as a copy."""
        assert not self.run_path.exists()
        inputs = self._files()
        key = overrides, tuple(sorted(inputs.items()))
        if key not in _FINISHED:
            assert run.main(["mine.yaml", *overrides]) == run.COMPLETE
            _FINISHED[key] = {p: c for p, c in self._files().items() if p not in inputs}
        for path, content in _FINISHED[key].items():
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)

    def _files(self) -> dict[str, bytes]:
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}

    def open(self) -> RunDir:
        """The run folder as it is now."""
        folder = begun_at(self.run_path)
        assert folder is not None
        return folder

    def rows(self) -> list:
        folder = self.open()
        return [row for shard in range(folder.shard_count) for row in folder.rows(shard)]
