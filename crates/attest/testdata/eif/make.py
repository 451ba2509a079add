#!/usr/bin/env python3
"""Makes the images of this directory and measures them, without a line of the project's code.

The layout is that of the Nitro Enclave Image Format, version 4; sizes are tiny and the content is
no kernel. Needs `cryptography` and the file `cert.pem` beside it. Writes *.eif and pcrs.json.
"""
import hashlib, json, pathlib, struct, zlib
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

HERE = pathlib.Path(__file__).parent
KERNEL, CMDLINE, RAMDISK, SIGNATURE, METADATA = 1, 2, 3, 4, 5


def pcr(*parts):
    digest = hashlib.sha384(b"".join(parts)).digest()
    return hashlib.sha384(bytes(48) + digest).hexdigest()


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    if n < 256:
        return bytes([major << 5 | 24, n])
    return bytes([major << 5 | 25]) + struct.pack(">H", n)


def text(s):
    return head(3, len(s)) + s.encode()


def numbers(data):
    return head(4, len(data)) + b"".join(head(0, byte) for byte in data)


def signature(pem):
    # The COSE_Sign1 is not looked at; only its place is taken.
    return (head(4, 1) + head(5, 2) + text("signing_certificate") + numbers(pem)
            + text("signature") + numbers(b"\x84" + bytes(range(200))))


def image(sections, flags=0):
    at, offsets, sizes, body = 548, [], [], b""
    for kind, content in sections:
        offsets.append(at)
        sizes.append(len(content))
        body += struct.pack(">HHQ", kind, 0, len(content)) + content
        at += 12 + len(content)
    pad = [0] * (32 - len(sections))
    header = struct.pack(">4sHHQQHH", b".eif", 4, flags, 1 << 30, 2, 0, len(sections))
    header += struct.pack(">32Q", *(offsets + pad)) + struct.pack(">32Q", *(sizes + pad))
    header += struct.pack(">I", 0)
    return header + struct.pack(">I", zlib.crc32(header + body)) + body


kernel = bytes(i * 7 % 256 for i in range(1000))
cmdline = b"reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on root=/dev/ram0\0"
disks = [b"first ramdisk: init" * 20, b"second ramdisk: the application" * 30, b"third" * 40]
metadata = json.dumps({"ImageName": "demo", "ImageVersion": "1.2.3"}).encode()
pem = (HERE / "cert.pem").read_bytes()
der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
start = [(KERNEL, kernel), (CMDLINE, cmdline), (METADATA, metadata)]

images = {
    "one_ramdisk": (start + [(RAMDISK, disks[0])], 0, {
        "0": pcr(kernel, cmdline, disks[0]), "1": pcr(kernel, cmdline, disks[0]), "2": pcr()}),
    "three_ramdisks_arm": (start + [(RAMDISK, disk) for disk in disks], 1, {
        "0": pcr(kernel, cmdline, *disks), "1": pcr(kernel, cmdline, disks[0]),
        "2": pcr(*disks[1:])}),
    "signed": (start + [(RAMDISK, disk) for disk in disks[:2]] + [(SIGNATURE, signature(pem))], 0, {
        "0": pcr(kernel, cmdline, *disks[:2]), "1": pcr(kernel, cmdline, disks[0]),
        "2": pcr(disks[1]), "8": pcr(der)}),
}
for name, (sections, flags, _) in images.items():
    (HERE / f"{name}.eif").write_bytes(image(sections, flags))
expected = {name: pcrs for name, (_, _, pcrs) in images.items()}
(HERE / "pcrs.json").write_text(json.dumps(expected, indent=2) + "\n")
