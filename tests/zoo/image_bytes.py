"""Image files as bytes, good ones and ones that no library would write."""

import io
import random
import struct
import zlib

from PIL import Image

SIDE = 28  # what the model takes: SIDE x SIDE, grey

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # PNG's types of colour
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def picture(mode="L", width=SIDE, height=SIDE, seed=1):
    return Image.frombytes(mode, (width, height), noise(width * height * len(mode), seed))


def saved(image, kind, **options):
    """What Pillow makes of an image."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def flip(data, position):
    """`data` with one bit of the byte at `position` turned."""
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def zeros_deflated(count, level=9, container=zlib.MAX_WBITS):
    """`count` zero bytes, packed without holding them."""
    packer = zlib.compressobj(level, zlib.DEFLATED, container)
    block = bytes(1 << 20)
    whole, rest = divmod(count, len(block))
    return b"".join([packer.compress(block) for _ in range(whole)]
                    + [packer.compress(block[:rest]), packer.flush()])


# PNG

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width=SIDE, height=SIDE, depth=8, colour=GREY, interlaced=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def rows(height=SIDE, row_size=SIDE, filter_type=0, seed=1):
    """Rows of noise, each behind the number of its filter."""
    pixels = noise(height * row_size, seed)
    return b"".join(bytes([filter_type]) + pixels[at:at + row_size]
                    for at in range(0, len(pixels), row_size))


def png_of(*chunks):
    return SIGNATURE + b"".join(chunks) + chunk(b"IEND")


def png(depth=8, colour=GREY, before=b"", seed=1):
    """A good one of SIDE x SIDE; `before` are chunks between its header and its pixels."""
    row_size = (SIDE * CHANNELS[colour] * depth + 7) // 8
    pixels = zlib.compress(rows(row_size=row_size, seed=seed))
    return png_of(header(depth=depth, colour=colour), before, chunk(b"IDAT", pixels))


def alpha_png(colour, alpha):
    """All pixels grey, of one opacity."""
    pixel = bytes([90] * (CHANNELS[colour] - 1) + [alpha])
    pixels = zlib.compress((b"\0" + pixel * SIDE) * SIDE)
    return png_of(header(colour=colour), chunk(b"IDAT", pixels))


def interlaced_png():
    pixels = noise(SIDE * SIDE)
    passes = b""
    # The seven passes of Adam7: first column and row, and how far to the next.
    for x, y, right, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
                              (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for row in range(y, SIDE, down):
            passes += b"\0" + pixels[row * SIDE + x:(row + 1) * SIDE:right]
    return png_of(header(interlaced=1), chunk(b"IDAT", zlib.compress(passes)))


def empty_png(width, height):
    """Black throughout, one bit a pixel: a thousandth of its size when packed."""
    pixels = zeros_deflated(height * (1 + (width + 7) // 8))
    return png_of(header(width, height, depth=1), chunk(b"IDAT", pixels))


# JPEG

def jpeg(mode="L", width=SIDE, height=SIDE, **options):
    return saved(picture(mode, width, height), "JPEG", quality=90, **options)


def exif(orientation):
    """The structure that says how the camera was held."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def turned_jpeg(width, height, orientation):
    return jpeg(width=width, height=height, exif=b"Exif\0\0" + exif(orientation))


def frame(data):
    """Where the header of the frame begins: its marker is that of a baseline JPEG."""
    return data.index(b"\xff\xc0")


def declared_jpeg(width, height):
    data = jpeg()
    at = frame(data) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4:]


def endless_jpeg(scans):
    """A progressive one whose first scan comes again and again."""
    data = jpeg(progressive=True)
    first = data.index(b"\xff\xda")
    end = data.index(b"\xff\xc4", first)  # the tables of the second
    return data[:end] + data[first:end] * scans + data[end:]


# TIFF

SHORT, LONG = 3, 4
UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # TIFF's formats of numbers


def tiff(pixels=None, bits=8, kind=UNSIGNED, width=SIDE, height=SIDE, order="<", photometric=1,
         samples=1, compression=1, offset=None, next_page=0):
    """One strip of `pixels` behind the directory. `offset` is where it is said to be."""
    if pixels is None:
        pixels = noise(width * height * samples * bits // 8)
    tags = [(256, LONG, width), (257, LONG, height), (258, SHORT, bits), (259, SHORT, compression),
            (262, SHORT, photometric), (273, LONG, offset), (277, SHORT, samples),
            (278, LONG, height), (279, LONG, len(pixels)), (339, SHORT, kind)]
    behind = 8 + 2 + 12 * len(tags) + 4
    bits_of_each = struct.pack(order + "H", bits) * samples
    if samples > 2:  # too many for the directory itself
        tags[2] = (258, SHORT, behind)
        tags[9] = (339, SHORT, behind + len(bits_of_each))
        extra = bits_of_each + struct.pack(order + "H", kind) * samples
    else:
        extra = b""
    if offset is None:
        tags[5] = (273, LONG, behind + len(extra))
    directory = struct.pack(order + "H", len(tags))
    for tag, type_, value in tags:
        count = samples if tag in (258, 339) else 1
        is_short = type_ == SHORT and count == 1
        directory += struct.pack(order + ("HHIHH" if is_short else "HHII"), tag, type_, count,
                                 value, *([0] if is_short else []))
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return start + directory + struct.pack(order + "I", next_page) + extra + pixels


def float_tiff(first, order="<"):
    """Floats in [0,1], except perhaps the first."""
    values = [first] + [(i % 11) / 10 for i in range(SIDE * SIDE - 1)]
    return tiff(struct.pack(f"{order}{len(values)}f", *values), bits=32, kind=FLOAT, order=order)


# NPY

def npy(data, shape, kind):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + data


def floats(*firsts):
    """A row for each value, which is the first of its pixels."""
    values = []
    for first in firsts:
        values += [first] + [0.5] * (SIDE * SIDE - 1)
    return struct.pack(f"<{len(values)}f", *values)
