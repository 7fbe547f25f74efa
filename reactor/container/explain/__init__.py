"""Explain: why nothing moves, in sentences that are true. Most parts are imported with the first question."""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.container.explain.connections import of_connection as of_connection
    from reactor.container.explain.connections import of_session as of_session
    from reactor.container.explain.deliveries import of_delivery as of_delivery
    from reactor.container.explain.far import FarView as FarView
    from reactor.container.explain.far import unknown as unknown
    from reactor.container.explain.holding import handler_frame as handler_frame
    from reactor.container.explain.holding import held as held
    from reactor.container.explain.links import of_link as of_link
    from reactor.container.explain.look import Look as Look
    from reactor.container.explain.samples import Samples as Samples
    from reactor.container.explain.sentences import Explanation as Explanation
    from reactor.container.explain.sentences import Sentence as Sentence
    from reactor.container.explain.sentences import counted as counted
    from reactor.container.explain.sentences import lasting as lasting
else:
    __getattr__ = members(
        __name__,
        of_connection="reactor.container.explain.connections",
        of_session="reactor.container.explain.connections",
        of_delivery="reactor.container.explain.deliveries",
        FarView="reactor.container.explain.far",
        unknown="reactor.container.explain.far",
        handler_frame="reactor.container.explain.holding",
        held="reactor.container.explain.holding",
        of_link="reactor.container.explain.links",
        Look="reactor.container.explain.look",
        Samples="reactor.container.explain.samples",
        Explanation="reactor.container.explain.sentences",
        Sentence="reactor.container.explain.sentences",
        counted="reactor.container.explain.sentences",
        lasting="reactor.container.explain.sentences",
    )
