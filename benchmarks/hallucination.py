"""How much the embedded MLLM makes up, and how much less after EFUF and SEED.

    python benchmarks/hallucination.py [--quick] [--json FILE] [--only PART ...]
                                       [--write docs/hallucination-results.md] [--work FOLDER]
                                       [--tower FOLDER]

Data and models are made by the recipes from rendered scenes of toyland's validation split, as a
user would make them, and kept in --work: run again, only what is not there is done. Everything is
measured on 1,000 scenes of the test split, over three seeds (--quick: one seed, half of the data).
A change is that of the same images, and so is its interval; models of several seeds count together.
Figures are kept in --work too, part by part: the page has all parts that were measured there.

The part `tower` puts EFUF and SEED on a vision tower tuned by OHD-Caps: the embedded MLLM with it,
as `benchmarks/ohd_clip.py` leaves it in WORK/mllm_clip_.../model, is given as --tower.
"""

import time
from collections.abc import Callable
from pathlib import Path

from arguments import benchmark_parser, write_figures
from embedded.figures import Figure
from hallucination_parts import captioner, efuf, seed, together
from hallucination_parts.bench import Bench
from hallucination_parts.page import write_page
from quality import flat, show

PARTS: dict[str, tuple[str, Callable[[Bench], list[Figure]]]] = {
    "efuf": ("EFUF", efuf.measure),
    "seed": ("SEED", seed.measure),
    "together": ("SEED after EFUF", together.measure),
    "tower": ("SEED after EFUF on the tower tuned by OHD-Caps, one seed", together.measure_tower),
    "captioner": ("As the captioner of recipes/replace.yaml", captioner.measure),
}


def main() -> None:
    parser = benchmark_parser(
        __doc__, quick="one seed, half of the data", write="write the page there"
    )
    parser.add_argument("--only", nargs="+", choices=list(PARTS))
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", default=Path("outputs/hallucination")
    )
    parser.add_argument("--tower", type=Path, metavar="FOLDER", help="of the part tower")
    given = parser.parse_args()
    only = given.only or [name for name in PARTS if name != "tower" or given.tower]
    if "tower" in only and not given.tower:
        parser.error("the part tower needs --tower")
    folder = given.work / "quick" if given.quick else given.work
    bench = Bench(folder, given.quick, given.tower)
    measured: dict[str, list[Figure]] = {}
    for name in only:
        title, measure = PARTS[name]
        started = time.perf_counter()
        measured[title] = measure(bench)
        bench.keep(name, measured[title])
        show(title, measured[title], time.perf_counter() - started)
    write_figures(flat([f for part in measured.values() for f in part]), given.json)
    if given.write:
        write_page(given.write, {title: bench.kept(name) for name, (title, _) in PARTS.items()})


if __name__ == "__main__":
    main()
