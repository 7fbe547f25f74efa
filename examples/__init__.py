"""Small scripts, each of which teaches one thing. Start with helloworld.

From a checkout, with nothing installed:     python -m examples.helloworld
As a file, once amqp-reactor is installed:   python helloworld.py

Each explains itself with --help. Those that need a broker say so when there is none.
"""
