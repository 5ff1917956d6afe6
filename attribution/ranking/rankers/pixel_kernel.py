"""A similarity kernel over pixels: exp(-||y - x||^2 / tau), with squared distances as means over
the image's values.

Blind to the model altogether. Where works are memorised it is hard to beat; what it says is
similarity, and no more.
"""

from __future__ import annotations

from attribution.ranking.rankers.interface import Images, Query, Ranker, Works, pixel_by_pixel
from attribution.ranking.rankers.kernel import KernelQuery, mean_squared_differences

__all__ = ["BANDWIDTHS", "PixelKernel", "mean_squared_differences"]

BANDWIDTHS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""tau: mean squared differences of pixels in [0, 1]; 0.01 is a difference of a tenth of the range
everywhere."""


class PixelKernel(Ranker):
    """The kernel at every bandwidth of the grid."""

    name = "pixel-kernel"
    scales = BANDWIDTHS

    def prepare(self, images: Images, works: Works) -> Query:
        return KernelQuery(pixel_by_pixel(images), works.pixels, self.scales)
