"""A wrong program: callbacks that do not fit, and events that are taken for something else."""

from handlers import MessagingHandler
from reactor import Delivery, Event, Message


class Client(MessagingHandler):
    def __init__(self) -> None:
        super().__init__(prefetsh=5)  # error: call-arg reportCallIssue
        MessagingHandler(prefetch="many")  # error: arg-type reportArgumentType
        MessagingHandler(auto_accept="yes")  # error: arg-type reportArgumentType

    def on_message(self, event: str) -> None:  # error: override reportIncompatibleMethodOverride
        print(event.upper())

    def on_sendable(self, event: Event, more: int) -> None:  # error: override reportIncompatibleMethodOverride
        event.sender.send("text")  # error: call-overload reportCallIssue,reportArgumentType
        event.sender.sned(Message("text"))  # error: attr-defined reportAttributeAccessIssue
        event.sender.send(Message("text"), tag=5)  # error: call-overload reportCallIssue,reportArgumentType
        number: int = event.sender.send(Message("text"))  # error: assignment reportAssignmentType
        event.sender.flow(5)  # error: attr-defined reportAttributeAccessIssue
        print(number)

    def on_accepted(self, event: Event) -> str:  # error: override reportIncompatibleMethodOverride
        return event.delivery.tag

    def on_settled(self, event: Event) -> None:
        print(event.mesage)  # error: attr-defined reportAttributeAccessIssue
        event.delivery.tag = "other"  # error: misc reportAttributeAccessIssue
        event.delivery.update("accepted")  # error: arg-type reportArgumentType
        event.delivery.settle(True)  # error: call-arg reportCallIssue
        event.receiver.flow("1")  # error: arg-type reportArgumentType
        print(event.message.boby)  # error: attr-defined reportAttributeAccessIssue
        event.message.subject.upper()  # error: union-attr reportOptionalMemberAccess
        event.connection.clsoe()  # error: attr-defined reportAttributeAccessIssue
        event.container.stpo()  # error: attr-defined reportAttributeAccessIssue
        event.link.session.connection.transport.tick(5)  # error: union-attr reportOptionalMemberAccess
        delivery: Delivery = event.message  # error: assignment reportAssignmentType
        self.accept(event.message)  # error: arg-type reportArgumentType
        self.reject(delivery, 5)  # error: call-arg reportCallIssue
