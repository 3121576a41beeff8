"""`python -m benchmarks.convert.to_ctranslate2 SOURCE TARGET LAB int8|float32`: by the library's own converter.

SOURCE is a float32 folder, LAB the folder of packages where torch and transformers are.
"""

import sys


def main() -> None:
    """Command line: see the module's docstring."""
    source, target, lab, precision = sys.argv[1:]
    sys.path.append(lab)
    from ctranslate2.converters import TransformersConverter  # noqa: PLC0415 - LAB has to be on the path first

    TransformersConverter(source).convert(target, quantization=precision, force=True)


if __name__ == "__main__":
    main()
