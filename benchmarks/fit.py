# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a measure grows with a size: the exponent of the power law through points of size and measure."""

from __future__ import annotations

import math
import typing as t

Point = tuple[float, float]


def exponent(points: t.Sequence[Point]) -> float:
    """Return the slope of the least-squares line through the logarithms: 1.0 is linear, 2.0 quadratic.

    Raises ValueError for fewer than two different sizes, and for numbers that have no logarithm.
    """
    if any(size <= 0 or measure <= 0 for size, measure in points):
        raise ValueError("sizes and measures must be positive")
    logarithms = [(math.log(size), math.log(measure)) for size, measure in points]
    if len({x for x, dummy in logarithms}) < 2:
        raise ValueError("a slope needs two sizes")
    mean_x = sum(x for x, dummy in logarithms) / len(logarithms)
    mean_y = sum(y for dummy, y in logarithms) / len(logarithms)
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in logarithms)
    return covariance / sum((x - mean_x) ** 2 for x, dummy in logarithms)
