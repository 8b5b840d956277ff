"""The Ray engine on a cluster of several raylets: a machine is taken away, a disk is not shared."""

import threading
import time

import pytest
from test_ray_engine import RAY, local_rows

from imgdiff import run

pytestmark = [pytest.mark.slow, pytest.mark.ray]


@pytest.fixture
def cluster():
    """A head that does no shards, and two machines that do."""
    import ray
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 100 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    made.machines = [made.add_node(num_cpus=1, **small) for _ in range(2)]
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_machine_that_is_taken_away_costs_nothing(project, cluster):
    project.write_recipe(
        process=[{"light_edit_mapper": {"seconds": 0.3}}, *project.settings["process"][1:]],
        phases={"extra": {"num_cpus": 0.5, "concurrency": 2}, "light_areas": {"num_cpus": 0.25}},
    )
    first = project.run_path / "stages" / "00_extra"

    def take_away() -> None:
        until = time.monotonic() + 60
        while not list(first.glob("*.recovery")) and time.monotonic() < until:
            time.sleep(0.05)
        cluster.remove_node(cluster.machines[0], allow_graceful=False)

    taker = threading.Thread(target=take_away)
    taker.start()
    try:
        assert run.main(["mine.yaml", RAY, f"ray_address={cluster.address}"]) == run.COMPLETE
    finally:
        taker.join()
    assert project.rows() == local_rows(project)
    assert not [p for p in project.run_path.rglob("*") if p.suffix in (".tmp", ".recovery")]


def test_a_folder_that_a_machine_does_not_see_stops_the_run(project, cluster, monkeypatch, capsys):
    import ray

    from imgdiff.engine import ray as engine

    @ray.remote
    def blind(store):
        return f"No such file or directory: '{store}/probe'", []

    monkeypatch.setattr(engine, "_probe", blind)
    assert run.main(["mine.yaml", RAY, f"ray_address={cluster.address}"]) == run.STOPPED
    text = capsys.readouterr().err
    assert "outputs/try is not shared with" in text
    assert "Choose an export_path on a disk that all machines share." in text


def test_no_cluster_at_the_address_stops_the_run(project, capsys):
    assert run.main(["mine.yaml", RAY, "ray_address=127.0.0.1:9"]) == run.STOPPED
    assert "ray_address 127.0.0.1:9" in capsys.readouterr().err
