"""What the examples share: when something is wrong, one clear line and exit status 1, never a traceback.

An exception raised by a callback leaves `Container.run()`. SystemExit is one, so a script can end from
anywhere: with a message, which Python prints on stderr, and with status 1.
"""

from reactor import Url


class ClearErrors:
    """Mix it in before MessagingHandler. It expects the URL of the broker in `self.url`."""

    def on_transport_error(self, event):
        """Nobody listens there, or the peer has gone."""
        url = Url(self.url)
        host = f"[{url.host}]" if ":" in url.host else url.host
        place = f"{host}:{int(url.port)}"
        broker = "python -m handlers.broker"
        if int(url.port) != 5672 or host not in ("127.0.0.1", "localhost"):
            broker += f" --listen amqp://{place}"
        reason = event.transport.condition.description
        raise SystemExit(f"No AMQP peer at {place} ({reason}). Start a broker with: {broker}")

    def on_disconnected(self, event):
        """The broker goes away in good order (amqp:connection:forced): no error, but the end all the same."""
        if event.connection.remote_condition is not None:
            self.refused("connection", event.connection.remote_condition)

    def on_connection_error(self, event):
        """The peer closed the connection, and said why."""
        self.refused("connection", event.connection.remote_condition)

    def on_session_error(self, event):
        """The peer ended the session, and said why."""
        self.refused("session", event.session.remote_condition)

    def on_link_error(self, event):
        """The peer refused or closed the sender or receiver, and said why."""
        self.refused(f"link {event.link.name}", event.link.remote_condition)

    def refused(self, what, condition):
        raise SystemExit(f"{Url(self.url).redacted} closed the {what}: {condition.name}: {condition.description}")
