"""Messages of the kinds that RFC 4475 ("torture tests") describes, by that RFC's names; the bytes are our own."""


def message(
    start: str = "INVITE sip:+14158867900@a.example SIP/2.0",
    *more: str,
    to: str = "To: <sip:b@a.example>",
    sequence: str = "CSeq: 1 INVITE",
    via: str = "Via: SIP/2.0/UDP c.example;branch=z9hG4bK1",
    end: str = "\r\n\r\n",
) -> bytes:
    lines = [start, via, "From: <sip:c@c.example>;tag=1", to, "Call-ID: x@c.example", sequence, *more]
    return ("\r\n".join(lines) + end).encode()


OPTIONS = {"start": "OPTIONS sip:b@a.example SIP/2.0", "sequence": "CSeq: 1 OPTIONS"}

WSINV = (
    b"INVITE sip:b@a.example;x SIP/2.0\r\nTO :\r\n sip:b@a.example \r\n"
    b'from   : "J \\\\\\""  <sip:j@a.example>\r\n'
    b"  ;\r\n  tag = 98asjd8\r\nMaX-fOrWaRdS: 0068\r\ni: wsinv@a.example\r\nCseq: 0009\r\n  INVITE\r\n"
    b"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\ns :\r\n"
    b"v:  SIP  / 2.0  / TCP     spindle.a.example   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
    b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n\r\n"
)
"""Without the tag of that RFC's, so that its number is looked up."""
INVITE = "INVITE sip:b@a.example SIP/2.0"
REGISTER = {"start": "REGISTER sip:a.example SIP/2.0", "sequence": "CSeq: 1 REGISTER"}


def register(*more: str, to: str = "To: <sip:b@a.example>") -> bytes:
    return message(REGISTER["start"], *more, to=to, sequence=REGISTER["sequence"])


def options(*more: str, **other: str) -> bytes:
    return message(OPTIONS["start"], *more, sequence=OPTIONS["sequence"], **other)


_ODD_METHOD = "!a.-%*_+`'~0Z"

MESSAGES = {
    # 3.1.1: valid, however written
    "wsinv": WSINV.replace(b"sip:b@a.example \r\n", b"sip:b@a.example ;\r\n  tag    = 19181n\r\n"),
    "intmeth": message(
        f"{_ODD_METHOD} sip:b@a.example SIP/2.0",
        to='To: "BEL:\\\x07 NUL:\\\0 DEL:\\\x7f" <sip:b@a.example>',
        sequence=f"CSeq: 1 {_ODD_METHOD}",
    ),
    "esc01": message("INVITE sip:sips%3Auser%40a@b.example SIP/2.0"),
    "escnull": message("REGISTER sip:a.example SIP/2.0", to="To: sip:null-%00@b.example", sequence="CSeq: 1 REGISTER"),
    "esc02": message("RE%47IST%45R sip:b@a.example SIP/2.0", sequence="CSeq: 1 RE%47IST%45R"),
    "lwsdisp": options(to="To: sip:b@a.example").replace(b"From: <sip:c", b"From: caller<sip:c"),
    "longreq": message(INVITE, "X: " + "v" * 9000),
    "dblreq": register("Content-Length: 0") + message(),
    "semiuri": message("OPTIONS sip:b;p=1%40c.example@a.example SIP/2.0", sequence="CSeq: 1 OPTIONS"),
    "transports": options(via="Via: SIP/2.0/UNKNOWN t1.example;branch=z9hG4bK1"),
    "mpart01": message("MESSAGE sip:b@a.example SIP/2.0", sequence="CSeq: 1 MESSAGE"),
    "unreason": "SIP/2.0 200 = 2**3 * 5**2 \u0441\u0442\u043e\r\nVia: SIP/2.0/UDP a.example\r\n\r\n".encode(),
    "noreason": b"SIP/2.0 100 \r\nVia: SIP/2.0/UDP a.example\r\n\r\n",
    # 3.1.2: invalid
    "badinv01": message(via="Via: SIP/2.0/UDP 192.0.2.15;;,;,,"),
    "clerr": message(INVITE, "Content-Length: 9999"),
    "ncl": message(INVITE, "Content-Length: -999"),
    "scalar02": message(REGISTER["start"], sequence="CSeq: 36893488147419103232 REGISTER"),
    "scalarlg": b"SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/UDP a.example\r\nCSeq: 9292394834772304023 O\r\n\r\n",
    "quotbal": message(to='To: "Mr. B <sip:b@a.example>'),
    "ltgtruri": message("INVITE <sip:b@a.example> SIP/2.0"),
    "lwsruri": message("INVITE sip:b@a.example; lr SIP/2.0"),
    "lwsstart": message("INVITE  sip:b@a.example  SIP/2.0"),
    "trws": message("OPTIONS sip:b@a.example SIP/2.0  ", sequence="CSeq: 1 OPTIONS"),
    "escruri": message("INVITE sip:b@a.example?Route=%3Csip:a.example%3E SIP/2.0"),
    "baddate": message(INVITE, "Date: Fri, 01 Jan 2010 16:00:00 EST"),
    "regbadct": register("Contact: sip:b@a.example?Route=%3Csip:c.example%3E"),
    "badaspec": options(to='To: "B, A" < sip:b@a.example >'),
    "baddn": options(to="To: B, A <sip:b@a.example>"),
    "badvers": message(
        "OPTIONS sip:b@a.example SIP/7.0", sequence="CSeq: 1 OPTIONS", via="Via: SIP/7.0/UDP c.example;branch=z"
    ),
    "mismatch01": message(OPTIONS["start"], sequence="CSeq: 1 INVITE"),
    "mismatch02": message("NEWMETHOD sip:b@a.example SIP/2.0", sequence="CSeq: 1 INVITE"),
    "bigcode": b"SIP/2.0 4294967301 better not break\r\n\r\n",
    # 3.2 and 3.3: transactions and applications
    "badbranch": options(via="Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"),
    "insuf": b"INVITE sip:b@a.example SIP/2.0\r\nCSeq: 1 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.95;branch=z\r\n\r\n",
    "unkscm": message("OPTIONS nobody:b SIP/2.0", sequence="CSeq: 1 OPTIONS"),
    "novelsc": message("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", sequence="CSeq: 1 OPTIONS"),
    "unksm2": register("Contact: <name:B>", to="To: isbn:2983792873"),
    "bext01": options("Require: nothing, this", "Proxy-Require: that"),
    "invut": message(INVITE, "Content-Type: application/unknown", "Content-Length: 0"),
    "regaut01": register("Authorization: NoOneKnowsThis data=here"),
    "multi01": message(INVITE, "Max-Forwards: 70", "Max-Forwards: 5"),
    "mcl01": options("l: 0", "l: 5"),
    "bcast": b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.198\r\nVia: SIP/2.0/UDP 255.255.255.255\r\n\r\n",
    "zeromf": options("Max-Forwards: 0"),
    "cparam01": register("Contact: sip:+19725552222@a.example;unknownparam"),
    "cparam02": register("Contact: <sip:+19725552222@a.example;unknownparam>"),
    "regescrt": register("M: <sip:b@a.example?Route=%3Csip:c.example%3E>"),
    "sdp01": message(INVITE, "Accept: text/nobodyKnowsThis"),
    # 3.4: of before RFC 3261
    "inv2543": message(via="Via: SIP/2.0/UDP iftgw.example"),
}
