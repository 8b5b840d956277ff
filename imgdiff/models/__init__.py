"""Models by role. An operator asks for `models.clip()` and never learns which checkpoint plays
it."""

import gc
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgdiff.models.zoo import Binding, Checkpoint, Endpoint

if TYPE_CHECKING:
    from imgdiff.models.clip import Clip
    from imgdiff.models.diffusion import Diffusion
    from imgdiff.models.endpoint import EndpointLlm, EndpointMllm
    from imgdiff.models.llm import Llm
    from imgdiff.models.matcher import Matcher
    from imgdiff.models.mllm import Mllm
    from imgdiff.models.nsfw import NsfwClassifier
    from imgdiff.models.segmenter import Segmenter


class Models:
    """Loads each role's model on first use and keeps it until `close`."""

    def __init__(self, bindings: Mapping[str, Binding], answers: Path | None = None) -> None:
        """answers: folder in which the answers of servers are kept."""
        self._bindings, self._answers = bindings, answers
        self._loaded: dict[str, Any] = {}

    def diffusion(self) -> "Diffusion":
        from imgdiff.models.diffusion import Diffusion

        return self._get("diffusion", Diffusion.load)

    def clip(self) -> "Clip":
        from imgdiff.models.clip import Clip

        return self._get("clip", Clip.load)

    def matcher(self) -> "Matcher":
        from imgdiff.models.matcher import Matcher

        return self._get("matcher", Matcher.load)

    def segmenter(self) -> "Segmenter":
        from imgdiff.models.segmenter import Segmenter

        return self._get("segmenter", Segmenter.load)

    def mllm(self) -> "Mllm | EndpointMllm":
        from imgdiff.models.mllm import Mllm

        return self._get("mllm", Mllm.load)

    def llm(self) -> "Llm | EndpointLlm":
        from imgdiff.models.llm import Llm

        return self._get("llm", Llm.load)

    def nsfw(self) -> "NsfwClassifier":
        from imgdiff.models.nsfw import NsfwClassifier

        return self._get("nsfw", NsfwClassifier.load)

    def caption_limit(self) -> Callable[[str], tuple[int, int]]:
        """Counts a caption's tokens against what the CLIP reads, without loading its weights."""
        from imgdiff.models.clip import load_caption_limit

        return self._get("caption_limit", load_caption_limit, self._bindings["clip"])

    def prompt_limit(self) -> Callable[[str], tuple[int, int]]:
        """Counts a caption's tokens against what the diffusion model reads, without loading its
        weights."""
        from imgdiff.models.diffusion import load_prompt_limit

        return self._get("prompt_limit", load_prompt_limit, self._bindings["diffusion"])

    def close(self) -> None:
        """Free the models and the GPU memory they held."""
        self._loaded.clear()
        gc.collect()
        torch = sys.modules.get("torch")  # where nothing was loaded, it need not be imported now
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _get(
        self, key: str, load: Callable[[Checkpoint], Any], checkpoint: Binding | None = None
    ) -> Any:
        binding = checkpoint or self._bindings[key]
        if isinstance(binding, Endpoint):
            return self._ask(key, binding)
        if key not in self._loaded:
            from imgdiff.models.loading import hide_bars

            # telemetry has no place on a machine that makes data
            os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
            hide_bars()
            self._loaded[key] = load(binding)
        return self._loaded[key]

    def _ask(self, role: str, endpoint: Endpoint) -> "EndpointMllm | EndpointLlm":
        from imgdiff.models.endpoint import ChatClient, EndpointLlm, EndpointMllm

        client = ChatClient(endpoint, self._answers)
        return EndpointMllm(client) if role == "mllm" else EndpointLlm(client)
