"""What is Service Bus's own, with its own client: batches, sessions, scheduled and deferred messages, locks, peeking.
Argument: HOST:PORT"""

import sys
from datetime import datetime, timedelta, timezone

from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusClient, ServiceBusMessage, ServiceBusReceiveMode

url = sys.argv[1]
place = f"Endpoint=sb://{url};SharedAccessKeyName=key;SharedAccessKey=c2VjcmV0;UseDevelopmentEmulator=true"
with ServiceBusClient.from_connection_string(place, retry_total=0) as client:
    with client.get_queue_sender("jobs") as sender:
        batch = sender.create_message_batch()
        for number in range(3):
            batch.add_message(ServiceBusMessage(f"batch {number}"))
        sender.send_messages(batch)
        later = datetime.now(timezone.utc) + timedelta(days=1)
        numbers = sender.schedule_messages([ServiceBusMessage("later", message_id="1")], later)
        sender.cancel_scheduled_messages(numbers)
        print("scheduled", numbers)
    with client.get_queue_receiver("jobs", max_wait_time=20) as receiver:
        print("peeked", *receiver.peek_messages(10))
        first, second, third = (receiver.receive_messages(1, 20)[0] for _ in range(3))
        print("received", first, second, third)
        print("renewed", receiver.renew_message_lock(first) > datetime.now(timezone.utc))
        receiver.defer_message(second)
        receiver.complete_message(first)
        receiver.complete_message(third)
        (deferred,) = receiver.receive_deferred_messages(second.sequence_number)
        print("deferred", deferred)
        receiver.complete_message(deferred)
    with client.get_queue_sender("talks") as sender:
        sender.send_messages([ServiceBusMessage("a", session_id="s"), ServiceBusMessage("b", session_id="t")])
    for asked in ("t", NEXT_AVAILABLE_SESSION):
        with client.get_queue_receiver("talks", session_id=asked, max_wait_time=20) as receiver:
            (message,) = receiver.receive_messages(1, 20)
            ends = receiver.session.renew_lock() > datetime.now(timezone.utc)
            print("session", receiver.session.session_id, message, ends)
            receiver.complete_message(message)
    with client.get_queue_sender("events") as sender:
        sender.send_messages(ServiceBusMessage("gone"))
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    with client.get_queue_receiver("events", receive_mode=mode, max_wait_time=20) as receiver:
        print("deleted", *receiver.receive_messages(1, 20))
