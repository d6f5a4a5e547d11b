#!/usr/bin/python3
"""Bad and strange images, archives and arrays, and what is to become of each.

    make_zoo.py FOLDER

Makes FOLDER/zoo, a folder of files, and archives, arrays and lists of paths (*.list) beside it, the same
bytes every time. FOLDER/expected.json holds for each of these inputs the rows of its table, in order:
[path, status] or [path, status, part of the reason]; none where the input is refused as a whole. Bytes of
paths that are no UTF-8 are surrogates, as os.fsdecode makes them. Nothing takes much space: what is huge
only says so, or is packed.
"""

import argparse
import gzip
import io
import json
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from image_bytes import (FLOAT, GREY_ALPHA, PALETTE, RGB, RGBA, SIDE, SIGNATURE, SIGNED,
                         alpha_png, chunk, declared_jpeg, empty_png, endless_jpeg, exif, flip,
                         float_tiff, floats, frame, header, interlaced_png, jpeg, noise, npy,
                         picture, png, png_of, rows, saved, tiff, turned_jpeg, zeros_deflated)

OK = "ok"
NOT_AN_IMAGE = "not-an-image"
TRUNCATED = "truncated"
WRONG_SIZE = "wrong-size"
UNSUPPORTED = "unsupported"
TOO_LARGE = "too-large"
NOT_FINITE = "not-finite"
UNREADABLE = "unreadable"
VANISHED = "vanished"
LEFT_OUT = None  # no row

BOMB = 300_000_000  # bytes; 2^28 are read of a file
TERABYTE = 1 << 40


def no_images():
    """Files that are none, whatever they are called."""
    good = png()
    yield "empty.png", b"", TRUNCATED
    yield "zeros.png", bytes(4096), NOT_AN_IMAGE
    yield "text.png", b"a text\n", NOT_AN_IMAGE
    yield "page.jpg", b"<!DOCTYPE html><title>404 Not Found</title>\n", NOT_AN_IMAGE
    yield "text.txt", b"a text\n", LEFT_OUT
    yield "empty", b"", LEFT_OUT
    yield ".hidden.png", good, LEFT_OUT
    yield ".hidden/good.png", good, LEFT_OUT
    yield "inner.tar", tar_of(("good.png", good)), LEFT_OUT
    yield "inner.zip", zip_of(("good.png", good)), LEFT_OUT
    yield "inner.npy", npy(floats(0.5), (1, SIDE, SIDE), "<f4"), LEFT_OUT
    yield "gif.gif", saved(picture(), "GIF"), UNSUPPORTED, "GIF"
    yield "gif.png", saved(picture(), "GIF"), UNSUPPORTED, "GIF"
    yield "bitmap.bmp", saved(picture(), "BMP"), UNSUPPORTED, "BMP"
    yield "webp.webp", saved(picture("RGB"), "WEBP", lossless=True), UNSUPPORTED, "WebP"
    yield "heif", b"\0\0\0\x18ftypheic" + bytes(100), UNSUPPORTED, "HEIF"
    yield "jpeg2000.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), UNSUPPORTED, "JPEG 2000"


def names():
    good = png()
    yield "png.jpg", good, OK
    yield "jpeg.dat", jpeg(), OK
    yield "no suffix", good, OK
    yield "a folder.png/good.png", good, OK
    yield "-o", good, OK
    yield 'a "quoted", name\'s.png', good, OK
    yield "two\nlines.png", good, OK
    yield "back\\x5cslash.png", good, OK
    yield "\x1b[31mred\x07.png", good, OK
    yield "\u202egnp.txt.png", good, OK
    yield "grün 画像.png", good, OK
    yield os.fsdecode(b"\xff\xfe\xc3.png"), good, OK
    yield "=1+1.png", good, OK
    yield "l" * 251 + ".png", good, OK


def pngs():
    good = png()
    black = zlib.compress(bytes((1 + SIDE) * SIDE))
    pixels = rows()
    yield "png/good.png", good, OK
    yield "png/interlaced.png", interlaced_png(), OK
    yield "png/16 bits.png", png(depth=16), OK
    yield "png/1 bit.png", png(depth=1), OK
    yield "png/4 bits.png", png(depth=4), OK
    yield "png/colour.png", png(colour=RGB), WRONG_SIZE, "28x28x3"
    yield ("png/palette.png", png(colour=PALETTE, before=chunk(b"PLTE", noise(768))), WRONG_SIZE,
           "28x28x3")
    yield "png/palette without colours.png", png(colour=PALETTE), UNREADABLE
    yield "png/opaque colour.png", alpha_png(RGBA, 255), WRONG_SIZE, "28x28x3"
    yield "png/opaque grey.png", alpha_png(GREY_ALPHA, 255), OK
    yield "png/transparent.png", alpha_png(GREY_ALPHA, 128), UNSUPPORTED, "transparency"
    yield ("png/transparent colour.png", png(before=chunk(b"tRNS", b"\0" + pixels[1:2])),
           UNSUPPORTED, "transparency")
    yield ("png/transparent colour nowhere.png",
           png_of(header(), chunk(b"tRNS", b"\0\x7f"), chunk(b"IDAT", black)), OK)
    yield ("png/animated.png",
           saved(picture(), "PNG", save_all=True, append_images=[picture(seed=2)]), OK)
    yield "png/turned.png", png(before=chunk(b"eXIf", exif(6))), OK
    yield "png/behind its end.png", good + noise(1000), OK
    yield ("png/text bomb.png",
           png(before=chunk(b"zTXt", b"bomb\0\0" + zeros_deflated(1 << 26))), OK)
    yield "png/profile bomb.png", png(before=chunk(b"iCCP", b"p\0\0" + zeros_deflated(1 << 26))), OK

    yield "png/cut in signature.png", good[:6], TRUNCATED
    yield "png/cut in header.png", good[:20], TRUNCATED
    yield "png/cut in pixels.png", good[:len(good) // 2], TRUNCATED
    yield "png/cut before end.png", good[:-12], TRUNCATED
    yield ("png/half of its rows.png",
           png_of(header(), chunk(b"IDAT", zlib.compress(pixels[:len(pixels) // 2]))), TRUNCATED)
    yield "png/without pixels.png", png_of(header()), UNREADABLE
    yield "png/without header.png", png_of(chunk(b"IDAT", black)), UNREADABLE
    yield "png/wrong crc.png", flip(good, -13), UNREADABLE
    yield "png/flipped.png", flip(good, len(good) // 2), UNREADABLE
    yield ("png/wrong adler.png",
           png_of(header(), chunk(b"IDAT", flip(zlib.compress(pixels), -1))), UNREADABLE)
    yield ("png/no zlib.png", png_of(header(), chunk(b"IDAT", noise(800))), UNREADABLE)
    yield ("png/unknown filter.png",
           png_of(header(), chunk(b"IDAT", zlib.compress(rows(filter_type=9)))), UNREADABLE)
    yield "png/sent as text.png", good.replace(b"\r\n", b"\n"), UNREADABLE
    yield "png/3 bits.png", png_of(header(depth=3), chunk(b"IDAT", black)), UNREADABLE
    yield "png/no width.png", png_of(header(width=0), chunk(b"IDAT", black)), UNREADABLE
    yield "png/unknown chunk.png", png(before=chunk(b"ABCD", b"?")), UNSUPPORTED
    yield "png/huge chunk.png", SIGNATURE + header() + b"\x7f\xff\xff\xffIDAT" + black, TRUNCATED
    yield ("png/60000 pixels wide.png",
           png_of(header(60000, 60000), chunk(b"IDAT", black)), TOO_LARGE)
    yield ("png/16000 pixels wide.png",
           png_of(header(16000, 16000), chunk(b"IDAT", black)), TRUNCATED)
    yield "png/bomb.png", empty_png(20000, 20000), TOO_LARGE
    yield "png/large.png", empty_png(16000, 16000), WRONG_SIZE, "16000x16000x1"


def jpegs():
    good = jpeg()
    yield "jpeg/baseline.jpg", good, OK
    yield "jpeg/progressive.jpg", jpeg(progressive=True), OK
    yield "jpeg/colour.jpg", jpeg("RGB"), WRONG_SIZE, "28x28x3"
    yield "jpeg/cmyk.jpg", jpeg("CMYK"), UNSUPPORTED, "CMYK"
    yield "jpeg/turned.jpg", turned_jpeg(SIDE, SIDE, 6), OK
    yield "jpeg/turned upright.jpg", turned_jpeg(28, 14, 6), WRONG_SIZE, "14x28x1"
    yield "jpeg/damaged exif.jpg", jpeg(exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), OK
    yield "jpeg/behind its end.jpg", good + noise(1000), OK
    yield "jpeg/cut in header.jpg", good[:frame(good) + 6], TRUNCATED
    yield "jpeg/cut in pixels.jpg", good[:-100], TRUNCATED
    yield "jpeg/cut before end.jpg", good[:-2], TRUNCATED
    yield ("jpeg/cut progressive.jpg", jpeg(progressive=True)[:-60], TRUNCATED)
    yield "jpeg/without image.jpg", b"\xff\xd8\xff\xd9", UNREADABLE
    yield "jpeg/without tables.jpg", good[:2] + good[frame(good):], UNREADABLE
    yield "jpeg/lossless.jpg", good.replace(b"\xff\xc0", b"\xff\xc3", 1), UNSUPPORTED
    at = frame(good) + 4
    yield "jpeg/12 bits.jpg", good[:at] + b"\x0c" + good[at + 1:], UNSUPPORTED
    yield "jpeg/endless.jpg", endless_jpeg(2000), TOO_LARGE, "scans"
    yield "jpeg/65000 pixels wide.jpg", declared_jpeg(65000, 65000), TOO_LARGE
    yield "jpeg/16000 pixels wide.jpg", declared_jpeg(16000, 16000), TRUNCATED


def tiffs():
    yield "tiff/8 bits.tif", tiff(), OK
    yield "tiff/16 bits.tif", tiff(bits=16), OK
    yield "tiff/big endian.tif", tiff(bits=16, order=">"), OK
    yield "tiff/white is zero.tif", tiff(photometric=0), OK
    yield "tiff/deflate.tif", saved(picture(), "TIFF", compression="tiff_adobe_deflate"), OK
    yield "tiff/lzw.tif", saved(picture(), "TIFF", compression="tiff_lzw"), OK
    yield "tiff/floats.tif", float_tiff(1), OK
    yield "tiff/floats, big endian.tif", float_tiff(1, ">"), OK
    yield "tiff/nan.tif", float_tiff(float("nan")), NOT_FINITE, "nan"
    yield "tiff/infinite.tif", float_tiff(float("-inf")), NOT_FINITE, "-inf"
    yield "tiff/above 1.tif", float_tiff(1.5), NOT_FINITE, "1.5"
    yield "tiff/colour.tif", tiff(photometric=2, samples=3), WRONG_SIZE, "28x28x3"
    yield "tiff/cmyk.tif", tiff(photometric=5, samples=4), UNSUPPORTED, "CMYK"
    yield "tiff/signed.tif", tiff(kind=SIGNED), UNSUPPORTED, "signed"
    yield "tiff/half floats.tif", tiff(bits=16, kind=FLOAT), UNSUPPORTED
    yield "tiff/unknown compression.tif", tiff(compression=4711), UNSUPPORTED
    yield ("tiff/two pages.tif",
           saved(picture(), "TIFF", save_all=True, append_images=[picture(seed=2)]), UNSUPPORTED,
           "2 pages")
    yield "tiff/pages in a circle.tif", tiff(next_page=8), UNREADABLE
    yield "tiff/cut in directory.tif", tiff()[:60], TRUNCATED
    yield "tiff/cut in pixels.tif", tiff()[:-100], TRUNCATED
    yield "tiff/pixels elsewhere.tif", tiff(offset=1 << 31), TRUNCATED
    yield "tiff/60000 pixels wide.tif", tiff(b"?", width=60000, height=60000), TOO_LARGE
    yield "tiff/16000 pixels wide.tif", tiff(b"?", width=16000, height=16000), TRUNCATED


def links():
    """(name, target, status)"""
    yield "link.png", "png/good.png", OK
    yield "link to nowhere.png", "nowhere.png", VANISHED
    yield "link to itself.png", "link to itself.png", UNREADABLE
    yield "links/there.png", "back.png", UNREADABLE
    yield "links/back.png", "there.png", UNREADABLE
    yield "links/above", "..", UNREADABLE, "link back"


class Zeros(io.RawIOBase):
    """So many zero bytes that nobody holds them."""

    def __init__(self, size):
        self.left = size

    def readable(self):
        return True

    def readinto(self, out):
        count = min(self.left, len(out))
        out[:count] = bytes(count)
        self.left -= count
        return count


def member(name, size=0, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info


def tar_of(*members):
    """Of (name, bytes), or of what member() makes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for item in members:
            if isinstance(item, tarfile.TarInfo):
                archive.addfile(item)
            else:
                name, data = item
                archive.addfile(member(name, len(data)), io.BytesIO(data))
    return out.getvalue()


def tar_gz_bomb(good):
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
            archive.addfile(member("bomb.png", BOMB), io.BufferedReader(Zeros(BOMB)))
            archive.addfile(member("good.png", len(good)), io.BytesIO(good))
    return out.getvalue()


def claiming_tar(good):
    """A member of a terabyte, of which there is nothing."""
    claim = member("claim.png", TERABYTE).tobuf(tarfile.GNU_FORMAT)
    padding = bytes(-len(good) % tarfile.BLOCKSIZE)
    return member("good.png", len(good)).tobuf() + good + padding + claim + bytes(1024)


def sparse_tar(good):
    """A member that is a hole of a terabyte, as GNU tar writes it."""
    block = bytearray(member("hole.png", kind=tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    size = b"\x80" + TERABYTE.to_bytes(11, "big")
    block[386:410] = size + b"00000000000\0"  # nothing is stored, at its end
    block[483:495] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + tar_of(("good.png", good))


def zip_of(*members):
    """Of (name, bytes or a stream of them)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w") as packed:
                stream = io.BytesIO(data) if isinstance(data, bytes) else data
                shutil.copyfileobj(stream, packed, 1 << 20)
    return out.getvalue()


def patched_zip(data, name, local, central, value):
    """`value` over that of a field of a member, in both its headers (APPNOTE 4.3.7, 4.3.12)."""
    changed = bytearray(data)
    for mark, size, field in ((b"PK\3\4", 30, local), (b"PK\1\2", 46, central)):
        at = data.index(mark)
        while not data.startswith(name, at + size):
            at = data.index(mark, at + 1)
        changed[at + field:at + field + len(value)] = value
    return bytes(changed)


def tars(good):
    yield "paths.tar", tar_of(
        ("../../evil.png", good), ("/etc/evil.png", good), ("a/../../evil.png", good),
        ("//evil.png", good), (".hidden.png", good), ("text.txt", b"a text\n"), ("jpeg.dat", jpeg()),
        (os.fsdecode(b"\xff.png"), good), ("two\nlines.png", good), ("same.png", good),
        ("same.png", good), ("long/" * 60 + "good.png", good), ("inner.zip", zip_of(("a.png", good))),
    ), [("../../evil.png", OK), ("/etc/evil.png", OK), ("a/../../evil.png", OK),
        ("//evil.png", OK), ("jpeg.dat", OK), (os.fsdecode(b"\xff.png"), OK),
        ("two\nlines.png", OK), ("same.png", OK), ("same.png", OK),
        ("long/" * 60 + "good.png", OK)]
    yield "kinds.tar", tar_of(
        ("good.png", good), member("folder.png", kind=tarfile.DIRTYPE),
        member("hard link.png", kind=tarfile.LNKTYPE, target="good.png"),
        member("link.png", kind=tarfile.SYMTYPE, target="/etc/passwd"),
        member("link", kind=tarfile.SYMTYPE, target="/etc/passwd"),
        member("pipe.png", kind=tarfile.FIFOTYPE), member("device.png", kind=tarfile.CHRTYPE),
        ("empty.png", b""), ("text.png", b"a text\n"), ("colour.png", png(colour=RGB)),
    ), [("good.png", OK), ("hard link.png", UNSUPPORTED), ("link.png", UNSUPPORTED),
        ("empty.png", TRUNCATED), ("text.png", NOT_AN_IMAGE), ("colour.png", WRONG_SIZE)]
    yield "claim.tar", claiming_tar(good), [("good.png", OK), ("claim.tar", TRUNCATED)]
    yield "hole.tar", sparse_tar(good), [("hole.png", TOO_LARGE), ("good.png", OK)]
    two = tar_of(("first.png", good), ("second.png", good))
    second = two.index(b"second.png")
    yield ("cut in member.tar", two[:second + 700],
           [("first.png", OK), ("cut in member.tar", TRUNCATED)])
    yield ("cut between members.tar", two[:second],
           [("first.png", OK), ("cut between members.tar", TRUNCATED)])
    yield ("damaged.tar", flip(two, second),
           [("first.png", OK), ("damaged.tar", UNREADABLE)])
    # Long enough that what is before the cut is unpacked by itself.
    long = tar_of(("first.png", good), ("noise.bin", noise(200_000)), ("last.png", good))
    yield ("cut.tar.gz", gzip.compress(long, mtime=0)[:-20_000],
           [("first.png", OK), ("cut.tar.gz", TRUNCATED)])
    yield "bomb.tar.gz", tar_gz_bomb(good), [("bomb.png", TOO_LARGE), ("good.png", OK)]
    yield "empty.tar", bytes(10240), []
    yield "no images.tar", tar_of(("text.txt", b"a text\n")), []
    yield "nothing good.tar", tar_of(("text.png", b"a text\n")), [("text.png", NOT_AN_IMAGE)]


def zips(good):
    three = zip_of(("first.png", good), ("second.png", good), ("third.png", good))
    yield "paths.zip", zip_of(
        ("../evil.png", good), ("/etc/evil.png", good), ("text.txt", b"a text\n"),
        ("inner.zip", three), ("grün.png", good), ("jpeg.dat", jpeg()),
    ), [("../evil.png", OK), ("/etc/evil.png", OK), ("grün.png", OK), ("jpeg.dat", OK)]
    bomb = zip_of(("bomb.png", Zeros(BOMB)), ("good.png", good))
    yield "bomb.zip", bomb, [("bomb.png", TOO_LARGE), ("good.png", OK)]
    yield ("small bomb.zip", patched_zip(bomb, b"bomb.png", 22, 24, struct.pack("<I", 1000)),
           [("bomb.png", TOO_LARGE), ("good.png", OK)])
    one_bad = [("first.png", OK), ("second.png", UNREADABLE), ("third.png", OK)]
    yield ("wrong crc.zip", patched_zip(three, b"second.png", 14, 16, bytes(4)), one_bad)
    yield ("encrypted.zip", patched_zip(three, b"second.png", 6, 8, b"\1\0"),
           [("first.png", OK), ("second.png", UNSUPPORTED, "encrypted"), ("third.png", OK)])
    yield ("unknown compression.zip", patched_zip(three, b"second.png", 8, 10, b"\x63\0"), one_bad)
    yield "cut.zip", three[:-40], []
    yield "empty.zip", zip_of(), []


def arrays():
    row = SIDE * SIDE
    yield ("noise.npy", npy(noise(60 * row), (60, SIDE, SIDE), "|u1"), [("", OK)] * 60)
    yield ("floats.npy", npy(floats(0, float("nan"), 1, 1.5, -0.25, float("inf"), 0.5),
                             (7, SIDE, SIDE), "<f4"),
           [("", OK), ("", NOT_FINITE, "nan"), ("", OK), ("", NOT_FINITE, "1.5"),
            ("", NOT_FINITE, "-0.25"), ("", NOT_FINITE, "inf"), ("", OK)])
    yield ("cut.npy", npy(noise(5 * row // 2), (3, SIDE, SIDE), "|u1"),
           [("", OK), ("", OK), ("cut.npy", TRUNCATED)])
    yield ("claim.npy", npy(noise(2 * row), (1_000_000_000, SIDE, SIDE), "|u1"),
           [("", OK), ("", OK), ("claim.npy", TRUNCATED)])
    yield "absurd claim.npy", npy(noise(row), (TERABYTE, SIDE, SIDE), "|u1"), []
    yield ("behind its end.npy", npy(noise(2 * row + 1), (2, SIDE, SIDE), "|u1"),
           [("", OK), ("", OK), ("behind its end.npy", UNREADABLE)])
    yield "colour.npy", npy(noise(3 * row), (1, SIDE, SIDE, 3), "|u1"), [("", WRONG_SIZE)]
    yield "wide.npy", npy(b"?", (1, 60000, 60000), "|u1"), []
    yield "objects.npy", npy(b"\x80\4N.", (1,), "|O"), []
    yield "cut in header.npy", npy(b"", (1, SIDE, SIDE), "|u1")[:40], []
    yield ("claim.idx", struct.pack(">IIII", 0x803, 0xffffffff, SIDE, SIDE) + noise(row),
           [("", OK), ("claim.idx", TRUNCATED)])


def lists():
    # A folder leaves a pipe out; who names one learns that it is not read, and does not wait.
    yield ("paths.list", b"zoo/png/good.png\nzoo/pipe.png\nzoo/gone.png\nzoo/png\nzoo/text.png\n",
           [("zoo/png/good.png", OK), ("zoo/pipe.png", UNREADABLE), ("zoo/gone.png", VANISHED),
            ("zoo/png", UNREADABLE), ("zoo/text.png", NOT_AN_IMAGE)])


def make_folder(folder):
    """The zoo itself; its rows."""
    expected = []
    for make in (no_images, names, pngs, jpegs, tiffs):
        for name, data, status, *reason in make():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            expected.append((name, status, *reason))
    for name, target, status, *reason in links():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
        expected.append((name, status, *reason))
    os.mkfifo(folder / "pipe.png")
    return sorted((row for row in expected if row[1] is not LEFT_OUT),
                  key=lambda row: os.fsencode(row[0]))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    expected = {"zoo": make_folder(folder / "zoo")}
    good = png()
    for inputs in (tars(good), zips(good), arrays(), lists()):
        for name, data, table in inputs:
            (folder / name).write_bytes(data)
            expected[name] = table
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
