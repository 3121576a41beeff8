"""How all tests run: the same examples every time where a gate decides, and no limit on how long one takes."""

import os

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate" if os.environ.get("CI") else "here")
