# SPDX-License-Identifier: Apache-2.0
"""The SMPP codec beside codecs that are not ours: tshark's dissector, libsmpp34, npm's smpp, two
calculators of segments (Twilio's and @trt2's) and gsmcodecs' tables of 23.038. PDUs and texts are made
by chance from fixed seeds, so a difference can be looked at again.

A peer that is not installed skips its tests by name; tests/setup.sh peer brings them all."""
import ctypes
import ctypes.util
import json
import os
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import peers  # noqa: E402

BUILD = Path(os.environ.get("CATALYST_BUILD", "build/release"))
HERE = Path(__file__).resolve().parent
PDUS, TEXTS = 2000, 3000
RESULTS = {}


class Filter:
    """A process that answers each line with a line of JSON."""

    def __init__(self, *command, **settings):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, **settings)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture(scope="module")
def ours():
    tool = BUILD / "tests" / "integration" / "peer_codec"
    if not tool.exists():
        pytest.skip(f"{tool} is not built")
    one = Filter(str(tool))
    yield one
    one.close()


@pytest.fixture(scope="module")
def npm():
    try:
        modules = peers.node("smpp", "sms-segments-calculator", "@trt2/gsm-charset-utils")
    except peers.Missing as reason:
        pytest.skip(str(reason))
    one = Filter("node", str(HERE / "peer_smpp.js"), env={**os.environ, "NODE_PATH": str(modules)})
    yield one
    one.close()


@pytest.fixture(scope="module")
def pdus(ours):
    made = [ours.ask(f"make {seed}") for seed in range(PDUS)]
    assert not [pdu for pdu in made if "error" in pdu]
    assert len({pdu["command"] for pdu in made}) == 27
    for pdu in made:  # and back through our own reader
        assert ours.ask("read " + pdu["hex"]) == {k: v for k, v in pdu.items() if k != "hex"}
    return made


@pytest.fixture(scope="module", autouse=True)
def results():
    """How much was compared with whom; CATALYST_TEST_RESULTS names a file to keep it in."""
    yield
    path = os.environ.get("CATALYST_TEST_RESULTS")
    line = json.dumps({"bench": "smpp_codec_peers", **RESULTS})
    print("\n" + line)
    if path:
        with open(path, "a", encoding="utf-8") as kept:
            kept.write(line + "\n")


# --- tshark ---------------------------------------------------------------------------------------

def write_pcap(path, payloads):
    """Each PDU alone in a TCP segment to port 2775, over raw IPv4."""
    with open(path, "wb") as pcap:
        pcap.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
        sequence = 1
        for payload in payloads:
            tcp = struct.pack(">HHIIBBHHH", 40000, 2775, sequence, 1, 5 << 4, 0x18, 65535, 0, 0)
            ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0, 0x7f000001,
                             0x7f000002)
            packet = ip + tcp + payload
            pcap.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)
            sequence += len(payload)


TSHARK = {"command_id": "command_id", "command_status": "command_status",
          "sequence_number": "sequence_number", "system_id": "system_id", "password": "password",
          "system_type": "system_type", "interface_version": "interface_version",
          "addr_ton": "addr_ton", "addr_npi": "addr_npi", "address_range": "address_range",
          "service_type": "service_type", "source_addr_ton": "source_addr_ton",
          "source_addr_npi": "source_addr_npi", "source_addr": "source_addr",
          "protocol_id": "protocol_id", "priority_flag": "priority_flag",
          "replace_if_present_flag": "replace_if_present_flag", "data_coding": "data_coding",
          "sm_default_msg_id": "sm_default_msg_id", "message_id": "message_id",
          "message_state": "message_state", "error_code": "error_code",
          "short_message": "message"}


def test_tshark_reads_the_same(pdus, tmp_path):
    if not shutil.which("tshark"):
        pytest.skip("tshark: not installed; install Debian's tshark")
    path = tmp_path / "pdus.pcap"
    write_pcap(path, [bytes.fromhex(pdu["hex"]) for pdu in pdus])
    names = [*TSHARK.values(), "destination_addr", "opt_param_tag", "opt_param_len"]
    out = subprocess.run(
        ["tshark", "-r", path, "-d", "tcp.port==2775,smpp", "-o", "tcp.desegment_tcp_streams:FALSE",
         "-o", "smpp.reassemble_smpp_over_tcp:FALSE", "-T", "fields", "-E", "occurrence=a",
         "-E", "separator=/t", "-E", "aggregator=|",
         *(x for name in names for x in ("-e", f"smpp.{name}"))],
        capture_output=True, text=True, check=True)
    lines = out.stdout.splitlines()
    assert len(lines) == len(pdus)
    compared = 0
    for pdu, line in zip(pdus, lines):
        got = dict(zip(names, line.split("\t")))
        for mine, theirs in TSHARK.items():
            if mine not in pdu or got[theirs] == "" and pdu[mine] in ("", 0):
                continue
            value = got[theirs].split("|")[0]
            wanted = pdu[mine] or ("(Default)" if mine == "service_type" else pdu[mine])
            if isinstance(wanted, int):
                value = int(value, 0)
            elif mine == "short_message":
                value = value.replace(":", "")
            assert value == wanted, (mine, pdu, line)
            compared += 1
        if "dest_address" not in pdu and pdu.get("destination_addr"):
            assert got["destination_addr"] == pdu["destination_addr"]
        if pdu["tlvs"]:
            tags = [int(tag, 0) for tag in got["opt_param_tag"].split("|")]
            lens = [int(length, 0) for length in got["opt_param_len"].split("|")]
            assert list(zip(tags, lens)) == [(t["tag"], t["len"]) for t in pdu["tlvs"]]
            compared += len(tags)
    assert compared > 5 * PDUS
    RESULTS["tshark"] = {"pdus": len(pdus), "fields": compared}


# --- libsmpp34 ------------------------------------------------------------------------------------

def beyond_libsmpp34(pdu):
    """What it does not take: it holds to the letter of deliver_sm and knows no long addresses."""
    return (pdu["command"] == "deliver_sm" and
            (pdu["schedule_delivery_time"] or pdu["validity_period"])) or \
        (pdu["command"] == "deliver_sm_resp" and pdu["message_id"]) or \
        (pdu["command"] == "data_sm" and len(pdu["source_addr"]) > 20)


def without_order(pdu):
    """It keeps TLVs and destinations in lists that it turns round."""
    return {k: sorted(map(str, v)) if k == "tlvs" else
            sorted(bytes.fromhex(v)) if k in ("dest_address", "unsuccess_sme") else v
            for k, v in pdu.items() if k != "hex"}


def test_libsmpp34_reads_and_writes_the_same_bytes(pdus, ours):
    name = ctypes.util.find_library("smpp34")
    if not name:
        pytest.skip("libsmpp34: not installed; install Debian's libsmpp34-dev")
    lib = ctypes.CDLL(name)
    compared = same = 0
    for pdu in pdus:
        if beyond_libsmpp34(pdu):
            continue
        raw = bytes.fromhex(pdu["hex"])
        room = ctypes.create_string_buffer(1 << 16)  # any of its structs
        assert lib.smpp34_unpack2(room, raw, len(raw)) == 0, pdu
        back, size = ctypes.create_string_buffer(1 << 16), ctypes.c_int(0)
        assert lib.smpp34_pack2(back, 1 << 16, ctypes.byref(size), room) == 0, pdu
        theirs = back.raw[:size.value]
        assert len(theirs) == len(raw), pdu
        same += theirs == raw
        got = ours.ask("read " + theirs.hex())
        assert without_order(got) == without_order(pdu)
        compared += 1
    assert compared > PDUS * 0.9 and same > PDUS * 0.7
    RESULTS["libsmpp34"] = {"pdus": compared, "same_bytes": same}


# --- npm smpp -------------------------------------------------------------------------------------

def test_npm_smpp_reads_the_same(pdus, npm):
    compared = 0
    for pdu in pdus:
        got = npm.ask("read " + pdu["hex"])
        assert "error" not in got, (got, pdu)
        for name, wanted in pdu.items():
            if name in ("hex", "tlvs", "dest_address", "unsuccess_sme", "schedule_delivery_time",
                        "validity_period", "final_date") or name.endswith("_count"):
                continue
            if name == "short_message" and not wanted:
                continue
            value = got.get(name)
            if value is None and name == "command":
                continue
            assert value == wanted, (name, pdu, got)
            compared += 1
        for tlv in pdu["tlvs"]:
            value = got[tlv["name"]]
            wanted = tlv["value"] if isinstance(value, str) else int(tlv["value"], 16)
            assert value == wanted, (tlv, got)
            compared += 1
    RESULTS["npm smpp reads"] = {"pdus": len(pdus), "fields": compared}


def test_we_read_what_npm_smpp_writes(ours, npm):
    rng = random.Random(34)
    letters = "ABCabc0123456789"

    def word(most):
        return "".join(rng.choice(letters) for _ in range(rng.randint(0, most)))
    compared = 0
    for _ in range(PDUS):
        command = rng.choice(["submit_sm", "deliver_sm", "data_sm", "bind_transceiver",
                              "submit_sm_resp", "query_sm", "cancel_sm", "replace_sm"])
        fields = {"sequence_number": rng.randint(1, 0x7fffffff)}
        if command.startswith("bind"):
            fields |= {"system_id": word(15), "password": word(8), "system_type": word(12),
                       "interface_version": 0x34, "addr_ton": 1, "addr_npi": 1,
                       "address_range": word(40)}
        elif command == "submit_sm_resp":
            fields |= {"message_id": word(64)}
        else:
            fields |= {"source_addr_ton": rng.randint(0, 6), "source_addr_npi": rng.randint(0, 1),
                       "source_addr": word(20)}
            if command in ("query_sm", "cancel_sm", "replace_sm"):
                fields |= {"message_id": word(64)}
            if command in ("submit_sm", "deliver_sm", "data_sm"):
                fields |= {"dest_addr_ton": 1, "destination_addr": word(20),
                           "esm_class": rng.choice([0, 4, 0x40]), "registered_delivery": 1,
                           "data_coding": rng.choice([0, 4, 8]), "service_type": word(5)}
            if command in ("submit_sm", "deliver_sm"):
                fields |= {"short_message": rng.randbytes(rng.randint(1, 254)).hex()}
                if rng.random() < 0.5:
                    fields |= {"user_message_reference": rng.randint(0, 65535),
                               "message_state": rng.randint(0, 9), "receipted_message_id": word(64)}
        made = npm.ask("make " + json.dumps({"command": command, **fields}))
        got = ours.ask("read " + made["hex"])
        assert "error" not in got, (made, fields, got)
        tlvs = {tlv["name"]: tlv["value"] for tlv in got["tlvs"]}
        assert got["command"] == command
        for name, wanted in fields.items():
            if name in tlvs:
                value = tlvs[name]
                value = int(value, 16) if isinstance(wanted, int) else \
                    bytes.fromhex(value).rstrip(b"\0").decode()
            else:
                value = got[name]
            assert value == wanted, (name, fields, got)
            compared += 1
    RESULTS["npm smpp writes"] = {"pdus": PDUS, "fields": compared}


# --- segments and alphabets -----------------------------------------------------------------------

GSM = ("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
       "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€")


def some_text(rng):
    kind = rng.randrange(4)
    letters = [GSM, GSM + "€[]{}" * 20, "abc яжщ 漢字 ", "ab 😀я"][kind]
    return "".join(rng.choice(letters) for _ in range(rng.choice([1, 69, 70, 71, 133, 134, 135, 153,
                                                                  159, 160, 161, 305, 306, 307, 459,
                                                                  rng.randint(1, 900)])))


def test_segments_are_as_others_count_them(ours, npm):
    rng = random.Random(140)
    compared = 0
    for _ in range(TEXTS):
        text = some_text(rng)
        mine = ours.ask("choose 0 0 0 " + text.encode().hex())
        theirs = npm.ask("parts " + json.dumps(text))
        alphabet = {"gsm7": ("GSM-7", "GSM"), "ucs2": ("UCS-2", "UCS2")}[mine["alphabet"]]
        assert theirs["twilio"] == [alphabet[0], mine["parts"]], (text, mine, theirs)
        # @trt2 divides septets and units without looking at pairs, so it may count one part less
        assert theirs["trt2"][0] == alphabet[1], (text, mine, theirs)
        pairs = any(c in "^{}\\[~]|€" or ord(c) > 0xffff for c in text)
        assert theirs["trt2"][1] == mine["parts"] or \
            (pairs and theirs["trt2"][1] == mine["parts"] - 1), (text, mine, theirs)
        compared += 1
    RESULTS["segments"] = {"texts": compared}


def test_parts_put_together_by_the_rules_are_the_text(ours):
    """By a reader of a few lines that knows no more than 23.040."""
    rng = random.Random(153)
    table = {i: c for i, c in enumerate(GSM.replace("^{}\\[~]|€", "").replace("Æ", "\x1bÆ", 1))}
    escaped = {0x14: "^", 0x28: "{", 0x29: "}", 0x2f: "\\", 0x3c: "[", 0x3d: "~", 0x3e: "]",
               0x40: "|", 0x65: "€"}
    for way in (1, 2):
        for _ in range(TEXTS // 10):
            text = some_text(rng)
            parts = ours.ask(f"cut 0 0 {way} " + text.encode().hex())["parts"]
            whole = ""
            for number, part in enumerate(parts, 1):
                octets = bytes.fromhex(part["hex"])
                if len(parts) > 1:
                    header = octets[:octets[0] + 1]
                    assert header[-2:] == bytes([len(parts), number]) and part["esm_class"] == 0x40
                    assert len(octets) - len(header) <= (153 if way == 1 else 152)
                    octets = octets[len(header):]
                if part["data_coding"] == 8:
                    assert len(octets) <= 140
                    whole += octets.decode("utf-16-be")  # fails on half a surrogate pair
                    continue
                it = iter(octets)
                whole += "".join(escaped[next(it)] if septet == 0x1b else table[septet]
                                 for septet in it)  # fails on half an escape pair
            assert whole == text
    RESULTS["cut"] = {"texts": 2 * (TEXTS // 10)}


# Where gsmcodecs 1.0.0 differs from what phones have (Android and Firefox OS agree with us): in every
# Indic locking table 0x2c is a comma, and Kannada 0x24 is U+0CA1, where the standard has a slip.
KNOWN = {("locking", language, 0x2c) for language in range(4, 14)} | {("locking", 7, 0x24)}


def test_tables_are_those_of_gsmcodecs(ours):
    try:
        sys.path.insert(0, str(peers.python("gsmcodecs")))
    except peers.Missing as reason:
        pytest.skip(str(reason))
    import gsmcodecs  # noqa: F401
    compared, differ = 0, set()
    for language in range(14):
        for kind in ("locking", "single"):
            if (kind, language) == ("locking", 2):
                continue  # Spanish has none
            for septet in range(128):
                if septet in (0x1b, 0x0d):
                    continue
                raw = bytes([septet]) if kind == "locking" else bytes([0x1b, septet])
                pair = (language, 0) if kind == "locking" else (0, language)
                try:
                    theirs = raw.decode(f"gsm23.038-{pair[0]}-{pair[1]}")
                except UnicodeDecodeError:
                    theirs = None
                mine = bytes.fromhex(ours.ask(f"text {pair[1]} {pair[0]} 0 {raw.hex()}")["hex"])
                mine = mine.decode().replace("\ufffd", "") or None
                if theirs is None and kind == "single":
                    continue  # we show the main table's, as 23.038 wants of a phone
                compared += 1
                if mine != theirs:
                    differ.add((kind, language, septet))
    assert differ == KNOWN, differ ^ KNOWN
    RESULTS["gsmcodecs"] = {"septets": compared, "differ": len(differ)}


def test_numbers_are_those_of_libphonenumber(ours):
    """Example numbers of every country, as people there write them and as SMPP has them at home: E.164."""
    try:
        sys.path.insert(0, str(peers.python("phonenumbers")))
    except peers.Missing as reason:
        pytest.skip(str(reason))
    import phonenumbers as lib
    kinds = [lib.PhoneNumberType.MOBILE, lib.PhoneNumberType.FIXED_LINE]
    compared, differ = 0, set()
    for region in sorted(lib.SUPPORTED_REGIONS):
        code = lib.country_code_for_region(region)
        for kind in kinds:
            one = lib.example_number_for_type(region, kind)
            if not one:
                continue
            e164 = lib.format_number(one, lib.PhoneNumberFormat.E164)
            at_home = lib.format_number(one, lib.PhoneNumberFormat.NATIONAL)
            digits = "".join(c for c in at_home if c.isdigit())
            bare = lib.national_significant_number(one)
            given = [ours.ask(f"number {code} 2 {digits}")["text"] if len(digits) >= 7 else e164,
                     ours.ask(f"number {code} 2 {bare}")["text"] if len(bare) >= 7 else e164,
                     ours.ask(f"number {code} 1 {e164[1:]}")["text"],
                     ours.ask(f"number {code} 1 00{e164[1:]}")["text"]]
            compared += len(given)
            differ |= {(region, "home bare plus 00".split()[n]) for n, text in enumerate(given) if text != e164}
            for written in (e164, "00" + e164[1:],
                            lib.format_number(one, lib.PhoneNumberFormat.INTERNATIONAL)):
                sent = ours.ask(f"address {code} {written}")
                assert sent == {"ton": 1, "digits": e164[1:]} or len(e164) < 8, (written, sent)
            if digits != bare and digits[0] == "0" and len(digits) >= 9:
                sent = ours.ask(f"address {code} {at_home}")
                differ |= {(region, "out")} if sent != {"ton": 1, "digits": e164[1:]} else set()
                compared += 1
    # In Argentina a mobile number is dialled with another digit in another place.
    assert compared > 1500 and differ == {("AR", "home"), ("AR", "out")}, sorted(differ)
    RESULTS["phonenumbers"] = {"numbers": compared, "differ": len(differ)}
