"""Checks a dispute pack from its description alone; it shares no code with src. Needs Python 3.9, no packages.

python3 verify.py PACK.json [TEXT.txt]      prints "fits" and ends with 0, or what does not fit and ends with 1
"""

import base64
import datetime
import hashlib
import json
import struct
import sys
import uuid

# Ed25519 as RFC 8032, appendix A, has it: slow, and enough for a few signatures.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * ROOT % P
    if (x * x - square) % P != 0:
        return None
    return P - x if (x & 1) != sign else x


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(s, p):
    q = (0, 1, 1, 0)
    while s > 0:
        if s & 1:
            q = add(q, p)
        p = add(p, p)
        s >>= 1
    return q


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def signed(key, message, signature):
    a, r = point(key), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(key) != 32 or len(signature) != 64 or a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(r, multiply(h, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


class Misfit(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Misfit(what)


def sha256(data):
    return hashlib.sha256(data).digest()


def millis(text):
    at = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return round(at.timestamp() * 1000)


def canonical(value):
    """RFC 8785 for what a pack holds: no number but small integers."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def decode(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text, "base64url has another spelling")
    return data


def once(pairs):
    names = [name for name, _ in pairs]
    need(len(names) == len(set(names)), "a member stands twice")
    return dict(pairs)


def chain(pack):
    head, hashes = b"", []
    for number, event in enumerate(pack["events"], 1):
        need(event["number"] == number, f"event {number} is missing")
        kind, details = event["type"].encode(), event["details"].encode()
        fixed = struct.pack(">iqi", number, millis(event["at"]), len(kind))
        head = sha256(head + uuid.UUID(pack["signature"]["id"]).bytes + fixed + kind + details)
        need(head.hex() == event["hash"], f"event {number} was changed")
        hashes.append(head)
    return hashes


def seal_statement(pack, seal):
    identity = uuid.UUID(pack["signature"]["id"]).bytes
    fixed = struct.pack(">i", seal["length"]) + bytes.fromhex(seal["head"])
    return b"signature-seal-v1\0" + identity + fixed + struct.pack(">q", millis(seal["sealed_at"]))


def seals(pack, keys, hashes):
    for seal in pack["seals"]:
        name = f"the seal over {seal['length']} events"
        need(signed(keys[seal["key_id"]], seal_statement(pack, seal), bytes.fromhex(seal["signature"])), f"{name} was changed")
        need(seal["length"] <= len(hashes), "the tail was cut")
        need(hashes[seal["length"] - 1].hex() == seal["head"], f"{name} is over another chain")


def root_of(leaf, index, size, path):
    """RFC 9162, 2.1.3.2."""
    need(index < size, "a place is beyond the tree")
    node, last, root = index, size - 1, leaf
    for beside in path:
        need(last > 0, "a path is too long")
        if node % 2 == 1 or node == last:
            root = sha256(b"\x01" + beside + root)
            while node % 2 == 0 and node != 0:
                node, last = node // 2, last // 2
        else:
            root = sha256(b"\x01" + root + beside)
        node, last = node // 2, last // 2
    need(last == 0, "a path is too short")
    return root


def checkpoints(pack, keys):
    sealed = {seal["length"]: seal for seal in pack["seals"]}
    for one in pack["checkpoints"]:
        name = f"the checkpoint of {one['day']}"
        fixed = struct.pack(">i", one["seals"]) + bytes.fromhex(one["digest"]) + bytes.fromhex(one["previous"])
        statement = b"signature-checkpoint-v1\0" + one["day"].encode() + fixed
        need(signed(keys[one["key_id"]], statement, bytes.fromhex(one["signature"])), f"{name} was changed")
        for place in one["inclusions"]:
            seal = sealed[place["length"]]
            leaf = sha256(b"\0" + seal_statement(pack, seal) + bytes.fromhex(seal["signature"]))
            root = root_of(leaf, place["index"], one["seals"], [bytes.fromhex(part) for part in place["path"]])
            need(root.hex() == one["digest"], f"a seal does not lead to {name}")


def receipt(pack, keys):
    completed = [event for event in pack["events"] if event["type"] == "SIGNATURE_COMPLETED"]
    need(bool(completed) == (pack["receipt"] is not None), "the receipt is missing, or is one too many")
    if not completed:
        return
    event, details = completed[0], json.loads(completed[0]["details"])
    header, payload, signature = pack["receipt"].split(".")
    key = keys[details["receipt_key_id"]]
    need(signed(key, f"{header}.{payload}".encode(), decode(signature)), "the receipt was changed")
    expected = {"alg": "EdDSA", "kid": details["receipt_key_id"], "typ": "signature-receipt+jwt"}
    need(json.loads(decode(header)) == expected, "the receipt's header is another one")
    sent = [
        json.loads(one["details"])["provider_challenge_id"]
        for one in pack["events"][: event["number"] - 1]
        if one["type"] in ("CHALLENGE_SENT", "DUPLICATE_SENT")
    ]
    channel = next(one["channel"] for one in pack["challenges"] if one["id"] == details["challenge_id"])
    facts = pack["signature"]
    claims = {
        "iss": "signature.bank", "sub": facts["id"], "aud": facts["caller"], "iat": millis(event["at"]) // 1000,
        "transaction_digest": facts["transaction_digest"], "channel": channel, "message_sids": sent,
        "text_digest": details["text_digest"], "first_factor": facts["first_factor"],
        "chain_head": event["hash"], "chain_length": event["number"],
    }  # fmt: skip
    need(json.loads(decode(payload)) == claims, "the receipt says something else than the events")


def facts(pack):
    events = [(one, json.loads(one["details"])) for one in pack["events"]]
    started, shown = events[0][1], pack["signature"]
    need(started["caller"] == shown["caller"], "the caller is another one")
    need(started.get("first_factor", shown["first_factor"]) == shown["first_factor"], "the first factor is another one")
    need(events[0][0]["at"] == shown["created_at"], "the creation is another one")
    need(started["transaction_digest"] == sha256(canonical(pack["transaction"])).hex(), "the transaction was changed")
    need(shown["transaction_digest"] == started["transaction_digest"], "the transaction's digest is another one")
    for challenge in pack["challenges"]:
        own = [(one, details) for one, details in events if details.get("challenge_id") == challenge["id"]]
        created = next((details for one, details in own if one["type"] == "CHALLENGE_CREATED"), None)
        need(created is not None, "a challenge stands in no event")
        for name in ("channel", "provider", "masked_destination"):
            need(created.get(name, challenge[name]) == challenge[name], f"{name} is another one")
        if challenge["text"] is not None and "text_digest" in created:
            need(sha256(challenge["text"].encode()).hex() == created["text_digest"], "a text was changed")
        sent = next((details for one, details in own if one["type"] == "CHALLENGE_SENT"), {})
        need(sent.get("provider_challenge_id") == challenge["message_sid"], "the SID is another one")
        need(sent.get("sent_at", challenge["sent_at"]) == challenge["sent_at"], "the time of sending is another one")
        delivered = next((one["at"] for one, _ in own if one["type"] == "CHALLENGE_DELIVERED"), None)
        need(delivered == challenge["delivered_at"], "the delivery is another one")
    told = [(details["challenge_id"], details["report"]) for _, details in events if "report" in details]
    there = [(one["challenge_id"], sha256(one["parameters"].encode()).hex()) for one in pack["provider_receipts"]]
    need(all(one in there for one in told), "a report of the provider is missing or was changed")


def check(content, text):
    pack = json.loads(content.decode(), object_pairs_hook=once)
    need((json.dumps(pack, ensure_ascii=False, indent=2) + "\n").encode() == content, "the file has another spelling")
    need(pack["format"] == "signature-evidence-v2", "the format is not known")
    keys = {key["kid"]: decode(key["x"]) for key in pack["keys"]}
    need(len(keys) == len(pack["keys"]), "a key stands twice")
    unsigned = {name: value for name, value in pack.items() if name != "signed"}
    statement = b"signature-evidence-v2\0" + canonical(unsigned)
    own = pack["signed"]
    need(signed(keys[own["key_id"]], statement, bytes.fromhex(own["signature"])), "the pack was changed after its export")
    seals(pack, keys, chain(pack))
    checkpoints(pack, keys)
    receipt(pack, keys)
    facts(pack)
    need(text is None or sha256(text).hex() == pack["text_sha256"], "the text is another one")


def main(paths):
    files = [open(path, "rb").read() for path in paths]
    try:
        check(files[0], files[1] if len(files) > 1 else None)
    except (Misfit, KeyError, ValueError, TypeError, IndexError, StopIteration, AttributeError) as fault:
        print(f"does not fit: {fault}")
        return 1
    print("fits")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
