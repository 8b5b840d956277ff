"""What the documents show works."""

import re
from pathlib import Path

from imgdiff.check import check
from imgdiff.operator import registry
from imgdiff.testing import make_row, run_operator

ROOT = Path(__file__).parents[1]


def test_the_operator_of_ones_own_works(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operators.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    process = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "short_caption_filter.py").write_text(code)
    (tmp_path / "captions.jsonl").write_text('{"caption": "a red car"}\n')
    head = (
        f"project_name: mine\ndataset_path: {tmp_path}/captions.jsonl\nexport_path: {tmp_path}/o\n"
    )
    (tmp_path / "recipe.yaml").write_text(head + process)
    names = [operator.name for operator in check(tmp_path / "recipe.yaml").operators]
    assert names == ["short_caption_filter", "caption_edit_mapper"]
    rows = [make_row("a", caption_a="a red car"), make_row("b", caption_a="a " * 20)]
    short, long = run_operator(registry()["short_caption_filter"], rows, max_words=10)
    assert short.ok
    assert long.reason == "short_caption_filter: caption_long"


def test_every_file_that_the_readme_links_is_there() -> None:
    links = re.findall(r"\]\(((?!https?:)[^)]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
