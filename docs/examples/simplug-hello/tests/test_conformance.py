"""The whole contract of distances, checked on `chebyshev`."""

from simplug.testing import DistanceSuite


class TestChebyshev(DistanceSuite):
    name = "chebyshev"
