"""Models by role. An operator asks for `models.clip()` and never learns which checkpoint plays
it."""

import os
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from imgdiff.console.signs import Say, silent
from imgdiff.models.kinds import family_of, family_of_server
from imgdiff.models.memory import free_gpu_memory
from imgdiff.models.zoo import Binding, Checkpoint, Endpoint
from imgdiff.store.interface import Store

if TYPE_CHECKING:
    from imgdiff.models.endpoint import EndpointLlm, EndpointMllm
    from imgdiff.models.roles import Clip, Diffusion, Llm, Matcher, Mllm, NsfwClassifier, Segmenter


class Models:
    """Loads each role's model on first use and keeps it until it is released."""

    def __init__(
        self,
        bindings: Mapping[str, Binding],
        answers: Store | None = None,
        say: Say = silent,
    ) -> None:
        """answers: where those of servers are kept. say: called while a model is loaded."""
        self._bindings, self._answers, self._say = bindings, answers, say
        self._loaded: dict[str, Any] = {}

    def diffusion(self) -> "Diffusion":
        return self._get("diffusion")

    def clip(self) -> "Clip":
        return self._get("clip")

    def matcher(self) -> "Matcher":
        return self._get("matcher")

    def segmenter(self) -> "Segmenter":
        return self._get("segmenter")

    def mllm(self) -> "Mllm":
        return self._get("mllm")

    def llm(self) -> "Llm":
        return self._get("llm")

    def nsfw(self) -> "NsfwClassifier":
        return self._get("nsfw")

    def caption_limit(self) -> Callable[[str], tuple[int, int]]:
        """Counts a caption's tokens against what the CLIP reads, without loading its weights. Where
        none is bound every caption fits."""
        if "clip" not in self._bindings:
            return _any_length
        clip = self._checkpoint("clip")
        return self._kept(
            "caption_limit", lambda: family_of("clip", clip).plays.caption_limit(clip)
        )

    def prompt_limit(self) -> Callable[[str], tuple[int, int]]:
        """Counts a caption's tokens against what the diffusion model reads, without loading its
        weights. Where none is bound every caption fits."""
        if "diffusion" not in self._bindings:
            return _any_length
        from imgdiff.models.families.sdxl import load_prompt_limit

        return self._kept("prompt_limit", lambda: load_prompt_limit(self._checkpoint("diffusion")))

    def release(self, kept: Collection[str] = ()) -> None:
        """Free the models and the memory they held, all but those of the roles that are kept."""
        for key in self._loaded.keys() - {*kept}:
            del self._loaded[key]
        free_gpu_memory()

    def close(self) -> None:
        """Free all of them."""
        self.release()

    def _get(self, role: str) -> Any:
        binding = self._bindings[role]
        if isinstance(binding, Endpoint):
            return self._ask(role, binding)
        return self._kept(role, lambda: self._shared(role, binding) or self._load(role, binding))

    def _load(self, role: str, checkpoint: Checkpoint) -> Any:
        from imgdiff.models.downloads import loaded

        return loaded(
            role, checkpoint, lambda: family_of(role, checkpoint).load(checkpoint), self._say
        )

    def _shared(self, role: str, binding: Checkpoint) -> Any:
        """What plays a role by a model that is loaded already: that of the role `clip`, which a
        matcher may be by cosines. None if there is none."""
        other = {"clip": "matcher", "matcher": "clip"}.get(role)
        if other not in self._loaded or self._bindings[other] != binding:
            return None
        from imgdiff.models.families.cosines import Cosines

        made = self._loaded[other]
        if role == "matcher":
            return Cosines(made)
        return made.clip if isinstance(made, Cosines) else None

    def _kept(self, key: str, load: Callable[[], Any]) -> Any:
        if key not in self._loaded:
            from imgdiff.models.loading import hide_bars

            # telemetry has no place on a machine that makes data
            os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
            hide_bars()
            self._loaded[key] = load()
        return self._loaded[key]

    def _checkpoint(self, role: str) -> Checkpoint:
        binding = self._bindings[role]
        assert isinstance(binding, Checkpoint)  # these roles are played by no server
        return binding

    def _ask(self, role: str, endpoint: Endpoint) -> "EndpointMllm | EndpointLlm":
        from imgdiff.models.chat_client import ChatClient
        from imgdiff.models.endpoint import EndpointLlm, EndpointMllm

        family = family_of_server(role, endpoint)
        client = ChatClient(endpoint, family, self._answers)
        return EndpointMllm(client, family.plays()) if role == "mllm" else EndpointLlm(client)


def _any_length(caption: str) -> tuple[int, int]:
    """Tokens, and the most that are read."""
    return 0, 0
