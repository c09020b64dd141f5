#!/usr/bin/env python3
"""An independent verifier of pfxvault's format, written from docs/format.md alone.

Python's standard library and the `ssh-keygen` command. No secret is needed and nothing is written.

    verify_vault.py [--pin SHA256:...] [--now 2026-12-01] MEDIUM...
    verify_vault.py --counted CASES.json

A medium is a folder, or a file that is a parcel. Prints one JSON document with the state of every number and every finding; the exit code is the format's
(0 good, 4 lost, 7 no vault or not ours, 8 attention, 10 forged). What needs host state is not looked at.
"""

import argparse
import base64
import datetime
import hashlib
import ipaddress
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import unicodedata

MIB = 1024 * 1024
CAP_TEXT, CAP_SIG, CAP_IDENT, CAP_KEY_PAIR, CAP_CATALOG = 4 * MIB, 2048, 64 * 1024, 16 * MIB, 32 * MIB
CAP_PARCEL = 256 * MIB
CAP_STATEMENTS, CAP_UNVOUCHED = 32 * MIB, 256 * MIB
# What is read at its own place whatever else was.
SMALL, SMALL_CATALOG = 64 * 1024, MIB
MAX_ENTRIES, MAX_IDENTITIES, MAX_LISTED, MAX_COPIES = 500_000, 16, 64, 64
MAX_IDLE, MAX_BESIDE, MAX_OPENED, MAX_NAMES = 10_000, 10_000, 1_000_000, 10_000
NOTE, ATTENTION, FORGED, LOST = range(4)
EXIT = {NOTE: 0, ATTENTION: 8, FORGED: 10, LOST: 4}

# SHA-256 of every README.TXT that a pfxvault has shipped (docs/format.md, "README.TXT").
READMES = {
    "7edd8500e75a22b925038690abc557b770682db7145db1c1d03a6dbfac4e4764",
    "454f0a11235f8e509faa5b86f9a2adf2260ec79ec1f53075e85b212adab0a7bd",
}
OLD_READMES = {
    "b4edc7ef41d32441390613ed48ffae4a773c23752f3233e9067835f0b9206b54",
    "cee345e53b76e7989edbf7312ac96e40171134a61438843be3b4d08580370e4a",
    "c986dc28620fbc4e57a5e18c6e4d3a68da16e44f1b387939a3734350450eb7d5",
}
ASK = "Ask / 連絡先: ".encode()
NEVER_ASKED = "Whoever answers there never asks for the passphrase. パスフレーズをお尋ねすることはありません。".encode()
MAX_UNKNOWN, MAX_DEPTH = 10_000, 8
# Ends of names that a system may run (docs/format.md, "Tree").
PROGRAMS = set(
    "app appimage application bash bat bin chm cmd com cpl csh desktop dll drv elf exe hlp hta inf jar js jse ksh lnk msc "
    "msi msp mst ocx pif pl ps1 psd1 psm1 py pyw rb reg run scf scr sct sh sys url vb vbe vbs ws wsc wsf wsh xll zsh".split()
)

NUMBER = r"[1-9][0-9]{0,7}"
HASH = r"[0-9a-f]{64}"
SERVER = r"[A-Z2-7]{8}"


class Refused(Exception):
    """Bytes that are not in the form the format prescribes."""


class Crowded(Exception):
    """More than is looked at."""


class NoVault(Exception):
    """Nothing here to verify, with the exit code that says so."""

    def __init__(self, exit_code, reason):
        super().__init__(reason)
        self.exit_code = exit_code


# --- reading a medium ------------------------------------------------------------------------------------


def upper(name):
    """Names are compared without the case of ASCII letters; nothing else is folded."""
    return "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in name)


def entries(folder):
    """(name in upper case, path, 'file' | 'folder' | 'other'), or None if the folder cannot be listed.

    More entries than are looked at are `Crowded`.

    In a parcel folders are dictionaries and files are bytes, and so is what stands for their paths.
    """
    if isinstance(folder, dict):
        return sorted((name, inner, "folder" if isinstance(inner, dict) else "file") for name, inner in folder.items())
    found = []
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                if len(found) == MAX_ENTRIES:
                    raise Crowded
                plain = entry.is_file(follow_symlinks=False)
                kind = "file" if plain else "folder" if entry.is_dir(follow_symlinks=False) else "other"
                found.append((upper(entry.name), entry.path, kind))
    except OSError:
        return None
    return sorted(found)


def size(path):
    """How large a file is, as far as that can be told."""
    try:
        return len(path) if isinstance(path, bytes) else os.lstat(path).st_size
    except OSError:
        return 0


def read(path, cap):
    """The file's bytes, or None: missing, no plain file, larger than the cap, unreadable."""
    if isinstance(path, bytes):
        return path if len(path) <= cap else None
    try:
        facts = os.lstat(path)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > cap:
            return None
        with open(path, "rb") as file:
            data = file.read(cap + 1)
    except OSError:
        return None
    return data if len(data) <= cap else None


class Folder:
    """A folder that claims to hold a generation."""

    def __init__(self, medium, half, server, number, copy, files):
        self.medium, self.half, self.server, self.number, self.copy, self.files = medium, half, server, number, copy, files

    def read(self, name, cap):
        return read(self.files[name], cap) if name in self.files else None


class Parcel:
    """A ZIP file of the one form, as a tree of dictionaries and bytes. The checksum vouches for nothing and is not asked."""

    LOCAL, DIRECTORY, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"

    def __init__(self, data):
        self.data, self.at, self.tree = data, 0, {}
        heads = []
        while (signature := self.take(4)) == self.LOCAL:
            offset = self.at - 4
            self.take(2)
            facts, (path, extra) = self.facts(), self.numbers(2, 2)
            path = self.take(path)
            if extra or (heads and heads[-1][1] >= path):
                raise Refused("an extra field, or out of order")
            heads.append((facts, path, offset))
            self.keep(path, self.take(facts[1]))
        self.directory(signature, heads)
        generations = [folder for server, folder in self.tree.get("A", {}).items() if server != "OWNER"]
        if any(len(numbers) != 1 for numbers in generations) or len(generations) > 1:
            raise Refused("more than one generation")
        for files in (files for numbers in generations for files in numbers.values()):
            if not files.get("RECORD.TXT") or not files.get("RECORD.SIG"):
                raise Refused("a generation without record or signature")

    def take(self, count):
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise Refused("cut short")
        self.at += count
        return taken

    def numbers(self, *sizes):
        return tuple(int.from_bytes(self.take(size), "little") for size in sizes)

    def facts(self):
        """Checksum and size; of the flags up to the sizes, time and day are ignored."""
        flags, method, _, _, checksum, packed, size = self.numbers(2, 2, 2, 2, 4, 4, 4)
        if flags or method or packed != size:
            raise Refused("not stored in clear")
        return checksum, size

    def keep(self, path, data):
        generation = rf"A/{SERVER}/(?!00000000)[0-9]{{8}}/(CATALOG\.AGE|RECORD\.(TXT|SIG)|K(?!0000000)[0-9]{{7}}\.AGE)"
        owner = rf"A/OWNER/({SERVER}\.(TXT|SIG)|IDENT(ITY|(?!00[01])[0-9]{{3}})\.AGE)"
        text = path.decode("ascii", "replace")
        if not re.fullmatch(rf"{generation}|{owner}", text):
            raise Refused("not a path of a parcel")
        *folders, name = text.split("/")
        folder = self.tree
        for inner in folders:
            folder = folder.setdefault(inner, {})
        folder[name] = data

    def directory(self, signature, heads):
        start = self.at - 4
        for head in heads:
            if signature != self.DIRECTORY:
                raise Refused("the directory lacks an entry")
            self.take(4)
            facts, (path, extra) = self.facts(), self.numbers(2, 2)
            comment, disk, _, _, offset = self.numbers(2, 2, 2, 4, 4)
            if (facts, self.take(path), offset) != head or extra or comment or disk:
                raise Refused("the directory says something else")
            signature = self.take(4)
        size = self.at - 4 - start
        if signature != self.END or self.numbers(2, 2, 2, 2, 4, 4, 2) != (0, 0, len(heads), len(heads), size, start, 0):
            raise Refused("not the end of this directory")
        if self.at != len(self.data):
            raise Refused("something follows the end")


def parcel(path):
    data = read(path, CAP_PARCEL)
    try:
        if data is None:
            raise Refused("too large")
        return Parcel(data).tree
    except Refused as reason:
        raise NoVault(4, f"{path} is no parcel: {reason}") from reason


def medium_id(text):
    """The id in MEDIUM.TXT, or None if it is not in the form."""
    form = re.fullmatch(rb"pfxvault-medium v1\nmedium ([0-9a-f]{32})\nlabel ([^\n]{0,64})\n", text or b"")
    try:
        plain = form and not any(unicodedata.category(c) == "Cc" for c in form[2].decode())
    except UnicodeDecodeError:
        plain = False
    return form[1] if plain else None


def is_program(name):
    stem, dot, end = name.rstrip(". ").rpartition(".")
    return dot == "." and end.lower() in PROGRAMS


class Pair:
    """The two files of a statement in one half; None for one that is missing or cannot be read."""

    def __init__(self, half, stem, text, signature):
        self.half, self.stem, self.text, self.signature = half, stem, text, signature

    def is_right(self):
        """Whether anybody signed the text, in whatever namespace: damage makes no such signature."""
        return signer(None, self.text, self.signature) is not None

    def is_damaged(self):
        return not is_newer(self.text, "pfxvault-trust") and not self.is_right()


def without_contact(readme):
    """README.TXT without the two lines that name a contact, and the contact (docs/format.md, "README.TXT")."""
    lines = readme.split(b"\r\n")
    if len(lines) < 4 or not lines[2].startswith(ASK) or lines[3] != NEVER_ASKED:
        return readme, None
    contact = lines[2][len(ASK) :]
    try:
        text = contact.decode()
    except UnicodeDecodeError:
        return readme, None
    unseen = any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in text)
    if not text or unseen or text != text.strip() or len(text) > 80 or len(contact) > 240:
        return readme, None
    return b"\r\n".join(lines[:2] + lines[4:]), text


class Medium:
    """Everything below PFXVAULT on one medium, nothing of it believed."""

    def __init__(self, path):
        self.statements, self.identities, self.folders, self.unexpected, self.readme = [], [], [], [], None
        self.unfinished, self.programs, self.servers = [], [], []
        self.crowded, self.looked, self.held, self.unvouched = False, 0, {"A": 0, "B": 0}, 0
        self.is_parcel = os.path.isfile(path)
        self.place, self.id = os.path.realpath(path), None
        top = [e for e in entries(path) or [] if e[0] == "PFXVAULT" and e[2] == "folder"]
        root = entries(parcel(path)) if self.is_parcel else entries(top[0][1]) if top else []
        if not root:
            raise NoVault(7, f"no PFXVAULT folder on {path}, or none that can be read")
        for name, where, kind in root:
            if name in ("A", "B") and kind == "folder":
                self.half(where, name)
            elif name in ("README.TXT", "MEDIUM.TXT") and kind == "file":
                if name == "README.TXT":
                    self.readme = read(where, CAP_IDENT)
                else:
                    self.id = medium_id(read(where, CAP_IDENT))
            else:
                self.leave(name, where, kind)

    def keep(self, names, where):
        """A name that is not the vault's, as long as there are not too many."""
        if len(names) < MAX_NAMES:
            names.append(where)
        else:
            self.crowded = True

    def leave(self, name, where, kind):
        """Something that is not the vault's: named, and looked through for programs."""
        if kind == "folder":
            self.look_for_programs(where)
            self.keep(self.unexpected, where)
        else:
            self.keep(self.programs if is_program(name) else self.unexpected, where)

    def look_for_programs(self, folder):
        """What belongs to nobody known here is looked at up to a limit for the whole medium, and not too deep."""
        below = [(folder, 0)]
        while below:
            where, depth = below.pop()
            try:
                listed = entries(where) or [] if self.looked < MAX_UNKNOWN and depth < MAX_DEPTH else None
            except Crowded:
                listed = None
            if listed is None:
                return self.keep(self.programs, folder)
            self.looked += 1 + len(listed)
            below += [(path, depth + 1) for _, path, of in listed if of == "folder"]
            for path in (path for inner, path, of in listed if of != "folder" and is_program(inner)):
                self.keep(self.programs, path)

    def list(self, folder):
        try:
            found = entries(folder)
        except Crowded:
            self.crowded = True
            return []
        if found is None:
            self.keep(self.unexpected, folder)
        return found or []

    def half(self, folder, half):
        for name, where, kind in self.list(folder):
            if kind == "folder" and name == "OWNER":
                self.owner(where, half)
            elif kind == "folder" and re.fullmatch(SERVER, name):
                self.servers.append((where, name, half))
            else:
                self.leave(name, where, kind)

    def owner(self, folder, half):
        listed = self.list(folder)
        files = {name: where for name, where, kind in listed if kind == "file"}
        places, stems = {}, set()
        for name, where, kind in listed:
            statement = re.fullmatch(rf"({SERVER})\.(TXT|SIG)", name)
            identity = re.fullmatch(r"IDENT(ITY|[0-9]{3})\.AGE", name)
            if kind == "file" and statement:
                stems.add(statement[1])
            elif kind == "file" and identity and identity[1] not in ("000", "001"):
                places[1 if identity[1] == "ITY" else int(identity[1])] = where
            else:
                self.leave(name, where, kind)
        # What is small comes first, so that large ones push nothing out.
        is_large = {stem: SMALL < size(files.get(stem + ".TXT", "")) <= CAP_TEXT for stem in stems}
        for stem in sorted(stems, key=lambda stem: (is_large[stem], stem)):
            if is_large[stem] and size(files[stem + ".TXT"]) > CAP_STATEMENTS - self.held[half]:
                self.crowded = True
                continue
            text, signature = read(files.get(stem + ".TXT", ""), CAP_TEXT), read(files.get(stem + ".SIG", ""), CAP_SIG)
            self.statement(Pair(half, stem, text, signature))
        for place, where in sorted(places.items()):
            data = read(where, CAP_IDENT)
            kept = sum(of == half for of, _, _ in self.identities)
            if data is not None and (kept < MAX_IDENTITIES or kept < MAX_LISTED and self.says(data)):
                self.identities.append((half, place, data))
            else:
                self.keep(self.unexpected, where)

    def says(self, identity):
        """Whether any text here, whoever signed it, lists an identity file."""
        line = b"identity " + sha256(identity).encode()
        return any(line in (pair.text or b"").split(b"\n") for pair in self.statements + self.unfinished)

    def statement(self, pair):
        whole = pair.text is not None and bool(pair.signature)
        again = [p for p in self.statements if (p.half, p.text, p.signature) == (pair.half, pair.text, pair.signature)]
        # Whose the vault is may be known only later; here whoever signed counts as the owner.
        if not whole or again or signer("pfxvault-trust-v1", pair.text, pair.signature) is None:
            self.held[pair.half] += len(pair.text or b"") + len(pair.signature or b"") + 128
            if self.held[pair.half] > CAP_STATEMENTS:
                self.crowded = True
                return
        if whole:
            self.statements.append(pair)
        else:
            self.keep(self.unexpected, pair.stem)
            self.unfinished.append(pair)

    def open(self, admitted):
        """The folders of generations: all at their own places of admitted servers, then those beside, then strangers'."""
        beside, idle = [], 0
        for folder, server, half in (place for place in self.servers if place[1] in admitted):
            for name, where, number, copy in self.generations(folder):
                if copy > MAX_COPIES:
                    self.crowded = True
                elif copy:
                    beside.append((copy, number, where, server, half))
                elif len(self.folders) == MAX_OPENED:
                    self.crowded = True
                else:
                    idle = self.take(Folder(self, half, server, number, 0, self.files(where)), idle)
        self.crowded |= len(beside) > MAX_BESIDE
        for copy, number, where, server, half in sorted(beside, key=lambda place: place[:2])[:MAX_BESIDE]:
            idle = self.take(Folder(self, half, server, number, copy, self.files(where)), idle)
        idle = 0
        for folder, server, half in (place for place in self.servers if place[1] not in admitted):
            for name, where, number, copy in self.generations(folder):
                self.look_for_programs(where)
                idle = self.take(Folder(self, half, server, number, copy, {}), idle)

    def take(self, folder, idle):
        idle += "RECORD.SIG" not in folder.files
        if idle <= MAX_IDLE or "RECORD.SIG" in folder.files:
            self.folders.append(folder)
        else:
            self.crowded = True
        return idle

    def generations(self, folder):
        for name, where, kind in self.list(folder):
            match = re.fullmatch(r"([0-9]{8})(\.[0-9]{3})?", name)
            if kind != "folder" or not match or match[1] == "00000000" or match[2] == ".000":
                self.leave(name, where, kind)
            else:
                yield name, where, int(match[1]), int((match[2] or ".000")[1:])

    def files(self, folder):
        listed = self.list(folder)
        for inner, path, of in listed:
            known = re.fullmatch(r"CATALOG\.AGE|RECORD\.(TXT|SIG)|K(?!0000000)[0-9]{7}\.AGE", inner)
            if of != "file" or not known:
                self.leave(inner, path, of)
        return {inner: path for inner, path, of in listed if of == "file"}

    def room(self, bytes_wanted):
        """Whether so much may still be read that no record vouches for."""
        if self.unvouched + bytes_wanted > CAP_UNVOUCHED:
            self.crowded = True
            return False
        return True


# --- signatures ------------------------------------------------------------------------------------------


def ssh_strings(blob):
    """The strings of SSH's wire form, up to the end of the blob."""
    strings = []
    while blob:
        if len(blob) < 4 or len(blob) - 4 < int.from_bytes(blob[:4], "big"):
            raise Refused("cut short")
        end = 4 + int.from_bytes(blob[:4], "big")
        strings.append(blob[4:end])
        blob = blob[end:]
    return strings


def armor(blob):
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()


def unarmor(signature):
    lines = signature.split(b"\n")
    try:
        blob = base64.b64decode(b"".join(lines[1:-2]), validate=True)
    except ValueError as error:
        raise Refused("not base64") from error
    if armor(blob) != signature:
        raise Refused("not as ssh-keygen writes it")
    return blob


VERIFIED = {}


def signer(namespace, text, signature):
    """The public key blob that signed `text`, if the signature is in the one allowed form and right.

    Without a namespace, that which the signature names counts.
    """
    key = (namespace, text, signature)
    if key not in VERIFIED:
        try:
            VERIFIED[key] = check_signature(namespace, text, signature)
        except Refused:
            VERIFIED[key] = None
    return VERIFIED[key]


def check_signature(namespace, text, signature):
    blob = unarmor(signature)
    if blob[:10] != b"SSHSIG\x00\x00\x00\x01":
        raise Refused("not SSHSIG version 1")
    public, space, reserved, algorithm, raw = (ssh_strings(blob[10:]) + [b""] * 5)[:5]
    key, made = ssh_strings(public), ssh_strings(raw)
    if namespace is None:
        namespace = space.decode("ascii", "replace")
    plain = space == namespace.encode() and reserved == b"" and algorithm == b"sha512"
    ed25519 = [len(part) for part in key] == [11, 32] and [len(part) for part in made] == [11, 64]
    if not plain or not ed25519 or key[0] != b"ssh-ed25519" or made[0] != b"ssh-ed25519":
        raise Refused("another kind of signature")
    if len(ssh_strings(blob[10:])) != 5:
        raise Refused("something follows the signature")
    with tempfile.NamedTemporaryFile() as file:
        file.write(signature)
        file.flush()
        command = ["ssh-keygen", "-Y", "check-novalidate", "-n", namespace, "-s", file.name]
        done = subprocess.run(command, input=text, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return public if done.returncode == 0 else None


def fingerprint(public):
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")


def server_id(public):
    return base64.b32encode(hashlib.sha256(public).digest()).decode()[:8]


# --- texts -----------------------------------------------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def is_newer(text, kind):
    """Asked before any signature: a later version may sign in another way."""
    match = re.match(rb"%b v(%b)\n" % (kind.encode(), NUMBER.encode()), text)
    return match is not None and int(match[1]) > (2 if kind == "pfxvault-trust" else 1)


def is_base64(text):
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except ValueError:
        return False


def split(text):
    if not re.fullmatch(rb"([\x20-\x7e]*\n)+", text):
        raise Refused("not lines of ASCII")
    return text.decode("ascii")[:-1].split("\n")


def is_vault(text):
    match = re.fullmatch(r"SHA256:([A-Za-z0-9+/]{43})", text)
    return match is not None and base64.b64encode(base64.b64decode(match[1] + "="))[:43] == match[1].encode()


def parse_day(text, form, pattern):
    try:
        right = re.fullmatch(pattern, text) and datetime.datetime.strptime(text, form)
    except ValueError:
        right = None
    if not right:
        raise Refused("not a time")
    return text


BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def is_recipient(text):
    """age's X25519 recipient: bech32 of 32 bytes, lower case, `age1`."""
    if not re.fullmatch(rf"age1[{BECH32}]{{58}}", text):
        return False
    values = [BECH32.index(c) for c in text[4:]]
    check = 1
    for value in [ord(c) >> 5 for c in "age"] + [0] + [ord(c) & 31 for c in "age"] + values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    # 52 characters carry 260 bits: the last 4 are padding and zero.
    return check == 1 and values[51] & 15 == 0


def ssh_key(text):
    """The blob of `ssh-ed25519 AAAA...`, in canonical base64 and without a comment."""
    match = re.fullmatch(r"ssh-ed25519 ([A-Za-z0-9+/]{68})", text)
    blob = base64.b64decode(match[1]) if match else b""
    if blob[:19] != b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" or len(blob) != 51:
        raise Refused("not an Ed25519 key")
    if not is_sound(blob[19:]):
        raise Refused("a key of small order, no point of the curve, or in a second encoding")
    return blob


P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def is_sound(key):
    """A point of Edwards25519 in its one encoding that is not of small order (RFC 8032 section 5.1)."""
    y, sign = int.from_bytes(key, "little") & (2**255 - 1), key[31] >> 7
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    if y >= P or pow(x2, (P - 1) // 2, P) not in (0, 1) or (x2 == 0 and sign):
        return False
    # x^2 is enough to double a point: y of its double is (y^2 + x^2) / (1 - d x^2 y^2), and x^2 follows from y.
    for _ in range(3):
        y = (y * y + x2) * pow(1 - D * x2 * y * y, -1, P) % P
        x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    return y != 1


def parse_record(text):
    lines = split(text)
    head = ["pfxvault-record v1", "vault ", "server ", "number ", "prev ", "time ", "due "]
    if len(lines) < len(head) or not all(line.startswith("# " + key) for line, key in zip(lines, head)):
        raise Refused("not the lines of a record")
    kind, vault, server, number, prev, time, due = (line[2 + len(key) :] for line, key in zip(lines, head))
    form = re.fullmatch(SERVER, server) and re.fullmatch(NUMBER, number) and is_vault(vault) and kind == ""
    before = re.fullmatch(rf"none|({NUMBER}) ({HASH})", prev)
    if not form or not before:
        raise Refused("not the values of a record")
    parse_day(time, "%Y-%m-%dT%H:%M:%SZ", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
    parse_day(due, "%Y-%m-%d", r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
    trust, files = [], {}
    for line in lines[len(head) :]:
        said, file = re.fullmatch(rf"# trust ({HASH})", line), re.fullmatch(rf"({HASH})  ([A-Z0-9.]+)", line)
        if said and not files and (not trust or trust[-1] < said[1]):
            trust.append(said[1])
        elif file and file[2] == (f"K{len(files):07}.AGE" if files else "CATALOG.AGE"):
            files[file[2]] = file[1]
        else:
            raise Refused("not a line of a record")
    if not trust or len(files) < 2:
        raise Refused("not a whole record")
    prev = (int(before[1]), before[2]) if before[1] else None
    return {"vault": vault, "server": server, "number": int(number), "prev": prev, "due": due, "trust": trust, "files": files}


class Trust:
    """The union of what the owner said."""

    def __init__(self, vault):
        self.vault, self.servers, self.closes, self.identities = vault, {}, {}, set()
        # By the hash of their text: the pairs of files of statements that count.
        self.known, self.refused, self.newer = {}, [], False

    def learn(self, medium, pair):
        if is_newer(pair.text, "pfxvault-trust"):
            self.newer = True
            return
        public = signer("pfxvault-trust-v1", pair.text, pair.signature)
        try:
            if public is None or fingerprint(public) != self.vault:
                raise Refused("not the owner's")
            self.hear(pair.text)
            self.known[sha256(pair.text)] = (pair.text, pair.signature)
        except Refused:
            self.refused.append((medium, pair))

    def counts_as(self, pair):
        """The hash of the statement that these two files are a whole copy of."""
        known = self.known.get(sha256(pair.text))
        return sha256(pair.text) if known == (pair.text, pair.signature) else None

    def refusal(self, medium, pair):
        """'forged', 'damaged', or None for what is left of a statement that is known."""
        if sha256(pair.text) in self.known:
            return None
        if pair.is_right():
            return "forged"
        whole = [other for other in medium.statements if self.counts_as(other)]
        if any(other.half != pair.half and other.stem == pair.stem for other in whole):
            return None
        if all(signature != pair.signature for _, signature in self.known.values()):
            return "damaged"
        beside = any(other.half == pair.half and other.signature == pair.signature for other in whole)
        return "forged" if beside else None

    def hear(self, text):
        lines = split(text)
        versions = {"pfxvault-trust v1": 1, "pfxvault-trust v2": 2}
        if lines[0] not in versions or lines[1:2] != ["vault " + self.vault]:
            raise Refused("not a statement of this vault")
        words = lines[2:]
        if any(a >= b for a, b in zip(words, words[1:])) or "" in words:
            raise Refused("not sorted")
        parsed = [self.word(line, versions[lines[0]]) for line in words]
        for kind, *values in parsed:
            if kind == "server":
                # Another key of an id that is known is another server.
                self.servers.setdefault(values[0], values[1])
            elif kind == "identity":
                self.identities.add(values[0])
            elif kind == "close":
                self.closes[values[0]] = min(self.closes.get(values[0], values[1]), values[1])

    @staticmethod
    def word(line, version):
        close = re.fullmatch(rf"close ({SERVER}) (none|({NUMBER}) ({HASH}))", line)
        identity = re.fullmatch(rf"identity ({HASH})", line)
        person = re.fullmatch(r"(recipient|retire) (\S+)", line)
        server = re.fullmatch(rf"server ({SERVER}) (.+)", line)
        if version == 2:
            name = re.fullmatch(rf"name ({SERVER}) ({NUMBER}) ({HASH})", line)
            retired = re.fullmatch(rf"retired ({SERVER}) (\S+)", line)
            if name:
                return "name", name[1], int(name[2]), name[3]
            if retired and is_base64(retired[2]):
                return "retired", retired[1], retired[2]
        if close:
            # `none` is below every number; the lowest wins.
            return "close", close[1], (int(close[3] or 0), close[4] or "")
        if identity:
            return "identity", identity[1]
        if person and is_recipient(person[2]):
            return person[1], person[2]
        if server and server_id(ssh_key(server[2])) == server[1]:
            return "server", server[1], ssh_key(server[2])
        raise Refused("not a line of a statement")

    def counts(self, server, number, record=None):
        if server not in self.servers:
            return False
        last = self.closes.get(server)
        return last is None or number < last[0] or (number == last[0] and record in (None, last[1]))


# --- judging ---------------------------------------------------------------------------------------------


def judge(folder, trust):
    """('foreign' | 'closed' | 'unfinished' | 'newer' | 'damaged', None) or ('committed', (text, record))."""
    if not trust.counts(folder.server, folder.number):
        return "closed" if folder.server in trust.servers else "foreign", None
    if "RECORD.SIG" not in folder.files or folder.read("RECORD.SIG", CAP_SIG) == b"":
        return "unfinished", None
    there = size(folder.files.get("RECORD.TXT", ""))
    if (folder.copy or there > SMALL) and there <= CAP_TEXT and not folder.medium.room(there):
        return "damaged", None
    text, signature = folder.read("RECORD.TXT", CAP_TEXT), folder.read("RECORD.SIG", CAP_SIG)
    if text is None:
        return "damaged", None
    if is_newer(text, "# pfxvault-record"):
        return "newer", None
    public = signer("pfxvault-record-v1", text, signature) if signature is not None else None
    if public is None:
        return "damaged", None
    if public != trust.servers[folder.server]:
        return "foreign", None
    try:
        record = parse_record(text)
    except Refused:
        return "damaged", None
    place = record["vault"], record["server"], record["number"]
    if place != (trust.vault, folder.server, folder.number):
        return "foreign", None
    if not trust.counts(folder.server, folder.number, sha256(text)):
        return "closed", None
    return "committed", (text, record)


class Report:
    def __init__(self, media, vault, pinned, today):
        self.trust, self.media, self.today = Trust(vault), media, today
        self.numbers, self.findings, self.level = [], set(), NOTE
        for medium in media:
            for pair in medium.statements:
                self.trust.learn(medium, pair)
        if not self.trust.known:
            raise NoVault(7, "nothing here is signed by this vault's owner")
        if not pinned:
            self.find("not-pinned", NOTE)
        self.slots = {}
        for medium in media:
            medium.open(set(self.trust.servers))
        for folder in (folder for medium in media for folder in medium.folders):
            verdict, committed = judge(folder, self.trust)
            there = size(folder.files.get("RECORD.TXT", ""))
            if not committed and "RECORD.SIG" in folder.files and (folder.copy or there > SMALL):
                medium = folder.medium
                medium.unvouched += there if there <= CAP_TEXT else 0
            self.slots.setdefault((folder.server, folder.number), []).append((folder, verdict, committed))
        self.records = {}
        for place, slot in sorted(self.slots.items()):
            self.judge_number(place, slot)
        self.order()
        self.owner_files()
        self.loose_files()

    def find(self, finding, level):
        self.findings.add(finding)
        self.level = max(self.level, level)

    def judge_number(self, place, slot):
        texts = {}
        for folder, verdict, committed in slot:
            if verdict == "committed":
                texts.setdefault(committed[0], []).append(folder)
        records = self.records[place] = {sha256(text): parse_record(text) for text in texts}
        for text, copies in texts.items():
            whole = self.check_files(records[sha256(text)], copies, [folder for folder, _, _ in slot])
            self.numbers.append((*place, "whole" if whole else "damaged", len(copies), sha256(text)))
            self.count_copies(copies, [folder for folder, verdict, _ in slot if verdict == "damaged"])
        verdicts = {verdict for _, verdict, _ in slot}
        if not texts:
            state = next(s for s in ("newer", "damaged", "unfinished", "foreign", "closed") if s in verdicts)
            self.numbers.append((*place, "foreign" if state == "closed" else state, 0, None))
        if len(texts) > 1:
            self.find("fork", ATTENTION)
        if "foreign" in verdicts:
            self.find("foreign", FORGED)
        if "closed" in verdicts:
            self.find("closed", ATTENTION)
        if "newer" in verdicts:
            self.find("newer-format", ATTENTION)
        if texts and "damaged" in verdicts:
            self.find("copy-bad", ATTENTION)

    def count_copies(self, copies, damaged):
        for medium in {copy.medium for copy in copies if not copy.medium.is_parcel}:
            halves, broken = ({f.half for f in some if f.medium is medium} for some in (copies, damaged))
            if len(halves) == 1 and broken <= halves:
                self.find("one-copy", ATTENTION)

    def check_files(self, record, copies, folders):
        whole = True
        for name, wanted in record["files"].items():
            cap = CAP_CATALOG if name == "CATALOG.AGE" else CAP_KEY_PAIR
            good, data = self.find_file(name, wanted, cap, sorted(folders, key=lambda f: (f not in copies, f.copy)))
            if good is None:
                whole = False
                self.find("file-lost", LOST)
            elif any(copy is not good and self.is_alike(copy, name, data) is False for copy in copies):
                self.find("copy-bad", ATTENTION)
        return whole

    @staticmethod
    def find_file(name, wanted, cap, folders):
        """What lies at its own place comes first, and there what is small; the rest as far as there is room."""
        always = SMALL_CATALOG if name == "CATALOG.AGE" else SMALL
        is_small = {f: f.copy == 0 and size(f.files.get(name, "")) <= always for f in folders}
        for folder in sorted(folders, key=lambda f: (not is_small[f], f.copy > 0)):
            there = size(folder.files.get(name, ""))
            if not is_small[folder] and (there > cap or not folder.medium.room(there)):
                continue
            data = folder.read(name, cap)
            if data is not None and sha256(data) == wanted:
                return folder, data
            if not is_small[folder]:
                folder.medium.unvouched += len(data or b"")
        return None, None

    @staticmethod
    def is_alike(copy, name, good):
        """Whether another copy is as good; None beside its generation's place where there is no room."""
        if copy.copy and not copy.medium.room(len(good)):
            return None
        copy.medium.unvouched += len(good) if copy.copy else 0
        return copy.read(name, len(good)) == good

    def order(self):
        named = [(server, record["prev"][0]) for (server, _), records in self.records.items() for record in records.values() if record["prev"]]
        named += [(server, last[0]) for server, last in self.trust.closes.items() if server in self.trust.servers and last[0]]
        for place in sorted(set(named) - set(self.slots)):
            self.numbers.append((*place, "elsewhere", 0, None))
        newest = {}
        for server, number, state, _, _ in sorted(self.numbers, key=lambda judged: judged[:2]):
            if state == "whole":
                newest[server] = number
        for server, number, state, _, record in self.numbers:
            above = number > newest.get(server, 0)
            if state == "unfinished" and above:
                self.find("unfinished-above-whole", ATTENTION)
            if state == "damaged" and record is None:
                level = ATTENTION if server in newest else LOST
                self.find("damaged-above-whole" if above else "damaged-below-whole", level)
            if state == "elsewhere" and above:
                self.find("elsewhere-above-whole", ATTENTION)
        for (server, number), records in self.records.items():
            for record in records.values():
                before = record["prev"]
                there = self.records.get((server, before[0])) if before else None
                if before and (before[0] >= number or (there and before[1] not in there)):
                    self.find("prev-contradiction", ATTENTION)
        for server, number in newest.items():
            due = [record["due"] for record in self.records[server, number].values()]
            if server not in self.trust.closes and min(due) < self.today:
                self.find("overdue", ATTENTION)
        self.numbers.sort(key=lambda judged: (judged[0], judged[1], judged[4] or ""))

    def owner_files(self):
        refusals = {self.trust.refusal(medium, pair) for medium, pair in self.trust.refused}
        if "forged" in refusals:
            self.find("bad-statement", FORGED)
        if "damaged" in refusals:
            self.find("statement-damaged", ATTENTION)
        if self.trust.newer:
            self.find("newer-format", ATTENTION)
        named = {h for records in self.records.values() for record in records.values() for h in record["trust"]}
        if named - set(self.trust.known):
            self.find("statement-missing", ATTENTION)
        here = {sha256(data) for medium in self.media for _, _, data in medium.identities}
        if self.trust.identities - here:
            self.find("identity-missing", ATTENTION)
        for medium in self.media:
            self.unknown_identities(medium)
            if not medium.is_parcel:
                self.copies_of_statements(medium)
                self.copies_of_identities(medium)

    def copies_of_statements(self, medium):
        whole = {(pair.half, self.trust.counts_as(pair)): pair for pair in medium.statements if self.trust.counts_as(pair)}
        records = [r for slot in self.slots.values() for f, _, r in slot if r and f.medium is medium]
        expected = {wanted for _, wanted in whole} | {h for _, record in records for h in record["trust"]}
        for wanted in expected & set(self.trust.known):
            text, signature = self.trust.known[wanted]
            lacking = [half for half in "AB" if (half, wanted) not in whole]
            names = {pair.stem for (_, of), pair in whole.items() if of == wanted}
            left = 0
            for half in lacking:
                beside = [pair for pair in medium.statements if pair.half == half and pair.is_damaged()]
                begun = [pair for pair in medium.unfinished if pair.half == half]
                alike = [p for p in beside + begun if p.text == text or p.signature == signature]
                if alike or any(pair.stem in names for pair in beside):
                    left += 1
                    self.find("copy-bad", ATTENTION)
                elif names:
                    self.find("one-copy", ATTENTION)
            if not names and not left:
                self.find("statement-missing", ATTENTION)

    def copies_of_identities(self, medium):
        whole = [pair.text.decode() for pair in medium.statements if self.trust.counts_as(pair)]
        for wanted in self.trust.identities:
            held = {half: place for half, place, data in medium.identities if sha256(data) == wanted}
            if not held and any(f"\nidentity {wanted}\n" in text for text in whole):
                self.find("identity-missing", ATTENTION)
            for half in (half for half in "AB" if held and half not in held):
                left = self.left_of_identity(medium, half, set(held.values()))
                self.find("copy-bad" if left else "one-copy", ATTENTION)

    def left_of_identity(self, medium, half, places):
        """Unlisted files in one half under a name that a listed one has in the other."""
        files = [(place, sha256(data)) for of, place, data in medium.identities if of == half]
        return {data for place, data in files if place in places and data not in self.trust.identities}

    def unknown_identities(self, medium):
        known = set(self.trust.identities)
        for wanted in self.trust.identities:
            held = {half: place for half, place, data in medium.identities if sha256(data) == wanted}
            for half in (half for half in "AB" if half not in held):
                known |= self.left_of_identity(medium, half, set(held.values()))
        if any(sha256(data) not in known for _, _, data in medium.identities):
            self.find("identity-unknown", ATTENTION)

    def loose_files(self):
        for medium in self.media:
            if medium.unexpected:
                self.find("unexpected-file", NOTE)
            if medium.programs:
                self.find("program", ATTENTION)
            if medium.crowded:
                self.find("crowded", ATTENTION)
            if medium.is_parcel:
                continue
            text, contact = without_contact(medium.readme or b"")
            if sha256(medium.readme or b"") in OLD_READMES:
                self.find("readme-old", NOTE)
            elif sha256(text) not in READMES:
                self.find("readme-unknown", ATTENTION)
            elif contact:
                # Whoever reads without host state knows nobody who said so.
                self.find("readme-contact", NOTE)
        places = {(medium.id, medium.place) for medium in self.media if medium.id}
        if len({known for known, _ in places}) < len(places):
            self.find("copies", ATTENTION)


def claimed_owner(media):
    """Without a pin: whoever signed the statements, if that is one."""
    pairs = [pair for medium in media for pair in medium.statements]
    signers = {signer("pfxvault-trust-v1", pair.text, pair.signature) for pair in pairs} - {None}
    if not signers:
        raise NoVault(7, "no statement here is signed")
    if len(signers) > 1:
        raise NoVault(10, "the statements here are of more than one owner")
    return fingerprint(signers.pop())


def is_address(name):
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        return False


def is_pending(pair):
    return (pair.get("windows") or {}).get("store") == "REQUEST"


def renews(new, old, case):
    """Whether `new` takes the place of `old` (docs/format.md, "What counts")."""
    if new["thumbprint"] in case["lost"] or is_pending(new):
        return False
    if "not_before" not in new or "not_before" not in old:
        return False
    if not (old["not_before"] < new["not_before"] <= case["now"] <= new["not_after"]):
        return False
    if is_pending(old) and ("spki_sha256" not in new or new["spki_sha256"] != old.get("spki_sha256")):
        return False
    own = [pair.get("self_signed") for pair in (new, old)]
    if None in own:
        return False
    if not own[1] and (own[0] or "top_issuer" not in new or new["top_issuer"] != old.get("top_issuer")):
        return False
    if new["key_type"].split(" ")[0] != old["key_type"].split(" ")[0]:
        return False
    names = {name.lower() for name in old["names"]}
    if all(is_address(name) for name in names) or not names <= {name.lower() for name in new["names"]}:
        return False
    return max(old["in"]) < min(new["in"])


def last_words(all):
    """The last word on each certificate and key, by SHA-256: (number, whether it is retired)."""
    said = {}
    for one in sorted(all, key=lambda one: (one["number"], not one.get("undone", False))):
        for id in ("certificate_sha256", "spki_sha256"):
            if id in one:
                said[one[id]] = (one["number"], not one.get("undone", False))
    return said


def is_retired(pair, case):
    """The owner's word before the server's: what they took back, only a higher number retires again."""
    ids = [pair["certificate_sha256"], pair.get("spki_sha256")]
    own, owners = last_words(case.get("retired", [])), last_words(case.get("owners", []))
    owners = [owners[id] for id in ids if id in owners]
    if any(holds for _, holds in owners):
        return True
    undone = max((number for number, _ in owners), default=0)
    return any(own[id][1] and own[id][0] > undone for id in ids if id in own)


def naming(case):
    """What a server calls itself against what the owner bound: 'bound', 'claim' or 'other'."""
    bound = [(number, digest) for number, digest in case["bound"] if number <= case["number"]]
    if not bound:
        return "claim"
    last = max(number for number, _ in bound)
    digest = hashlib.sha256((case["salt"] + case["name"]).encode()).hexdigest() if case["salt"] else None
    return "bound" if (last, digest) in bound else "other"


def counted(case):
    """What each key pair of a server is, by thumbprint."""
    pairs = {}
    for generation in reversed(case["generations"]):
        for about in generation["key_pairs"]:
            pair = pairs.setdefault(about["certificate_sha256"], dict(about))
            pair.setdefault("in", set()).add(generation["number"])
    is_out = lambda pair: is_retired(pair, case)
    verdicts = {pair["thumbprint"]: "retired" if is_out(pair) else "counts" for pair in pairs.values()}
    if case["now"] is None:
        return verdicts
    newest = max(generation["number"] for generation in case["generations"])
    free = [pair for pair in pairs.values() if pair["thumbprint"] not in case["bound"] and not is_out(pair)]
    for pair in free:
        if pair["not_after"] < case["now"] and (case["closed"] or newest not in pair["in"]):
            verdicts[pair["thumbprint"]] = "ended"
    # The latest first, since what renews must count itself.
    for old in sorted(free, key=lambda pair: pair.get("not_before", ""), reverse=True):
        for new in pairs.values():
            if verdicts[new["thumbprint"]] == "counts" and renews(new, old, case):
                verdicts[old["thumbprint"]] = "renewed by " + new["thumbprint"]
                break
    return verdicts


def main():
    if sys.argv[1:2] == ["--counted"]:
        with open(sys.argv[2], encoding="utf-8") as file:
            print(json.dumps([counted(case) for case in json.load(file)]))
        return 0
    if sys.argv[1:2] == ["--named"]:
        with open(sys.argv[2], encoding="utf-8") as file:
            print(json.dumps([naming(case) for case in json.load(file)]))
        return 0
    parser = argparse.ArgumentParser(description="Verifies pfxvault media, independently of pfxvault.")
    parser.add_argument("media", nargs="+", metavar="MEDIUM")
    parser.add_argument("--pin", help="the owner to believe, SHA256:...")
    parser.add_argument("--now", default=datetime.date.today().isoformat(), help="today, for `due`")
    args = parser.parse_args()
    try:
        media = [Medium(path) for path in args.media]
        vault = args.pin or claimed_owner(media)
        report = Report(media, vault, args.pin is not None, args.now)
    except NoVault as reason:
        print(json.dumps({"exit": reason.exit_code, "reason": str(reason)}))
        return reason.exit_code
    numbers = [
        {"server": server, "number": number, "state": state, "copies": copies}
        for server, number, state, copies, _ in report.numbers
    ]
    code = EXIT[report.level]
    print(json.dumps({"exit": code, "vault": vault, "generations": numbers, "findings": sorted(report.findings)}, indent=1))
    return code


if __name__ == "__main__":
    sys.exit(main())
