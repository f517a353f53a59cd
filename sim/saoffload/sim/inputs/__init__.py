"""What users hand in, read and checked: numbers, windows, memory images and table files.

Everything that a user can get wrong raises ``InputError``: one line that says what is wrong, where, and what to do.
"""

from .errors import InputError
from .images import Image, PlacedImage, check_reads, default_window, load_image, place_image
from .numbers import parse_number, parse_window, parse_windows
from .table_file import TableEntry, fill_table, load_table, parse_table

__all__ = [
    "Image",
    "InputError",
    "PlacedImage",
    "TableEntry",
    "check_reads",
    "default_window",
    "fill_table",
    "load_image",
    "load_table",
    "parse_number",
    "parse_table",
    "parse_window",
    "parse_windows",
    "place_image",
]
