"""Runs a command under a pseudo terminal and answers its prompts.

    python3 -I pty.py COUNT ANSWER... COMMAND ARGUMENT...

(Without -I, this file would be found in place of the library's `pty`.)

A prompt is output that ends in "[y/N] " or ": " and stays so for a moment. The answers are typed
in turn, each with Enter after it; "^M", "^C" and "^D" are those keys alone. What the terminal
shows goes to standard output without CR. The command starts with an empty environment.

Exits with the command's code (128 and the number for a signal); with 124 and a line on standard
error if nothing comes for 10 seconds, with 125 if the command ends with answers left over.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PROMPTS = (b"[y/N] ", b": ")
KEYS = {"^M": b"\n", "^C": b"\x03", "^D": b"\x04"}
SILENCE_SECONDS_MAX = 10
SETTLE_SECONDS = 0.2
ROWS, COLUMNS = 24, 80


def start(command):
    """Forks; the parent gets the child's id and the terminal's other end."""
    child, terminal = pty.fork()
    if child == 0:
        try:
            size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            os.execve(command[0], command, {})
        finally:
            os._exit(127)
    return child, terminal


def read(terminal, seconds):
    """What comes within that time: bytes, b"" at the end, None if nothing came."""
    if not select.select([terminal], [], [], seconds)[0]:
        return None
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO at the end.
        return b""


def talk(terminal, answers):
    """Answers the prompts until the terminal closes; None, or what went wrong."""
    since_answer = b""
    quiet_since = time.monotonic()
    while True:
        asked = since_answer.endswith(PROMPTS)
        chunk = read(terminal, SETTLE_SECONDS if asked and answers else SILENCE_SECONDS_MAX)
        if chunk:
            sys.stdout.buffer.write(chunk.replace(b"\r", b""))
            sys.stdout.buffer.flush()
            since_answer += chunk
            quiet_since = time.monotonic()
        elif chunk == b"":
            return None
        elif asked and answers:
            answer = answers.pop(0)
            os.write(terminal, KEYS.get(answer, answer.encode() + b"\n"))
            since_answer = b""
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since >= SILENCE_SECONDS_MAX:
            why = "a prompt without an answer" if asked else "silence"
            return f"{why} for {SILENCE_SECONDS_MAX} seconds"


def main():
    first = 2 + int(sys.argv[1])
    answers, command = sys.argv[2:first], sys.argv[first:]
    child, terminal = start(command)
    trouble = talk(terminal, answers)
    if trouble:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        sys.exit(report(trouble, 124))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if answers:
        sys.exit(report(f"nothing asked for the answer {answers[0]!r}", 125))
    sys.exit(code if code >= 0 else 128 - code)


def report(trouble, code):
    print(f"pty: {trouble}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
