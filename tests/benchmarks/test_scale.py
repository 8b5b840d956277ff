"""The benchmark of a growing run measures what it says."""

import pytest
import scale


@pytest.mark.slow
def test_a_row_costs_no_more_in_a_larger_run():
    small, large = scale.measure(400, pictures=False), scale.measure(1600, pictures=False)
    for part in ("run", "finish", "dry_run", "resume", "analyze"):
        assert large[f"{part}_ms"] < 1.5 * small[f"{part}_ms"], part
    assert large["plain_ms"] > 0
    assert large["report_mb"] < 10


def test_pictures_make_another_project(tmp_path):
    recipe = scale.write_project(tmp_path, 3, pictures=True)
    assert "light_image_mapper" in recipe.read_text()
    assert len((tmp_path / "captions.jsonl").read_text().splitlines()) == 3
