"""The picture of a run in 80 columns: a lane for each program, an arrow for each frame that matters.

An arrow that ends in X was written, and never read at the other end. Equal arrows side by side are one.
"""

from itertools import zip_longest

from reactor import Message
from reactor.simulation import Frame

WIDTH, LEFT = 80, 9

#: By the codes of the specification [3.4], [4.5].
OUTCOMES = {0x24: "accepted", 0x25: "rejected", 0x26: "released", 0x27: "modified", 0x33: "declared"}
OUTCOMES[0x34] = "if committed:"

#: Before the label of a frame that was written and never read.
LOST = "X "

#: Frames that share an arrow, where they go the same way at the same time.
SHAKING = {"open", "attach", "detach", "close"}


def draw(recording, width=WIDTH, only=(), about=None):
    """The lines of the picture. only: the lanes that are shown; empty for all. about: the body of a message: others are
    left out, and all credit."""
    rows = [row for row in _rows(recording, about) if not only or all(name in only for name in row[1:3] if name)]
    lanes = list(dict.fromkeys(name for row in rows for name in row[1:3] if name))
    if "broker" in lanes:  # it stands between the others
        lanes.remove("broker")
        lanes.insert(only.index("broker") if only else 1, "broker")
    if not lanes:
        return ["(nothing happened between the programs)"]
    left = LEFT + len(lanes[0]) // 2
    gap = (width - left - 2 - len(lanes[-1]) // 2) // max(1, len(lanes) - 1)
    at = {name: left + gap * number for number, name in enumerate(lanes)}
    lines = [_line([(at[name] - len(name) // 2, name) for name in lanes])]
    before = None
    for time, source, sink, label in rows:
        parts = [(place, "|") for place in at.values()]
        if time != before:
            parts.append((0, f"{time:7.3f}"))
        before = time
        if sink is None:
            parts.append((max(LEFT, min(at[source] - len(label) // 2, width - len(label))), label))
        else:
            low, high = sorted((at[source], at[sink]))
            lost = label.startswith(LOST)
            label = label[len(LOST) :].strip() if lost else label
            body = f" {label[: high - low - 6]} ".center(high - low - 2, "-")
            if at[source] == low:
                parts.append((low + 1, body[:-2] + "X  " if lost else body + ">"))
            else:
                parts.append((low + 1, "  X" + body[2:] if lost else "<" + body))
        lines.append(_line(parts))
    return lines


def _line(parts):
    """Each text at its place."""
    cells = [" "] * max(place + len(text) for place, text in parts)
    for place, text in parts:
        cells[place : place + len(text)] = text
    return "".join(cells)


def beside(one, other, width):
    """Two pictures side by side."""
    return [f"{left.ljust(width)}  {right}".rstrip() for left, right in zip_longest(one, other, fillvalue="")]


def _rows(recording, about):
    """(time, source, sink or None, label), equal neighbours folded."""
    bodies = {}
    pending = None
    ends = other_ends(recording)
    arrived = _arrived(recording.records, ends)
    for place, record in enumerate(recording.records):
        row = _row(record, bodies, ends)
        if row is None or (about is not None and not _is_about(row, about)):
            continue
        if row[2] and place not in arrived:
            row = (*row[:3], LOST + row[3], row[4])
        if pending and row[:4] == pending[:4] and row[2] and row[3] != "credit":
            pending = (*pending[:4], pending[4] + row[4])
            continue
        if pending and row[:3] == pending[:3] and {row[3], *pending[3].split(", ")} <= SHAKING:
            pending = (*pending[:3], f"{pending[3]}, {row[3]}", [])
            continue
        if pending:
            yield _folded(pending)
        pending = row
    if pending:
        yield _folded(pending)


def _is_about(row, body):
    """Whether a row is about that message; then of several messages it keeps that one alone."""
    items = row[4]
    if row[3] == "credit":
        return False
    if body in items:
        items[:] = [body]
    return not items or body in items


def other_ends(recording):
    """By wire: the program at its other end."""
    connected = [one for one in recording.records if one.kind == "connected"]
    return {one.wire: one.values["other"].rpartition("#")[0] for one in connected}


def _arrived(records, ends):
    """The places of frames that were read at the other end: each wire keeps their order."""
    arrived, written = set(), {}
    for place, record in enumerate(records):
        if record.kind == "frame":
            number = record.wire.rpartition("#")[2]
            if record.direction == "out":
                written.setdefault((number, record.program), []).append(place)
                continue
            waiting = written.get((number, ends.get(record.wire)), [])
            while waiting:
                sent = waiting.pop(0)
                if records[sent].raw == record.raw:
                    arrived.add(sent)
                    break
    return arrived


def _folded(row):
    time, source, sink, kind, items = row
    return time, source, sink, f"{kind} {_names(items)}".strip()


def _names(items):
    """The first and the last of them."""
    if len(items) < 2:
        return "".join(items)
    stem = items[0].rstrip("0123456789")
    numbered = all(item.startswith(stem) and item[len(stem) :].isdecimal() for item in items)
    return f"{items[0]}-{items[-1][len(stem) :]}" if numbered else f"{items[0]} .. {items[-1]}"


def _row(record, bodies, ends):
    time = round(record.at, 3)
    if record.kind == "crashed":
        return time, record.program, None, f"{record.program} crashes", []
    if record.kind == "lost" and record.program != "broker":
        return time, record.program, None, "connection lost", []
    if record.kind != "frame" or record.direction != "out":
        return None
    frame = Frame(record.raw)
    kind, sink = frame.performative, ends.get(record.wire, "")
    number = record.wire.rpartition("#")[2]
    row = (time, record.program, sink)
    if kind == "transfer":
        body = Message.from_bytes(frame.payload).body
        body = str(getattr(body, "descriptor", body)).replace("amqp:", "").replace(":list", "")  # of transactions
        bodies[number, record.program, frame.delivery_id] = body
        return (*row, "", [body])
    if kind == "disposition":
        state = frame.state
        name = OUTCOMES.get(getattr(state, "descriptor", None), "settled")
        last = frame.first if frame.last is None else frame.last
        giver = sink if frame.role else record.program
        return (*row, name, [bodies.get((number, giver, one), f"#{one}") for one in range(frame.first, last + 1)])
    if kind == "flow" and frame.link_credit is not None:
        return (*row, "credit", [str(frame.link_credit)])
    if kind in ("open", "attach", "detach", "close"):
        return (*row, kind, [])
    return None
