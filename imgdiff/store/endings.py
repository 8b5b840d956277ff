"""The last look before a run calls itself complete: every row that went in has ended, once."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from imgdiff.data.storable import STATUSES
from imgdiff.errors import StoppedError
from imgdiff.store.run_dir import RunDir
from imgdiff.store.shard_files import hash_of_ids

SHOWN_IDS = 3


def compare_with_input(folder: RunDir, ids: Sequence[str]) -> None:
    """Compare what is stored with the input, whose rows have these ids.

    Raises:
        StoppedError: shards are missing; or rows are missing, strange or there twice, or have no
            ending that is known.
    """
    if folder.done_count < folder.total_count:
        raise StoppedError(folder.where_it_stands())
    wrong: defaultdict[str, list[str]] = defaultdict(list)  # what is wrong -> ids of rows
    shards = []
    for shard in range(folder.shard_count):
        start, stop = folder.span(shard)
        problems = list(_problems(folder, shard, ids[start:stop]))
        shards += [shard] if problems else []
        for problem, id_ in problems:
            wrong[problem].append(id_)
    if not wrong:
        return
    found = "; ".join(f"{problem}: {_some(rows)}" for problem, rows in wrong.items())
    names = _some([f"{shard:05d}.json" for shard in shards])
    way_out = f"Delete {names} in the folders of {folder.store}/stages and run again."
    raise StoppedError(f"endings do not add up: {found}. {way_out}")


def _problems(folder: RunDir, shard: int, expected: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a shard, each with the id of a row."""
    manifest, rows = folder.files.endings(shard)
    counts = Counter(id_ for id_, _, _ in rows)
    for id_ in expected:
        if counts[id_] != 1:
            yield ("there more than once" if counts[id_] else "missing"), id_
    for id_ in counts.keys() - set(expected):
        yield "not in the input", id_
    for id_, status, reason in rows:
        if status not in STATUSES:
            yield f"status {status}", id_
        elif status != "ok" and not reason:
            yield f"{status} without a reason", id_
    counted = Counter(status for _, status, _ in rows)
    if manifest["counts"] != counted or manifest["ids_sha256"] != hash_of_ids(expected):
        yield "not what the manifest says", expected[0]


def _some(names: Sequence[str]) -> str:
    """The first few, and how many there are."""
    more = f" and {len(names) - SHOWN_IDS:,} more" if len(names) > SHOWN_IDS else ""
    return ", ".join(names[:SHOWN_IDS]) + more
