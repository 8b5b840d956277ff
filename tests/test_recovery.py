"""Who is blamed when a worker dies."""

import json
import subprocess
import sys

import pytest
from memory_store import MemoryStore

from imgdiff import run
from imgdiff.engine.recovery import RecoveryRecord, forgive
from imgdiff.errors import BrokenDeviceError, StoppedError
from imgdiff.store.interface import content_of

COMMAND = [sys.executable, "-m", "imgdiff.run", "mine.yaml"]


@pytest.fixture
def place():
    return MemoryStore(), "stages/00_extra/00003.recovery"


def die(place, hold, *given):
    """A worker begins, takes something in hand, and is gone: what is stored then stays."""
    with getattr(RecoveryRecord(*place), hold)(*given):
        left = content_of(*place)
    place[0].replace(place[1], left)


def test_first_attempt_is_not_careful(place):
    record = RecoveryRecord(*place)
    assert (record.attempt, record.careful, record.suspects, record.blamed) == (1, False, [], {})


def test_death_with_the_shard_in_hand_blames_nobody(place):
    for _ in range(3):
        die(place, "shard")
    record = RecoveryRecord(*place)
    assert (record.attempt, record.careful, record.suspects, record.blamed) == (4, True, [], {})


def test_deaths_at_a_careful_shard_without_a_row_end_the_run(place):
    for _ in range(4):
        die(place, "shard")
    expected = "stages/00_extra/00003: the worker died 3 times with no row in hand"
    with pytest.raises(StoppedError, match=expected), RecoveryRecord(*place).shard():
        pass
    assert content_of(*place) is None


def test_a_death_that_the_driver_shared_counts_for_no_row(place):
    for start in "abc":
        with RecoveryRecord(*place, start).row("cap-7", "some_mapper"):
            left = content_of(*place)
        place[0].replace(place[1], left)
    record = RecoveryRecord(*place, "d")
    assert (record.careful, record.suspects, record.blamed) == (True, ["cap-7"], {})


def test_a_death_that_the_machine_shared_counts_for_no_row(place):
    for node in ("one", "two", "three"):
        with RecoveryRecord(*place, "a", node).row("cap-7", "some_mapper"):
            left = content_of(*place)
        place[0].replace(place[1], left)
        forgive(*place, {"one", "two"})
    record = RecoveryRecord(*place, "a", "four")
    assert (record.suspects, record.blamed) == (["cap-7"], {})
    assert json.loads(content_of(*place))["alone"] == {"cap-7": 0}


def test_two_deaths_alone_blame_the_row(place):
    die(place, "row", "cap-7", "some_mapper")
    assert RecoveryRecord(*place).suspects == ["cap-7"]
    assert RecoveryRecord(*place).blamed == {}
    die(place, "row", "cap-7", "some_mapper")
    assert RecoveryRecord(*place).blamed == {"cap-7": "some_mapper"}
    assert RecoveryRecord(*place).suspects == []


def test_deaths_on_different_rows_blame_neither(place):
    die(place, "row", "cap-7", "some_mapper")
    die(place, "row", "cap-8", "some_mapper")
    assert RecoveryRecord(*place).blamed == {}
    assert RecoveryRecord(*place).suspects == ["cap-7", "cap-8"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, StoppedError, OSError])
def test_an_error_is_no_death(place, error):
    with pytest.raises(error), RecoveryRecord(*place).row("cap-7", "some_mapper"):
        raise error
    assert RecoveryRecord(*place).suspects == []


def test_a_broken_gpu_is_as_good_as_a_death(place):
    with pytest.raises(BrokenDeviceError), RecoveryRecord(*place).shard():
        raise BrokenDeviceError
    assert RecoveryRecord(*place).careful


def test_deaths_while_loading_end_the_run_and_the_next_one_tries_again(place):
    for _ in range(3):
        die(place, "loading", "image_pairs")
    expected = "image_pairs: the worker died 3 times while it loaded its models"
    with pytest.raises(StoppedError, match=expected), RecoveryRecord(*place).loading("image_pairs"):
        pass
    with RecoveryRecord(*place).loading("image_pairs"):
        pass


def test_loading_is_counted_anew_once_it_went_well(place):
    die(place, "loading", "image_pairs")
    die(place, "loading", "image_pairs")
    die(place, "shard")
    die(place, "loading", "image_pairs")
    record, begun = RecoveryRecord(*place), False
    with record.loading("image_pairs"):
        begun = True
    assert begun
    assert record.attempt == 5


@pytest.mark.slow
def test_a_deadly_row_costs_one_row_and_a_second_start_of_the_local_engine(project):
    """The one process dies with the row; at the next start another one looks which row it was."""
    rows = [{"id": f"cap-{k}", "caption": "a red ball " * 2} for k in range(12)]
    rows[9]["caption"] = "deadly"
    project.write_captions(rows)
    project.write_recipe(limits={"max_failed_fraction": 0.5})
    codes = [subprocess.run(COMMAND, capture_output=True).returncode for _ in range(2)]
    assert codes == [1, run.COMPLETE]
    (bad,) = [row for row in project.rows() if not row.ok]
    assert (bad.id, bad.status, bad.reason) == ("cap-9", "failed", "light_edit_mapper: worker_died")
    assert bad.message == "the worker died 2 times while on this row alone"
    report = json.loads((project.run_path / "report.json").read_text())
    assert report["rows"] == {"total": 12, "ok": 11, "rejected": 0, "failed": 1}
    assert report["operators"][0]["rows_in"] == 12
    assert not list(project.run_path.rglob("*.recovery"))


def test_a_recovery_record_that_outlived_its_shard_goes_with_the_run(project):
    assert run.main(["mine.yaml", "limit=8"]) == run.COMPLETE
    left = project.run_path / "stages" / "00_extra" / "00000.recovery"
    left.write_text("{}")
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert not left.exists()
