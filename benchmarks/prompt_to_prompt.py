"""What prompt-to-prompt on fused attention costs: beside plain sampling and beside the textbook.

    python benchmarks/prompt_to_prompt.py [--quick] [--json FILE] [--write FILE]
    python benchmarks/prompt_to_prompt.py --device cuda --full

Models have SDXL's layer layout and random weights; their width is reduced, unless `--full`. Plain
sampling draws as many images in as many steps. The textbook edits explicit attention maps
(`tests/editing/textbook.py`); it is compared over one step of the UNet, which is where it differs.
Times are medians of runs that take turns; memory is the peak of a child process above what it held
when the models were there. What else may make pairs cheaper without changing them is measured too,
each over doing without it: captions of a batch encoded once and decoding in slices, which the
editor does, and channels_last, which is left to whoever loads the model.
"""

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from arguments import benchmark_parser, write_figures
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from imgdiff.editing.attention import EditState, edited
from imgdiff.editing.decoding import decode
from imgdiff.editing.edits import EditSource, Windows, edit_to
from imgdiff.editing.plan import EditPlan
from imgdiff.editing.prompt_to_prompt import draw_latents, encode_unique
from imgdiff.toyland.tokenizer import clip_tokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "editing"))
from textbook import BookEdit, Textbook, by_the_book

CAPTION_A, CAPTION_B = "a red car on the sand", "a red lighthouse on the sand"
WINDOWS = Windows(self_steps=1, cross_steps=1)  # every step pays
REDUCED, FULL = (32, 64, 128), (320, 640, 1280)  # channels of the UNet's levels
GUIDANCE = 7.5


def make_pipeline(channels: tuple[int, ...], side: int) -> StableDiffusionXLPipeline:
    """SDXL's layout: no attention at the first level, 2 and 10 transformer layers at the next two.

    side: of the latents.
    """
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    width = 2048 * channels[0] // 640
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width // 2,
        intermediate_size=width,
        num_hidden_layers=2,
        num_attention_heads=max(width // 128, 1),
        projection_dim=width // 2,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    unet = UNet2DConditionModel(
        sample_size=side,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=2,
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=tuple(max(c // 64, 1) for c in channels),  # the number of heads
        cross_attention_dim=width,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=6 * 256 + width // 2,
    )
    vae = AutoencoderKL(
        block_out_channels=tuple(c * channels[0] // 320 // 4 * 4 for c in (128, 256, 512, 512)),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        sample_size=8 * side,
    )
    pipeline = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        text_encoder_2=CLIPTextModelWithProjection(text),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet.eval(),
        scheduler=EulerDiscreteScheduler(),
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sources(pairs: int) -> list[EditSource]:
    return [
        EditSource(CAPTION_A, k, (edit_to(CAPTION_A, CAPTION_B, WINDOWS),)) for k in range(pairs)
    ]


def plain_sampling(pipeline: StableDiffusionXLPipeline, pairs: int, steps: int) -> None:
    pipeline(
        [CAPTION_A, CAPTION_B] * pairs,
        num_inference_steps=steps,
        guidance_scale=GUIDANCE,
        generator=[torch.Generator().manual_seed(k) for k in range(2 * pairs)],
        output_type="latent",
    )


def our_sampling(pipeline: StableDiffusionXLPipeline, pairs: int, steps: int) -> None:
    draw_latents(pipeline, sources(pairs), steps, GUIDANCE)


def our_step(pipeline: StableDiffusionXLPipeline) -> None:
    """One guided call of the UNet for one pair."""
    size = pipeline.unet.config.sample_size
    state = EditState(EditPlan(pipeline.tokenizer, sources(1), 1, (size, size)), guided=True)
    with edited(pipeline.unet, state):
        _call_unet(pipeline)


def textbook_step(pipeline: StableDiffusionXLPipeline) -> None:
    size = pipeline.unet.config.sample_size
    (planned,) = EditPlan(pipeline.tokenizer, sources(1), 1, (size, size)).edits
    edit = BookEdit(
        planned.row,
        planned.source,
        planned.aligned.taken.to(pipeline.device, pipeline.unet.dtype),
        refined=torch.ones(pipeline.tokenizer.model_max_length),
        equalizer=planned.weights,
        cross_until=planned.until,
        self_until=1,
        largest=WINDOWS.self_side**2 * size**2,
    )
    book = Textbook([edit], guided=True, layers=len(pipeline.unet.attn_processors))
    with by_the_book(pipeline.unet, book):
        _call_unet(pipeline)


@torch.no_grad()
def _call_unet(pipeline: StableDiffusionXLPipeline) -> None:
    unet, config = pipeline.unet, pipeline.unet.config
    place: dict[str, Any] = {"device": pipeline.device, "dtype": unet.dtype}
    length, size = pipeline.tokenizer.model_max_length, config.sample_size
    added = {
        "text_embeds": torch.zeros(
            4, config.projection_class_embeddings_input_dim - 6 * 256, **place
        ),
        "time_ids": torch.full((4, 6), 8.0 * size, **place),
    }
    text = torch.randn(4, length, config.cross_attention_dim, **place)
    unet(torch.randn(4, 4, size, size, **place), 500, text, added_cond_kwargs=added)


def seconds(sides: list[Callable[[], None]], runs: int) -> list[float]:
    """Median time of each side; they take turns, after one turn that does not count."""
    times: list[list[float]] = [[] for _ in sides]
    for run in range(runs + 1):
        for side, found in zip(sides, times, strict=True):
            started = time.perf_counter()
            side()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if run:
                found.append(time.perf_counter() - started)
    return [statistics.median(found) for found in times]


def peak_megabytes(side: Callable[[], None]) -> float:
    """Peak of a forked child that does this, above what it held before."""
    queue = multiprocessing.get_context("fork").SimpleQueue()

    def child() -> None:
        before = _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        side()
        queue.put(_memory("VmHWM") - before)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the measured side ended with exit code {process.exitcode}")
    return queue.get()


def _memory(name: str) -> float:
    """A line of /proc/self/status, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def measure(runs: int, steps: int, sides: list[int]) -> dict[str, float]:
    """All figures on the CPU; `sides` are those of the latents that the textbook is compared at."""
    torch.set_num_threads(1)  # a forked child cannot use its parent's threads
    figures: dict[str, float] = {}
    pipeline = make_pipeline(REDUCED, 32)
    ours, plain = (
        (lambda: our_sampling(pipeline, 2, steps)),
        (lambda: plain_sampling(pipeline, 2, steps)),
    )
    times = seconds([ours, plain], runs)
    figures["time_over_plain"] = times[0] / times[1]
    figures["memory_over_plain"] = peak_megabytes(ours) / peak_megabytes(plain)
    for pairs in (1, 2, 4, 8):
        (taken,) = seconds([lambda n=pairs: our_sampling(pipeline, n, steps)], 1)
        figures[f"pairs_per_second_batch_{pairs}"] = pairs / taken
    for side in sides:
        larger = make_pipeline(REDUCED, side)
        book, fused = (lambda p=larger: textbook_step(p)), (lambda p=larger: our_step(p))
        slow, fast = seconds([book, fused], runs if side < 128 else min(runs, 5))
        figures[f"textbook_time_over_ours_{side}"] = slow / fast
        figures[f"textbook_memory_over_ours_{side}"] = peak_megabytes(book) / peak_megabytes(fused)
    figures["textbook_time_over_ours"] = figures[f"textbook_time_over_ours_{sides[-1]}"]
    figures["textbook_memory_over_ours"] = figures[f"textbook_memory_over_ours_{sides[-1]}"]
    return figures


def measure_savings(runs: int, steps: int) -> dict[str, float]:
    """What else is done to save time and memory, over doing without it."""
    torch.set_num_threads(1)
    pipeline, latents = make_pipeline(REDUCED, 32), torch.randn(8, 4, 32, 32)
    rows_first = make_pipeline(REDUCED, 32)
    pipeline.unet.to(memory_format=torch.channels_last)
    with_it, without = seconds(
        [
            lambda: our_sampling(pipeline, 2, steps),
            lambda: our_sampling(rows_first, 2, steps),
        ],
        runs,
    )
    captions = [caption for source in sources(8) for caption in (source.caption, CAPTION_B)]
    once, each = seconds(
        [
            lambda: encode_unique(pipeline, captions, guided=True),
            lambda: pipeline.encode_prompt(captions),
        ],
        runs,
    )
    sliced, whole = (
        (lambda: decode(pipeline, latents)),
        (lambda: decode_whole(pipeline, latents)),
    )
    times = seconds([sliced, whole], runs)
    return {
        "channels_last_time": with_it / without,
        "captions_once_time": once / each,
        "decode_slices_time": times[0] / times[1],
        "decode_slices_memory": peak_megabytes(sliced) / peak_megabytes(whole),
    }


@torch.no_grad()
def decode_whole(pipeline: StableDiffusionXLPipeline, latents: torch.Tensor) -> None:
    pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor)


def matmul_rate(device: str, side: int = 8192, times: int = 20) -> float:
    """Operations a second of a large bf16 matrix product."""
    one, other = torch.randn(2, side, side, device=device, dtype=torch.bfloat16)

    def multiply() -> None:
        for _ in range(times):
            one @ other

    (taken,) = seconds([multiply], 1)
    return 2 * side**3 * times / taken


def measure_full(device: str, steps: int) -> dict[str, float]:
    """The real SDXL architecture in bf16 at 1024 px: pairs a second, GB of the device, and the
    share of its matmul rate that the UNet's arithmetic comes to."""
    pipeline = make_pipeline(FULL, 128).to(device, torch.bfloat16)
    with FlopCounterMode(display=False) as counter:
        our_step(pipeline)
    work, rate = counter.get_total_flops() * steps, matmul_rate(device)
    figures = {"full_matmul_tflops": rate / 1e12}
    for pairs in (1, 2, 4, 8):
        torch.cuda.reset_peak_memory_stats()
        (taken,) = seconds([lambda n=pairs: our_sampling(pipeline, n, steps)], 1)
        figures[f"full_pairs_per_second_batch_{pairs}"] = pairs / taken
        figures[f"full_share_of_matmul_rate_batch_{pairs}"] = work * pairs / taken / rate
        figures[f"full_peak_gb_batch_{pairs}"] = torch.cuda.max_memory_allocated() / 1e9
    return figures


def main() -> None:
    parser = benchmark_parser(
        __doc__, quick="fewer runs, latents up to 64 x 64", write="write them there as a page"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda; cuda goes with --full")
    parser.add_argument("--full", action="store_true", help="SDXL at full size, 30 steps")
    given = parser.parse_args()
    if given.full:
        figures = measure_full(given.device, steps=30)
    elif given.quick:
        figures = measure(runs=2, steps=2, sides=[32, 64]) | measure_savings(runs=2, steps=2)
    else:
        figures = measure(runs=5, steps=4, sides=[32, 64, 96, 128])
        figures |= measure_savings(runs=5, steps=4)
    table = Table("figure", "value", title="prompt-to-prompt")
    for name, value in figures.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table)
    write_figures(figures, given.json)
    if given.write:
        lines = "\n".join(f"| `{name}` | {value:.2f} |" for name, value in figures.items())
        given.write.write_text(PAGE.format(target=given.write, lines=lines))


PAGE = """# What prompt-to-prompt costs

Written by `python benchmarks/prompt_to_prompt.py --write {target}`. Time and memory are ratios;
`..._over_plain` is beside plain sampling of as many images, `textbook_..._over_ours_N` beside
explicit attention maps at N x N latents. The last four lines are what else may save, over doing
without it: captions of a batch encoded once and decoding in slices, which the editor does, and
channels_last, which it does not do, for it brought nothing here.

| figure | value |
| --- | --- |
{lines}
"""


if __name__ == "__main__":
    main()
