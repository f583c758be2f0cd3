#!/usr/bin/env python3
"""Writes the image files of this folder, and pixels.safetensors with what Pillow reads from them: "NAME" in RGB, "NAME gray".

What Pillow does not write is put together here. Needs Pillow with JPEG 2000, TIFF and WebP, and numpy.
"""
import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

FOLDER = pathlib.Path(__file__).resolve().parent
HEIGHT, WIDTH = 9, 13
files: dict[str, bytes] = {}

rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
smooth = np.stack([columns * 19, rows * 28, (rows + columns) * 12], -1).astype(np.uint8)
noise = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)
rgb, rgba, gray = Image.fromarray(noise[..., :3]), Image.fromarray(noise), Image.fromarray(noise[..., 0])
gentle = Image.fromarray(smooth)
opacity = Image.fromarray(np.ascontiguousarray(noise[..., :2]), "LA")
palette, bits, inks = rgb.quantize(16), gray.convert("1"), rgb.convert("CMYK")


def save(name, image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    files[name] = out.getvalue()


def bmp(name, bits_per_pixel, body, colors=b"", compression=0, height=HEIGHT, masks=b""):
    at = 14 + 40 + len(masks) + len(colors)
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, height, 1, bits_per_pixel, compression, len(body), 0, 0, len(colors) // 4, 0)
    files[name] = b"BM" + struct.pack("<IHHI", at + len(body), 0, 0, at) + info + masks + colors + body


def padded(lines):
    return b"".join(line + b"\0" * (-len(line) % 4) for line in lines)


def runs(lines):
    """Run lengths: of one value, of values one by one, with an end of each line."""
    out = b""
    for line in lines:
        out += bytes([4, line[0]]) + bytes([0, len(line) - 4]) + line[4:] + b"\0" * ((len(line) - 4) % 2) + b"\0\0"
    return out[:-2] + b"\0\1"


def png(name, color_type, depth, lines, interlaced=False, extra=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, color_type, 0, 0, int(interlaced))
    data = zlib.compress(b"".join(b"\0" + line for line in lines))
    files[name] = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


indices = np.asarray(palette)
table = np.zeros((16, 4), np.uint8)
used = np.array(palette.getpalette(), np.uint8).reshape(-1, 3)[:16]
table[: len(used), :3] = used[:, ::-1]
nibbles = np.pad(indices, ((0, 0), (0, 1)))
packed = (nibbles[:, ::2] << 4 | nibbles[:, 1::2]).astype(np.uint8)
words = noise[..., :2].copy().view("<u2")[..., 0]

save("bits.bmp", bits, "BMP")
save("gray.bmp", gray, "BMP")
save("rgb.bmp", rgb, "BMP")
save("rgba.bmp", rgba, "BMP")
bmp("palette4.bmp", 4, padded(line.tobytes() for line in packed[::-1]), table.tobytes())
bmp("top_down.bmp", 24, padded(line.tobytes() for line in noise[..., :3]), height=-HEIGHT)
bmp("555.bmp", 16, padded(line.tobytes() for line in words))
bmp("565.bmp", 16, padded(line.tobytes() for line in words), compression=3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
bmp("bgrx.bmp", 32, noise.tobytes())
bmp("runs8.bmp", 8, runs(bytes(line) for line in np.concatenate([indices[:, :1].repeat(3, 1), indices[:, 3:]], 1)[::-1]),
    table.tobytes(), compression=1)
core = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24)
files["os2.bmp"] = b"BM" + struct.pack("<IHHI", 0, 0, 0, 26) + core + padded(line.tobytes() for line in noise[..., :3])

save("gray.jpg", gray, "JPEG")
save("420.jpg", gentle, "JPEG", quality=90)
save("422.jpg", gentle, "JPEG", quality=90, subsampling="4:2:2")
save("444.jpg", rgb, "JPEG", quality=90, subsampling="4:4:4")
save("progressive.jpg", rgb, "JPEG", progressive=True)
save("restarts.jpg", gentle, "JPEG", restart_marker_blocks=1)
save("cmyk.jpg", inks, "JPEG", quality=95)

save("rgb.jp2", rgb, "JPEG2000")
save("gray.jp2", gray, "JPEG2000")
save("gray_alpha.jp2", opacity, "JPEG2000")
save("rgba.jp2", rgba, "JPEG2000")
save("rgb.j2k", rgb, "JPEG2000", no_jp2=True)
save("lossy.jp2", gentle, "JPEG2000", irreversible=True, quality_mode="rates", quality_layers=[4])
save("tiles.jp2", rgb, "JPEG2000", tile_size=(8, 8))

save("bits.png", bits, "PNG")
save("gray.png", gray, "PNG")
save("gray_alpha.png", opacity, "PNG")
save("palette.png", palette, "PNG")
save("palette_transparent.png", palette, "PNG", transparency=3)
save("rgb.png", rgb, "PNG")
save("rgba.png", rgba, "PNG")
wide = np.random.default_rng(2).integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(">u2")
png("rgb16.png", 2, 16, [line.tobytes() for line in wide])
passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
png("interlaced.png", 2, 8, [noise[y, x::dx, :3].tobytes() for y0, x, dy, dx in passes for y in range(y0, HEIGHT, dy)],
    interlaced=True)
png("gray2.png", 0, 2, [bytes(int("".join(f"{v >> 6:02b}" for v in line[i : i + 4]).ljust(8, "0"), 2)
                              for i in range(0, WIDTH, 4)) for line in noise[..., 0]])

save("rgb.tif", rgb, "TIFF")
for compression in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "zstd", "lzma", "jpeg"):
    options = {"quality": 90} if compression == "jpeg" else {}
    save(f"{compression.replace('tiff_', '')}.tif", gentle, "TIFF", compression=compression, **options)
save("group4.tif", bits, "TIFF", compression="group4")
save("gray.tif", gray, "TIFF")
save("palette.tif", palette, "TIFF")
save("rgba.tif", rgba, "TIFF")
save("cmyk.tif", inks, "TIFF")
for orientation in range(2, 9):
    save(f"turned{orientation}.tif", rgb, "TIFF", tiffinfo={274: orientation})
entries = [(256, 3, 1, WIDTH << 16), (257, 3, 1, HEIGHT << 16), (258, 3, 1, 8 << 16), (259, 3, 1, 1 << 16), (262, 3, 1, 1 << 16),
           (273, 4, 1, 8), (277, 3, 1, 1 << 16), (278, 3, 1, HEIGHT << 16), (279, 4, 1, WIDTH * HEIGHT)]
files["big_endian.tif"] = (b"MM\0*" + struct.pack(">I", 8 + WIDTH * HEIGHT + 1) + noise[..., 0].tobytes() + b"\0" +
                           struct.pack(">H", len(entries)) + b"".join(struct.pack(">HHII", *e) for e in entries) + b"\0" * 4)

save("lossless.webp", rgb, "WEBP", lossless=True)
save("lossless_alpha.webp", rgba, "WEBP", lossless=True, exact=True)
save("lossy.webp", gentle, "WEBP", quality=80)
save("lossy_alpha.webp", gentle.convert("RGBA"), "WEBP", quality=80)
save("animation.webp", rgb, "WEBP", save_all=True, append_images=[gentle, rgb], lossless=True)

size = b"%d %d\n" % (WIDTH, HEIGHT)
files["bits_text.pbm"] = b"P1\n# a comment\n" + size + b"\n".join((line + ord("0")).astype("u1").tobytes() for line in 1 - np.asarray(bits).astype("u1")) + b"\n"
save("bits.pbm", bits, "PPM")
files["gray_text.pgm"] = b"P2 " + size + b"100\n" + b" ".join(b"%d" % (v * 100 // 255) for v in noise[..., 0].ravel().tolist())
save("gray.pgm", gray, "PPM")
files["rgb_text.ppm"] = b"P3\n" + size + b"255 # most\n" + b"\n".join(b"%d" % v for v in noise[..., :3].ravel())
save("rgb.ppm", rgb, "PPM")
files["rgb16.ppm"] = b"P6 " + size + b"65535\n" + wide.tobytes()
files["rgb100.ppm"] = b"P6 " + size + b"100\n" + (noise[..., :3] // 3).tobytes()

pixels = {}
for name, data in sorted(files.items()):
    (FOLDER / name).write_bytes(data)
    image = Image.open(io.BytesIO(data))
    pixels[name] = np.asarray(image.convert("RGB"))
    pixels[f"{name} gray"] = np.asarray(image.convert("L"))[..., None]
header, at = {}, 0
for name, array in pixels.items():
    header[name] = {"dtype": "U8", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
    at += array.nbytes
head = json.dumps(header, separators=(",", ":")).encode()
head += b" " * (-len(head) % 8)
(FOLDER / "pixels.safetensors").write_bytes(
    struct.pack("<Q", len(head)) + head + b"".join(array.tobytes() for array in pixels.values()))
print(len(files), "files,", sum(map(len, files.values())), "bytes")
