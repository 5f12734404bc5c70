"""Frames are cut at their ends, whatever pieces they arrive in."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway import sse

STREAM = (
    b": hello\n\n"
    b'data: {"a": 1}\n\n'
    b"data:{}\n\n"
    b"event: x\r\nid: 7\r\ndata: one\r\ndata: two\r\n\r\n"
    b"retry: 10\n\n"
    b'data: {"text": "\xc3\xa9"}\n\n'
    b"data\n\n"
    b"data: [DONE]\n\n"
)
DATA = [b'{"a": 1}', b"{}", b"one\ntwo", b'{"text": "\xc3\xa9"}', b"[DONE]"]


def pieces_of(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(places)]


def test_data_is_read_from_every_form_of_frame() -> None:
    assert sse.data_of(STREAM) == DATA


def test_a_byte_order_mark_hides_no_event() -> None:
    assert sse.data_of(b"\xef\xbb\xbfdata: {}\n\n") == [b"{}"]
    assert sse.data_of(b"\xef\xbb\xbf" + STREAM.removeprefix(b": hello\n\n")) == DATA


def test_whole_frames_pass_without_a_copy() -> None:
    assert sse.Framer().feed(STREAM) is STREAM


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_frames_survive_any_cut(cuts: list[int]) -> None:
    framer = sse.Framer()
    passed = [framer.feed(piece) for piece in pieces_of(STREAM, cuts)]
    assert b"".join(passed) == STREAM
    assert [data for frames in passed for data in sse.data_of(frames)] == DATA
    assert framer.rest() == b""


@pytest.mark.parametrize("frame", [b"data: 1\n\n", b"data: 1\r\n\r\n", b": x\n\n"])
def test_a_frame_passes_as_its_last_byte_comes(frame: bytes) -> None:
    framer = sse.Framer()
    assert [framer.feed(bytes([byte])) for byte in frame] == [b""] * (len(frame) - 1) + [frame]


def test_an_unfinished_frame_is_held_back_and_closed_at_the_end() -> None:
    framer = sse.Framer()
    assert framer.feed(b"data: 1\n\ndata: 2") == b"data: 1\n\n"
    assert framer.feed(b"3\n") == b""
    assert framer.rest() == b"data: 23\n\n\n"
    assert sse.data_of(b"data: 23\n\n\n") == [b"23"]


def test_a_frame_without_end_is_refused_before_it_fills_the_memory() -> None:
    framer = sse.Framer()
    piece = b"x" * (1024 * 1024)
    with pytest.raises(sse.FrameTooLarge):
        for _ in range(sse.MAX_FRAME_BYTES // len(piece) + 1):
            framer.feed(piece)


@pytest.mark.parametrize("count", range(6))
def test_the_first_frames_end_with_the_wanted_event(count: int) -> None:
    assert sse.data_of(sse.first(STREAM, count)) == DATA[:count]


def test_an_error_is_one_frame() -> None:
    assert sse.data_of(sse.error_frame(b'{"error": {}}')) == [b'{"error": {}}']
