#!/usr/bin/env python3
"""Writes the files of this folder with the real NumPy and Python's own pickle.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy && /tmp/venv/bin/python make.py

Made with NumPy 2.4.6 and Python 3.11. Every good file holds the same 3 images of 4x2 pixels:
pixel k of the set (row-major over [N,H,W,C]) is k in integers, k/32 in floats.
"""
import gzip
import io
import os
import pathlib
import pickle
import struct
import warnings
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).parent
SHAPE = (3, 2, 4, 1)
INTEGERS = np.arange(np.prod(SHAPE)).reshape(SHAPE)
FLOATS = INTEGERS / 32  # exact in float32


def write(name, content):
    (HERE / name).write_bytes(content)


def npy(array, **options):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, **options)
    return out.getvalue()


for name, array in {
    "u8": INTEGERS.astype(np.uint8),
    "u16": INTEGERS.astype(np.uint16),
    "f32": FLOATS.astype(np.float32),
    "f64": FLOATS,
}.items():
    write(f"{name}.npy", npy(array))
write("u8_no_channels.npy", npy(INTEGERS.astype(np.uint8)[..., 0]))
write("u8_colour.npy", npy(np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)))
write("u8_version2.npy", npy(INTEGERS.astype(np.uint8), version=(2, 0)))
write("u8_version3.npy", npy(INTEGERS.astype(np.uint8), version=(3, 0)))

# Arrays that are refused.
write("bad_big_endian.npy", npy(FLOATS.astype(">f4")))
write("bad_fortran.npy", npy(np.asfortranarray(FLOATS.astype(np.float32))))
write("bad_object.npy", npy(np.array([1, "a"], dtype=object)))
write("bad_structured.npy", npy(np.zeros(3, dtype=[("a", "u1"), ("b", "<f4")])))
write("bad_int64.npy", npy(INTEGERS.astype(np.int64)))
write("bad_float16.npy", npy(FLOATS.astype(np.float16)))
write("bad_bool.npy", npy(INTEGERS > 3))
write("bad_flat.npy", npy(INTEGERS.astype(np.uint8).reshape(3, 8)))
write("bad_empty.npy", npy(np.zeros((0, 2, 4, 1), np.uint8)))

INDEX = np.array([70, 5, 6], np.int64)
LABEL = np.array([1, 3, 1], np.int32)
for name, save in {"stored": np.savez, "deflated": np.savez_compressed}.items():
    out = io.BytesIO()
    save(out, images=INTEGERS.astype(np.uint8), index=INDEX, label=LABEL)
    write(f"{name}.npz", out.getvalue())
out = io.BytesIO()
np.savez(out, images=FLOATS.astype(np.float32), label=LABEL.astype(np.uint8), other=np.zeros(2))
write("no_index.npz", out.getvalue())
out = io.BytesIO()
np.savez(out, pictures=INTEGERS.astype(np.uint8))
write("bad_no_images.npz", out.getvalue())

idx = struct.pack(">HBBIII", 0, 8, 3, 3, 2, 4) + bytes(range(24))
write("images.idx", idx)
write("images.idx.gz", gzip.compress(idx, mtime=0))
write("images_two_members.idx.gz", gzip.compress(idx[:17], mtime=0) + gzip.compress(idx[17:], mtime=0))
write("labels.idx", struct.pack(">HBBI", 0, 8, 1, 3) + bytes([1, 3, 1]))
write("bad_four_labels.idx", struct.pack(">HBBI", 0, 8, 1, 4) + bytes([1, 3, 1, 1]))


def pickled(array, protocol, numpy1):
    """A pickle as NumPy 2 writes it, or with the names of NumPy 1."""
    content = pickle.dumps(array, protocol=protocol)
    if not numpy1:
        return content
    for module in (b"multiarray", b"numeric"):
        new, old = b"numpy._core." + module, b"numpy.core." + module
        # Protocol 4 and 5 write the length in one byte before the name.
        content = content.replace(bytes([len(new)]) + new, bytes([len(old)]) + old).replace(new, old)
    if protocol >= 4:  # the frame is a byte shorter
        length = struct.unpack_from("<Q", content, 3)[0]
        content = content[:3] + struct.pack("<Q", length - 1) + content[11:]
    assert np.array_equal(pickle.loads(content), array)
    return content


for protocol in range(6):
    for numpy1 in (False, True):
        suffix = f"{protocol}_numpy{1 if numpy1 else 2}.pickle"
        write(f"f32_{suffix}", pickled(FLOATS.astype(np.float32), protocol, numpy1))
# All byte values, which protocols 0 to 2 write as text.
BYTES = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
for protocol in (0, 2, 5):
    write(f"bytes_{protocol}.pickle", pickled(BYTES, protocol, False))
write("f64_4.pickle", pickled(FLOATS, 4, False))
# A view that is not contiguous takes NumPy's other way through protocol 5.
write("u16_strided_5.pickle", pickle.dumps(np.repeat(INTEGERS.astype(np.uint16), 2, 2)[:, :, ::2], protocol=5))


class Call:
    """Pickles as a call of `function` with `arguments`: it would run on loading."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


COMMAND = "touch /tmp/oddity-pickle-was-executed"
for protocol in (0, 2, 4, 5):
    write(f"bad_system_{protocol}.pickle", pickle.dumps(Call(os.system, COMMAND), protocol=protocol))
write("bad_eval.pickle", pickle.dumps(Call(eval, f"__import__('os').system('{COMMAND}')")))
array = pickle.dumps(FLOATS.astype(np.float32), protocol=4)
# The call is hidden before the array: its result is popped.
write("bad_system_then_array.pickle", b"\x80\x02" + b"cos\nsystem\n(V" + COMMAND.encode() + b"\ntR0" + array[2:])
write("bad_list.pickle", pickle.dumps([1, 2, 3]))
write("bad_dict.pickle", pickle.dumps({"images": FLOATS.astype(np.float32)}))
write("bad_number.pickle", pickle.dumps(7))
write("bad_object_array.pickle", pickle.dumps(np.array([1, "a"], dtype=object), protocol=2))
write("bad_fortran.pickle", pickle.dumps(np.asfortranarray(FLOATS.astype(np.float32)), protocol=5))
write("bad_big_endian.pickle", pickle.dumps(FLOATS.astype(">f4"), protocol=2))
write("bad_two_arrays.pickle", array[:-1] + array[2:])
write("bad_trailing.pickle", array + array)

# Archives that lie.
write("bad_bomb.idx.gz", gzip.compress(idx + bytes(1 << 22), mtime=0))
write("bad_huge.idx.gz", gzip.compress(struct.pack(">HBBIII", 0, 8, 3, 60_000_000, 28, 28) + bytes(24), mtime=0))


def npz(members):
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # about a name that occurs twice
        for name, array in members:
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), npy(array))
    return out.getvalue()


images = ("images", INTEGERS.astype(np.uint8))
write("bad_twice.npz", npz([images, images]))
write("bad_labels.npz", npz([images, ("label", LABEL[:2])]))
write("bad_no_labels.npz", npz([("label", LABEL[:0]), images]))
write("bad_float_index.npz", npz([images, ("index", INDEX / 2)]))
write("bad_large_label.npz", npz([images, ("label", np.array([1, 2, 1 << 31]))]))
write("bad_large_index.npz", npz([images, ("index", np.array([1, 2, (1 << 64) - 1], np.uint64))]))
write("bad_object.npz", npz([("images", np.array([1, "a"], dtype=object))]))
