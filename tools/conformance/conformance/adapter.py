"""A client's adapter: a process that is told what to do, one line at a time."""

from __future__ import annotations

import json
import queue
import shlex
import subprocess
import threading
from typing import Any

Answer = dict[str, Any]

#: No command may take longer: a client that hangs fails its behaviour.
MOST_SECONDS = 40.0


class Unsupported(Exception):
    """The client cannot do it, and says so."""


class Failed(Exception):
    """The client reported an error of the statement."""

    def __init__(self, error: Answer) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = str(error["code"])
        self.executed = str(error["executed"])
        self.retryable = bool(error["retryable"])
        self.errno = int(error["errno"])
        self.message = str(error["message"])
        self.item = error.get("item")


class Broken(Exception):
    """The adapter itself failed: it hung, ended, or answered nonsense."""


class Adapter:
    """One process, for one behaviour."""

    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def call(self, do: str, **fields: Any) -> Answer:
        """Sends a command and waits for its answer.

        Raises:
            Failed, Unsupported: the client says so.
            Broken: it does not answer.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=MOST_SECONDS)
        except queue.Empty:
            raise Broken(f"no answer to `{do}` within {MOST_SECONDS:.0f} s") from None
        except OSError as error:
            raise Broken(f"the adapter is gone: {error}") from None
        if not line:
            raise Broken(f"the adapter ended at `{do}`")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        if "unsupported" in answer:
            raise Unsupported(answer["unsupported"])
        result: Answer = answer["ok"]
        return result

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")
