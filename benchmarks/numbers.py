"""How a number is shown. Needs the standard library only: the plot's interpreter has no other."""


def number(value: float) -> str:
    """Three significant digits, or more where all are before the point."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
