"""Image files: where their bytes stand for lists and on the bus, and what happens at their edges."""

from pathlib import Path

import pytest

from saoffload.sim.inputs import Image, InputError, check_reads, default_window, load_image, place_image
from saoffload.sim.model import Abi, SaTable, Status, Walk, Window, WindowTable, walk, write_node


def image_of(length: int, base: int = 0x1000) -> Image:
    return Image("heap.bin", base, bytes(number % 251 for number in range(length)))


def walk_image(image: Image, head: int, abi: Abi, *windows: Window) -> Walk:
    used = windows or (default_window(image, abi),)
    placed = place_image(image, used, abi)
    result = walk(memory=placed.memory, windows=WindowTable.of(*used), table=SaTable(bundles=2), head=head, abi=abi)
    check_reads(image, placed, result.reads)
    return result


def test_load_image(tmp_path: Path) -> None:
    path = tmp_path / "heap.bin"
    path.write_bytes(b"12345678")
    image = load_image(path, 0x1000)
    assert image == Image(str(path), 0x1000, b"12345678")
    assert image.end == 0x1008


def test_images_that_cannot_be_used(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for path, base, part in (
        (tmp_path / "none", 0, "there is no such memory image; give the path of one with --image"),
        (tmp_path, 0, "is a folder"),
        (empty, 0, "is empty; give a memory image"),
        (Path("nul\0"), 0, "cannot be read: embedded null byte"),
    ):
        with pytest.raises(InputError, match=part):
            load_image(path, base)
    empty.write_bytes(bytes(9))
    with pytest.raises(InputError, match=r"9 bytes from --base 0xfffffffffffffff8 end above 2\*\*64; give a lower"):
        load_image(empty, (1 << 64) - 8)


@pytest.mark.parametrize(
    ("base", "length", "x64", "x86"),
    [
        (0x1000, 24, (0x1000, 24), (0x1000, 24)),
        (0x1000, 12, (0x1000, 8), (0x1000, 16)),
        (0x1004, 12, (0x1008, 8), (0x1000, 16)),
        (0x1003, 30, (0x1008, 0x18), (0x1000, 0x20)),
        (0x1001, 4, (0, 0), (0, 0)),
        (0x1001, 2, (0, 0), (0, 0)),
        ((1 << 64) - 24, 24, ((1 << 64) - 24, 24), ((1 << 64) - 24, 24)),
    ],
)
def test_the_default_window_is_the_whole_image(
    base: int, length: int, x64: tuple[int, int], x86: tuple[int, int]
) -> None:
    image = image_of(length, base)
    assert default_window(image, Abi.X64) == (*x64, x64[0])
    assert default_window(image, Abi.X86) == (*x86, x86[0])


def test_the_default_window_must_fit_the_bus() -> None:
    image = image_of(4096, 0x7F00_0000_0000)
    assert default_window(image, Abi.X64).bus_base == 0x7F00_0000_0000
    with pytest.raises(InputError, match="above the 40-bit bus; give --window 0x7f0000000000:0x1000:BUS"):
        default_window(image, Abi.X64, address_width=40)


def test_an_image_without_translation_stands_where_it_is() -> None:
    image = image_of(64)
    placed = place_image(image, [default_window(image, Abi.X64)], Abi.X64)
    assert placed.memory.regions == [(0x1000, image.data)]
    assert placed.fillings == ()


def test_windows_translate_the_parts_they_hold() -> None:
    image = image_of(0x40)
    windows = [Window(0x1000, 0x10, 0x5000), Window(0x1020, 0x1000, 0x9020), Window(0, 0, 0)]
    assert place_image(image, windows, Abi.X64).memory.regions == [
        (0x5000, image.data[:0x10]),
        (0x9020, image.data[0x20:]),
    ]


def test_the_base_may_be_the_bus_address() -> None:
    image = image_of(0x40)
    placed = place_image(image, [Window(0x7F00_0000_1000, 0x1000, 0x1000)], Abi.X64)
    assert placed.memory.regions == [(0x1000, image.data)]


def test_a_window_that_leads_nowhere_near_the_image_finds_nothing() -> None:
    image = image_of(0x40)
    assert place_image(image, [Window(0x8000, 0x1000, 0x8000)], Abi.X64).memory.regions == []
    assert walk_image(image, 0x8000, Abi.X64, Window(0x8000, 0x1000, 0x8000)).completion.status is Status.BUS_ERROR


def test_windows_may_overlap_and_may_show_the_same_bytes_twice() -> None:
    image = image_of(0x40)
    windows = [Window(0x1000, 0x20, 0x1000), Window(0x1010, 0x30, 0x1010), Window(0x1000, 0x40, 0x5000)]
    assert place_image(image, windows, Abi.X64).memory.regions == [(0x1000, image.data), (0x5000, image.data)]


def test_windows_that_put_different_bytes_at_one_bus_address() -> None:
    image = image_of(0x2000)
    with pytest.raises(InputError, match=r"window 1 leads to the same bus addresses.*BUS range"):
        place_image(image, [Window(0x1000, 0x1000, 0x5000), Window(0x2000, 0x1000, 0x5000)], Abi.X64)


@pytest.mark.parametrize("missing", [1, 4, 8, 23])
def test_an_x64_image_shorter_than_the_list_says(missing: int) -> None:
    data = write_node(next_address=0x1018) + write_node()
    image = Image("heap.bin", 0x1000, data[:-missing])
    result = walk_image(image, 0x1000, Abi.X64)
    assert result.completion[1:] == (Status.OUT_OF_WINDOW, 1, 0, 1, 0x1018, "completion")
    result = walk_image(image, 0x1000, Abi.X64, Window(0x1000, 0x1000, 0x1000))
    assert result.completion[1:] == (Status.BUS_ERROR, 1, 0, 1, 0x1018, "completion")


def test_an_odd_number_of_x86_nodes_ends_in_half_a_beat() -> None:
    data = b"".join(write_node(abi=Abi.X86, next_address=0x1000 + following) for following in (12, 24)) + write_node(
        abi=Abi.X86
    )
    image = Image("heap.bin", 0x1000, data)
    assert place_image(image, [default_window(image, Abi.X86)], Abi.X86).fillings == (range(0x1024, 0x1028),)
    assert walk_image(image, 0x1000, Abi.X86).completion[1:3] == (Status.OK, 3)


@pytest.mark.parametrize("base", [0x1004, 0x100C])
def test_an_x86_image_may_begin_in_half_a_beat(base: int) -> None:
    image = Image("heap.bin", base, write_node(abi=Abi.X86))
    assert walk_image(image, base, Abi.X86).completion[1:3] == (Status.OK, 1)


def test_a_translated_x86_image_keeps_its_halves() -> None:
    image = Image("heap.bin", 0xBFF0_1004, write_node(abi=Abi.X86))
    assert walk_image(image, 0xBFF0_1004, Abi.X86, Window(0xBFF0_1000, 0x1000, 0x7000)).completion[1:3] == (
        Status.OK,
        1,
    )


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_an_x86_node_that_the_image_holds_only_in_part_is_refused(missing: int) -> None:
    image = Image("heap.bin", 0x1000, bytes(4) + write_node(abi=Abi.X86)[: 12 - missing])
    with pytest.raises(InputError, match=r"heap.bin: .* only a part of the node read at bus address 0x1004; give an"):
        walk_image(image, 0x1004, Abi.X86)


@pytest.mark.parametrize("missing", [5, 8, 9])
def test_an_x86_node_of_which_a_beat_is_missing_is_out_of_window(missing: int) -> None:
    image = Image("heap.bin", 0x1000, bytes(4) + write_node(abi=Abi.X86)[: 12 - missing])
    assert walk_image(image, 0x1004, Abi.X86).completion.status is Status.OUT_OF_WINDOW
