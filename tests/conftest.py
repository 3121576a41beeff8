"""How all tests run: the same examples every time where a gate decides, and no limit on how long one takes."""

from hypothesis import settings

from tests.gate import is_gate

settings.register_profile("here", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate" if is_gate() else "here")
