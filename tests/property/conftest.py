"""Property tests: no deadline for one example, because machines that run tests are shared and noisy."""

from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
