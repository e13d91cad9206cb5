"""The attacks of a hostile caller; each describes its effect."""

from collections.abc import Sequence

from tests.abuse import connections, frame_floods, messages, tls
from tests.abuse.attack import Attack
from tests.abuse.harness import TLS

ATTACKS = (
    Attack("rapid reset", frame_floods.rapid_reset),
    Attack("rapid reset, LookupBatch", frame_floods.rapid_reset_of_others),
    Attack("rapid reset, no bodies", frame_floods.rapid_reset_without_bodies, quick=False),
    Attack("rapid reset, 5 connections", frame_floods.rapid_reset_by_5, 128, quick=False),
    Attack("rapid reset, LookupBatch, 20 connections", frame_floods.rapid_reset_by_20, 128, quick=False),
    Attack("ping flood", frame_floods.pings),
    Attack("ping flood, answers unread", frame_floods.pings_unread, quick=False),
    Attack("settings flood", frame_floods.settings_flood),
    Attack("settings flood, answers unread", frame_floods.settings_unread, quick=False),
    Attack("unknown frames", frame_floods.unknown_frames),
    Attack("empty DATA frames", frame_floods.empty_data, quick=False),
    Attack("CONTINUATION flood", frame_floods.continuation),
    Attack("20,000 metadata", frame_floods.many_headers, quick=False),
    Attack("a metadata of 1 MB", frame_floods.huge_header, quick=False),
    Attack("HPACK bomb", frame_floods.header_bomb),
    Attack("200 connections, nothing said", connections.silent, quick=False),
    Attack("200 connections, a preface, then nothing", connections.only_preface, quick=False),
    Attack("200 connections, half a HEADERS frame", connections.half_a_header, quick=False),
    Attack("2,000 endless requests", connections.endless_body, 128, quick=False),
    Attack("2,000 endless requests, LookupBatch", connections.endless_body_of_others, 128, quick=False),
    Attack("1,000 idle connections", connections.idle, 300, quick=False),
    Attack("messages announcing 2 GiB", messages.announced),
    Attack("messages of 6 MB", messages.large),
    Attack("messages of 6 MB, LookupBatch", messages.large_of_others, quick=False),
    Attack("20 MB each of messages of 100 MB", messages.huge_unfinished, 400),
    Attack("gzip bomb", messages.bomb, quick=False),
    Attack("gzip bomb, LookupBatch", messages.bomb_of_others, quick=False),
    Attack("gzip bomb, then identity", messages.bomb_then_identity),
    Attack("gzip bomb, after identity", messages.bomb_after_identity),
    Attack("malformed messages", messages.malformed),
    Attack("noise", connections.noise),
    Attack("other protocols", connections.other_protocols),
    Attack("impossible windows", connections.bad_windows, quick=False),
    Attack("hang up at once", connections.hang_up, 256, quick=False),
    Attack("hang up at once, 20 at a time", connections.hang_up_together, 256, quick=False),
    Attack("hang up at once, from 200 addresses", connections.hang_up_from_everywhere, 256, quick=False),
    Attack("answers never read", messages.never_reads),
    Attack("answers never read, LookupBatch", messages.never_reads_others, quick=False),
    Attack("a stream never read", messages.stream_unread),
    Attack("guessed tokens", messages.bad_tokens),
    Attack("invented names", messages.invented_names, 128),
)


def attacks_on(front: str) -> Sequence[Attack]:
    """Return the attacks that a front has to stand: the content of TLS is the same HTTP/2."""
    return tls.ATTACKS if front == TLS else ATTACKS
