"""CIFAR's binary files: every byte in its place, and one clear line for everything that can be wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thermograd.data import load, read_cifar
from thermograd.errors import InputError

SUBSET = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar-10-subset"
TRAIN10 = [f"data_batch_{i}.bin" for i in range(1, 6)]
FILES10 = [*TRAIN10, "test_batch.bin"]

needs_subset = pytest.mark.skipif(not SUBSET.is_dir(), reason="the CIFAR-10 subset is not there")


def records(labels, seed):
    """Records of these label bytes (a tuple each) with random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), dtype=np.uint8)
    return b"".join(bytes(label) + image.tobytes() for label, image in zip(labels, pixels, strict=True))


def write_cifar10(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(FILES10):
        (folder / name).write_bytes(records([(k,) for k in (seed, 9, 0)], seed))
    return folder


def write_cifar100(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.bin").write_bytes(records([(19, 99), (0, 7), (4, 50), (4, 0)], 10))
    (folder / "test.bin").write_bytes(records([(3, 98), (18, 1)], 11))
    return folder


def tar_bytes(members):
    """A .tar.gz of (name, content) pairs, or of ready-made TarInfo objects without content."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return gzip.compress(raw.getvalue(), 1, mtime=0)


def contents(folder, prefix):
    return [(f"{prefix}{path.name}", path.read_bytes()) for path in sorted(folder.iterdir())]


def refuses(path, *parts, **options):
    """It is refused in one line that holds all these parts."""
    with pytest.raises(InputError) as caught:
        load(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    return message


@needs_subset
def test_real_subset_has_the_counts_of_its_manifest():
    data = load(str(SUBSET))
    manifest = json.loads((SUBSET / "MANIFEST.json").read_text())
    assert (data.name, len(data.train_labels), len(data.test_labels)) == ("cifar10", 5000, 1000)
    for i, name in enumerate(TRAIN10):
        part = data.train_labels[1000 * i : 1000 * (i + 1)]
        assert np.bincount(part, minlength=10).tolist() == manifest[name]["class_counts"]
    assert np.bincount(data.test_labels).tolist() == manifest["test_batch.bin"]["class_counts"]


@needs_subset
@pytest.mark.parametrize(
    ("number", "channel", "row", "column"),
    [(0, 0, 0, 0), (999, 2, 31, 31), (1000, 1, 0, 31), (4321, 2, 17, 5)],
)
def test_real_pixels_are_the_bytes_at_their_place(number, channel, row, column):
    data = load(SUBSET)
    with (SUBSET / TRAIN10[number // 1000]).open("rb") as file:
        file.seek((number % 1000) * 3073)
        label = file.read(1)[0]
        file.seek(channel * 1024 + row * 32 + column, io.SEEK_CUR)
        byte = file.read(1)[0]
    assert data.train_labels[number] == label
    assert data.train_raw[number, channel, row, column] == byte
    exact = (byte / 255 - (0.4914, 0.4822, 0.4465)[channel]) / (0.2023, 0.1994, 0.2010)[channel]
    assert abs(data.train_images[number, channel, row, column] - exact) < 1e-6


@needs_subset
def test_real_channels_have_the_published_means_in_red_green_blue_order():
    # The mean of one image has standard deviation 0.12 from image to image: 5 standard errors of 5000 images.
    pixels = load(SUBSET).train_raw.mean(axis=(0, 2, 3)) / 255
    assert np.abs(pixels - (0.4914, 0.4822, 0.4465)).max() < 5 * 0.12 / np.sqrt(5000)
    assert np.abs(pixels[::-1] - (0.4914, 0.4822, 0.4465)).max() > 5 * 0.12 / np.sqrt(5000)


@needs_subset
def test_real_subset_with_one_flipped_bit_is_named_by_its_manifest(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(SUBSET, copy, copy_function=shutil.copyfile)
    copy.chmod(0o755)
    assert load(copy).sha256 == load(SUBSET).sha256
    content = bytearray((copy / "data_batch_3.bin").read_bytes())
    content[1_000_000] ^= 1
    (copy / "data_batch_3.bin").write_bytes(content)
    refuses(copy, "data_batch_3.bin: SHA-256 is", "expected b22c7fc2...28e34", "MANIFEST.json")
    # Without the manifest nothing can tell.
    (copy / "MANIFEST.json").unlink()
    assert load(copy).sha256 != load(SUBSET).sha256


def test_planes_rows_and_columns_in_the_documented_order(tmp_path):
    folder = write_cifar10(tmp_path)
    image = bytearray()
    for channel in range(3):
        for row in range(32):
            for column in range(32):
                image.append(80 * channel + 2 * row + column % 2)
    (folder / "data_batch_2.bin").write_bytes(bytes([7]) + image)
    data = load(folder)
    assert data.train_labels.tolist() == [0, 9, 0, 7, 2, 9, 0, 3, 9, 0, 4, 9, 0]
    channel, row, column = np.meshgrid(np.arange(3), np.arange(32), np.arange(32), indexing="ij")
    assert np.array_equal(data.train_raw[3], 80 * channel + 2 * row + column % 2)


def test_cifar100_fine_and_coarse(tmp_path):
    folder = write_cifar100(tmp_path)
    fine, coarse = load(folder), load(folder, coarse=True)
    assert (fine.name, fine.num_classes) == ("cifar100", 100)
    assert (coarse.name, coarse.num_classes) == ("cifar100-coarse", 20)
    assert (fine.train_labels.tolist(), fine.test_labels.tolist()) == ([99, 7, 50, 0], [98, 1])
    assert (coarse.train_labels.tolist(), coarse.test_labels.tolist()) == ([19, 0, 4, 4], [3, 18])
    raw = (folder / "train.bin").read_bytes()
    assert fine.train_raw[2].tobytes() == raw[2 * 3074 + 2 : 3 * 3074]
    assert np.array_equal(fine.train_raw, coarse.train_raw)
    assert fine.sha256 != coarse.sha256
    exact = (fine.train_raw[1, 1] / 255 - 0.4867) / 0.2565
    assert np.abs(fine.train_images[1, 1] - exact).max() < 1e-6


@pytest.mark.parametrize(
    ("write", "inner"), [(write_cifar10, "cifar-10-batches-bin"), (write_cifar100, "cifar-100-binary")]
)
def test_folder_above_and_archive_give_the_same(tmp_path, write, inner):
    folder = write(tmp_path / "above" / inner)
    expected = load(folder)
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(tar_bytes(contents(folder, f"{inner}/")))
    plain = tmp_path / "set.tar"
    plain.write_bytes(gzip.decompress(archive.read_bytes()))
    for other in (tmp_path / "above", archive, plain):
        data = load(other)
        assert (data.name, data.sha256) == (expected.name, expected.sha256)


def test_missing_things_are_named_with_the_command_that_gets_them(tmp_path):
    refuses(tmp_path / "nowhere", "nowhere", "expected digits, cifar10, cifar100, or the path")
    with pytest.raises(InputError, match=r"no such folder or archive.*`thermograd data fetch cifar10`"):
        read_cifar(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    refuses(tmp_path / "empty", "no CIFAR files found", "`thermograd data fetch cifar10`")
    ten = write_cifar10(tmp_path / "ten")
    (ten / "data_batch_2.bin").unlink()
    (ten / "test_batch.bin").unlink()
    refuses(ten, "data_batch_2.bin, test_batch.bin missing", "`thermograd data fetch cifar10`")
    hundred = write_cifar100(tmp_path / "hundred")
    (hundred / "test.bin").unlink()
    refuses(hundred, "test.bin missing", "all 2 files of CIFAR-100", "`thermograd data fetch cifar100`")


def test_two_sets_at_once_are_refused(tmp_path):
    write_cifar10(tmp_path / "both" / "cifar-10-batches-bin")
    write_cifar100(tmp_path / "both" / "cifar-100-binary")
    refuses(tmp_path / "both", "holds both cifar-10-batches-bin and cifar-100-binary")
    write_cifar100(write_cifar10(tmp_path / "mixed"))
    refuses(tmp_path / "mixed", "files of both CIFAR-10 and CIFAR-100")


def test_coarse_labels_of_cifar10_are_refused(tmp_path):
    refuses(write_cifar10(tmp_path), "CIFAR-10, which has no coarse labels", coarse=True)


@pytest.mark.parametrize(("cut", "left"), [(1, 9218), (3073 * 2 + 10, 3063), (3072, 6147)])
def test_truncated_file_is_named_with_its_size(tmp_path, cut, left):
    folder = write_cifar10(tmp_path)
    file = folder / "data_batch_4.bin"
    (folder / "MANIFEST.json").write_text(
        json.dumps({file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}})
    )
    load(folder)
    file.write_bytes(file.read_bytes()[:-cut])
    refuses(folder, "data_batch_4.bin", f"{left} bytes", "records of 3073 bytes", "truncated")


def test_empty_file_is_named(tmp_path):
    folder = write_cifar100(tmp_path)
    (folder / "train.bin").write_bytes(b"")
    refuses(folder, "train.bin: is empty; expected records of 3074 bytes")


def test_label_out_of_range_is_named_with_its_record(tmp_path):
    ten = write_cifar10(tmp_path / "ten")
    (ten / "data_batch_5.bin").write_bytes(records([(9,), (3,), (10,), (255,)], 0))
    refuses(ten, "data_batch_5.bin: record 2 has class label 10; expected 0 to 9")
    hundred = write_cifar100(tmp_path / "hundred")
    (hundred / "test.bin").write_bytes(records([(19, 99), (20, 5)], 0))
    refuses(hundred, "test.bin: record 1 has coarse label 20; expected 0 to 19")
    (hundred / "test.bin").write_bytes(records([(19, 100)], 0))
    refuses(hundred, "test.bin: record 0 has fine label 100; expected 0 to 99", coarse=True)


@pytest.mark.parametrize("text", ["{", "[1]", '{"train.bin": "abc"}', '{"train.bin": {"bytes": 3}}'])
def test_malformed_manifest_is_named(tmp_path, text):
    folder = write_cifar100(tmp_path)
    (folder / "MANIFEST.json").write_text(text)
    refuses(folder, "MANIFEST.json: cannot be read", "sha256")


def test_nothing_is_written_and_links_are_not_followed(tmp_path):
    folder = write_cifar100(tmp_path / "source")
    train = (folder / "train.bin").read_bytes()
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    archive = inside / "evil.tar.gz"
    archive.write_bytes(tar_bytes([("../../train.bin", train), ("/test.bin", records([(3, 98)], 11))]))
    before = sorted(tmp_path.rglob("*"))
    assert load(archive).train_raw[0].tobytes() == train[2:3074]
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/test.bin").exists()
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        link = tarfile.TarInfo("cifar-100-binary/test.bin")
        link.type, link.linkname = kind, str(folder / "test.bin")
        archive.write_bytes(tar_bytes([("train.bin", train), link]))
        refuses(archive, "evil.tar.gz: test.bin missing")


def test_archive_with_a_file_twice_or_too_big_is_refused(tmp_path):
    archive = tmp_path / "odd.tar.gz"
    archive.write_bytes(tar_bytes([("a/train.bin", b"x"), ("b/train.bin", b"y")]))
    refuses(archive, "odd.tar.gz: train.bin is in the archive twice")
    bomb = tarfile.TarInfo("train.bin")
    bomb.size = 10**12
    archive.write_bytes(gzip.compress(bomb.tobuf(), mtime=0))
    refuses(archive, "train.bin has 1000000000000 bytes; expected at most 153700000")


def test_file_that_is_no_archive_is_refused(tmp_path):
    file = tmp_path / "notes.tar.gz"
    file.write_text("<html>moved</html>")
    refuses(file, "notes.tar.gz: cannot be read as a tar archive")


@pytest.fixture(scope="module")
def small_archive(tmp_path_factory):
    folder = write_cifar100(tmp_path_factory.mktemp("source"))
    archive = folder / "whole.tar.gz"
    archive.write_bytes(tar_bytes(contents(folder, "cifar-100-binary/")))
    return archive


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7) | st.none())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_archive_is_refused_or_harmless(tmp_path, small_archive, where, bit):
    content, expected = small_archive.read_bytes(), load(small_archive).sha256
    place = int(where * len(content))
    if bit is None:  # cut short
        damaged = content[:place]
    else:
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
    file = tmp_path / "damaged.tar.gz"
    file.write_bytes(damaged)
    try:
        data, message = load(file), ""
    except InputError as error:
        data, message = None, str(error)
    if data is None:
        assert re.fullmatch(r".*damaged\.tar\.gz.*", message)  # one line: . is no line break
    else:
        assert data.sha256 == expected
        # Some bits do not matter (gzip's date, unused codes); every missing byte does.
        assert bit is not None
