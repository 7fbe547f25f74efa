"""Stages: how far a wire has come in each direction, and which step may come next [2.2, 2.4, 5.3].

The parts of a transport enter: the reader reports the steps of the peer (`heard`), the writer ours (`said`), and all of
them compare stages. The two tables below are all that moves a stage: a step that is not in them is a protocol error of
the side that took it. A stage never goes back. It knows no bytes.

Which protocol header is expected, and when ours may leave, depends on SASL as well: layers.py and writer.py know that.
"""

from __future__ import annotations

from reactor.errors import ILLEGAL_STATE, NOT_ALLOWED, LocalProtocolError, RemoteProtocolError

# The next step of the peer. From FINISHED on nothing that comes has a meaning: the peer has closed the connection,
# or it has failed. ENDED: nothing comes any more.
EXPECT_HEADER, EXPECT_SASL, EXPECT_AMQP_HEADER, EXPECT_OPEN, EXPECT_FRAMES, FINISHED, ENDED = range(7)

# Our last step. From CLOSE_SENT on nothing is added: STOPPED is the same without a close. The last two: the output has
# ended, with our close in it or without.
NOTHING_SENT, SASL_HEADER_SENT, AMQP_HEADER_SENT, OPEN_SENT, CLOSE_SENT, STOPPED = range(6)
ENDED_CLOSED, ENDED_UNCLOSED = 6, 7

# The steps: a header, the outcome of SASL, open or close has come or was written; the connection goes no further, for
# whatever reason; the bytes of this direction have ended.
SASL_HEADING, AMQP_HEADING, SASL_DONE = "the SASL header", "the AMQP header", "the outcome of SASL"
OPENING, CLOSING, FAILING, ENDING = "open", "close", "a failure", "the end"

#: (the stage of the input, the step of the peer) -> the next stage.
INPUT: dict[tuple[int, str], int] = {
    (EXPECT_HEADER, SASL_HEADING): EXPECT_SASL,
    (EXPECT_HEADER, AMQP_HEADING): EXPECT_OPEN,
    (EXPECT_SASL, SASL_DONE): EXPECT_AMQP_HEADER,
    (EXPECT_AMQP_HEADER, AMQP_HEADING): EXPECT_OPEN,
    (EXPECT_OPEN, OPENING): EXPECT_FRAMES,
    (EXPECT_FRAMES, CLOSING): FINISHED,
    (EXPECT_OPEN, CLOSING): FINISHED,  # behind an open that cannot be read: its reason is the better one
    **{(stage, FAILING): max(stage, FINISHED) for stage in range(ENDED + 1)},
    **{(stage, ENDING): ENDED for stage in range(ENDED)},
}

#: (the stage of the output, our step) -> the next stage.
OUTPUT: dict[tuple[int, str], int] = {
    (NOTHING_SENT, SASL_HEADING): SASL_HEADER_SENT,
    (NOTHING_SENT, AMQP_HEADING): AMQP_HEADER_SENT,
    (SASL_HEADER_SENT, AMQP_HEADING): AMQP_HEADER_SENT,
    (AMQP_HEADER_SENT, OPENING): OPEN_SENT,
    (OPEN_SENT, CLOSING): CLOSE_SENT,
    **{(stage, FAILING): STOPPED if stage < CLOSE_SENT else stage for stage in range(ENDED_UNCLOSED + 1)},
    **{(stage, ENDING): ENDED_CLOSED if stage == CLOSE_SENT else ENDED_UNCLOSED for stage in range(ENDED_CLOSED)},
}


class Stages:
    """The stage of each direction of one wire. Both are read by all parts, and set here alone."""

    __slots__ = ("input", "output")

    def __init__(self) -> None:
        self.input = EXPECT_HEADER
        self.output = NOTHING_SENT

    def heard(self, step: str) -> None:
        """The peer has taken this step. RemoteProtocolError when the table does not have it."""
        stage = INPUT.get((self.input, step))
        if stage is None:
            raise RemoteProtocolError(NOT_ALLOWED, "%s came at the wrong time" % step)
        self.input = stage

    def said(self, step: str) -> None:
        """This side has taken this step. LocalProtocolError when the table does not have it."""
        stage = OUTPUT.get((self.output, step))
        if stage is None:
            raise LocalProtocolError(ILLEGAL_STATE, "%s cannot be written now" % step)
        self.output = stage
