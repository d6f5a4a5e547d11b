#!/usr/bin/env python3
"""Writes the files of this folder. Needs Pillow alone (Debian: python3-pil).

Made with Pillow 9.4, libjpeg-turbo 2.1.5 and libtiff 4.5. Pillow writes what it can; PNG and TIFF of
kinds that it cannot write are put together here, from numbers that are then what is expected.

manifest.txt: a line for each file that is to be read: name, type, width, height, channels, and the
orientation in it; expected.bin holds the pixels, upright, of one after the other, [H,W,C] in little
endian. resized.txt and resized.bin: the same of images that Pillow has resized, from the pixels that
`noise` makes (and tests/images/preprocessing_test.cc as well). scaled.txt and scaled.bin: photo.jpg
decoded by Pillow at a part of its size.
"""
import io
import math
import pathlib
import struct
import zlib

from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 13, 7
manifest, expected = [], []


def noise(count, largest, seed=1):
    """Numbers of 0 … largest, from the linear congruential generator of Numerical Recipes."""
    state, numbers = seed, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        numbers.append((state >> 8) % (largest + 1))
    return numbers


def pack(kind, numbers):
    return struct.pack("<%d%s" % (len(numbers), {"u8": "B", "u16": "H", "f32": "f"}[kind]), *numbers)


def add(name, content, kind, channels, numbers, size=(WIDTH, HEIGHT), orientation=1):
    (HERE / name).write_bytes(content)
    pixels = numbers if isinstance(numbers, bytes) else pack(kind, numbers)
    assert len(pixels) == size[0] * size[1] * channels * {"u8": 1, "u16": 2, "f32": 4}[kind], name
    manifest.append(f"{name} {kind} {size[0]} {size[1]} {channels} {orientation}")
    expected.append(pixels)


def same_to_pillow(content, mode, numbers):
    assert list(Image.open(io.BytesIO(content)).convert(mode).tobytes()) == numbers


# PNG

def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed_row(samples, depth):
    if depth == 16:
        return struct.pack(">%dH" % len(samples), *samples)
    bits = "".join(format(s, "0%db" % depth) for s in samples)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples, colour, depth, interlaced=False, before=b"", after=b"", parts=1):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    raw = b""
    for x0, y0, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        for y in range(y0, HEIGHT, dy):
            row = []
            for x in range(x0, WIDTH, dx):
                row += samples[(y * WIDTH + x) * channels:][:channels]
            if row:
                raw += b"\0" + packed_row(row, depth)
    data = zlib.compress(raw, 9)
    step = math.ceil(len(data) / parts)
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, interlaced)) +
            before + b"".join(chunk(b"IDAT", data[i:i + step]) for i in range(0, len(data), step)) +
            after + chunk(b"IEND", b""))


PIXELS = WIDTH * HEIGHT
palette = noise(3 * 256, 255, seed=7)
for interlaced in False, True:
    mark = "_interlaced" if interlaced else ""
    for depth in 1, 2, 4, 8, 16:
        top = 2**depth - 1
        wide = depth == 16
        kind = "u16" if wide else "u8"
        grey = noise(PIXELS, top)
        full = grey if depth >= 8 else [s * 255 // top for s in grey]
        content = png(grey, 0, depth, interlaced)
        if not wide:
            same_to_pillow(content, "L", full)
        add(f"grey{depth}{mark}.png", content, kind, 1, full)
        if depth <= 8:
            content = png(grey, 3, depth, interlaced, before=chunk(b"PLTE", bytes(palette[:3 * top + 3])))
            colours = [c for s in grey for c in palette[3 * s:3 * s + 3]]
            same_to_pillow(content, "RGB", colours)
            add(f"palette{depth}{mark}.png", content, "u8", 3, colours)
        if depth >= 8:
            rgb = noise(PIXELS * 3, top)
            content = png(rgb, 2, depth, interlaced)
            if not wide:
                same_to_pillow(content, "RGB", rgb)
            add(f"rgb{depth}{mark}.png", content, kind, 3, rgb)
            grey_alpha = [n for s in grey for n in (s, top)]
            add(f"grey_alpha{depth}{mark}.png", png(grey_alpha, 4, depth, interlaced), kind, 1, grey)
            rgba = [n for i in range(PIXELS) for n in rgb[3 * i:3 * i + 3] + [top]]
            add(f"rgb_alpha{depth}{mark}.png", png(rgba, 6, depth, interlaced), kind, 3, rgb)

# Transparency that no pixel has.
grey2 = [s % 3 for s in noise(PIXELS, 3)]
add("key_grey2.png", png(grey2, 0, 2, before=chunk(b"tRNS", b"\0\3")), "u8", 1, [s * 85 for s in grey2])
grey16 = [s | 1 for s in noise(PIXELS, 65535)]
add("key_grey16.png", png(grey16, 0, 16, before=chunk(b"tRNS", b"\0\2")), "u16", 1, grey16)
rgb8 = [s | 1 for s in noise(PIXELS * 3, 255)]
add("key_rgb8.png", png(rgb8, 2, 8, before=chunk(b"tRNS", b"\0\2" * 3)), "u8", 3, rgb8)
rgb16 = [s | 1 for s in noise(PIXELS * 3, 65535)]
add("key_rgb16.png", png(rgb16, 2, 16, before=chunk(b"tRNS", b"\0\2" * 3)), "u16", 3, rgb16)
index = [1 + s for s in noise(PIXELS, 2)]
plte = chunk(b"PLTE", bytes(palette[:12]))
add("key_palette.png", png(index, 3, 2, before=plte + chunk(b"tRNS", b"\0")), "u8", 3,
    [c for s in index for c in palette[3 * s:3 * s + 3]])
# Transparency that some pixel has.
for name, content in {
    "grey_alpha": png([n for s in noise(PIXELS, 255) for n in (s, 255)][:-1] + [254], 4, 8),
    "rgb_alpha16": png(noise(PIXELS * 4, 65535), 6, 16),
    "key_grey1": png(noise(PIXELS, 1), 0, 1, before=chunk(b"tRNS", b"\0\1")),
    "key_rgb8": png([2] * 3 + rgb8[3:], 2, 8, before=chunk(b"tRNS", b"\0\2" * 3)),
    "key_palette": png([0] + index[1:], 3, 2, before=plte + chunk(b"tRNS", b"\xfe")),
}.items():
    (HERE / f"transparent_{name}.png").write_bytes(content)

grey8 = noise(PIXELS, 255)
add("many_idat.png", png(grey8, 0, 8, parts=29), "u8", 1, grey8)
# Chunks that are left alone: a text of 4 MB, a time that does not exist, the second image of an animation.
add("chunks.png",
    png(grey8, 0, 8,
        before=chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 2**22)) + chunk(b"tIME", b"\0" * 7) +
        chunk(b"acTL", struct.pack(">II", 2, 0)) +
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)),
        after=chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)) +
        chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(bytes(HEIGHT * (WIDTH + 1))))), "u8", 1, grey8)


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def big_endian_exif(orientation):
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


for orientation in range(1, 9):
    data = big_endian_exif(orientation)
    for name, numbers, colour, mode in ("grey8", grey8, 0, "L"), ("rgb8", rgb8, 2, "RGB"):
        upright = Image.frombytes(mode, (WIDTH, HEIGHT), bytes(numbers))
        # Pillow turns by the EXIF data that an image carries.
        upright.getexif()[0x0112] = orientation
        upright = ImageOps.exif_transpose(upright)
        add(f"turned{orientation}_{name}.png", png(numbers, colour, 8, before=chunk(b"eXIf", data)), "u8",
            len(mode), upright.tobytes(), upright.size, orientation)


# JPEG

def photo(size):
    """Something smooth in colours, as JPEG is made for."""
    w, h = size
    return Image.frombytes("RGB", size, bytes(
        int(127.5 + 127.5 * math.sin(.02 * (c + 2) * (x + c * y) + c)) for y in range(h) for x in range(w)
        for c in range(3)))


def add_jpeg(name, image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    orientation = 1
    if "exif" in options:
        orientation = Image.open(out).getexif()[0x0112]
    upright = ImageOps.exif_transpose(Image.open(out))
    add(name, out.getvalue(), "u8", len(upright.getbands()), upright.tobytes(), upright.size, orientation)


small = photo((29, 19))
add_jpeg("grey.jpg", small.convert("L"))
add_jpeg("colour_420.jpg", small, quality=90, subsampling=2)
add_jpeg("colour_422.jpg", small, quality=90, subsampling=1)
add_jpeg("colour_444.jpg", small, quality=90, subsampling=0)
add_jpeg("progressive.jpg", small, quality=90, progressive=True)
for orientation in range(1, 9):
    add_jpeg(f"turned{orientation}.jpg", small, quality=80, exif=exif(orientation))
small.convert("CMYK").save(HERE / "cmyk.jpg")

PHOTO = (67, 45)
photo(PHOTO).save(HERE / "photo.jpg", quality=85, subsampling=2)
scaled_lines, scaled_pixels = [], []
for mode in "RGB", "L":
    for part in 1, 2, 4, 8:
        image = Image.open(HERE / "photo.jpg")
        image.draft(mode, (PHOTO[0] // part, PHOTO[1] // part))
        assert image.mode == mode and image.size == tuple(-(-e // part) for e in PHOTO), image
        scaled_lines.append(f"{part} {image.size[0]} {image.size[1]} {len(mode)}")
        scaled_pixels.append(image.tobytes())
(HERE / "scaled.txt").write_text("\n".join(scaled_lines) + "\n")
(HERE / "scaled.bin").write_bytes(b"".join(scaled_pixels))


# TIFF

def add_pillow_tiff(name, image, kind, channels, pixels=None, **options):
    out = io.BytesIO()
    image.save(out, "TIFF", **options)
    if pixels is None:
        pixels = Image.open(out).tobytes()
    add(name, out.getvalue(), kind, channels, pixels, image.size)


grey = small.convert("L")
for compression in "raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd":
    add_pillow_tiff(f"rgb_{compression}.tif", small, "u8", 3, compression=compression)
add_pillow_tiff("rgb_jpeg.tif", photo((32, 16)), "u8", 3, compression="jpeg", quality=90)
add_pillow_tiff("grey_jpeg.tif", photo((32, 16)).convert("L"), "u8", 1, compression="jpeg", quality=90)
bilevel = grey.point(lambda v: 255 * (v > 127), "1")
for compression in "raw", "group3", "group4":
    add_pillow_tiff(f"bilevel_{compression}.tif", bilevel, "u8", 1, bilevel.convert("L").tobytes(),
                    compression=compression)
add_pillow_tiff("rgba.tif", small.convert("RGBA"), "u8", 3, small.tobytes())
small.convert("RGBA").rotate(30).save(HERE / "transparent.tif")
small.convert("CMYK").save(HERE / "cmyk.tif")
small.save(HERE / "pages.tif", save_all=True, append_images=[small, small])
Image.frombytes("I", (3, 1), struct.pack("<3i", 1, 2, 3)).save(HERE / "int32.tif")
photo((33, 17)).convert("LAB").save(HERE / "lab.tif")

SHORT, LONG, LONG8 = 3, 4, 16


def tiff(blocks, bits, samples, photometric, order="<", big=False, sample_format=1, tile=None, rows=None,
         separate=False, orientation=1, extra=None, colour_map=None, predictor=1, compression=1,
         size=(WIDTH, HEIGHT), more=()):
    """A TIFF or BigTIFF whose strips or tiles are `blocks`."""
    word = LONG8 if big else LONG
    fields = {256: (LONG, [size[0]]), 257: (LONG, [size[1]]), 258: (SHORT, [bits] * samples),
              259: (SHORT, [compression]), 262: (SHORT, [photometric]), 274: (SHORT, [orientation]),
              277: (SHORT, [samples]), 284: (SHORT, [2 if separate else 1]),
              339: (SHORT, [sample_format] * samples)}
    if predictor != 1:
        fields[317] = (SHORT, [predictor])
    if extra is not None:
        fields[338] = (SHORT, [extra])
    if colour_map is not None:
        fields[320] = (SHORT, colour_map)
    if tile:
        fields[322], fields[323] = (LONG, [tile[0]]), (LONG, [tile[1]])
    else:
        fields[278] = (LONG, [rows or size[1]])
    at = 16 if big else 8
    offsets = []
    for block in blocks:
        offsets.append(at)
        at += len(block)
    data = b"".join(blocks) + b"\0" * (at % 2)
    at += at % 2
    fields[324 if tile else 273] = (word, offsets)
    fields[325 if tile else 279] = (word, [len(b) for b in blocks])
    for tag, field in more:
        fields[tag] = field
    header = (b"II" if order == "<" else b"MM") + (
        struct.pack(order + "HHHQ", 43, 8, 0, at) if big else struct.pack(order + "HI", 42, at))
    entry, inline, count_code, offset_code = (20, 8, "Q", "Q") if big else (12, 4, "I", "I")
    after = at + (8 if big else 2) + entry * len(fields) + inline
    directory, rest = struct.pack(order + ("Q" if big else "H"), len(fields)), b""
    for tag in sorted(fields):
        kind, values = fields[tag]
        packed = struct.pack(order + str(len(values)) + {SHORT: "H", LONG: "I", LONG8: "Q"}[kind], *values)
        directory += struct.pack(order + "HH" + count_code, tag, kind, len(values))
        if len(packed) <= inline:
            directory += packed.ljust(inline, b"\0")
        else:
            directory += struct.pack(order + offset_code, after + len(rest))
            rest += packed
    return header + data + directory + struct.pack(order + offset_code, 0) + rest


def rows_of(numbers, code, per_row):
    return [struct.pack(code[0] + str(per_row) + code[1], *numbers[i:i + per_row])
            for i in range(0, len(numbers), per_row)]


rgb = noise(PIXELS * 3, 255)
rgb_wide = noise(PIXELS * 3, 65535)
wide = noise(PIXELS, 65535)
floats = [n / 65536 for n in wide]  # exact in float32
rgb_floats = [n / 65536 for n in rgb_wide]
for order, name in ("<", "little"), (">", "big"):
    add(f"u16_{name}.tif", tiff([b"".join(rows_of(wide, order + "H", WIDTH))], 16, 1, 1, order), "u16", 1, wide)
    add(f"f32_{name}.tif", tiff(rows_of(rgb_floats, order + "f", WIDTH * 3), 32, 3, 2, order, sample_format=3,
                                rows=1), "f32", 3, rgb_floats)
    add(f"big_tiff_{name}.tif", tiff(rows_of(rgb, order + "B", WIDTH * 3), 8, 3, 2, order, big=True, rows=1),
        "u8", 3, rgb)


def tiles(numbers, code, samples, tile):
    """Tiles, filled up with the largest number, which must not be seen."""
    blocks = []
    for y0 in range(0, HEIGHT, tile[1]):
        for x0 in range(0, WIDTH, tile[0]):
            block = []
            for y in range(y0, y0 + tile[1]):
                for x in range(x0, x0 + tile[0]):
                    inside = x < WIDTH and y < HEIGHT
                    at = (y * WIDTH + x) * samples
                    block += numbers[at:at + samples] if inside else [255] * samples
            blocks.append(struct.pack(code[0] + str(len(block)) + code[1], *block))
    return blocks


def plane(numbers, c):
    return numbers[c::3]


add("tiles.tif", tiff(tiles(rgb_wide, "<H", 3, (16, 16)), 16, 3, 2, tile=(16, 16)), "u16", 3, rgb_wide)
photo_tile = small.tobytes()
add("many_tiles.tif",
    tiff([zlib.compress(Image.frombytes("RGB", small.size, photo_tile).crop((x, y, x + 16, y + 16)).tobytes())
          for y in (0, 16) for x in (0, 16)], 8, 3, 2, tile=(16, 16), compression=8, size=small.size),
    "u8", 3, photo_tile, small.size)
add("separate.tif", tiff([bytes(plane(rgb, c)) for c in range(3)], 8, 3, 2, separate=True), "u8", 3, rgb)
add("separate_tiles.tif",
    tiff([t for c in range(3) for t in tiles(plane(rgb_wide, c), ">H", 1, (16, 16))], 16, 3, 2, ">",
         tile=(16, 16), separate=True), "u16", 3, rgb_wide)
differences = b""
for row in rows_of(rgb, "<B", WIDTH * 3):
    differences += bytes((v - (row[i - 3] if i >= 3 else 0)) % 256 for i, v in enumerate(row))
add("predictor.tif", tiff([zlib.compress(differences)], 8, 3, 2, compression=8, predictor=2), "u8", 3, rgb)
add("white8.tif", tiff([bytes(255 - n for n in grey8)], 8, 1, 0), "u8", 1, grey8)
add("white16.tif", tiff([struct.pack("<%dH" % PIXELS, *[65535 - n for n in wide])], 16, 1, 0), "u16", 1, wide)
add("white_f32.tif", tiff([struct.pack("<%df" % PIXELS, *[1 - n for n in floats])], 32, 1, 0, sample_format=3),
    "f32", 1, floats)
add("alpha16.tif",
    tiff([struct.pack("<%dH" % (2 * PIXELS), *[n for v in wide for n in (v, 65535)])], 16, 2, 1, extra=2),
    "u16", 1, wide)
for bits in 1, 2, 4:
    top = 2**bits - 1
    samples = noise(PIXELS, top)
    packed = b"".join(packed_row(samples[y * WIDTH:][:WIDTH], bits) for y in range(HEIGHT))
    add(f"grey{bits}.tif", tiff([packed], bits, 1, 1), "u8", 1, [255 // top * s for s in samples])
    add(f"white{bits}.tif", tiff([packed], bits, 1, 0), "u8", 1, [255 - 255 // top * s for s in samples])
    colours = [palette[3 * i + c] for c in range(3) for i in range(2**bits)]
    add(f"palette{bits}.tif", tiff([packed], bits, 1, 3, colour_map=[257 * v for v in colours]), "u8", 3,
        [v for s in samples for v in palette[3 * s:3 * s + 3]])
colours = [palette[3 * i + c] for c in range(3) for i in range(256)]
colour_pixels = [v for s in grey8 for v in palette[3 * s:3 * s + 3]]
add("palette8.tif", tiff([bytes(grey8)], 8, 1, 3, colour_map=[257 * v for v in colours]), "u8", 3, colour_pixels)
add("palette_bytes.tif", tiff([bytes(grey8)], 8, 1, 3, colour_map=colours), "u8", 3, colour_pixels)
for orientation in range(1, 9):
    for name, numbers, kind, code, bits in ("u8", rgb, "u8", "B", 8), ("u16", rgb_wide, "u16", "H", 16), (
            "f32", rgb_floats, "f32", "f", 32):
        if name != "u8" and orientation not in (3, 6):
            continue
        pixels = [numbers[3 * i:3 * i + 3] for i in range(PIXELS)]
        grid = [pixels[y * WIDTH:][:WIDTH] for y in range(HEIGHT)]
        turned = {1: lambda g: g, 2: lambda g: [r[::-1] for r in g], 3: lambda g: [r[::-1] for r in g[::-1]],
                  4: lambda g: g[::-1], 5: lambda g: [list(r) for r in zip(*g)],
                  6: lambda g: [list(r) for r in zip(*g[::-1])],
                  7: lambda g: [list(r)[::-1] for r in zip(*g)][::-1],
                  8: lambda g: [list(r) for r in zip(*g)][::-1]}[orientation](grid)
        flat = [n for r in turned for p in r for n in p]
        content = tiff([struct.pack("<%d%s" % (PIXELS * 3, code), *numbers)], bits, 3, 2,
                       orientation=orientation, sample_format=3 if name == "f32" else 1)
        add(f"turned{orientation}_{name}.tif", content, kind, 3, flat, (len(turned[0]), len(turned)), orientation)

# TIFF that is refused.
for name, content in {
    "int8": tiff([bytes(PIXELS * 3)], 8, 3, 2, sample_format=2),
    "five_channels": tiff([bytes(PIXELS * 5)], 8, 5, 1),
    "f64": tiff([bytes(PIXELS * 8)], 64, 1, 1, sample_format=3),
    "nan": tiff([struct.pack("<%df" % PIXELS, *floats[:-1], math.nan)], 32, 1, 1, sample_format=3),
    "infinite": tiff([struct.pack("<%df" % PIXELS, *floats[:-1], math.inf)], 32, 1, 1, sample_format=3),
    "above_one": tiff([struct.pack("<%df" % PIXELS, *floats[:-1], 1.5)], 32, 1, 1, sample_format=3),
    "huge": tiff([b"1234"], 8, 3, 2, size=(60000, 60000)),
    "large": tiff([b"1234"], 8, 3, 2, size=(9000, 9000)),
    "huge_tile": tiff([b"1234"], 8, 1, 1, tile=(2**20, 2**20)),
    "lzma": tiff([bytes(PIXELS)], 8, 1, 1, compression=34925),
}.items():
    (HERE / f"bad_{name}.tif").write_bytes(content)

# Resized by Pillow.
resized_lines, resized_pixels = [], []
for kind, mode, channels, largest in ("u8", "L", 1, 255), ("u8", "RGB", 3, 255), ("u16", "I", 1, 65535), (
        "f32", "F", 1, 65535):
    for size in (67, 45), (1, 1), (3, 50):
        numbers = noise(size[0] * size[1] * channels, largest)
        if kind == "u8":
            source = Image.frombytes(mode, size, bytes(numbers))
        elif kind == "u16":
            source = Image.frombytes(mode, size, struct.pack("<%di" % len(numbers), *numbers))
        else:
            numbers = [n / 65536 for n in numbers]
            source = Image.frombytes(mode, size, struct.pack("<%df" % len(numbers), *numbers))
        for to in {(67, 45): [(28, 28), (5, 3), (67, 9), (13, 45)], (1, 1): [(5, 3)],
                   (3, 50): [(31, 33), (28, 28)]}[size]:
            image = source.resize(to, Image.Resampling.BILINEAR)
            pixels = image.tobytes()
            if kind == "u16":
                pixels = pack("u16", struct.unpack("<%di" % (to[0] * to[1]), pixels))
            resized_lines.append(f"{kind} {channels} {size[0]} {size[1]} {to[0]} {to[1]}")
            resized_pixels.append(pixels)
(HERE / "resized.txt").write_text("\n".join(resized_lines) + "\n")
(HERE / "resized.bin").write_bytes(b"".join(resized_pixels))

(HERE / "manifest.txt").write_text("\n".join(manifest) + "\n")
(HERE / "expected.bin").write_bytes(b"".join(expected))
