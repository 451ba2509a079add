"""A checker made of pymerkle and pycose, which share no line with Lucarne.

Reads a JSON list of cases and prints a list of verdicts: an empty text for what it accepts, else
why it refuses.
"""

import hashlib
import json
import sys

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pycose.algorithms import CoseAlgorithm, EdDSA, Es256
from pycose.keys import EC2Key, OKPKey
from pycose.keys.curves import Ed25519, P256
from pycose.messages import Sign1Message
from pymerkle import InclusionProof, InmemoryTree, verify_consistency, verify_inclusion
from pymerkle.core import _inclusion_path_layout


@CoseAlgorithm.register_attribute()
class Esp256(Es256):
    """RFC 9864: ES256 with the curve in its name."""

    identifier = -9
    fullname = "ESP256"


@CoseAlgorithm.register_attribute()
class Ed25519Only(EdDSA):
    """RFC 9864: EdDSA with the curve in its name."""

    identifier = -19
    fullname = "ED25519"


class Refused(Exception):
    """The case does not hold."""


def tree_of(case, size=None):
    tree = InmemoryTree(algorithm="sha256")
    for entry in case["entries"][:size]:
        tree.append_entry(bytes.fromhex(entry))
    return tree


def judge_root(case):
    if tree_of(case).get_root().hex() != case["root"]:
        raise Refused("another root")


def judge_inclusion(case):
    leaf = bytes.fromhex(case["leaf"])
    index, size = case["index"] + 1, case["size"]
    if not 0 < index <= size:
        raise Refused("no such leaf")
    rule, _ = _inclusion_path_layout(index, size)
    path = [leaf] + [bytes.fromhex(node) for node in case["path"]]
    proof = InclusionProof("sha256", True, size, index, rule, path)
    verify_inclusion(leaf, bytes.fromhex(case["root"]), proof, index=index, size=size)


def judge_states(case):
    """Its own consistency proof between two roots of ours."""
    proof = tree_of(case).prove_consistency(case["old"], case["size"])
    roots = [bytes.fromhex(case[name]) for name in ("old_root", "root")]
    verify_consistency(*roots, proof, prior_size=case["old"], later_size=case["size"])


def cose_key(spki):
    key = load_der_public_key(bytes.fromhex(spki))
    if isinstance(key, EllipticCurvePublicKey):
        numbers = key.public_numbers()
        x, y = (n.to_bytes(32, "big") for n in (numbers.x, numbers.y))
        return EC2Key(crv=P256, x=x, y=y)
    return OKPKey(crv=Ed25519, x=key.public_bytes_raw())


def open_message(case):
    message = Sign1Message.decode(bytes.fromhex(case["message"]))
    message.key = cose_key(case["spki"])
    return message


def judge_sign1(case):
    if not open_message(case).verify_signature():
        raise Refused("bad signature")


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def climb(leaf, index, size, path):
    """RFC 9162, section 2.1.3.2, as it stands there."""
    if index >= size:
        raise Refused("no such leaf")
    fn, sn, found = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            raise Refused("path too long")
        if fn & 1 or fn == sn:
            found = node(sibling, found)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            found = node(found, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Refused("path too short")
    return found


def judge_receipt(case):
    """A receipt of inclusion, RFC 9942: the root is recomputed and its signature checked."""
    message = open_message(case)
    body = cbor2.loads(bytes.fromhex(case["message"])).value
    header = cbor2.loads(body[0])
    if header[395] != 1 or header["tree_size"] != case["size"] or header[15][1] != case["origin"]:
        raise Refused("another header")
    size, index, path = cbor2.loads(body[1][396][-1][0])
    if size != header["tree_size"]:
        raise Refused("signed for another size")
    root = climb(bytes.fromhex(case["leaf"]), index, size, path)
    if not message.verify_signature(detached_payload=root):
        raise Refused("bad signature")


JUDGES = {
    "root": judge_root,
    "inclusion": judge_inclusion,
    "states": judge_states,
    "sign1": judge_sign1,
    "receipt": judge_receipt,
}


def verdict(case):
    try:
        JUDGES[case["kind"]](case)
        return ""
    # Whatever a library raises over broken input is a refusal; a broken checker would refuse the
    # good cases too.
    except Exception as error:
        return repr(error)


json.dump([verdict(case) for case in json.load(sys.stdin)], sys.stdout)
