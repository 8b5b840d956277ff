"""Image-text-to-text models of no family that is known here: what names a region to them is not
known, so it is cut out, and two pictures are joined."""

import logging

import numpy as np

from imgdiff.data.images import pad_to_square
from imgdiff.models.asking import AskingProfile, RegionView, mean_colour

log = logging.getLogger(__name__)


class Other(AskingProfile):
    view = "crop"
    _told = False

    def own_view(self) -> RegionView:
        if not self._told:
            self._told = True
            log.warning(
                "how this MLLM names regions is not known, so they are cut out of the picture. If "
                "it is of a family that is known, say so by family: in its binding; or say view: "
                "in region_caption_mapper"
            )
        return self.view

    def shown(self, picture: np.ndarray) -> np.ndarray:
        """Padded to a square where the model's processor would cut off the sides."""
        if getattr(self.image_processor, "do_center_crop", None):
            return pad_to_square(picture, mean_colour(self.image_processor))
        return picture
