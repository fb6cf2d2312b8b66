"""Images and masks of every accepted kind, and hostile ones: the exact error and what it says."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apg_core.errors import ImageError, LimitError, MaskError
from apg_core.inputs import read_image, read_mask
from apg_core.inputs.image import check_image
from apg_core.protocol.limits import InputLimits

PICTURE = (np.arange(24 * 16 * 4) * 7 % 251).astype(np.uint8).reshape(24, 16, 4)
LABELS = np.repeat(np.repeat(np.array([[0, 1], [2, 250]], np.uint8), 8, axis=0), 8, axis=1)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, *, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG with any header that we like."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})],
)
def test_a_lossless_image_comes_back_pixel_for_pixel(kind: str, options: dict, channels: int) -> None:
    pixels = PICTURE[..., :channels]
    found = read_image(saved(Image.fromarray(pixels), kind, **options))
    assert found.dtype == np.uint8
    assert (found == pixels).all()


def test_a_bmp_comes_back_pixel_for_pixel_a_gif_in_its_palette_and_an_avif_nearly() -> None:
    pixels = PICTURE[..., :3]
    assert (read_image(saved(Image.fromarray(pixels), "BMP")) == pixels).all()
    palette = Image.fromarray(pixels).quantize(64)
    assert (read_image(saved(palette, "GIF")) == np.asarray(palette.convert("RGB"))).all()
    flat = np.full((32, 32, 4), (200, 100, 50, 255), np.uint8)
    assert np.abs(read_image(saved(Image.fromarray(flat), "AVIF"))[..., :3].astype(int) - flat[..., :3]).max() < 8


def test_grey_and_one_bit_images_become_three_equal_channels() -> None:
    grey = PICTURE[..., 0]
    assert (read_image(saved(Image.fromarray(grey))) == grey[..., None]).all()
    bits = (grey > 100) * np.uint8(255)
    assert (read_image(saved(Image.fromarray(bits).convert("1"))) == bits[..., None]).all()


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    assert (read_image(saved(Image.fromarray(ramp)))[..., 0] == ramp >> 8).all()


def test_grey_with_alpha_and_transparent_palettes_keep_their_alpha() -> None:
    grey_alpha = Image.fromarray(PICTURE).convert("LA")
    assert (read_image(saved(grey_alpha))[..., 3] == PICTURE[..., 3]).all()
    palette = Image.fromarray(LABELS).convert("P")
    found = read_image(saved(palette, transparency=0))
    assert ((found[..., 3] == 0) == (LABELS == 0)).all()


def test_cmyk_becomes_rgb() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(read_image(saved(red, "JPEG")).astype(int) - [255, 0, 0]).max() < 10


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_exif_orientation_is_applied(kind: str) -> None:
    data = saved(Image.fromarray(PICTURE), kind, exif=with_orientation(6), lossless=True, exact=True)
    assert (read_image(data) == np.rot90(PICTURE, -1)).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    first, second = Image.fromarray(PICTURE[..., :3]), Image.fromarray(PICTURE[::-1, :, :3].copy())
    data = saved(first, kind, save_all=True, append_images=[second], lossless=True)
    assert (read_image(data)[..., :3] == PICTURE[..., :3]).all()


def test_of_a_gif_the_first_frame_is_taken_with_its_transparency() -> None:
    first, second = (Image.fromarray(labels).convert("P") for labels in (LABELS, LABELS[::-1].copy()))
    data = saved(first, "GIF", save_all=True, append_images=[second], transparency=0)
    assert ((read_image(data)[..., 3] == 0) == (LABELS == 0)).all()


def test_a_path_reads_as_its_bytes_do(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(saved(Image.fromarray(PICTURE)))
    assert (read_image(path) == PICTURE).all()
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "absent.png")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello", "damaged or of another format; give PNG, JPEG, WebP, BMP, TIFF, GIF or AVIF"),
        (saved(Image.fromarray(LABELS), "ICO"), "is a ICO file"),
        (saved(Image.fromarray(LABELS), "TIFF")[:20], "damaged TIFF"),
        (saved(Image.fromarray(LABELS), "GIF")[:12], "damaged"),
        (saved(Image.fromarray(LABELS), "BMP")[:40], "damaged: Truncated"),
        (saved(Image.fromarray(PICTURE), "AVIF")[:80], "damaged AVIF"),
        (saved(Image.fromarray(PICTURE[..., 0] / np.float32(255)), "TIFF"), "has F pixels; save it as 8-bit"),
        (saved(Image.fromarray(PICTURE[..., 0].astype(np.int32) * 1000), "TIFF"), "grey values up to 2"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is a SVG file"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (saved(Image.fromarray(PICTURE))[:200], "damaged"),
        (saved(Image.fromarray(PICTURE[..., :3]), "JPEG")[:-200], "damaged"),
        (png(0, 5, depth=8, colour=0, rows=b""), "damaged|no pixels"),
    ],
)
def test_an_image_that_cannot_be_used_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as refusal:
        read_image(data)
    assert refusal.value.field == "image"


@pytest.mark.parametrize(("edge", "said"), [(8_000, "64,000,000"), (60_000, "3600000000")])
def test_a_decompression_bomb_is_refused_by_its_header(edge: int, said: str) -> None:
    with pytest.raises(LimitError, match=said) as refusal:
        read_image(png(edge, edge, depth=8, colour=0, rows=bytes(100)))
    assert "50,000,000" in refusal.value.message


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "GIF", "AVIF"])
def test_a_header_that_declares_too_many_pixels_is_refused_before_decoding(kind: str) -> None:
    whole = saved(Image.new("RGB", (24, 16)), kind)
    with pytest.raises(LimitError, match="pixels: 384, and the limit is 300"):
        read_image(whole, InputLimits(image_pixels=300))
    huge = {
        "BMP": whole[:18] + struct.pack("<ii", 60_000, 60_000) + whole[26:],
        "GIF": whole[:6] + struct.pack("<HH", 60_000, 60_000) + whole[10:],
        "TIFF": whole.replace(struct.pack("<HHII", 256, 4, 1, 24), struct.pack("<HHII", 256, 4, 1, 60_000_000)),
        "AVIF": whole.replace(
            b"ispe" + bytes(4) + struct.pack(">II", 24, 16), b"ispe" + bytes(4) + b"\0\0\xea\x60" * 2
        ),
    }[kind]
    assert huge != whole
    with pytest.raises((LimitError, ImageError), match=r"limit is 50,000,000|damaged"):
        read_image(huge)


def test_a_compressed_comment_that_unpacks_to_gigabytes_is_refused() -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(100_000_000))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    whole = saved(Image.fromarray(PICTURE))
    with pytest.raises(ImageError, match="damaged"):
        read_image(whole[:33] + chunk + whole[33:])


def test_too_many_bytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(saved(Image.fromarray(PICTURE)))
    limits = InputLimits(upload_bytes=100)
    for source in (path, path.read_bytes()):
        with pytest.raises(LimitError, match="the limit is 100"):
            read_image(source, limits)


def colour_palette() -> Image.Image:
    image = Image.fromarray(LABELS).convert("P")
    image.putpalette([255, 0, 0] * 256)  # one colour for all: only the indices tell them apart
    return image


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(LABELS),
        Image.fromarray(LABELS.astype(np.uint16)),
        colour_palette(),
        Image.fromarray(np.repeat(LABELS[..., None], 3, axis=2)),
        Image.fromarray(np.dstack([LABELS, LABELS, LABELS, 255 - LABELS])),
    ],
    ids=["grey", "grey 16", "palette", "rgb", "rgba"],
)
def test_every_kind_of_mask_gives_the_numbers_in_the_file(image: Image.Image) -> None:
    assert (read_mask(saved(image)) == LABELS).all()


def test_sixteen_bit_labels_are_kept() -> None:
    labels = np.array([[0, 40_000], [65_535, 3]], np.uint16)
    assert (read_mask(saved(Image.fromarray(labels))) == labels).all()


def test_a_one_bit_mask_is_one_region() -> None:
    found = read_mask(saved(Image.fromarray(LABELS > 0)))
    assert (found == (LABELS > 0)).all()


@pytest.mark.parametrize("depth", [2, 4])
def test_grey_of_few_bits_is_not_stretched(depth: int) -> None:
    found = read_mask(png(8 // depth, 1, depth=depth, colour=0, rows=bytes([0, 0b01 << (8 - depth) | 0b11])))
    assert found[0, 0] == 1
    assert found[0, -1] == 3


RED, GREEN, BLUE, DIM = (255, 0, 0), (0, 255, 0), (0, 0, 255), (40, 40, 40)


def coloured(size: int = 24) -> np.ndarray:
    """Black, with a large blue part, and a red and a green one of equal size."""
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[1:11, 1:11] = BLUE
    pixels[12:17, 1:6] = RED
    pixels[12:17, 12:17] = GREEN
    return pixels


def test_colours_become_labels_in_order_of_area_and_equal_ones_by_colour() -> None:
    labels = read_mask(saved(Image.fromarray(coloured())))
    assert labels[5, 5] == 1
    assert labels[14, 14] == 2  # green, #00ff00, before red, #ff0000
    assert labels[14, 3] == 3
    assert np.unique(labels).tolist() == [0, 1, 2, 3]
    assert ((labels == 0) == (coloured().max(axis=2) == 0)).all()


def test_transparent_pixels_of_any_colour_are_background() -> None:
    alpha = np.full((24, 24), 255, np.uint8)
    alpha[:, :8] = 0
    labels = read_mask(saved(Image.fromarray(np.dstack([coloured(), alpha]))))
    assert not labels[:, :8].any()
    assert np.unique(labels).tolist() == [0, 1, 2]  # what was left of red is not there any more
    numbered = np.repeat(LABELS[..., None], 3, axis=2)
    transparent = np.where(LABELS == 2, 0, 255).astype(np.uint8)
    found = read_mask(saved(Image.fromarray(np.dstack([numbered, transparent]))))
    assert np.unique(found).tolist() == [0, 1, 250]


def test_a_grey_part_among_coloured_ones_is_a_colour_too() -> None:
    pixels = coloured()
    pixels[18:23, 18:23] = DIM
    assert np.unique(read_mask(saved(Image.fromarray(pixels)))).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("resample", [Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
def test_antialiased_colours_are_refused_with_the_colours_and_the_fix(resample: Image.Resampling) -> None:
    smooth = Image.fromarray(coloured(96)).resize((80, 80), resample)
    with pytest.raises(MaskError, match=r"nowhere fill 3 x 3 pixels \(#[0-9a-f]{6}.*without antialiasing"):
        read_mask(saved(smooth))


def test_lossy_compression_of_a_coloured_mask_is_refused() -> None:
    noisy = Image.open(BytesIO(saved(Image.fromarray(coloured()), "JPEG", quality=60)))
    with pytest.raises(MaskError, match="which pixels are one part is not clear"):
        read_mask(saved(noisy))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (saved(Image.fromarray(PICTURE)), "half transparent"),
        (saved(Image.fromarray(PICTURE[..., :3])), "251 colours, and parts are limited to 64"),
        (saved(Image.fromarray(LABELS).convert("LA")), "LA pixels"),
        (saved(Image.new("L", (9, 9))), "no region"),
        (saved(Image.fromarray(LABELS), "JPEG"), "give PNG or WebP"),
        (png(1, 1, depth=16, colour=2, rows=b"\0" + b"\0\1" * 3), "16-bit colours"),
        (saved(Image.fromarray(LABELS))[:60], "damaged"),
        (b"", "empty"),
    ],
)
def test_a_mask_that_cannot_be_used_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(MaskError, match=reason) as refusal:
        read_mask(data)
    assert refusal.value.field == "mask"


def test_too_many_regions_are_refused() -> None:
    labels = np.arange(100, dtype=np.uint8).reshape(10, 10)
    with pytest.raises(LimitError, match="mask regions: 99, and the limit is 64"):
        read_mask(saved(Image.fromarray(labels)))


def test_a_large_picture_is_reduced_by_a_whole_number_to_the_mean_of_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 9000, 3), np.uint8)
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    expected = pixels[:39].reshape(13, 3, 3000, 3, 3).mean(axis=(1, 3))
    for found in (read_image(content.getvalue()), check_image(pixels, InputLimits())):
        assert found.shape == (14, 3000, 3)  # the last row has one row of pixels to it
        assert np.abs(found[:13] - expected).max() < 0.6


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    across = np.linspace(0, 255, 9000).astype(np.uint8)
    content = BytesIO()
    Image.fromarray(np.broadcast_to(across[None, :, None], (800, 9000, 3)).copy()).save(content, "JPEG", quality=95)
    found = read_image(content.getvalue())
    assert max(found.shape) <= 4096
    expected = np.interp(np.linspace(0, 1, found.shape[1]), np.linspace(0, 1, 9000), across)
    assert np.abs(found - expected[None, :, None]).max() < 4


def test_pictures_within_the_edge_are_as_they_were() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4096, 3), np.uint8)
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    assert np.array_equal(read_image(content.getvalue()), pixels)
    assert check_image(pixels, InputLimits()) is pixels
