#!/usr/bin/env python3
"""A small program that answers as llama-server does, quirks included, without a model.

Tokens are bytes plus 3, between 1 and 2. How it behaves stands in MODEL.json beside the model file:
load_seconds, embed_seconds, exit_code, ignore_sigterm, and `then`: what embedding does after the
warm-up ("fail", "zeros", "late").
"""

import argparse
import base64
import json
import os
import re
import signal
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEFORE, BEHIND, SHIFT, SIZE = 1, 2, 3, 259
SPECIAL = {"<s>": BEFORE, "</s>": BEHIND}
YES, NO = "yes", "no"


def tokenize(text, parse_special):
    parts = re.split(r"(</?s>)", text) if parse_special else [text]
    ids = []
    for part in parts:
        if part in (YES, NO):  # whole words of the vocabulary
            ids.append(SIZE - 1 if part == YES else SIZE - 2)
        elif parse_special and part in SPECIAL:
            ids.append(SPECIAL[part])
        else:
            ids += [byte + SHIFT for byte in part.encode()]
    return ids


def mixed(content, add_special, parse_special):
    """A string, or an array whose strings are run together and whose numbers are passed through."""
    if isinstance(content, str):
        ids = tokenize(content, parse_special)
        return [BEFORE, *ids, BEHIND] if add_special else ids
    ids = []
    for place, part in enumerate(content):
        if isinstance(part, str):
            ids += mixed(part, add_special and place == 0, parse_special)
        else:
            ids.append(part)
    return ids


def pieces(ids):
    names = {number: name for name, number in SPECIAL.items()}
    raw = b"".join(names[i].encode() if i in names else bytes([(i - SHIFT) % 256]) for i in ids)
    return raw.decode(errors="replace")


def vector(ids):
    total = sum(ids)
    return [0.5 if total >> bit & 1 else -0.5 for bit in range(4)]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, options, behaviour):
        super().__init__(("127.0.0.1", options.port), Handler)
        self.options, self.behaviour = options, behaviour
        self.loaded_at = time.monotonic() + behaviour.get("load_seconds", 0)
        self.embeddings = 0
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        if time.monotonic() < self.server.loaded_at:
            self.fail(503, "Loading model", "unavailable_error")
        elif self.path == "/health":
            self.reply({"status": "ok"})
        elif self.path == "/v1/models":
            self.reply({"object": "list", "data": [{"id": "tiny", "meta": {"n_vocab": SIZE}}]})
        else:
            self.fail(404, "File Not Found", "not_found_error")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        route = {
            "/tokenize": self.tokenize,
            "/detokenize": self.detokenize,
            "/v1/embeddings": self.embed,
            "/rerank": self.rerank,
            "/completion": self.complete,
        }.get(self.path)
        if time.monotonic() < self.server.loaded_at:
            self.fail(503, "Loading model", "unavailable_error")
        elif route is None:
            self.fail(404, "File Not Found", "not_found_error")
        else:
            route(body)

    def tokenize(self, body):
        special = body.get("add_special", False), body.get("parse_special", True)
        self.reply({"tokens": mixed(body["content"], *special)})

    def detokenize(self, body):
        self.reply({"content": pieces(body["tokens"])})

    def embed(self, body):
        with self.server.lock:
            self.server.embeddings += 1
            then = self.server.behaviour.get("then") if self.server.embeddings > 1 else None
        if then == "fail":
            self.fail(500, "input is too large to process", "server_error")
            return
        time.sleep(3 if then == "late" else self.server.behaviour.get("embed_seconds", 0))
        inputs = [i if isinstance(i, list) else mixed(i, True, True) for i in body["input"]]
        rows = []
        for index, ids in enumerate(inputs):
            values = [0.0] * 4 if then == "zeros" else vector(ids)
            value = [values]  # nested, as the native route does
            if body.get("encoding_format") == "base64" and index % 2 == 0:
                value = base64.b64encode(struct.pack("<4f", *values)).decode()
            rows.append({"index": index, "embedding": value})
        tokens = sum(map(len, inputs))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        self.reply({"object": "list", "usage": usage, "data": rows[::-1]})

    def rerank(self, body):
        query = set(body["query"].split())
        rows = [
            {"index": index, "relevance_score": float(len(query & set(text.split())) - 1)}
            for index, text in enumerate(body["documents"])
        ]
        rows.sort(key=lambda row: -row["relevance_score"])
        self.reply({"results": rows})

    def complete(self, body):
        if body.get("grammar", "").count("(") != body.get("grammar", "").count(")"):
            message = "Failed to initialize samplers: failed to parse grammar"
            self.fail(400, message, "invalid_request_error")
        elif body.get("n_probs"):
            rows = [self.verdict(index, ids, body) for index, ids in enumerate(body["prompt"])]
            self.reply(rows[::-1] if len(rows) > 1 else rows[0])
        elif body.get("stream"):
            self.stream(body)
        else:
            self.reply({"content": "o", "stop": True, "tokens_predicted": 1})

    def verdict(self, index, ids, body):
        """Answers yes where query and document share a word; the prompt is `Q query D document`."""
        asked = re.match(r"(?:<s>)?Q (.*) D (.*) A", pieces(ids), re.DOTALL)
        query, document = asked.groups() if asked else ("", "")
        yes, no = (token for token, _ in body["logit_bias"])
        p_yes = 0.75 if set(query.split()) & set(document.split()) else 0.25
        found = [{"id": yes, "prob": p_yes}, {"id": no, "prob": 1 - p_yes}]
        return {"index": index, "completion_probabilities": [{"top_probs": found}]}

    def stream(self, body):
        prompt = pieces(body["prompt"])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        if "slow" in prompt:
            time.sleep(3)
        if "crash" in prompt:
            os.kill(os.getpid(), signal.SIGKILL)
        literal = re.search(r'"(.*)"', body["grammar"] or "")
        text = literal.group(1) if literal else "ok" * body["n_predict"]
        letters = text[: body["n_predict"]]
        for count, letter in enumerate(letters, 1):
            self.event({"content": letter, "stop": False, "tokens_predicted": count})
        ended = len(letters) == len(text) and len(letters) < body["n_predict"]
        stop = "eos" if ended else "limit"
        count = len(letters) + ended
        self.event({"content": "", "stop": True, "stop_type": stop, "tokens_predicted": count})
        self.chunk(b"")

    def event(self, value):
        self.chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def fail(self, status, message, kind):
        self.reply({"error": {"code": status, "message": message, "type": kind}}, status)

    def reply(self, value, status=200):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


def main():
    if "--version" in sys.argv:
        print("version: 0.0.0-fake (build 0, commit 0000000)\nbuilt with nothing", file=sys.stderr)
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    parser.add_argument("--port", type=int)
    options, _ = parser.parse_known_args()
    notes = options.model.with_suffix(".json")
    behaviour = json.loads(notes.read_text()) if notes.exists() else {}
    print("fake: loading", " ".join(sys.argv[1:]), flush=True)
    if "exit_code" in behaviour:
        print("fake: the model is damaged", flush=True)
        return behaviour["exit_code"]
    if behaviour.get("ignore_sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Server(options, behaviour).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
