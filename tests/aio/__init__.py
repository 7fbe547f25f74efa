"""The library on event loops of asyncio."""
