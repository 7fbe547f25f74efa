"""A queue with the client of Azure Service Bus: send, receive, complete, abandon, dead-letter. Argument: HOST:PORT"""

import sys

from azure.servicebus import ServiceBusClient, ServiceBusMessage

url = sys.argv[1]
place = f"Endpoint=sb://{url};SharedAccessKeyName=key;SharedAccessKey=c2VjcmV0;UseDevelopmentEmulator=true"
with ServiceBusClient.from_connection_string(place, retry_total=0) as client:
    with client.get_queue_sender("jobs") as sender:
        for body in ("one", "two", "three"):
            sender.send_messages(ServiceBusMessage(body, application_properties={"colour": "red"}))
    with client.get_queue_receiver("jobs", max_wait_time=20) as receiver:
        one, two, three = (receiver.receive_messages(max_message_count=1, max_wait_time=20)[0] for _ in range(3))
        print(one, two, three, one.application_properties)
        receiver.complete_message(one)
        receiver.abandon_message(two)
        receiver.dead_letter_message(three, reason="bad", error_description="no such job")
        (again,) = receiver.receive_messages(max_message_count=1, max_wait_time=20)
        print(again, again.delivery_count)
        receiver.complete_message(again)
