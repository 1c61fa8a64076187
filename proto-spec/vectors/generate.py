"""Writes the protocol's vectors."""

import json
import pathlib

from generator.codes import codes
from generator.documents import documents
from generator.frames import frames
from generator.messages import messages
from generator.rows import fields, rows
from generator.scram import scram
from generator.transcripts import transcripts
from generator.values import values

HERE = pathlib.Path(__file__).parent


def write(path, cases):
    lines = ",\n  ".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (HERE / path).write_text(f"[\n  {lines}\n]\n", encoding="utf-8")
    return len(cases)


if __name__ == "__main__":
    total = 0
    for make in (frames, documents, messages, values, rows, fields, scram, codes):
        total += write(f"{make.__name__}.json", make())
    for transcript in transcripts():
        path = HERE / "transcripts" / f"{transcript.data['name']}.json"
        path.write_text(json.dumps(transcript.data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        total += 1
    print(total, "cases")
